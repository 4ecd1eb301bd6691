/* SPDX-License-Identifier: MIT */
/* core/domain_pages.c: lists, limits, claims, frames taken away, hypervisor memory shared with guests. */
#include "unit.h"

#include "core/domain_pages.h"

static struct domain *d, *other;

static int setup(void **state)
{
    host_boot(4);
    d = host_domain_create(1, false, 1, 1000);
    other = host_domain_create(2, false, 1, 1000);
    return 0;
}

/* The list agrees with itself in both directions, with the owners and with the count. */
static void check_list(struct domain *dom)
{
    u32 prev = PAGE_LINK_NONE;
    u64 n = 0;

    for (u32 i = dom->page_first; i != PAGE_LINK_NONE; i = frame_table[i].next) {
        assert_int_equal(frame_table[i].prev, prev);
        assert_ptr_equal(page_owner(&frame_table[i]), dom);
        assert_true(frame_table[i].count & PGC_COUNT_MASK);
        prev = i;
        n++;
    }
    assert_int_equal(dom->page_last, prev);
    assert_int_equal(dom->tot_pages, n);
    assert_int_equal(host_locks_held(), 0);
}

static void release_all(struct domain *dom)
{
    while (dom->page_first != PAGE_LINK_NONE)
        assert_int_equal(domain_release_page(dom, &frame_table[dom->page_first]), 0);
    check_list(dom);
}

static void test_list(void **state)
{
    struct page *p[6];

    for (unsigned i = 0; i < 6; i++) {
        p[i] = domain_alloc_pages(d, i % 3, 0);
        assert_non_null(p[i]);
        check_list(d);
    }
    assert_int_equal(d->tot_pages, 1 + 2 + 4 + 1 + 2 + 4);
    assert_int_equal(domain_release_page(d, p[0]), 0); /* first */
    check_list(d);
    assert_int_equal(domain_release_page(d, &p[5][3]), 0); /* last */
    check_list(d);
    assert_int_equal(domain_release_page(d, p[3]), 0); /* middle */
    check_list(d);
    release_all(d);
}

static void test_pages_are_zeroed(void **state)
{
    struct page *p = domain_alloc_pages(d, 2, 0);

    memset(page_to_virt(p), 0x77, 4 * PAGE_SIZE);
    release_all(d);
    p = domain_alloc_pages(other, 2, 0);
    for (size_t i = 0; i < 4 * PAGE_SIZE; i++)
        assert_int_equal(((u8 *)page_to_virt(p))[i], 0);
    release_all(other);
}

static void test_limit(void **state)
{
    u64 before = heap_free_page_count();

    d->max_pages = 10;
    assert_non_null(domain_alloc_pages(d, 3, 0));
    assert_null(domain_alloc_pages(d, 2, 0));
    assert_non_null(domain_alloc_pages(d, 1, 0));
    assert_null(domain_alloc_pages(d, 0, 0));
    d->max_pages = 4; /* a limit below what it has takes nothing away */
    assert_null(domain_alloc_pages(d, 0, 0));
    d->max_pages = 0;
    assert_null(domain_alloc_pages(d, 0, 0));
    assert_int_equal(heap_free_page_count(), before - 10);
    d->max_pages = 1000;
    release_all(d);
    assert_int_equal(heap_free_page_count(), before);
    assert_null(domain_alloc_pages(d, HEAP_MAX_ORDER + 1, 0));
}

static void test_assign(void **state)
{
    struct page *p = heap_alloc_pages(1, 0);

    d->max_pages = 1;
    assert_int_equal(domain_assign_pages(d, p, 1, false), -E2BIG);
    assert_null(page_owner(p));
    assert_int_equal(domain_assign_pages(d, p, 1, true), 0);
    check_list(d);
    d->max_pages = 1000;
    release_all(d);
}

static void test_the_dying_get_nothing(void **state)
{
    struct page *p = heap_alloc_pages(0, 0);

    d->dying = DOMAIN_DYING;
    assert_null(domain_alloc_pages(d, 0, 0));
    assert_int_equal(domain_assign_pages(d, p, 0, true), -EINVAL);
    assert_int_equal(heap_set_claim(d, 10), -EINVAL);
    d->dying = DOMAIN_ALIVE;
    heap_free_pages(p, 0);
}

