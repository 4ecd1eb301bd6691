/* SPDX-License-Identifier: MIT */
/* pv/shadow*.c, pv/log_dirty.c: what a domain in log-dirty mode may reach, and what is noted of it. */
#include "check_fixture.h"
#include "pt_fixture.h"
#include "noise_fixture.h"

#include "pv/shadow.h"

#define PF_PRESENT 1u
#define PF_WRITE 2u
#define PF_USER 4u
#define PF_FETCH 16u
#define FIRST_PFN 100 /* of the tree's data frames; its tables are 200 + level */

static struct domain *d;
static struct tree t;
static unsigned paused, final_marks;

void domain_pause(struct domain *who) { (void)who, paused++; }
void domain_unpause(struct domain *who) { (void)who, paused--; }
void grant_mark_dirty(struct domain *who) { (void)who, final_marks++; }
void event_mark_dirty(struct domain *who) { (void)who, final_marks++; }

static int begin(void **state)
{
    pt_begin(state);
    d = pt_domain(1, false);
    d->max_pages = 4096;
    d->shared_info = heap_alloc(0, 0);
    assert_non_null(d->shared_info);
    page_share_with_domain(virt_to_page(d->shared_info), d, true);
    d->vcpu[0]->info = &d->shared_info->vcpu_info[0];
    t = tree_new(d);
    for (unsigned i = 0; i < ARRAY_SIZE(t.data); i++)
        m2p_set(page_to_mfn(t.data[i]), PFN(FIRST_PFN + i));
    for (unsigned level = 1; level <= 4; level++)
        m2p_set(page_to_mfn(t.l[level]), PFN(200 + level));
    tree_load(d, &t);
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_int_equal(paused, 0);
    assert_int_equal(host_locks_held(), 0);
    pt_domain_end(d);
    if (d->pv.shadow)
        assert_int_equal(d->pv.shadow->count, 0);
    shadow_disable(d);
    log_dirty_free(d);
    assert_true(page_unshare(virt_to_page(d->shared_info)));
    heap_free(d->shared_info, 0);
    host_set_current(NULL);
    return 0;
}

static int op(unsigned number, u8 *bitmap, u64 pages, u32 mode)
{
    struct xen_domctl_shadow_op o = { .op = number, .mode = mode, .pages = pages };

    set_xen_guest_handle(o.dirty_bitmap, bitmap);
    return pv_shadow_op(d, &o);
}

static void enable(void) { assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0, 0), 0); }

/* Is the page noted?  Asked with PEEK, which changes nothing. */
static bool noted(u64 pfn)
{
    u8 bitmap[512] = { 0 };

    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_PEEK, bitmap, 4096, 0), 0);
    return bitmap[pfn / 8] >> (pfn % 8) & 1;
}

static void clean(void)
{
    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_CLEAN, NULL, 0, 0), 0);
}

/* What the CPU would find at va: walks the shadow from CR3. */
static u64 shadow_l1e(vaddr_t va)
{
    struct page *p = shadow_of(mfn_to_page(d->vcpu[0]->pv.root_kernel));

    for (unsigned level = 4; level > 1; level--) {
        u64 e = table(p)[PT_INDEX(va, level)];

        if (!(e & PTE_P))
            return 0;
        p = mfn_to_page(pte_mfn(e));
    }
    return table(p)[PT_INDEX(va, 1)];
}

static bool fault(vaddr_t va, u32 error) { return pv_shadow_fault(va, &error); }
static bool touch(unsigned i, u32 error) { return fault(TREE_VA + i * PAGE_SIZE, error); }
static u64 seen(unsigned i) { return shadow_l1e(TREE_VA + i * PAGE_SIZE); }

static int change(u64 *pte, u64 e, unsigned level)
{
    struct pt_ctx c = { .table_owner = d, .frame_owner = d };
    u64 old;
    int rc;

    pt_lock(d);
    rc = pt_update(&c, pte, level, e, 0, &old);
    pt_unlock(d);
    return rc;
}

static void test_reading_gives_no_right_to_write(void **state)
{
    (void)state;
    enable();
    assert_int_equal(seen(0), 0);
    assert_true(touch(0, PF_USER));
    assert_int_equal(pte_mfn(seen(0)).n, page_to_mfn(t.data[0]).n);
    assert_true(seen(0) & PTE_P);
    assert_false(seen(0) & PTE_RW);
    assert_false(noted(FIRST_PFN));
}

