/* SPDX-License-Identifier: MIT */
/* core/page.c: references and owners, the last reference, frames shared by the hypervisor, flushes, races. */
#include "unit.h"

#include "core/domain_pages.h"

static struct domain *a, *b;

static int setup(void **state)
{
    host_boot(4);
    a = host_domain_create(1, false, 1, 1000);
    b = host_domain_create(2, false, 1, 1000);
    return 0;
}

static u64 refs(const struct page *p) { return p->count & PGC_COUNT_MASK; }

static void test_owner(void **state)
{
    struct page *p = heap_alloc_pages(0, 0);

    assert_null(page_owner(p));
    page_set_owner(p, a);
    assert_ptr_equal(page_owner(p), a);
    page_set_owner(p, NULL);
    assert_null(page_owner(p));
    heap_free_pages(p, 0);
}

static void test_get_names_the_owner(void **state)
{
    struct page *p = domain_alloc_pages(a, 0, 0);

    assert_non_null(p);
    assert_int_equal(p->count, PGC_ALLOCATED | 1);
    assert_true(page_get(p, a));
    assert_int_equal(refs(p), 2);
    assert_false(page_get(p, b));
    assert_int_equal(refs(p), 2);
    assert_ptr_equal(page_get_any(p), a);
    page_get_held(p);
    assert_int_equal(refs(p), 4);
    page_put(p);
    page_put(p);
    page_put(p);
    assert_int_equal(domain_release_page(a, p), 0);
}

static void test_free_and_unowned_frames_give_no_reference(void **state)
{
    struct page *p = heap_alloc_pages(0, 0);
    void *v = heap_alloc(0, 0);

    assert_false(page_get(p, a));
    assert_null(page_get_any(p));
    assert_null(page_get_any(virt_to_page(v)));
    assert_true(HOST_PANICS(page_get_held(p)));
    heap_free_pages(p, 0);
    assert_null(page_get_any(p));
    heap_free(v, 0);
}

static void test_put_without_reference_panics(void **state)
{
    struct page *p = heap_alloc_pages(0, 0);

    assert_true(HOST_PANICS(page_put(p)));
    p->count = 0;
    heap_free_pages(p, 0);
}

static void test_last_reference_frees(void **state)
{
    u64 before = heap_free_page_count();
    struct page *p = domain_alloc_pages(a, 0, 0);

    assert_true(page_get(p, a));
    assert_int_equal(domain_release_page(a, p), 0);
    assert_int_equal(domain_release_page(a, p), -EINVAL); /* once */
    assert_int_equal(a->tot_pages, 1);                    /* still a's while referred to */
    assert_int_equal(heap_free_page_count(), before - 1);
    page_put(p);
    assert_int_equal(a->tot_pages, 0);
    assert_int_equal(heap_free_page_count(), before);
    assert_null(page_owner(p));
}

static void test_a_domain_with_frames_is_held(void **state)
{
    u32 before = a->refs;
    struct page *p = domain_alloc_pages(a, 1, 0);

    assert_int_equal(a->refs, before + 1);
    assert_int_equal(domain_release_page(a, &p[0]), 0);
    assert_int_equal(a->refs, before + 1);
    assert_int_equal(domain_release_page(a, &p[1]), 0);
    assert_int_equal(a->refs, before);
}

static void test_reference_count_cannot_wrap(void **state)
{
    struct page *p = domain_alloc_pages(a, 0, 0);

    p->count |= PGC_COUNT_MASK;
    assert_false(page_get(p, a));
    assert_null(page_get_any(p));
    p->count = PGC_ALLOCATED | 1;
    assert_int_equal(domain_release_page(a, p), 0);
}

