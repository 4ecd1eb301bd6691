/* SPDX-License-Identifier: MIT */
/* pv/mmu_update.c, pv/pt_update.c, pv/va_mapping.c, pv/owner.c: changes of entries through hypercalls. */
#include "pt_fixture.h"

static struct domain *d;
static struct tree t;

static int begin(void **state)
{
    (void)state;
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

static long update(struct mmu_update *req, u32 n, u32 *done, u32 domains)
{
    struct hypercall_args a = { { (unsigned long)req, n, (unsigned long)done, domains } };

    return call_through(do_mmu_update, a);
}

static long update_one(paddr_t ptr, u64 val)
{
    struct mmu_update r = { ptr, val };

    return update(&r, 1, NULL, DOMID_SELF);
}

static paddr_t l1_ma(unsigned i) { return entry_ma(t.l[1], PT_INDEX(TREE_VA, 1) + i); }

static void test_flags_only_counts_nothing(void **state)
{
    u64 type = t.data[0]->type, count = t.data[0]->count;

    assert_int_equal(update_one(l1_ma(0), entry(t.data[0], PTE_P | PTE_RW | PTE_SOFT | PTE_NX | PTE_GLOBAL)), 0);
    assert_int_equal(*tree_l1e(&t, 0), entry(t.data[0], PTE_P | PTE_RW | PTE_SOFT | PTE_NX | PTE_USER));
    assert_int_equal(t.data[0]->type, type);
    assert_int_equal(t.data[0]->count, count);
}

static void test_writable_and_back(void **state)
{
    assert_int_equal(update_one(l1_ma(0), entry(t.data[0], RO)), 0);
    assert_int_equal(uses_of(t.data[0]), 0);
    assert_int_equal(count_of(t.data[0]), 2);
    assert_int_equal(update_one(l1_ma(0), entry(t.data[0], RW)), 0);
    assert_int_equal(uses_of(t.data[0]), 1);
    assert_int_equal(update_one(l1_ma(0), 0), 0);
    assert_true(idle_frame(t.data[0]));
    assert_int_equal(update_one(l1_ma(0), ~1ULL), 0); /* not present: any bits */
    assert_int_equal(*tree_l1e(&t, 0), ~1ULL);
    assert_int_equal(update_one(l1_ma(0), entry(t.data[1], RW)), 0);
    assert_int_equal(uses_of(t.data[1]), 2);
}

static void test_preserve_ad(void **state)
{
    *tree_l1e(&t, 0) |= PTE_A | PTE_D;
    assert_int_equal(update_one(l1_ma(0) | MMU_PT_UPDATE_PRESERVE_AD, entry(t.data[0], PTE_P)), 0);
    assert_int_equal(*tree_l1e(&t, 0), entry(t.data[0], PTE_P | PTE_USER | PTE_A | PTE_D));
    assert_int_equal(update_one(l1_ma(0), entry(t.data[0], PTE_P)), 0);
    assert_int_equal(*tree_l1e(&t, 0), entry(t.data[0], PTE_P | PTE_USER));
}

static void test_refusals_change_nothing(void **state)
{
    struct domain *other = pt_domain(2, false);
    struct page *foreign = frame_new(other);
    const u64 bad[] = {
        entry(foreign, RO), entry(foreign, RW), entry(t.l[1], RW), entry(t.l[4], RW), entry(t.data[1], RW | PTE_PWT),
        pte_make(MFN(2), RO), pte_make(MFN(HOST_FRAMES), RO), pte_make(MFN((1ULL << 40) - 1), RO),
        entry(virt_to_page(d), RO),
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_in_range(-update_one(l1_ma(0), bad[i]), 1, 200);
        assert_int_equal(*tree_l1e(&t, 0), entry(t.data[0], RW));
        assert_int_equal(count_of(t.data[0]), 2);
        assert_int_equal(uses_of(t.data[0]), 1);
    }
    assert_int_equal(update_one(l1_ma(0) | 4, entry(t.data[0], RO)), -EINVAL);
    assert_int_equal(update_one(entry_ma(foreign, 0), 0), -EINVAL);
    assert_int_equal(update_one(5 << PAGE_SHIFT, 0), -EINVAL);
    assert_int_equal(update_one(~7ULL, 0), -EINVAL);
    assert_int_equal(update(NULL, 1, NULL, DOMID_SELF), -EFAULT);
    pt_domain_end(other);
}

/* Tables mapped read-only are fine. */
static void test_l1tf(void **state)
{
    u64 was = *tree_l1e(&t, 0), absent = entry(t.data[1], PTE_RW);

    assert_int_equal(update_one(l1_ma(0), absent), 0); /* not watched */
    assert_int_equal(update_one(l1_ma(0), was), 0);
    d->pv.l1tf = true;
    assert_int_equal(update_one(l1_ma(0), absent), -EINVAL);
    assert_int_equal(*tree_l1e(&t, 0), was);
    assert_int_equal(update_one(entry_ma(t.l[2], 5), absent), -EINVAL);
    assert_int_equal(table(t.l[2])[5], 0);
    /* As Linux does: the address inverted. */
    assert_int_equal(update_one(l1_ma(0), absent ^ PTE_ADDR), 0);
    assert_int_equal(update_one(l1_ma(0), was), 0);
    d->pv.l1tf = false;
}

static void test_tables_mapped_read_only(void **state)
{
    for (unsigned level = 1; level <= 4; level++) {
        u64 type = t.l[level]->type;

        assert_int_equal(update_one(l1_ma(3), entry(t.l[level], RO)), 0);
        assert_int_equal(t.l[level]->type, type);
        assert_int_equal(update_one(l1_ma(3), entry(t.l[level], RW)), -EBUSY);
    }
}

static void test_upper_levels(void **state)
{
    struct tree u = tree_new(d);

    for (unsigned level = 2; level <= 4; level++) {
        u64 e = entry(u.l[level - 1], RW | PTE_GLOBAL);

        assert_int_equal(update_one(entry_ma(t.l[level], 9), e), 0);
        assert_int_equal(table(t.l[level])[9], e & ~PTE_GLOBAL);
        assert_int_equal(uses_of(u.l[level - 1]), 1 + (level < 4 && u.l[level]->type & PGT_VALIDATED ? 1 : 0));
        assert_int_equal(update_one(entry_ma(t.l[level], 9), e & ~PTE_RW), 0);
        assert_int_equal(update_one(entry_ma(t.l[level], 10), entry(t.l[level], RO)), -EBUSY);
        assert_int_equal(update_one(entry_ma(t.l[level], 10), entry(u.l[level - 1], RW | PTE_PSE)), -EINVAL);
    }
    for (unsigned slot = L4_SLOT_FIRST; slot <= L4_SLOT_LAST; slot++) {
        u64 was = table(t.l[4])[slot];

        assert_int_equal(update_one(entry_ma(t.l[4], slot), 0), -EINVAL);
        assert_int_equal(table(t.l[4])[slot], was);
    }
    for (unsigned level = 2; level <= 4; level++)
        assert_int_equal(update_one(entry_ma(t.l[level], 9), 0), 0);
    assert_true(tree_idle(&u));
}

static void test_upper_level_preempted(void **state)
{
    for (preempt_every = 1; preempt_every < 8; preempt_every++) {
        struct tree u = tree_new(d);
        struct mmu_update r[3] = {
            { l1_ma(1), entry(t.data[1], RO) },
            { entry_ma(t.l[4], 100), entry(u.l[3], RW) },
            { l1_ma(1), entry(t.data[1], RW) },
        };
        u32 done = 77;

        assert_int_equal(update(r, 3, &done, DOMID_SELF), 0);
        assert_int_equal(done, 3);
        r[1].val = 0;
        assert_int_equal(update(r, 3, &done, DOMID_SELF), 0);
        assert_int_equal(done, 3);
        assert_null(current->pv.undo);
        assert_true(tree_idle(&u));
    }
}

/* Whoever meets an interrupted undoing finishes it, even if it was what made the table written to one. */
static void test_table_undone_by_its_own_update(void **state)
{
    struct page *x = frame_new(d), *l2 = frame_new(d), *other = frame_new(d);

    table(x)[0] = entry(l2, RW);
    table(x)[7] = entry(other, RW);
    assert_int_equal(get_type_locked(d, x, PGT_L3), 0);
    preempt_every = 1;
    pt_lock(d);
    assert_int_equal(page_put_type_preemptible(x), -E_PREEMPTED);
    pt_unlock(d);
    preempt_every = 0;
    assert_true(x->type & PGT_PARTIAL);
    assert_int_equal(type_of(l2), PGT_L2);
    assert_int_equal(uses_of(l2), 1);

    assert_int_equal(update_one(entry_ma(l2, 5), entry(x, RW)), -EINVAL);
    assert_int_equal(table(l2)[5], 0);
    assert_true(idle_frame(x));
    assert_true(idle_frame(l2));
    assert_true(idle_frame(other));
}

static void test_done_counts_what_succeeded(void **state)
{
    struct mmu_update r[40];
    u32 done = 99;

    for (unsigned i = 0; i < 40; i++)
        r[i] = (struct mmu_update){ entry_ma(t.l[1], 100 + i), entry(t.data[0], RW) };
    assert_int_equal(update(r, 40, &done, DOMID_SELF), 0);
    assert_int_equal(done, 40);
    assert_int_equal(uses_of(t.data[0]), 41);
    assert_int_equal(update(r, 0, &done, DOMID_SELF), 0);
    assert_int_equal(done, 0);
    r[33].val = entry(t.l[1], RW);
    preempt_every = 1;
    assert_int_equal(update(r, 40, &done, DOMID_SELF), -EBUSY);
    assert_int_equal(done, 33);
}

/* By whichever name a domain calls itself. */
static void test_own_names(void **state)
{
    const domid_t names[] = { DOMID_SELF, d->id };
    struct mmu_update r = { l1_ma(0), entry(t.data[0], RO) };
    unsigned long refs = d->refs;

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        for (unsigned j = 0; j < ARRAY_SIZE(names); j++) {
            r.val ^= PTE_RW;
            assert_int_equal(update(&r, 1, NULL, names[i] | (names[j] + 1u) << 16), 0);
            assert_int_equal(*tree_l1e(&t, 0), r.val);
            assert_int_equal(d->refs, refs);
        }
    }
}

