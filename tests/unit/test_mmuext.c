/* SPDX-License-Identifier: MIT */
/* pv/mmuext.c, pv/roots.c, pv/perdomain.c, pv/frame_info.c: pins, roots, flushes, descriptor windows. */
#include "pt_fixture.h"

#include <xen/domctl.h>

static struct domain *d;
static struct tree t;

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
    (void)state;
    preempt_every = 0;
    pt_domain_end(d);
    host_set_current(NULL);
    return 0;
}

static long ext_for(const struct mmuext_op *ops, u32 n, u32 *done, u32 fd)
{
    struct hypercall_args a = { { (unsigned long)ops, n, (unsigned long)done, fd } };

    return call_through(do_mmuext_op, a);
}

static long ext(unsigned cmd, u64 arg1, u64 arg2)
{
    struct mmuext_op op = { .cmd = cmd, .arg1.mfn = arg1, .arg2.src_mfn = arg2 };

    return ext_for(&op, 1, NULL, DOMID_SELF);
}

static u64 mfn_of(struct page *p) { return page_to_mfn(p).n; }

static void test_pin_and_unpin(void **state)
{
    struct tree u = tree_new(d);

    for (unsigned level = 1; level <= 4; level++) {
        assert_int_equal(ext(MMUEXT_PIN_L1_TABLE + level - 1, mfn_of(u.l[level]), 0), 0);
        assert_int_equal(u.l[level]->type & ~PGT_COUNT_MASK, PT_TYPE(level) | PGT_VALIDATED | PGT_PINNED);
        assert_int_equal(ext(MMUEXT_PIN_L1_TABLE + level - 1, mfn_of(u.l[level]), 0), -EINVAL);
        assert_int_equal(pv_frame_info(d, u.l[level]),
                         level << XEN_DOMCTL_PFINFO_LTAB_SHIFT | XEN_DOMCTL_PFINFO_LPINTAB);
        assert_int_equal(ext(MMUEXT_UNPIN_TABLE, mfn_of(u.l[level]), 0), 0);
        assert_int_equal(ext(MMUEXT_UNPIN_TABLE, mfn_of(u.l[level]), 0), -EINVAL);
        assert_true(tree_idle(&u));
    }
    table(u.l[4])[7] = entry(u.l[4], RO);
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, mfn_of(u.l[4]), 0), -EBUSY); /* refers to itself */
    table(u.l[4])[7] = 0;
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, mfn_of(t.data[0]), 0), -EBUSY);
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, HOST_FRAMES + 1, 0), -EINVAL);
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, 1, 0), -EINVAL);
    assert_true(tree_idle(&u));
    assert_int_equal(pv_frame_info(d, u.l[4]), XEN_DOMCTL_PFINFO_NOTAB);
    assert_int_equal(pv_frame_info(d, t.l[2]), XEN_DOMCTL_PFINFO_L2TAB);
    assert_int_equal(pv_frame_info(d, virt_to_page(d)), XEN_DOMCTL_PFINFO_XTAB);
}

/* When the call returns everything is undone, however often it was stopped. */
static void test_preempted_pins(void **state)
{
    for (unsigned every = 1; every < 9; every++) {
        struct tree u = tree_new(d), w = tree_new(d);
        struct mmuext_op ops[4] = {
            { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = mfn_of(u.l[4]) },
            { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = mfn_of(w.l[4]) },
            { .cmd = MMUEXT_UNPIN_TABLE, .arg1.mfn = mfn_of(u.l[4]) },
            { .cmd = MMUEXT_UNPIN_TABLE, .arg1.mfn = mfn_of(w.l[4]) },
        };
        u32 done = 0;

        preempt_every = every;
        assert_int_equal(ext_for(ops, 4, &done, DOMID_SELF), 0);
        assert_int_equal(done, 4);
        assert_null(current->pv.undo);
        assert_true(tree_idle(&u) && tree_idle(&w));
        preempt_every = 0;
    }
}