static void test_shared_frames_hold_their_domain(void **state)
{
    void *v = heap_alloc(0, 0);
    struct page *p = virt_to_page(v);
    u32 before = a->refs;

    page_share_with_domain(p, a, true);
    assert_int_equal(a->refs, before);
    assert_true(page_get(p, a));
    assert_int_equal(a->refs, before + 1);
    assert_false(page_unshare(p));
    assert_ptr_equal(page_get_any(p), a);
    page_get_held(p);
    assert_int_equal(a->refs, before + 3);
    page_put(p);
    page_put(p);
    page_put(p);
    assert_int_equal(a->refs, before);
    /* Not the guest's to give away. */
    assert_int_equal(domain_release_page(a, p), -EINVAL);
    assert_int_equal(domain_take_page(a, p), -EINVAL);
    assert_true(page_unshare(p));
    assert_false(page_get(p, a));
    heap_free(v, 0);
}

/* A guest's entries for a shared frame are as many as its tables have room for. */
static void test_references_beyond_32_bits(void **state)
{
    u64 before = a->refs;

    a->refs = 0xffffffffULL;
    domain_hold(a);
    assert_true(a->refs == 0x100000000ULL);
    assert_true(domain_hold_unless_dead(a));
    assert_true(a->refs == 0x100000001ULL);
    domain_put(a);
    domain_put(a);
    assert_true(a->refs == 0xffffffffULL);
    a->refs = before;
}

/* A mapping of its shared info keeps a dead domain's structure until it goes. */
static void test_dead_domain_waits_for_its_shared_frames(void **state)
{
    struct domain *d = host_domain_create(9, false, 1, 10);
    struct page *p = virt_to_page(d->shared_info);

    assert_true(page_get(p, d));
    assert_false(host_domain_destroy(d));
    assert_int_equal(d->dying, DOMAIN_DEAD);
    page_put(p);
    softirq_run_no_schedule();
    assert_null(domain_get(9));
}

/* Frames freed by a guest are flushed from all TLBs before anyone uses them again, in one go. */
static void test_tlb_flush_before_reuse(void **state)
{
    struct page *p, *q;
    u64 flushes;

    p = heap_alloc_pages(0, 0);
    heap_free_pages(p, 0);
    p = domain_alloc_pages(a, 3, 0);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(domain_release_page(a, &p[i]), 0);
    flushes = host_tlb.masked;
    q = heap_alloc_pages(3, 0);
    assert_ptr_equal(p, q);
    assert_int_equal(host_tlb.masked, flushes + 1);
    assert_true(cpumask_equal(&host_tlb.mask, &cpu_online));
    heap_free_pages(q, 3);
    q = heap_alloc_pages(3, 0);
    assert_int_equal(host_tlb.masked, flushes + 1);
    heap_free_pages(q, 3);
    /* With interrupts off it may not wait for other CPUs: no memory rather than stale memory. */
    p = domain_alloc_pages(a, 0, 0);
    assert_int_equal(domain_release_page(a, p), 0);
    arch_irq_disable();
    assert_null(heap_alloc_pages(0, 0));
    arch_irq_enable();
    q = heap_alloc_pages(0, 0);
    assert_ptr_equal(p, q);
    heap_free_pages(q, 0);
}

static struct page *raced;

/* CPU 0 gives the frame up while the others take and drop references: one of them frees it, once. */
static void race(void *arg)
{
    for (unsigned i = 0; i < 2000; i++) {
        if (this_cpu() == 0 && i == 1000) {
            assert_int_equal(domain_release_page(a, raced), 0);
            return;
        }
        if (page_get(raced, a))
            page_put(raced);
        if (page_get_any(raced) == a)
            page_put(raced);
    }
}

static void test_races(void **state)
{
    u64 before = heap_free_page_count();

    for (unsigned i = 0; i < 20; i++) {
        raced = domain_alloc_pages(a, 0, 0);
        host_run_cpus(4, race, NULL);
        assert_int_equal(heap_free_page_count(), before);
        assert_int_equal(a->tot_pages, 0);
    }
}

/* --- a frame that changes hands under those who guess its number --- */

#define MOVES 400
static u32 movers;

/* Whoever gets a reference holds a frame of the owner that he named. */
static void guess(void)
{
    if (page_get(raced, a)) {
        assert_ptr_equal(page_owner(raced), a);
        page_put(raced);
    }
    if (page_get(raced, b)) {
        assert_ptr_equal(page_owner(raced), b);
        page_put(raced);
    }
    if (page_get_any(raced))
        page_put(raced);
}