/* A request takes the frame of the ones before and after it out of the tree: from then on it is no table. */
static void test_table_ends_within_a_list(void **state)
{
    u64 *l2e = &table(t.l[2])[PT_INDEX(TREE_VA, 2)];
    struct mmu_update r[] = {
        { l1_ma(0), entry(t.data[0], RO) },
        { entry_ma(t.l[2], PT_INDEX(TREE_VA, 2)), 0 },
        { l1_ma(1), 0x123457 }, /* what no entry could be */
        { l1_ma(2) | MMU_PT_UPDATE_PRESERVE_AD, 0x765431 },
    };
    u32 done;

    assert_int_equal(update(r, ARRAY_SIZE(r), &done, DOMID_SELF), 0);
    assert_int_equal(done, ARRAY_SIZE(r));
    assert_int_equal(*l2e, 0);
    assert_int_equal(*tree_l1e(&t, 1), 0x123457);
    assert_int_equal(*tree_l1e(&t, 2) & ~(PTE_A | PTE_D), 0x765431 & ~(PTE_A | PTE_D));
    assert_true(idle_frame(t.l[1]));
    for (unsigned i = 0; i < ARRAY_SIZE(t.data); i++)
        assert_true(idle_frame(t.data[i]));
}

/* Addresses of nothing, while no table was found yet, after one of each kind, and after one that ended. */
static void test_addresses_of_nothing(void **state)
{
    const paddr_t bad[] = { 1, 4, 5, 0xff9, MMU_PT_UPDATE_NO_TRANSLATE, ~0ULL, ~0ULL << 1, ~7ULL, 1ULL << 63 | 1 };
    struct mmu_update r[2];
    u32 done;

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(update_one(bad[i], ~0ULL), -EINVAL);
        for (unsigned level = 1; level <= 4; level++) {
            r[0] = (struct mmu_update){ entry_ma(t.l[level], 500), 0 };
            r[1] = (struct mmu_update){ bad[i], ~0ULL };
            assert_int_equal(update(r, 2, &done, DOMID_SELF), -EINVAL);
            assert_int_equal(done, 1);
        }
    }
}

