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

#define AVAIL (5u << _GNTMAP_guest_avail0)

/* gntdev's way: the entry itself is named, by its machine address, in the tables of a process. */
static void test_by_entry(void **state)
{
    struct domain *other = pt_domain(2, false);
    struct page *granted = frame_new(other), *theirs = frame_new(other);
    u32 flags = GNTMAP_host_map | GNTMAP_application_map | GNTMAP_contains_pte | AVAIL;
    u64 *pte = tree_l1e(&t, 9), at = entry_ma(t.l[1], PT_INDEX(TREE_VA, 1) + 9), old;

    *pte = 0;
    assert_int_equal(page_get_and_type(granted, other, PGT_WRITABLE), 0);
    assert_int_equal(pv_grant_map(at, page_to_mfn(granted), flags), GNTST_okay);
    assert_true(mfn_eq(pte_mfn(*pte), page_to_mfn(granted)));
    assert_int_equal(*pte & (PTE_P | PTE_RW | PTE_USER), PTE_P | PTE_RW | PTE_USER);
    assert_int_equal(*pte >> 9 & 7, 5);

    /* What is no L1 entry of this domain's is not written to, and keeps what it has. */
    assert_int_equal(pv_grant_map(at + 4, page_to_mfn(granted), flags), GNTST_bad_virt_addr);
    assert_int_equal(pv_grant_map(entry_ma(t.l[2], PT_INDEX(TREE_VA, 2)), page_to_mfn(granted), flags),
                     GNTST_bad_virt_addr);
    assert_int_equal(pv_grant_map(entry_ma(t.data[0], 0), page_to_mfn(granted), flags), GNTST_bad_virt_addr);
    assert_int_equal(pv_grant_map(entry_ma(theirs, 0), page_to_mfn(granted), flags), GNTST_bad_virt_addr);
    assert_int_equal(pv_grant_map(~7ULL, page_to_mfn(granted), flags), GNTST_bad_virt_addr);

    /* Undone only while it is there. */
    assert_int_equal(pv_grant_unmap(at - 8, page_to_mfn(granted), 0, flags, &old), GNTST_general_error);
    assert_int_equal(pv_grant_unmap(at, page_to_mfn(theirs), 0, flags, &old), GNTST_general_error);
    assert_int_equal(pv_grant_unmap(at, page_to_mfn(granted), 0, flags, &old), GNTST_okay);
    assert_int_equal(*pte, 0);
    pv_grant_drop(old);
    assert_int_equal(pv_grant_unmap(at, page_to_mfn(granted), 0, flags, &old), GNTST_general_error);
    assert_true(idle_frame(granted));
    pt_domain_end(other);
}

/* GNTTABOP_unmap_and_replace: another entry of the caller's moves to where the grant was. */
static void test_replaced_by_another_entry(void **state)
{
    struct domain *other = pt_domain(2, false);
    struct page *granted = frame_new(other);
    u64 moved = *tree_l1e(&t, 1), old, references = count_of(t.data[1]);
    vaddr_t va = TREE_VA + 9 * 4096;

    *tree_l1e(&t, 9) = 0;
    assert_true(page_get(granted, other));
    assert_int_equal(pv_grant_map(va, page_to_mfn(granted), GNTMAP_readonly), GNTST_okay);
    assert_int_equal(pv_grant_unmap(va, page_to_mfn(granted), va, 0, &old), GNTST_bad_virt_addr); /* itself */
    assert_int_equal(pv_grant_unmap(va, page_to_mfn(granted), TREE_VA + (1UL << 30), 0, &old),
                     GNTST_bad_virt_addr);                                                        /* nowhere */
    assert_int_equal(pv_grant_unmap(va, page_to_mfn(granted), TREE_VA + 4096, 0, &old), GNTST_okay);
    assert_true(mfn_eq(pte_mfn(old), page_to_mfn(granted)));
    pv_grant_drop(old);
    assert_int_equal(*tree_l1e(&t, 9), moved);
    assert_int_equal(*tree_l1e(&t, 1), 0);
    assert_int_equal(count_of(t.data[1]), references);
    assert_true(idle_frame(granted));
    pt_domain_end(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replaces_an_entry, begin, end),
        cmocka_unit_test_setup_teardown(test_by_entry, begin, end),
        cmocka_unit_test_setup_teardown(test_replaced_by_another_entry, begin, end),
    };

    return cmocka_run_group_tests(tests, pt_setup, NULL);
}
