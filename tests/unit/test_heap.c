/* SPDX-License-Identifier: MIT */
/* core/heap.c: buddies, zones, claims, and what a freed frame may still tell. */
#include "unit.h"

static void test_alloc_is_aligned_zeroed_and_counted(void **state)
{
    u64 before = heap_free_page_count();

    for (unsigned order = 0; order <= 10; order++) {
        struct page *p = heap_alloc_pages(order, 0);
        u8 *v;

        assert_non_null(p);
        assert_int_equal(page_to_mfn(p).n % (1u << order), 0);
        v = page_to_virt(p);
        for (size_t i = 0; i < PAGE_SIZE << order; i += 64)
            assert_int_equal(v[i], 0);
        memset(v, 0xa5, PAGE_SIZE << order);
        assert_int_equal(heap_free_page_count(), before - (1u << order));
        heap_free_pages(p, order);
        assert_int_equal(heap_free_page_count(), before);
    }
}

static void test_order_out_of_range(void **state)
{
    assert_null(heap_alloc_pages(HEAP_MAX_ORDER + 1, 0));
    assert_null(heap_alloc_pages(HEAP_MAX_ORDER, 0)); /* 4 GiB: more than there is */
}

/* Everything can be taken, page by page, and comes back as the same large blocks. */
static void test_exhaust_and_merge(void **state)
{
    u64 before = heap_free_page_count(), n = 0;
    struct page **all = calloc(before + 1, sizeof(*all)), *big;

    while ((all[n] = heap_alloc_pages(0, HEAP_NO_SCRUB)))
        n++;
    assert_int_equal(n, before);
    assert_int_equal(heap_free_page_count(), 0);
    while (n--)
        heap_free_pages(all[n], 0);
    assert_int_equal(heap_free_page_count(), before);
    big = heap_alloc_pages(14, HEAP_NO_SCRUB);
    assert_non_null(big);
    heap_free_pages(big, 14);
    free(all);
}

static void test_dma_bits(void **state)
{
    for (unsigned bits = 22; bits <= 28; bits++) {
        struct page *p = heap_alloc_pages(0, HEAP_DMA_BITS(bits));

        assert_non_null(p);
        assert_true(page_to_mfn(p).n << PAGE_SHIFT < 1ULL << bits);
        heap_free_pages(p, 0);
    }
    assert_null(heap_alloc_pages(0, HEAP_DMA_BITS(20))); /* below 1 MiB there is no RAM */
    assert_null(heap_alloc_pages(10, HEAP_DMA_BITS(21)));
    assert_int_equal(heap_free_pages_below(20), 0);
    assert_in_range(heap_free_pages_below(22), 1, 1024 - HOST_FIRST_RAM);
    assert_int_equal(heap_free_pages_below(64), heap_free_page_count());
}

/* A free frame inside a block must not look like a block's head because of what its last user left. */
static void test_stale_count_is_no_block(void **state)
{
    struct page *p = heap_alloc_pages(1, HEAP_NO_SCRUB);
    u64 before = heap_free_page_count();

    assert_non_null(p);
    heap_free_pages(&p[0], 0);
    heap_free_pages(&p[1], 0);
    assert_int_equal(heap_free_page_count(), before + 2);
    p = heap_alloc_pages(1, HEAP_NO_SCRUB);
    assert_non_null(p);
    assert_int_equal(p[1].count, 0);
    heap_free_pages(p, 1);
}

static void test_free_of_referenced_page_panics(void **state)
{
    struct page *p = heap_alloc_pages(0, 0);

    p->count = 1;
    assert_true(HOST_PANICS(heap_free_pages(p, 0)));
    p->count = 0;
    heap_free_pages(p, 0);
    assert_true(HOST_PANICS(heap_free_pages(p, 0))); /* twice */
}

/* Frames given back leave nothing in their struct page for the next owner to trip over. */
static void test_pages_come_clean(void **state)
{
    struct page *p = heap_alloc_pages(2, 0);

    for (unsigned i = 0; i < 4; i++) {
        p[i].type = PGT_L1 | PGT_VALIDATED;
        p[i].owner = 77;
    }
    heap_free_pages(p, 2);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(p[i].owner, 0);
        assert_int_equal(p[i].type, 0);
    }
}