/* Requests for several tables in turn, and one that is refused in the middle of each. */
static void test_tables_in_turn(void **state)
{
    struct tree u = tree_new(d);
    struct mmu_update r[12];
    u32 done;

    assert_int_equal(get_type_locked(d, u.l[1], PGT_L1), 0);
    for (unsigned i = 0; i < 12; i++) {
        const struct tree *of = i % 2 ? &u : &t;

        r[i] = (struct mmu_update){ entry_ma(of->l[1], 300 + i), entry(of->data[i % 4], i % 3 ? RW : RO) };
    }
    assert_int_equal(update(r, 12, &done, DOMID_SELF), 0);
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(table((i % 2 ? &u : &t)->l[1])[300 + i], r[i].val);
    r[5].ptr += 4; /* not an entry's address */
    assert_int_equal(update(r, 12, &done, DOMID_SELF), -EINVAL);
    assert_int_equal(done, 5);
    put_type_locked(d, u.l[1]);
}

/* A frame that is no table, in the guest's hands anyway. */
static void test_plain_frame(void **state)
{
    struct page *p = frame_new(d);

    assert_int_equal(update_one(entry_ma(p, 7), 0x1234567), 0);
    assert_int_equal(table(p)[7], 0x1234567);
    assert_true(idle_frame(p));
    assert_int_equal(page_get_type(p, PGT_SEG_DESC), 0);
    assert_int_equal(update_one(entry_ma(p, 7), 0), -EBUSY);
    page_put_type(p);
}