static void test_writing_is_noted(void **state)
{
    (void)state;
    enable();
    assert_true(touch(1, PF_USER | PF_WRITE));
    assert_true(seen(1) & PTE_RW);
    assert_true(noted(FIRST_PFN + 1));
    assert_false(noted(FIRST_PFN));
    /* Once noted, a page may be made writable by the next reading fault. */
    assert_int_equal(change(tree_l1e(&t, 2), entry(t.data[1], RW), 1), 0);
    assert_true(touch(2, PF_USER));
    assert_true(seen(2) & PTE_RW);
}

static void test_clean_starts_again(void **state)
{
    (void)state;
    enable();
    assert_true(touch(0, PF_USER | PF_WRITE));
    clean();
    assert_false(noted(FIRST_PFN));
    assert_true(seen(0) & PTE_P);
    assert_false(seen(0) & PTE_RW);
    assert_true(touch(0, PF_USER | PF_WRITE | PF_PRESENT));
    assert_true(noted(FIRST_PFN));
    assert_true(seen(0) & PTE_RW);
}

static void test_faults_of_the_guest_stay_its_own(void **state)
{
    u32 error = PF_USER | PF_WRITE;

    (void)state;
    enable();
    assert_int_equal(change(tree_l1e(&t, 0), entry(t.data[0], RO), 1), 0);
    assert_false(pv_shadow_fault(TREE_VA, &error));
    assert_int_equal(error, PF_USER | PF_WRITE | PF_PRESENT); /* the entry is there, if not in the shadow */
    assert_int_equal(change(tree_l1e(&t, 0), 0, 1), 0);
    error = PF_USER | PF_PRESENT;
    assert_false(pv_shadow_fault(TREE_VA, &error));
    assert_int_equal(error, PF_USER);
    assert_false(fault(TREE_VA + (1UL << 40), PF_USER));
    assert_int_equal(change(tree_l1e(&t, 0), entry(t.data[0], RO | PTE_NX), 1), 0);
    assert_false(touch(0, PF_USER | PF_FETCH));
    assert_true(touch(0, PF_USER));
    assert_true(seen(0) & PTE_NX);
    assert_false(fault(0x0000900000000000UL, PF_USER));     /* not canonical */
    assert_false(fault(HYPERVISOR_VIRT_START, PF_USER));
}

/* A table above says no: RW of all levels counts. */
static void test_rights_are_those_of_all_levels(void **state)
{
    u64 *l2e = &table(t.l[2])[PT_INDEX(TREE_VA, 2)];

    (void)state;
    enable();
    assert_int_equal(change(l2e, entry(t.l[1], RO), 2), 0);
    assert_false(touch(0, PF_USER | PF_WRITE));
    assert_false(noted(FIRST_PFN));
    assert_true(touch(0, PF_USER));
}

static void test_accessed_and_dirty_are_set(void **state)
{
    u64 *pte = tree_l1e(&t, 0), bare = entry(t.data[0], PTE_P | PTE_RW | PTE_USER);

    (void)state;
    enable();
    assert_int_equal(change(pte, bare, 1), 0);
    clean();
    assert_true(touch(0, PF_USER));
    assert_int_equal(*pte, bare | PTE_A);
    assert_false(seen(0) & PTE_RW);
    assert_true(noted(201)); /* the table was written */
    clean();
    assert_true(touch(0, PF_USER | PF_WRITE));
    assert_int_equal(*pte, bare | PTE_A | PTE_D);
    assert_true(seen(0) & PTE_RW);
    assert_true(noted(201));
    assert_true(noted(FIRST_PFN));
}

static void test_changes_of_entries_reach_the_shadow(void **state)
{
    (void)state;
    enable();
    assert_true(touch(0, PF_USER | PF_WRITE));
    clean();
    assert_int_equal(change(tree_l1e(&t, 0), entry(t.data[2], RW), 1), 0);
    assert_int_equal(seen(0), 0);
    assert_true(noted(201));
    assert_true(touch(0, PF_USER));
    assert_int_equal(pte_mfn(seen(0)).n, page_to_mfn(t.data[2]).n);
    /* Taking the right to write away too. */
    assert_true(touch(0, PF_USER | PF_WRITE));
    assert_int_equal(change(tree_l1e(&t, 0), entry(t.data[2], RO), 1), 0);
    assert_int_equal(seen(0) & PTE_RW, 0);
}