static void test_claims(void **state)
{
    static struct domain d = { .max_pages = ~0ULL, .page_lock = SPINLOCK(LOCK_DOMAIN_PAGES) };
    static struct domain other = { .max_pages = ~0ULL, .page_lock = SPINLOCK(LOCK_DOMAIN_PAGES) };
    u64 all = heap_free_page_count();
    struct page *p;

    assert_int_equal(heap_set_claim(&d, all + 1), -ENOMEM);
    assert_int_equal(heap_set_claim(&d, all), 0);
    assert_int_equal(heap_claimed_page_count(), all);
    assert_int_equal(heap_set_claim(&d, 5), -EINVAL); /* one at a time */
    assert_int_equal(heap_set_claim(&other, 1), -ENOMEM);
    assert_null(heap_alloc_pages(0, 0));
    assert_null(heap_alloc_pages_for(&other, 0, 0));
    p = heap_alloc_pages_for(&d, 3, 0);
    assert_non_null(p);
    assert_int_equal(heap_claimed_page_count(), all - 8);
    assert_int_equal(heap_set_claim(&d, 0), 0);
    assert_int_equal(heap_claimed_page_count(), 0);
    heap_free_pages(p, 3);
    /* A claim counts what the domain has already. */
    d.tot_pages = 10;
    assert_int_equal(heap_set_claim(&d, 9), -EINVAL);
    assert_int_equal(heap_set_claim(&d, 12), 0);
    assert_int_equal(d.claimed_pages, 2);
    assert_int_equal(heap_set_claim(&d, 0), 0);
    d.max_pages = 20;
    assert_int_equal(heap_set_claim(&d, 21), -EINVAL);
}

static void hammer(void *arg)
{
    unsigned seed = this_cpu() * 7 + 1;
    struct page *have[16] = { NULL };
    unsigned order[16] = { 0 };

    for (unsigned i = 0; i < 20000; i++) {
        unsigned slot = rand_r(&seed) % 16;

        if (have[slot]) {
            heap_free_pages(have[slot], order[slot]);
            have[slot] = NULL;
            continue;
        }
        order[slot] = rand_r(&seed) % 5;
        have[slot] = heap_alloc_pages(order[slot], HEAP_NO_SCRUB);
    }
    for (unsigned slot = 0; slot < 16; slot++)
        if (have[slot])
            heap_free_pages(have[slot], order[slot]);
}

static void test_many_cpus(void **state)
{
    u64 before = heap_free_page_count();
    struct page *p;

    host_run_cpus(4, hammer, NULL);
    assert_int_equal(heap_free_page_count(), before);
    p = heap_alloc_pages(14, HEAP_NO_SCRUB);
    assert_non_null(p);
    heap_free_pages(p, 14);
}

/* Frame 0 is in the lowest zone, what lies above it in the same range is not.  The last test: it adds RAM. */
static void test_frame_zero(void **state)
{
    u64 before = heap_free_page_count();
    struct page *p;

    heap_add_range(0, MiB(1));
    assert_int_equal(heap_free_page_count(), before + 256);
    assert_int_equal(heap_free_pages_below(13), 2);
    assert_null(heap_alloc_pages(4, HEAP_DMA_BITS(13)));
    p = heap_alloc_pages(4, HEAP_DMA_BITS(17));
    assert_non_null(p);
    assert_in_range(page_to_mfn(p).n, 16, 31);
    heap_free_pages(p, 4);
    p = heap_alloc_pages(0, HEAP_DMA_BITS(12));
    assert_ptr_equal(p, &frame_table[0]);
    heap_free_pages(p, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc_is_aligned_zeroed_and_counted),
        cmocka_unit_test(test_order_out_of_range),
        cmocka_unit_test(test_exhaust_and_merge),
        cmocka_unit_test(test_dma_bits),
        cmocka_unit_test(test_stale_count_is_no_block),
        cmocka_unit_test(test_free_of_referenced_page_panics),
        cmocka_unit_test(test_pages_come_clean),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_many_cpus),
        cmocka_unit_test(test_frame_zero),
    };

    return cmocka_run_group_tests(tests, host_group_setup, NULL);
}