static void test_machphys(void **state)
{
    struct domain *other = pt_domain(2, false);
    struct page *foreign = frame_new(other);

    assert_int_equal(update_one(entry_ma(t.data[0], 0) | MMU_MACHPHYS_UPDATE, 4711), 0);
    assert_int_equal(m2p_get(page_to_mfn(t.data[0])).n, 4711);
    assert_int_equal(update_one(entry_ma(foreign, 0) | MMU_MACHPHYS_UPDATE, 1), -EINVAL);
    pt_domain_end(other);
}

/* --- others' frames and tables --- */

static void test_foreign_frames_need_control(void **state)
{
    struct domain *other = pt_domain(2, false), *gone = pt_domain(3, false);
    struct page *foreign = frame_new(other);
    struct mmu_update r = { l1_ma(0) | MMU_PT_UPDATE_NO_TRANSLATE, entry(foreign, RW) };

    assert_int_equal(update(&r, 1, NULL, 2), -EPERM);
    assert_int_equal(update(&r, 1, NULL, 63), -ESRCH);
    assert_int_equal(update(&r, 1, NULL, DOMID_XEN), -EPERM);
    assert_int_equal(update(&r, 1, NULL, DOMID_SELF | 3 << 16), -EPERM);
    d->is_privileged = true;
    assert_int_equal(update(&r, 1, NULL, 2), 0);
    assert_int_equal(uses_of(foreign), 1);
    assert_int_equal(count_of(foreign), 2);
    /* Its own frames are not the other domain's. */
    r.val = entry(t.data[0], RW);
    assert_int_equal(update(&r, 1, NULL, 2), -EINVAL);
    r.val = 0;
    assert_int_equal(update(&r, 1, NULL, DOMID_SELF), 0);
    assert_true(idle_frame(foreign));
    gone->dying = DOMAIN_DYING;
    assert_int_equal(update(&r, 1, NULL, 3), -ESRCH);
    pt_domain_end(other);
    pt_domain_end(gone);
}

/* A read-only foreign mapping (as a grant makes it) cannot be made writable by an update of flags. */
static void test_no_way_round_a_read_only_grant(void **state)
{
    struct domain *other = pt_domain(2, false);
    struct page *foreign = frame_new(other);
    u64 e = entry(foreign, RO);

    assert_int_equal(update_one(l1_ma(0), 0), 0);
    assert_true(page_get(foreign, other));
    pt_lock(d);
    assert_false(pt_l1e_exchange(d, tree_l1e(&t, 0), 123456, e));
    assert_true(pt_l1e_exchange(d, tree_l1e(&t, 0), 0, e));
    pt_unlock(d);
    assert_int_equal(update_one(l1_ma(0), e | PTE_D | PTE_NX), 0); /* flags: fine */
    assert_int_equal(update_one(l1_ma(0), e | PTE_RW), -EINVAL);
    assert_int_equal(uses_of(foreign), 0);
    assert_int_equal(update_one(l1_ma(0), 0), 0);
    assert_true(idle_frame(foreign));
    pt_domain_end(other);
}