static void test_a_table_takes_its_shadow_along(void **state)
{
    u64 free;

    (void)state;
    enable();
    free = heap_free_page_count();
    assert_true(touch(0, PF_USER));
    assert_int_equal(heap_free_page_count(), free - 3);
    assert_int_equal(change(&table(t.l[2])[PT_INDEX(TREE_VA, 2)], 0, 2), 0);
    assert_int_equal(heap_free_page_count(), free - 2);
    assert_int_equal(type_of(t.l[1]), PGT_L1);
    assert_int_equal(uses_of(t.l[1]), 0);
    assert_false(touch(0, PF_USER));
    /* As a plain page again, then as a table: no shadow is left over from before. */
    assert_int_equal(change(&table(t.l[2])[PT_INDEX(TREE_VA, 2)], entry(t.l[1], RW), 2), 0);
    assert_null(shadow_of(t.l[1]));
    assert_true(touch(0, PF_USER));
}

/* The heap gives nothing: the spares carry one walk at a time, however many tables there are. */
static void test_runs_on_its_spares(void **state)
{
    enum { TABLES = 40 };
    u64 *l2 = table(t.l[2]);
    u32 most;

    (void)state;
    enable();
    d->pv.shadow->limit = 0;
    most = d->pv.shadow->count + d->pv.shadow->spares;
    for (unsigned i = 1; i < TABLES; i++) {
        struct page *l1 = frame_new(d);

        table(l1)[0] = entry(t.data[0], RW);
        assert_int_equal(change(&l2[PT_INDEX(TREE_VA, 2) + i], entry(l1, RW), 2), 0);
    }
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 1; i < TABLES; i++) {
            vaddr_t va = (TREE_VA & ~((1UL << 21) - 1)) + ((u64)i << 21);

            assert_true(fault(va, PF_USER | PF_WRITE));
            assert_int_equal(pte_mfn(shadow_l1e(va)).n, page_to_mfn(t.data[0]).n);
            assert_true(d->pv.shadow->count + d->pv.shadow->spares <= most);
        }
}

/* A table that goes while spares are missing gives its frame back to them. */
static void test_spares_come_back(void **state)
{
    u32 spares;

    (void)state;
    enable();
    d->pv.shadow->limit = 0;
    spares = d->pv.shadow->spares;
    assert_true(touch(0, PF_USER));
    assert_int_equal(d->pv.shadow->spares, spares - 3);
    assert_int_equal(change(&table(t.l[2])[PT_INDEX(TREE_VA, 2)], 0, 2), 0);
    assert_int_equal(d->pv.shadow->spares, spares - 2);
}

static void test_roots(void **state)
{
    struct tree other = tree_new(d);
    struct vcpu *v = d->vcpu[0];

    (void)state;
    table(t.l[4])[L4_SLOT_FIRST] = 0x1234567;
    enable();
    assert_non_null(shadow_of(t.l[4]));
    assert_int_equal(table(shadow_of(t.l[4]))[L4_SLOT_FIRST], 0x1234567);
    assert_null(shadow_of(t.l[3]));
    assert_int_equal(pv_set_roots(v, page_to_mfn(other.l[4]), page_to_mfn(t.l[4])), 0);
    assert_non_null(shadow_of(other.l[4]));
    pt_lock(d);
    shadow_reclaim(d); /* roots, kernel and user, keep theirs */
    pt_unlock(d);
    assert_non_null(shadow_of(other.l[4]));
    assert_non_null(shadow_of(t.l[4]));
    assert_true(touch(3, PF_USER | PF_WRITE));
    v->pv.flags &= ~PVF_KERNEL;
    assert_true(touch(3, PF_USER | PF_WRITE)); /* through the user root */
    v->pv.flags |= PVF_KERNEL;
    assert_true(noted(FIRST_PFN + 3));
}

/* Domain 0 maps a frame and lets it go: it may have written there meanwhile. */
static void test_writers_from_outside(void **state)
{
    struct domain *tools = pt_domain(2, true);

    (void)state;
    enable();
    assert_true(page_get(t.data[0], d));
    assert_int_equal(page_get_type(t.data[0], PGT_WRITABLE), 0);
    pt_l1e_put(tools, entry(t.data[0], RW));
    assert_true(noted(FIRST_PFN));
    assert_true(page_get(t.data[1], d));
    pt_l1e_put(tools, entry(t.data[1], RO));
    assert_false(noted(FIRST_PFN + 1));
    pt_domain_end(tools);
}