static void move(struct domain *from, struct domain *to)
{
    int rc;

    while ((rc = domain_take_page(from, raced)) == -EBUSY) /* somebody guessed right */
        cpu_relax();
    assert_int_equal(rc, 0);
    assert_int_equal(domain_assign_pages(to, raced, 0, false), 0);
}

static void move_or_guess(void *arg)
{
    if (this_cpu()) {
        while (atomic_read(&movers))
            guess();
        return;
    }
    for (unsigned i = 0; i < MOVES; i++) {
        move(a, b);
        move(b, a);
    }
    atomic_set(&movers, 0);
}

static void test_race_with_a_change_of_owners(void **state)
{
    raced = domain_alloc_pages(a, 0, 0);
    movers = 1;
    host_run_cpus(3, move_or_guess, NULL);
    assert_int_equal(raced->count, PGC_ALLOCATED | 1);
    assert_ptr_equal(page_owner(raced), a);
    assert_int_equal(b->tot_pages, 0);
    assert_int_equal(domain_release_page(a, raced), 0);
}

/* The hypervisor lends its memory and takes it back; each reference holds the domain. */
static void lend_or_guess(void *arg)
{
    if (this_cpu()) {
        while (atomic_read(&movers))
            guess();
        return;
    }
    for (unsigned i = 0; i < MOVES; i++) {
        page_share_with_domain(raced, a, i % 2);
        while (!page_unshare(raced))
            cpu_relax();
    }
    atomic_set(&movers, 0);
}

static void test_race_with_lent_memory(void **state)
{
    void *v = heap_alloc(0, 0);
    u64 held = a->refs;

    raced = virt_to_page(v);
    movers = 1;
    host_run_cpus(3, lend_or_guess, NULL);
    assert_int_equal(raced->count, PGC_HEAP);
    assert_int_equal(a->refs, held);
    heap_free(v, 0);
}

/* Frames come from the heap and go back while others guess at their numbers. */
static void churn_or_guess(void *arg)
{
    if (this_cpu() > 1) {
        while (atomic_read(&movers))
            guess();
        return;
    }
    for (unsigned i = 0; i < MOVES; i++) {
        struct page *p = domain_alloc_pages(this_cpu() ? a : b, i % 3, 0);

        assert_non_null(p);
        for (unsigned n = 0; n < 1u << i % 3; n++)
            assert_int_equal(domain_release_page(this_cpu() ? a : b, &p[n]), 0);
    }
    atomic_sub(&movers, 1);
}

static void test_race_with_the_heap(void **state)
{
    u64 before = heap_free_page_count();

    raced = domain_alloc_pages(a, 0, 0); /* likely to be given again */
    assert_int_equal(domain_release_page(a, raced), 0);
    movers = 2;
    host_run_cpus(4, churn_or_guess, NULL);
    assert_int_equal(heap_free_page_count(), before);
    assert_int_equal(a->tot_pages + b->tot_pages, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_owner),
        cmocka_unit_test(test_get_names_the_owner),
        cmocka_unit_test(test_free_and_unowned_frames_give_no_reference),
        cmocka_unit_test(test_put_without_reference_panics),
        cmocka_unit_test(test_last_reference_frees),
        cmocka_unit_test(test_a_domain_with_frames_is_held),
        cmocka_unit_test(test_reference_count_cannot_wrap),
        cmocka_unit_test(test_shared_frames_hold_their_domain),
        cmocka_unit_test(test_references_beyond_32_bits),
        cmocka_unit_test(test_dead_domain_waits_for_its_shared_frames),
        cmocka_unit_test(test_tlb_flush_before_reuse),
        cmocka_unit_test(test_races),
        cmocka_unit_test(test_race_with_a_change_of_owners),
        cmocka_unit_test(test_race_with_lent_memory),
        cmocka_unit_test(test_race_with_the_heap),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