/* The tools pin the tables of the domain they have built. */
static void test_pin_for_another_domain(void **state)
{
    struct domain *d0 = pt_domain(0, true);
    struct tree u = tree_new(d);
    struct mmuext_op op = { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = mfn_of(u.l[4]) };

    assert_int_equal(ext_for(&op, 1, NULL, 0), -EPERM);
    host_set_current(d0->vcpu[0]);
    assert_int_equal(ext_for(&op, 1, NULL, DOMID_SELF), -EINVAL);
    assert_int_equal(ext_for(&op, 1, NULL, DOMID_IO), -EPERM);
    assert_int_equal(ext_for(&op, 1, NULL, 1), 0);
    assert_int_equal(type_of(u.l[4]), PGT_L4);
    assert_int_equal(pte_mfn(table(u.l[4])[L4_SLOT_PERDOMAIN]).n, d->pv.perdomain_root.n);
    op.cmd = MMUEXT_UNPIN_TABLE;
    assert_int_equal(ext_for(&op, 1, NULL, 1), 0);
    assert_true(tree_idle(&u));
    pt_domain_end(d0);
    host_set_current(d->vcpu[0]);
}

static void test_base_pointers(void **state)
{
    struct tree u = tree_new(d);
    struct vcpu *v = d->vcpu[0];
    unsigned loads = cr3_loads;

    assert_int_equal(ext(MMUEXT_NEW_BASEPTR, mfn_of(u.l[4]), 0), 0);
    assert_int_equal(v->pv.root_kernel.n, mfn_of(u.l[4]));
    assert_int_equal(v->pv.cr3, mfn_of(u.l[4]) << PAGE_SHIFT);
    assert_int_equal(cr3_loads, loads + 1);
    assert_true(tree_idle(&t));
    assert_int_equal(ext(MMUEXT_NEW_BASEPTR, mfn_of(u.l[4]), 0), 0);
    assert_int_equal(cr3_loads, loads + 2);
    assert_int_equal(uses_of(u.l[4]), 1);
    assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, mfn_of(u.l[4]), 0), 0);
    assert_int_equal(uses_of(u.l[4]), 2);
    assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
    assert_true(mfn_is_invalid(v->pv.root_user));
    assert_int_equal(ext(MMUEXT_NEW_BASEPTR, mfn_of(u.l[3]), 0), -EBUSY);
    assert_int_equal(ext(MMUEXT_NEW_BASEPTR, 0, 0), -EINVAL);
    assert_int_equal(ext(MMUEXT_NEW_BASEPTR, ~0UL, 0), -EINVAL);
    assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, ~0UL, 0), -EINVAL);
    assert_int_equal(v->pv.root_kernel.n, mfn_of(u.l[4]));
    for (preempt_every = 1; preempt_every < 6; preempt_every++) {
        assert_int_equal(ext(MMUEXT_NEW_BASEPTR, mfn_of(t.l[4]), 0), 0);
        assert_true(tree_idle(&u));
        assert_int_equal(ext(MMUEXT_NEW_BASEPTR, mfn_of(u.l[4]), 0), 0);
        assert_true(tree_idle(&t));
    }
}

static void test_flushes(void **state)
{
    u64 mask = 1, none = 0, local = host_tlb.local, masked = host_tlb.masked;

    assert_int_equal(ext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0), 0);
    assert_int_equal(host_tlb.local, ++local);
    assert_int_equal(ext(MMUEXT_INVLPG_LOCAL, 0x7000, 0), 0);
    assert_int_equal(host_tlb.local, ++local);
    assert_int_equal(host_tlb.what, TLB_FLUSH_VA);
    assert_int_equal(ext(MMUEXT_INVLPG_LOCAL, DIRECT_MAP_START, 0), 0);
    assert_int_equal(host_tlb.local, local);
    assert_int_equal(ext(MMUEXT_TLB_FLUSH_MULTI, 0, (u64)&mask), 0);
    assert_int_equal(host_tlb.masked, ++masked);
    assert_int_equal(cpumask_weight(&host_tlb.mask), 1);
    assert_int_equal(ext(MMUEXT_INVLPG_MULTI, 0x8000, (u64)&none), 0);
    assert_true(cpumask_empty(&host_tlb.mask));
    assert_int_equal(ext(MMUEXT_TLB_FLUSH_MULTI, 0, 8), -EFAULT);
    masked = host_tlb.masked;
    assert_int_equal(ext(MMUEXT_TLB_FLUSH_ALL, 0, 0), 0);
    assert_int_equal(ext(MMUEXT_INVLPG_ALL, 0x9000, 0), 0);
    assert_int_equal(host_tlb.masked, masked + 2);
    assert_int_equal(ext(MMUEXT_FLUSH_CACHE, 0, 0), -EACCES);
    assert_int_equal(ext(MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0), -EACCES);
    assert_int_equal(rangeset_add(&d->io_frames, 7, 7), 0);
    assert_int_equal(ext(MMUEXT_FLUSH_CACHE, 0, 0), 0);
    assert_int_equal(ext(MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0), 0);
    rangeset_destroy(&d->io_frames);
}

