/* SPDX-License-Identifier: MIT */
/* core/lock_order.c: the check of debug builds itself, under other names than those which the host's tests run with. */
#define lock_order_acquire tested_lock_order_acquire
#define lock_order_acquired_by_try tested_lock_order_acquired_by_try
#define lock_order_release tested_lock_order_release
#include "unit.h"

#include "core/lock_order.c"

static spinlock_t domctl_lock = SPINLOCK(LOCK_DOMCTL), event_a = SPINLOCK(LOCK_EVENT), event_b = SPINLOCK(LOCK_EVENT),
                  heap_a = SPINLOCK(LOCK_HEAP), heap_b = SPINLOCK(LOCK_HEAP);

static int begin(void **state)
{
    arch_irq_enable();
    this_cpu_var(held_locks).count = 0;
    return 0;
}

static void expect_panic(spinlock_t *l, const char *why)
{
    assert_true(HOST_PANICS(spin_lock(l)));
    assert_non_null(strstr(host_panic_message, why));
}

static void test_upwards(void **state)
{
    spin_lock(&domctl_lock);
    spin_lock(&event_a);
    spin_lock(&heap_a);
    spin_unlock(&event_a); /* in any order */
    spin_unlock(&domctl_lock);
    spin_unlock(&heap_a);
    spin_lock(&domctl_lock);
    spin_unlock(&domctl_lock);
    assert_int_equal(this_cpu_var(held_locks).count, 0);
}

static void test_downwards(void **state)
{
    spin_lock(&heap_a);
    expect_panic(&event_a, "level");
    spin_unlock(&heap_a);
    spin_lock(&event_a); /* no more in the way */
    spin_unlock(&event_a);
}

static void test_one_that_is_not_the_last(void **state)
{
    spin_lock(&event_a);
    spin_lock(&heap_a);
    spin_unlock(&heap_a);
    expect_panic(&domctl_lock, "level");
    spin_unlock(&event_a);
}

static void test_twice(void **state)
{
    spin_lock(&event_a);
    expect_panic(&event_a, "twice");
    spin_unlock(&event_a);
}

/* Two domains' event tables may be held at once, two of the heap's level not. */
static void test_two_of_a_level(void **state)
{
    spin_lock(&event_a);
    spin_lock(&event_b);
    spin_unlock(&event_b);
    spin_unlock(&event_a);
    spin_lock(&heap_a);
    expect_panic(&heap_b, "level");
    spin_unlock(&heap_a);
}

/* Trying does not wait, so it is let pass; what is held then counts. */
static void test_trying(void **state)
{
    spin_lock(&heap_a);
    assert_true(spin_trylock(&event_a));
    spin_unlock(&heap_a);
    expect_panic(&domctl_lock, "level");
    spin_unlock(&event_a);
    spin_lock(&event_a);
    assert_false(spin_trylock(&event_a));
    spin_unlock(&event_a);
}

/* An interrupt came between: its locks have nothing to do with those of what it interrupted. */
static void test_interrupts(void **state)
{
    unsigned long flags;

    spin_lock(&heap_a);
    flags = arch_irq_save();
    spin_lock(&event_a);
    expect_panic(&domctl_lock, "level"); /* both in the interrupt */
    spin_unlock(&event_a);
    arch_irq_restore(flags);
    spin_unlock(&heap_a);
}

/* More than are remembered: not checked any further, and nothing is overwritten. */
static void test_very_many(void **state)
{
    spinlock_t many[HELD_MAX + 4];

    for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
        spin_lock_init(&many[i], LOCK_EVENT);
        spin_lock(&many[i]);
    }
    assert_int_equal(this_cpu_var(held_locks).count, HELD_MAX);
    for (size_t i = ARRAY_SIZE(many); i--;)
        spin_unlock(&many[i]);
    assert_int_equal(this_cpu_var(held_locks).count, 0);
}

static void test_cpus_are_apart(void **state)
{
    spin_lock(&heap_a);
    host_set_cpu(1);
    spin_lock(&event_a);
    spin_unlock(&event_a);
    host_set_cpu(0);
    spin_unlock(&heap_a);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, begin)
    const struct CMUnitTest tests[] = {
        T(test_upwards), T(test_downwards), T(test_one_that_is_not_the_last), T(test_twice), T(test_two_of_a_level),
        T(test_trying), T(test_interrupts), T(test_very_many), T(test_cpus_are_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