/* Domain 0 changes the tables of the domain it builds. */
static void test_tables_of_another_domain(void **state)
{
    struct domain *d0 = pt_domain(0, true);
    struct mmu_update r = { l1_ma(0), entry(t.data[1], RW) };

    host_set_current(d0->vcpu[0]);
    assert_int_equal(update(&r, 1, NULL, 1 | 2 << 16), 0);
    assert_int_equal(uses_of(t.data[1]), 2);
    assert_int_equal(update(&r, 1, NULL, DOMID_SELF | 2 << 16), 0); /* flags only: the frame is there already */
    r.val = entry(t.data[2], RW);
    assert_int_equal(update(&r, 1, NULL, DOMID_SELF | 2 << 16), -EINVAL);
    pt_domain_end(d0);
    host_set_current(d->vcpu[0]);
}

static void test_io_mappings(void **state)
{
    struct mmu_update r = { l1_ma(0), pte_make(MFN(0xa0), RW | PTE_PCD | PTE_PWT) };

    assert_int_equal(update(&r, 1, NULL, DOMID_SELF), -EPERM);
    assert_int_equal(rangeset_add(&d->io_frames, 0xa0, 0xff), 0);
    assert_int_equal(update(&r, 1, NULL, DOMID_SELF), 0);
    assert_int_equal(*tree_l1e(&t, 0), r.val);
    r.ptr = l1_ma(1);
    assert_int_equal(update(&r, 1, NULL, DOMID_IO), 0);
    r.val = entry(t.data[0], RW);
    assert_int_equal(update(&r, 1, NULL, DOMID_IO), -EINVAL);
    rangeset_destroy(&d->io_frames);
    assert_int_equal(update_one(l1_ma(0), 0), 0); /* what was mapped can go */
}

/* --- update_va_mapping --- */

static long va_update(vaddr_t va, u64 val, u64 flags)
{
    struct hypercall_args a = { { va, val, flags } };

    return do_update_va_mapping(&a);
}

static void test_va_mapping(void **state)
{
    u64 mask = 1, local = host_tlb.local, masked = host_tlb.masked;

    assert_int_equal(va_update(TREE_VA + 4096, entry(t.data[1], RO), UVMF_NONE), 0);
    assert_int_equal(*tree_l1e(&t, 1), entry(t.data[1], RO));
    assert_int_equal(host_tlb.local + host_tlb.masked, local + masked);
    assert_int_equal(va_update(TREE_VA + 4096, entry(t.data[1], RW), UVMF_INVLPG | UVMF_LOCAL), 0);
    assert_int_equal(host_tlb.local, local + 1);
    assert_int_equal(host_tlb.what, TLB_FLUSH_VA);
    assert_int_equal(host_tlb.va, TREE_VA + 4096);
    assert_int_equal(va_update(TREE_VA + 4096, 0, UVMF_TLB_FLUSH | UVMF_ALL), 0);
    assert_int_equal(host_tlb.masked, masked + 1);
    assert_int_equal(host_tlb.what, TLB_FLUSH_ALL);
    assert_int_equal(va_update(TREE_VA + 4096, 0, UVMF_INVLPG | (u64)&mask), 0);
    assert_int_equal(host_tlb.masked, masked + 2);
    assert_true(cpumask_test(&host_tlb.mask, 0));
    assert_int_equal(va_update(TREE_VA + 4096, 0, UVMF_INVLPG | 0x1000), -EFAULT);
    assert_int_equal(va_update(TREE_VA + 4096, 0, 3), -EINVAL);
    assert_int_equal(va_update(TREE_VA + (1UL << 30), 0, 0), -EINVAL);
    assert_int_equal(va_update(TREE_VA ^ (1UL << 60), 0, 0), -EINVAL);
    assert_int_equal(va_update(DIRECT_MAP_START, 0, 0), -EINVAL);
}

static long va_update_other(vaddr_t va, u64 val, u64 flags, domid_t owner)
{
    struct hypercall_args a = { { va, val, flags, owner } };

    return do_update_va_mapping_otherdomain(&a);
}