static void test_clear_and_copy(void **state)
{
    memset(table(t.data[0]), 0x5a, PAGE_SIZE);
    assert_int_equal(ext(MMUEXT_COPY_PAGE, mfn_of(t.data[1]), mfn_of(t.data[0])), 0);
    assert_memory_equal(table(t.data[0]), table(t.data[1]), PAGE_SIZE);
    assert_int_equal(ext(MMUEXT_CLEAR_PAGE, mfn_of(t.data[1]), 0), 0);
    assert_int_equal(table(t.data[1])[511], 0);
    assert_int_equal(ext(MMUEXT_CLEAR_PAGE, mfn_of(t.l[1]), 0), -EINVAL);
    assert_int_equal(ext(MMUEXT_COPY_PAGE, mfn_of(t.l[4]), mfn_of(t.data[0])), -EINVAL);
    assert_int_equal(uses_of(t.data[1]), 1);
    assert_int_equal(count_of(t.data[0]), 2);
}

/* Only pins may be another domain's; frames that no domain has are nobody's tables. */
static void test_operations_for_another_domain(void **state)
{
    struct domain *other = pt_domain(2, false);
    static const unsigned own_only[] = { MMUEXT_NEW_BASEPTR, MMUEXT_NEW_USER_BASEPTR, MMUEXT_SET_LDT };
    struct mmuext_op op = { .arg1.mfn = mfn_of(frame_new(other)) };

    d->is_privileged = true;
    for (size_t i = 0; i < ARRAY_SIZE(own_only); i++) {
        op.cmd = own_only[i];
        assert_int_equal(ext_for(&op, 1, NULL, 2), -EPERM);
    }
    op.cmd = MMUEXT_UNPIN_TABLE;
    assert_int_equal(ext_for(&op, 1, NULL, DOMID_IO), -EPERM);
    op.arg1.mfn = HOST_FRAMES;
    assert_int_equal(ext_for(&op, 1, NULL, 2), -EINVAL);
    op.cmd = MMUEXT_PIN_L1_TABLE;
    assert_int_equal(ext_for(&op, 1, NULL, DOMID_IO), -EPERM);
    pt_domain_end(other);
}

static void test_copy_of_what_is_not_ones_own(void **state)
{
    assert_int_equal(ext(MMUEXT_COPY_PAGE, mfn_of(frame_new(d)), HOST_FRAMES), -EINVAL);
    assert_int_equal(ext(MMUEXT_COPY_PAGE, HOST_FRAMES, mfn_of(t.data[0])), -EINVAL);
    assert_int_equal(ext(MMUEXT_COPY_PAGE, mfn_of(t.l[1]), mfn_of(t.data[0])), -EINVAL); /* onto a page table */
    assert_int_equal(ext(MMUEXT_CLEAR_PAGE, mfn_of(t.l[1]), 0), -EINVAL);
    assert_int_equal(*tree_l1e(&t, 0), entry(t.data[0], RW));
}

/* VMASST_TYPE_m2p_strict: user mode sees no machine-to-phys table, the kernel does, even with the same root. */
static void test_m2p_strict(void **state)
{
    struct tree user = tree_new(d);
    u64 *slot = &table(user.l[4])[L4_SLOT_M2P_RO];

    assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, mfn_of(user.l[4]), 0), 0);
    assert_int_equal(*slot, *paging_l4_slot(L4_SLOT_M2P_RO));
    assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
    d->vm_assist = 1UL << VMASST_TYPE_m2p_strict;
    assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, mfn_of(user.l[4]), 0), 0);
    assert_int_equal(*slot, 0);
    assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
    assert_int_equal(ext(MMUEXT_NEW_BASEPTR, mfn_of(user.l[4]), 0), 0);
    assert_int_equal(*slot, *paging_l4_slot(L4_SLOT_M2P_RO));
    assert_int_equal(ext(MMUEXT_NEW_BASEPTR, mfn_of(t.l[4]), 0), 0);
}