static void test_report(void **state)
{
    u8 bitmap[1024];
    struct xen_domctl_shadow_op o = { .op = XEN_DOMCTL_SHADOW_OP_CLEAN, .pages = 1ULL << 40 };

    (void)state;
    enable();
    assert_true(touch(0, PF_USER | PF_WRITE));
    assert_true(touch(3, PF_USER | PF_WRITE));
    set_xen_guest_handle(o.dirty_bitmap, bitmap);
    assert_int_equal(pv_shadow_op(d, &o), 0);
    assert_int_equal(o.pages, 2 * d->max_pages); /* what there is, however much is asked */
    assert_int_equal(o.stats.dirty_count, 2);
    assert_int_equal(o.stats.fault_count, 2);
    assert_int_equal(bitmap[FIRST_PFN / 8], 0x90); /* pages 100 and 103 */
    assert_int_equal(bitmap[FIRST_PFN / 8 + 1], 0);
    assert_int_equal(pv_shadow_op(d, &o), 0);
    assert_int_equal(o.stats.dirty_count, 0);
    assert_int_equal(bitmap[FIRST_PFN / 8], 0);
    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_PEEK, bitmap, 4096, XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL), 0);
    assert_int_equal(final_marks, 2); /* grants and events were asked, this time only */
}

/* A report of the first pages leaves what comes after. */
static void test_report_of_a_part(void **state)
{
    u8 bitmap[16] = { 0 };

    (void)state;
    enable();
    assert_true(touch(0, PF_USER | PF_WRITE));
    assert_true(touch(1, PF_USER | PF_WRITE));
    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_CLEAN, bitmap, FIRST_PFN + 1, 0), 0);
    assert_int_equal(bitmap[FIRST_PFN / 8], 0x10);
    assert_false(noted(FIRST_PFN));
    assert_true(noted(FIRST_PFN + 1));
}

/* What is sent with a page, its type and its pin, counts as the page. */
static void test_types_and_pins_are_noted(void **state)
{
    struct mmuext_op pin = { .cmd = MMUEXT_PIN_L1_TABLE };
    struct page *l1 = frame_new(d);
    struct hypercall_args a = { { (unsigned long)&pin, 1, 0, DOMID_SELF } };

    (void)state;
    m2p_set(page_to_mfn(l1), PFN(300));
    pin.arg1.mfn = page_to_mfn(l1).n;
    enable();
    assert_int_equal(call_through(do_mmuext_op, a), 0);
    assert_true(noted(300));
    clean();
    pin.cmd = MMUEXT_UNPIN_TABLE;
    assert_int_equal(call_through(do_mmuext_op, a), 0);
    assert_true(noted(300));
    clean();
    assert_int_equal(get_type_locked(d, l1, PGT_L1), 0);
    clean();
    put_type_locked(d, l1);
    assert_true(noted(300));
}

/* A report that cannot be delivered loses nothing. */
static void test_report_to_nowhere(void **state)
{
    (void)state;
    enable();
    assert_true(touch(0, PF_USER | PF_WRITE));
    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_CLEAN, (u8 *)8, 4096, 0), -EFAULT);
    assert_true(noted(FIRST_PFN));
}

static void test_on_and_off(void **state)
{
    u64 free;

    (void)state;
    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_CLEAN, NULL, 0, 0), -EINVAL);
    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_PEEK, NULL, 0, 0), -EINVAL);
    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0, 0), 0);
    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_ENABLE, NULL, 0, 0), -EOPNOTSUPP);
    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_ENABLE_TEST, NULL, 0, 0), -EOPNOTSUPP);
    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION, NULL, 0, 0), -EOPNOTSUPP);
    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_ENABLE, NULL, 0, XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY), 0);
    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0, 0), -EINVAL);
    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0, 0), 0);
    free = heap_free_page_count(); /* with the record, which stays */
    enable();
    assert_true(touch(0, PF_USER | PF_WRITE));
    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0, 0), 0);
    assert_int_equal(heap_free_page_count(), free);
    assert_null(shadow_of(t.l[1]));
    enable();
    assert_false(noted(FIRST_PFN)); /* a new beginning */
}