/* The frame is the other domain's, the tables are the caller's own. */
static void test_va_mapping_of_anothers_frame(void **state)
{
    struct domain *other = pt_domain(2, false);
    struct page *foreign = frame_new(other);

    assert_int_equal(va_update_other(TREE_VA, entry(foreign, RW), UVMF_NONE, 2), -EPERM);
    assert_int_equal(va_update_other(TREE_VA, entry(foreign, RW), UVMF_NONE, 63), -ESRCH);
    d->is_privileged = true;
    assert_int_equal(va_update_other(TREE_VA, entry(foreign, RW), UVMF_INVLPG | UVMF_ALL, 2), 0);
    assert_int_equal(uses_of(foreign), 1);
    assert_true(cpumask_test(&host_tlb.mask, 0)); /* where the caller's tables may be cached */
    assert_int_equal(host_tlb.what, TLB_FLUSH_VA);
    assert_int_equal(va_update_other(TREE_VA, entry(t.data[1], RW), UVMF_NONE, 2), -EINVAL);
    assert_int_equal(va_update_other(TREE_VA, 0, UVMF_NONE, DOMID_SELF), 0);
    assert_true(idle_frame(foreign));
    pt_domain_end(other);
}

/* The counter of what was done: where a continued call finds how far it was. */
static void test_counter_that_is_not_there(void **state)
{
    struct mmu_update r = { l1_ma(0), entry(t.data[0], RO) };
    u32 *const nowhere = (u32 *)8;

    assert_int_equal(update(&r, 1 | 0x80000000u, nowhere, DOMID_SELF), -EFAULT);
    assert_int_equal(*tree_l1e(&t, 0), entry(t.data[0], RW)); /* not begun */
    assert_int_equal(update(&r, 1, nowhere, DOMID_SELF), -EFAULT);
}

static void test_walk(void **state)
{
    assert_int_equal(pv_walk_l1e(d->vcpu[0], TREE_VA + 0x2345), *tree_l1e(&t, 2));
    assert_int_equal(pv_walk_l1e(d->vcpu[0], TREE_VA + 0x4000), 0);
    assert_int_equal(pv_walk_l1e(d->vcpu[0], M2P_RO_START), 0);
    d->vcpu[0]->pv.flags &= ~PVF_KERNEL;
    assert_int_equal(pv_walk_l1e(d->vcpu[0], TREE_VA), 0);
    d->vcpu[0]->pv.flags |= PVF_KERNEL;
}

/* --- several CPUs change the same table --- */

static void race_cpu(void *arg)
{
    unsigned seed = this_cpu() + 11;

    host_set_current(d->vcpu[0]);
    for (unsigned n = 0; n < 5000; n++) {
        unsigned slot = rand_r(&seed) % 4, what = rand_r(&seed) % ARRAY_SIZE(t.data);
        u64 val = rand_r(&seed) % 4 ? entry(t.data[what], rand_r(&seed) % 2 ? RW : RO) : 0;
        struct mmu_update r = { entry_ma(t.l[1], 200 + slot) | (rand_r(&seed) % 2 ? 2 : 0), val };
        struct hypercall_args a = { { (unsigned long)&r, 1, 0, DOMID_SELF } };

        if (do_mmu_update(&a))
            abort();
        /* As the CPU does while it walks. */
        atomic_fetch_or(&table(t.l[1])[200 + slot], READ_ONCE(table(t.l[1])[200 + slot]) & PTE_P ? PTE_A : 0);
    }
}

static void test_race_on_a_table(void **state)
{
    host_run_cpus(4, race_cpu, NULL);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(update_one(entry_ma(t.l[1], 200 + i), 0), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(t.data); i++) {
        assert_int_equal(count_of(t.data[i]), 2);
        assert_int_equal(uses_of(t.data[i]), 1);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(test_flags_only_counts_nothing), T(test_writable_and_back), T(test_preserve_ad),
        T(test_refusals_change_nothing), T(test_l1tf), T(test_tables_mapped_read_only), T(test_upper_levels),
        T(test_upper_level_preempted), T(test_table_undone_by_its_own_update),
        T(test_done_counts_what_succeeded), T(test_own_names), T(test_table_ends_within_a_list),
        T(test_addresses_of_nothing), T(test_tables_in_turn), T(test_plain_frame), T(test_machphys),
        T(test_foreign_frames_need_control), T(test_no_way_round_a_read_only_grant),
        T(test_tables_of_another_domain), T(test_io_mappings), T(test_va_mapping), T(test_va_mapping_of_anothers_frame),
        T(test_counter_that_is_not_there), T(test_walk),
        T(test_race_on_a_table),
    };

    return cmocka_run_group_tests(tests, pt_setup, NULL);
}
