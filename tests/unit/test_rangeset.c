/* SPDX-License-Identifier: MIT */
/* core/rangeset.c against a plain array of flags. */
#include "unit.h"

#define N 64

static struct rangeset set;
static bool model[N];

static int setup(void **state)
{
    rangeset_init(&set);
    memset(model, 0, sizeof(model));
    return 0;
}

static int teardown(void **state)
{
    rangeset_destroy(&set);
    assert_true(rangeset_is_empty(&set));
    assert_int_equal(host_locks_held(), 0);
    return 0;
}

struct seen { bool flag[N]; u64 last; unsigned count; };

static int see(u64 first, u64 last, void *ctx)
{
    struct seen *s = ctx;

    assert_true(first <= last && last < N);
    if (s->count)
        assert_true(first > s->last + 1); /* maximal ranges, in order */
    for (u64 i = first; i <= last; i++)
        s->flag[i] = true;
    s->last = last;
    s->count++;
    return 0;
}

static void check_model(void)
{
    struct seen s = { { false }, 0, 0 };

    assert_int_equal(rangeset_for_each(&set, see, &s), 0);
    assert_memory_equal(s.flag, model, sizeof(model));
    assert_int_equal(rangeset_is_empty(&set), s.count == 0);
    for (u64 a = 0; a < N; a++) {
        bool all = true;

        for (u64 b = a; b < N; b++) {
            all = all && model[b];
            assert_int_equal(rangeset_contains(&set, a, b), all);
        }
    }
}

static void test_random(void **state)
{
    unsigned seed = 4711;
    u64 before = heap_free_page_count();

    for (unsigned i = 0; i < 2000; i++) {
        u64 a = rand_r(&seed) % N, b = a + rand_r(&seed) % (N - a);
        bool add = rand_r(&seed) % 2;

        assert_int_equal(add ? rangeset_add(&set, a, b) : rangeset_remove(&set, a, b), 0);
        memset(model + a, add, b - a + 1);
        check_model();
    }
    rangeset_destroy(&set);
    assert_int_equal(heap_free_page_count(), before);
}

static void test_extremes(void **state)
{
    assert_int_equal(rangeset_add(&set, 0, ~0ULL), 0);
    assert_true(rangeset_contains(&set, 0, ~0ULL));
    assert_int_equal(rangeset_remove(&set, 5, 5), 0);
    assert_false(rangeset_contains(&set, 5, 5));
    assert_true(rangeset_contains(&set, 6, ~0ULL));
    assert_int_equal(rangeset_remove(&set, 0, 0), 0);
    assert_int_equal(rangeset_remove(&set, ~0ULL, ~0ULL), 0);
    assert_true(rangeset_contains(&set, 1, 4));
    assert_true(rangeset_contains(&set, 6, ~0ULL - 1));
    assert_int_equal(rangeset_add(&set, 0, ~0ULL), 0);
    assert_true(rangeset_contains(&set, 0, ~0ULL));
    assert_int_equal(rangeset_remove(&set, 0, ~0ULL), 0);
    assert_true(rangeset_is_empty(&set));
}

static void test_backwards(void **state)
{
    assert_int_equal(rangeset_add(&set, 5, 4), -EINVAL);
    assert_int_equal(rangeset_remove(&set, 5, 4), -EINVAL);
    assert_int_equal(rangeset_add(&set, 0, 9), 0);
    assert_false(rangeset_contains(&set, 5, 4));
}

static int stop_at_second(u64 first, u64 last, void *ctx)
{
    return ++*(int *)ctx == 2 ? 42 : 0;
}

static void test_for_each_stops(void **state)
{
    int calls = 0;

    for (u64 i = 0; i < 10; i++)
        assert_int_equal(rangeset_add(&set, i * 2, i * 2), 0);
    assert_int_equal(rangeset_for_each(&set, stop_at_second, &calls), 42);
    assert_int_equal(calls, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random, setup, teardown),
        cmocka_unit_test_setup_teardown(test_extremes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backwards, setup, teardown),
        cmocka_unit_test_setup_teardown(test_for_each_stops, setup, teardown),
    };

    return cmocka_run_group_tests(tests, host_group_setup, NULL);
}