static void test_a_p2m_of_no_sane_size(void **state)
{
    (void)state;
    d->shared_info->arch.max_pfn = 1UL << 50;
    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0, 0), -E2BIG);
    assert_null(d->pv.shadow);
    d->shared_info->arch.max_pfn = 40000; /* more than it has now: it may grow */
    enable();
    m2p_set(page_to_mfn(t.data[0]), PFN(39999));
    assert_true(touch(0, PF_USER | PF_WRITE));
    m2p_set(page_to_mfn(t.data[1]), PFN(40000)); /* beyond: not recorded, and nothing breaks */
    assert_true(touch(1, PF_USER | PF_WRITE));
    assert_int_equal(d->pv.log_dirty ? 1 : 0, 1);
    /* Nor does a record that is there make such a size acceptable. */
    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0, 0), 0);
    d->shared_info->arch.max_pfn = 1UL << 50;
    assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0, 0), -E2BIG);
    assert_null(d->pv.shadow);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

static u64 *shadow_entry(struct page *of, unsigned index) { return &table(shadow_of(of))[index]; }

/* The invariant checker on shadows: none may be ahead of its original. */
static void test_the_checker_on_shadows(void **state)
{
    unsigned i = PT_INDEX(TREE_VA, 1);

    (void)state;
    enable();
    assert_true(touch(0, PF_USER));
    FINDS_WITH(*shadow_entry(t.l[1], i), seen(0) | PTE_RW, "of shadow"); /* no write was noted */
    FINDS_WITH(*shadow_entry(t.l[1], i), entry(t.data[1], RO), "of shadow");
    FINDS_WITH(*shadow_entry(t.l[1], i + 9), entry(t.data[1], RO), "of shadow");
    FINDS_WITH(*shadow_entry(t.l[2], PT_INDEX(TREE_VA, 2)), entry(t.l[1], RW), "of shadow");
    FINDS_WITH(shadow_of(t.l[1])->type, page_to_mfn(t.data[0]).n, "said to be a shadow");
    FINDS_WITH(t.l[1]->pt.shadow, 0, "said to be a shadow");
    FINDS_WITH(d->pv.shadow->count, d->pv.shadow->count + 1, "shadows are listed");
    FINDS_WITH(d->pv.shadow->spares, d->pv.shadow->spares + 1, "spare frames are listed");
}

/* Somewhere that a few entries of a few tables reach. */
static vaddr_t any_va(void)
{
    static const u64 indices[] = { 0, 1, 2, 7, 511 };
    u64 va = 0;

    if (!any(3))
        return TREE_VA + any(6) * PAGE_SIZE;
    for (unsigned level = 1; level <= 4; level++)
        va |= indices[any(ARRAY_SIZE(indices))] << PT_SHIFT(level);
    return (vaddr_t)((s64)(va << 16) >> 16);
}

static void test_noise(void **state)
{
    (void)state;
    noise_begin(d, &t, 7);
    for (unsigned i = 0; i < POOL; i++)
        m2p_set(page_to_mfn(pool[i]), PFN(300 + i));
    enable();
    for (unsigned i = 0; i < 600; i++) {
        preempt_every = any(4);
        any_act();
        for (unsigned n = any(8); n; n--)
            (void)fault(any_va(), PF_USER | (any(2) ? PF_WRITE : 0));
        if (!any(20))
            clean();
        if (!any(40)) {
            assert_int_equal(op(XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0, 0), 0);
            enable();
        }
        assert_int_equal(host_locks_held(), 0);
        assert_invariants();
    }
    preempt_every = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reading_gives_no_right_to_write),
        TEST(test_writing_is_noted),
        TEST(test_clean_starts_again),
        TEST(test_faults_of_the_guest_stay_its_own),
        TEST(test_rights_are_those_of_all_levels),
        TEST(test_accessed_and_dirty_are_set),
        TEST(test_changes_of_entries_reach_the_shadow),
        TEST(test_a_table_takes_its_shadow_along),
        TEST(test_runs_on_its_spares),
        TEST(test_spares_come_back),
        TEST(test_roots),
        TEST(test_writers_from_outside),
        TEST(test_report),
        TEST(test_report_of_a_part),
        TEST(test_types_and_pins_are_noted),
        TEST(test_report_to_nowhere),
        TEST(test_on_and_off),
        TEST(test_a_p2m_of_no_sane_size),
        TEST(test_the_checker_on_shadows),
        TEST(test_noise),
    };

    return cmocka_run_group_tests(tests, pt_setup, NULL);
}
