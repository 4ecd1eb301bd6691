/* SPDX-License-Identifier: MIT */
/* pv/grant_map.c: a grant mapping in place of another entry. */
#include "pt_fixture.h"

static struct domain *d;
static struct tree t;
static unsigned freed, freed_unlocked;

void heap_free_mapped_pages(struct page *p, unsigned order)
{
    freed++;
    freed_unlocked += !spin_is_mine(&d->pv.pt_lock);
    heap_free_pages(p, order);
}

static int begin(void **state)
{
    pt_begin(state);
    d = pt_domain(1, false);
    t = tree_new(d);
    tree_load(d, &t);
    return 0;
}

static int end(void **state)
{
    pt_domain_end(d);
    host_set_current(NULL);
    return 0;
}

/* What the old entry owned goes before anyone else can look at the tables; the flush comes after. */
static void test_replaces_an_entry(void **state)
{
    struct domain *other = pt_domain(2, false);
    struct page *granted = frame_new(other);
    u64 flushes = host_tlb.masked;

    assert_int_equal(domain_release_page(d, t.data[0]), 0); /* its mapping is its last reference */
    assert_true(page_get(granted, other));
    freed = freed_unlocked = 0;
    assert_int_equal(pv_grant_map(TREE_VA, page_to_mfn(granted), GNTMAP_readonly), GNTST_okay);
    assert_int_equal(host_locks_held(), 0);
    assert_int_equal(freed, 1);
    assert_int_equal(freed_unlocked, 0);
    assert_int_equal(host_tlb.masked, flushes + 1);
    assert_true(mfn_eq(pte_mfn(*tree_l1e(&t, 0)), page_to_mfn(granted)));
    assert_int_equal(count_of(granted), 2);

    /* No entry there before: nothing goes, no flush. */
    *tree_l1e(&t, 9) = 0;
    assert_true(page_get(granted, other));
    assert_int_equal(pv_grant_map(TREE_VA + 9 * 4096, page_to_mfn(granted), GNTMAP_readonly), GNTST_okay);
    assert_int_equal(freed, 1);
    assert_int_equal(host_tlb.masked, flushes + 1);
    assert_int_equal(pv_grant_map(TREE_VA + (1UL << 30), page_to_mfn(granted), 0), GNTST_bad_virt_addr);

    pt_lock(d);
    for (unsigned i = 0; i < 10; i += 9) {
        pt_l1e_put(d, *tree_l1e(&t, i));
        *tree_l1e(&t, i) = 0;
    }
    pt_unlock(d);
    assert_true(idle_frame(granted));
    pt_domain_end(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_replaces_an_entry, begin, end) };

    return cmocka_run_group_tests(tests, pt_setup, NULL);
}