static void test_what_is_not_there(void **state)
{
    assert_int_equal(ext(MMUEXT_MARK_SUPER, 0, 0), -EOPNOTSUPP);
    assert_int_equal(ext(MMUEXT_UNMARK_SUPER, 0, 0), -EOPNOTSUPP);
    assert_int_equal(ext(14, 0, 0), -ENOSYS);
    assert_int_equal(ext(21, 0, 0), -ENOSYS);
    assert_int_equal(ext_for(NULL, 1, NULL, DOMID_SELF), -EFAULT);
}

/* --- the per-domain area --- */

static u64 window_entry(unsigned page)
{
    const u64 *l2 = mfn_to_virt(pte_mfn(d->pv.perdomain_l3[0])), *l1 = mfn_to_virt(pte_mfn(l2[0]));

    return l1[page];
}

static void test_gdt_window(void **state)
{
    struct page *gdt = frame_new(d);
    u64 frame = mfn_of(gdt);

    assert_int_equal(page_get_and_type(gdt, d, PGT_SEG_DESC), 0);
    assert_int_equal(pv_set_gdt(d->vcpu[0], &frame, 512), 0);
    assert_int_equal(pte_mfn(window_entry(0)).n, frame);
    assert_int_equal(window_entry(0) & (PTE_USER | PTE_GLOBAL), 0);
    assert_true(window_entry(1) & PTE_P); /* zeros */
    assert_false(window_entry(1) & PTE_RW);
    cpu_gdt_page[3] = page_to_virt(t.data[3]);
    pv_perdomain_load_cpu(d->vcpu[0], 3);
    assert_int_equal(pte_mfn(window_entry(GDT_RESERVED_PAGE)).n, mfn_of(t.data[3]));
    pv_drop_gdt(d->vcpu[0]);
    assert_true(idle_frame(gdt));
    assert_false(window_entry(0) & PTE_RW);
    pv_drop_gdt(d->vcpu[0]);
}

static void test_ldt_window(void **state)
{
    struct vcpu *v = d->vcpu[0];
    struct mmuext_op op = { .cmd = MMUEXT_SET_LDT, .arg1.linear_addr = TREE_VA, .arg2.nr_ents = 513 };

    assert_int_equal(ext_for(&op, 1, NULL, DOMID_SELF), 0);
    assert_false(pv_map_ldt_page(v, 0)); /* writable */
    *tree_l1e(&t, 0) &= ~PTE_RW;
    page_put_type(t.data[0]);
    assert_true(pv_map_ldt_page(v, 0));
    assert_int_equal(pte_mfn(window_entry(16)).n, mfn_of(t.data[0]));
    assert_int_equal(type_of(t.data[0]), PGT_SEG_DESC);
    assert_false(pv_map_ldt_page(v, 0)); /* there already: the fault is another */
    assert_false(pv_map_ldt_page(v, 2)); /* beyond the limit */
    assert_false(pv_map_ldt_page(v, 16));
    op.arg2.nr_ents = 0;
    assert_int_equal(ext_for(&op, 1, NULL, DOMID_SELF), 0);
    assert_int_equal(window_entry(16), 0);
    assert_int_equal(count_of(t.data[0]), 2);
    assert_int_equal(uses_of(t.data[0]), 0);
    op.arg2.nr_ents = 8193;
    assert_int_equal(ext_for(&op, 1, NULL, DOMID_SELF), -EINVAL);
    op.arg2.nr_ents = 1;
    op.arg1.linear_addr = TREE_VA + 8;
    assert_int_equal(ext_for(&op, 1, NULL, DOMID_SELF), -EINVAL);
    op.arg1.linear_addr = DIRECT_MAP_START;
    assert_int_equal(ext_for(&op, 1, NULL, DOMID_SELF), -EINVAL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(test_pin_and_unpin), T(test_preempted_pins), T(test_pin_for_another_domain), T(test_base_pointers),
        T(test_flushes), T(test_clear_and_copy), T(test_operations_for_another_domain),
        T(test_copy_of_what_is_not_ones_own), T(test_m2p_strict), T(test_what_is_not_there), T(test_gdt_window), T(test_ldt_window),
    };

    return cmocka_run_group_tests(tests, pt_setup, NULL);
}