static void test_claim_is_used_up(void **state)
{
    assert_int_equal(heap_set_claim(d, 100), 0);
    assert_non_null(domain_alloc_pages(d, 5, 0));
    assert_int_equal(d->claimed_pages, 100 - 32);
    d->max_pages = 40; /* an allocation that is refused costs none of it */
    assert_null(domain_alloc_pages(d, 4, 0));
    assert_int_equal(d->claimed_pages, 100 - 32);
    d->max_pages = 1000;
    assert_non_null(domain_alloc_pages(d, 7, 0));
    assert_int_equal(d->claimed_pages, 0);
    assert_int_equal(heap_claimed_page_count(), 0);
    release_all(d);
}

static void test_take(void **state)
{
    struct page *p = domain_alloc_pages(d, 0, 0), *q = domain_alloc_pages(d, 0, 0);
    u32 refs = d->refs;

    assert_int_equal(domain_take_page(other, p), -EINVAL);
    assert_true(page_get(p, d));
    assert_int_equal(domain_take_page(d, p), -EBUSY);
    page_put(p);
    p->type = PGT_WRITABLE; /* was mapped */
    assert_int_equal(domain_take_page(d, p), 0);
    assert_int_equal(p->type, PGT_WRITABLE); /* TLBs may still have it */
    assert_int_equal(p->count, 0);
    assert_null(page_owner(p));
    assert_false(page_get(p, d));
    check_list(d);
    assert_int_equal(domain_take_page(d, p), -EINVAL);
    assert_int_equal(domain_assign_pages(other, p, 0, false), 0);
    check_list(other);
    /* One given up is nobody's to take. */
    assert_true(page_get(q, d));
    assert_int_equal(domain_release_page(d, q), 0);
    assert_int_equal(domain_take_page(d, q), -EBUSY);
    page_put(q);
    check_list(d);
    assert_int_equal(d->refs, refs - 1);
    release_all(other);
}

static void test_shared_types(void **state)
{
    void *v = heap_alloc(0, 0);
    struct page *p = virt_to_page(v);

    page_share_with_domain(p, d, false);
    assert_int_equal(page_get_and_type(p, d, PGT_WRITABLE), -EBUSY); /* read-only */
    assert_int_equal(p->count & PGC_COUNT_MASK, 1);
    assert_true(page_unshare(p));
    page_share_with_domain(p, d, true);
    assert_int_equal(page_get_and_type(p, d, PGT_SEG_DESC), -EBUSY);
    assert_int_equal(page_get_and_type(p, d, PGT_WRITABLE), 0);
    assert_false(page_unshare(p));
    page_put_and_type(p);
    assert_int_equal(d->tot_pages, 0);
    assert_true(page_unshare(p));
    assert_int_equal(p->type, 0);
    heap_free(v, 0);
}

static void test_a_dead_domain_returns_what_it_took(void **state)
{
    u64 before = heap_free_page_count();
    struct domain *x;
    struct page *p;

    for (unsigned i = 0; i < 3; i++) {
        x = host_domain_create(7, false, 2, 5000);
        assert_int_equal(heap_set_claim(x, 3000), 0);
        for (unsigned o = 0; o < 10; o++)
            assert_non_null(domain_alloc_pages(x, o, 0));
        p = &frame_table[x->page_first];
        assert_true(page_get(p, x)); /* somebody maps one */
        assert_false(host_domain_destroy(x));
        assert_int_equal(x->tot_pages, 1);
        assert_int_equal(heap_claimed_page_count(), 0);
        page_put(p);
        softirq_run_no_schedule();
        assert_null(domain_get(7));
        if (i == 0) /* tables made on demand stay */
            before = heap_free_page_count();
    }
    assert_int_equal(heap_free_page_count(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_pages_are_zeroed),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_assign),
        cmocka_unit_test(test_the_dying_get_nothing),
        cmocka_unit_test(test_claim_is_used_up),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_shared_types),
        cmocka_unit_test(test_a_dead_domain_returns_what_it_took),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
