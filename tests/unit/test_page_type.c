/* SPDX-License-Identifier: MIT */
/* pv/page_type.c, pv/pt_validate.c, pv/pt_flush.c, pv/relinquish.c: what a frame is, and when it may change. */
#include "pt_fixture.h"

static void test_types_exclude_each_other(void **state)
{
    struct domain *d = pt_domain(1, false);
    struct page *p = frame_new(d);

    assert_int_equal(page_get_type(p, PGT_WRITABLE), 0);
    assert_int_equal(page_get_type(p, PGT_WRITABLE), 0);
    for (unsigned level = 1; level <= 4; level++)
        assert_int_equal(get_type_locked(d, p, PT_TYPE(level)), -EBUSY);
    assert_int_equal(page_get_type(p, PGT_SEG_DESC), -EBUSY);
    page_put_type(p);
    assert_int_equal(get_type_locked(d, p, PGT_L1), -EBUSY);
    page_put_type(p);
    assert_int_equal(get_type_locked(d, p, PGT_L1), 0);
    assert_int_equal(page_get_type(p, PGT_WRITABLE), -EBUSY);
    assert_int_equal(get_type_locked(d, p, PGT_L2), -EBUSY);
    put_type_locked(d, p);
    assert_true(idle_frame(p));
    assert_true(HOST_PANICS(page_put_type(p)));
    pt_domain_end(d);
}

static void test_tree_validates_and_undoes(void **state)
{
    struct domain *d = pt_domain(1, false);
    struct tree t = tree_new(d);
    u64 *l4 = table(t.l[4]);

    *tree_l1e(&t, 0) = entry(t.data[0], PTE_P | PTE_RW | PTE_GLOBAL);
    l4[L4_SLOT_FIRST] = 0x1234567; /* a guest's own idea of our slots */
    assert_int_equal(get_type_locked(d, t.l[4], PGT_L4), 0);
    for (unsigned level = 1; level <= 4; level++) {
        assert_int_equal(t.l[level]->type, PT_TYPE(level) | PGT_VALIDATED | 1);
        assert_int_equal(count_of(t.l[level]), level == 4 ? 1 : 2);
    }
    assert_int_equal(t.data[0]->type, PGT_WRITABLE | PGT_VALIDATED | 1);
    assert_int_equal(*tree_l1e(&t, 0), entry(t.data[0], PTE_P | PTE_RW | PTE_USER));
    assert_int_equal(l4[L4_SLOT_FIRST], root_slots[L4_SLOT_FIRST]);
    assert_int_equal(pte_mfn(l4[L4_SLOT_PERDOMAIN]).n, d->pv.perdomain_root.n);
    assert_false(l4[L4_SLOT_PERDOMAIN] & PTE_USER);
    assert_int_equal(page_get_type(t.l[1], PGT_WRITABLE), -EBUSY);
    put_type_locked(d, t.l[4]);
    assert_true(tree_idle(&t));
    for (unsigned i = L4_SLOT_FIRST; i <= L4_SLOT_LAST; i++)
        assert_int_equal(l4[i], 0);
    pt_domain_end(d);
}

/* Wherever entries are among zeros, alone or together, each is found when the table comes and when it goes. */
static void test_every_entry_is_found(void **state)
{
    struct domain *d = pt_domain(1, false);
    struct page *l1 = frame_new(d), *l2 = frame_new(d), *data = frame_new(d), *lower = frame_new(d);

    (void)state;
    for (unsigned step = 1; step <= PT_ENTRIES; step = step < 70 ? step + 1 : step + 61) {
        for (unsigned first = 0; first < 40; first += 13) {
            unsigned n = 0;

            memset(table(l1), 0, PAGE_SIZE);
            memset(table(l2), 0, PAGE_SIZE);
            for (unsigned i = first; i < PT_ENTRIES; i += step, n++) {
                table(l1)[i] = entry(data, RW);
                table(l2)[i] = entry(lower, RW);
            }
            assert_int_equal(get_type_locked(d, l1, PGT_L1), 0);
            assert_int_equal(get_type_locked(d, l2, PGT_L2), 0);
            assert_int_equal(uses_of(data), n);
            assert_int_equal(uses_of(lower), n);
            put_type_locked(d, l1);
            put_type_locked(d, l2);
            assert_true(idle_frame(data));
            assert_true(idle_frame(lower));
        }
    }
    pt_domain_end(d);
}

/* One entry wrong, anywhere in the tree: refused, and nothing is left of the attempt. */
static void refused_with(struct domain *d, struct tree *t, u64 *where, u64 e)
{
    u64 was = *where;

    *where = e;
    assert_in_range(-get_type_locked(d, t->l[4], PGT_L4), 1, 200);
    assert_true(tree_idle(t));
    *where = was;
}

static void test_bad_entries_are_refused(void **state)
{
    struct domain *d = pt_domain(1, false), *other = pt_domain(2, false);
    struct tree t = tree_new(d);
    struct page *foreign = frame_new(other), *mine = frame_new(d);

    for (unsigned level = 2; level <= 4; level++) {
        u64 *last = &table(t.l[level])[511];

        refused_with(d, &t, last, entry(t.l[level - 1], RW | PTE_PSE));
        refused_with(d, &t, last, entry(t.l[level - 1], RW | PTE_PCD));
        refused_with(d, &t, last, entry(t.l[level], RO));             /* itself */
        refused_with(d, &t, last, entry(t.l[level == 4 ? 2 : 4], RW)); /* another level */
        refused_with(d, &t, last, entry(t.data[0], RW));              /* mapped writable elsewhere */
        refused_with(d, &t, last, entry(foreign, RW));
        refused_with(d, &t, last, pte_make(MFN(HOST_FRAMES + 5), RW));
        refused_with(d, &t, last, pte_make(MFN(1), RW));              /* not RAM */
    }
    refused_with(d, &t, tree_l1e(&t, 3), entry(foreign, RO));
    refused_with(d, &t, tree_l1e(&t, 3), entry(t.l[1], RW));
    refused_with(d, &t, tree_l1e(&t, 3), entry(t.l[4], RW));
    refused_with(d, &t, tree_l1e(&t, 3), entry(mine, RW | PTE_PCD));
    refused_with(d, &t, tree_l1e(&t, 3), pte_make(MFN(1), RO));
    refused_with(d, &t, tree_l1e(&t, 3), pte_make(MFN(HOST_FRAMES + 5), RO));
    pt_nx_usable = false;
    refused_with(d, &t, tree_l1e(&t, 3), entry(mine, RO | PTE_NX));
    pt_nx_usable = true;
    assert_true(idle_frame(foreign) && idle_frame(mine));
    /* Not present: anything goes. */
    *tree_l1e(&t, 3) = ~1ULL;
    assert_int_equal(get_type_locked(d, t.l[4], PGT_L4), 0);
    put_type_locked(d, t.l[4]);
    pt_domain_end(d);
    pt_domain_end(other);
}

/* L1TF: where the domain is watched, an absent entry may not point to RAM. */
static void test_absent_entries_that_point_to_ram(void **state)
{
    struct domain *d = pt_domain(1, false);
    struct tree t = tree_new(d);
    struct page *mine = frame_new(d);

    d->pv.l1tf = true;
    for (unsigned level = 1; level <= 4; level++) {
        u64 *last = &table(t.l[level])[511];

        refused_with(d, &t, last, entry(mine, 0) | PTE_RW);
        refused_with(d, &t, last, entry(mine, 0) | PTE_NX | 1ULL << 48); /* bits that the cache does not compare */
        refused_with(d, &t, last, pte_make(MFN(max_frame - 1), 0));
        *last = pte_make(MFN(max_frame), PTE_A);
        assert_int_equal(get_type_locked(d, t.l[4], PGT_L4), 0);
        put_type_locked(d, t.l[4]);
        *last = PTE_A | PTE_NX; /* no address */
        assert_int_equal(get_type_locked(d, t.l[4], PGT_L4), 0);
        put_type_locked(d, t.l[4]);
        *last = 0;
    }
    assert_true(idle_frame(mine));
    pt_domain_end(d);
}

static void test_io_memory_by_permission(void **state)
{
    struct domain *d = pt_domain(1, false);
    struct page *l1 = frame_new(d);

    table(l1)[0] = pte_make(MFN(5), RW | PTE_PCD | PTE_PWT);
    table(l1)[1] = pte_make(MFN(HOST_FRAMES + 100), RW | PTE_PAT);
    assert_int_equal(get_type_locked(d, l1, PGT_L1), -EPERM);
    assert_int_equal(rangeset_add(&d->io_frames, 0, HOST_FRAMES * 2), 0);
    assert_int_equal(get_type_locked(d, l1, PGT_L1), 0);
    put_type_locked(d, l1);
    /* Permission for RAM is none. */
    table(l1)[0] = pte_make(virt_to_mfn(d), RO);
    assert_int_equal(get_type_locked(d, l1, PGT_L1), -EINVAL);
    rangeset_destroy(&d->io_frames);
    pt_domain_end(d);
}

/* --- TLB --- */

static void map_and_unmap(struct domain *d, struct page *p)
{
    struct pt_ctx c = { d, d };
    u64 e = entry(p, RW);

    assert_int_equal(pt_l1e_get(&c, e), 0);
    pt_l1e_put(d, e);
}

static void test_flush_once_for_a_group(void **state)
{
    struct domain *d = pt_domain(1, false);
    struct page *p[4];
    u64 before;

    for (unsigned i = 0; i < 4; i++)
        p[i] = frame_new(d);
    before = host_tlb.masked;
    assert_int_equal(get_type_locked(d, p[3], PGT_L1), 0); /* was never anything */
    assert_int_equal(host_tlb.masked, before);
    for (unsigned i = 0; i < 3; i++)
        map_and_unmap(d, p[i]);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(get_type_locked(d, p[i], PGT_L1), 0);
    assert_int_equal(host_tlb.masked, before + 1);
    assert_true(cpumask_test(&host_tlb.mask, 0));
    assert_int_equal(cpumask_weight(&host_tlb.mask), 1);
    /* Tables that become writable: the CPU may have cached that they were tables. */
    for (unsigned i = 0; i < 3; i++)
        put_type_locked(d, p[i]);
    for (unsigned i = 0; i < 3; i++)
        map_and_unmap(d, p[i]);
    assert_int_equal(host_tlb.masked, before + 2);
    /* The guest has flushed in between: not once more. */
    pt_flush_domain(d);
    assert_int_equal(get_type_locked(d, p[0], PGT_L1), 0);
    assert_int_equal(host_tlb.masked, before + 3);
    put_type_locked(d, p[0]);
    put_type_locked(d, p[3]);
    pt_domain_end(d);
}

/* Domain 0 mapped the frame of a domain under construction: its CPUs count too. */
static void test_foreign_mapping_flushes_all(void **state)
{
    struct domain *d0 = pt_domain(0, true), *d = pt_domain(1, false);
    struct pt_ctx c = { d0, d };
    struct page *p = frame_new(d);
    u64 e = entry(p, RW);

    cpumask_zero(&d->pv.dirty_cpus);
    assert_int_equal(pt_l1e_get(&c, e), 0);
    pt_l1e_put(d0, e);
    assert_int_equal(get_type_locked(d, p, PGT_L4), 0);
    assert_int_equal(cpumask_weight(&host_tlb.mask), 4);
    put_type_locked(d, p);
    pt_domain_end(d);
    pt_domain_end(d0);
}

/* --- preemption --- */

/* A wide tree: every entry of L4..L2 that can, has a table below, `width` at each level. */
static struct page *wide_tree(struct domain *d, unsigned level, unsigned width)
{
    struct page *p = frame_new(d);

    for (unsigned i = 0; i < width; i++)
        table(p)[i * 3] = level > 1 ? entry(wide_tree(d, level - 1, width), RW) : entry(frame_new(d), RW);
    return p;
}

static unsigned get_until_done(struct domain *d, struct page *p, u64 type, int *rc)
{
    unsigned rounds = 0;

    while ((*rc = get_type_locked(d, p, type)) == -E_PREEMPTED)
        rounds++;
    return rounds;
}

static void assert_all_idle(struct domain *d)
{
    u32 n;

    for (n = d->page_first; n != PAGE_LINK_NONE; n = frame_table[n].next)
        if (!idle_frame(&frame_table[n])) {
            print_error("frame %x: count %lx type %lx\n", n, frame_table[n].count, frame_table[n].type);
            fail();
        }
}

static void test_preempted_everywhere(void **state)
{
    for (unsigned every = 1; every < 30; every += 1 + every / 4) {
        struct domain *d = pt_domain(1, false);
        struct page *l4 = wide_tree(d, 4, 5);
        int rc;

        host_set_current(d->vcpu[0]);
        preempt_every = every;
        assert_true(get_until_done(d, l4, PGT_L4, &rc) > 0);
        assert_int_equal(rc, 0);
        assert_int_equal(l4->type, PGT_L4 | PGT_VALIDATED | 1);
        assert_int_equal(count_of(l4), 1);
        assert_true(page_get(l4, d));
        pt_lock(d);
        rc = page_put_type_from(l4, true);
        if (rc)
            pt_undo_adopt(l4);
        else
            page_put(l4);
        pt_unlock(d);
        while (pt_undo_continue(d->vcpu[0]))
            ;
        assert_null(d->vcpu[0]->pv.undo);
        assert_all_idle(d);
        pt_domain_end(d);
        host_set_current(NULL);
    }
}

/* The bad entry comes last, after hundreds of good tables; the way back is preempted too. */
static void test_preempted_failure(void **state)
{
    for (unsigned every = 1; every < 12; every += 2) {
        struct domain *d = pt_domain(1, false);
        struct page *l4 = wide_tree(d, 4, 5);
        int rc;

        table(l4)[500] = pte_make(MFN(3), RW);
        host_set_current(d->vcpu[0]);
        preempt_every = every;
        get_until_done(d, l4, PGT_L4, &rc);
        assert_int_equal(rc, -EINVAL);
        while (pt_undo_continue(d->vcpu[0]))
            ;
        /* A second try meets whatever is left and ends the same way. */
        get_until_done(d, l4, PGT_L4, &rc);
        assert_int_equal(rc, -EINVAL);
        preempt_every = 0;
        while (pt_undo_continue(d->vcpu[0]))
            ;
        table(l4)[500] = 0;
        assert_int_equal(get_type_locked(d, l4, PGT_L4), 0);
        put_type_locked(d, l4);
        assert_all_idle(d);
        pt_domain_end(d);
        host_set_current(NULL);
    }
}

/* A domain dies with validations half done, pins, roots: all its frames come back. */
static void test_death_returns_everything(void **state)
{
    for (unsigned every = 1; every < 20; every += 3) {
        u64 before;
        struct domain *d = pt_domain(1, false);
        struct page *a, *b, *c;
        int rc;

        preempt_every = 0;
        before = heap_free_page_count();
        a = wide_tree(d, 4, 4);
        b = wide_tree(d, 4, 3);
        c = wide_tree(d, 3, 5);
        host_set_current(d->vcpu[0]);
        assert_int_equal(pv_set_roots(d->vcpu[0], page_to_mfn(b), page_to_mfn(b)), 0);
        preempt_every = every;
        rc = get_type_locked(d, a, PGT_L4);
        if (!rc) {
            pt_lock(d);
            if (page_put_type_from(a, true)) { /* left half undone, and nobody's */
            }
            pt_unlock(d);
        }
        preempt_every = 0;
        assert_int_equal(get_type_locked(d, c, PGT_L3), 0);
        page_get_held(c);
        atomic_fetch_or(&c->type, PGT_PINNED);
        preempt_every = every;
        pt_domain_end(d);
        assert_int_equal(heap_free_page_count(), before);
        host_set_current(NULL);
    }
}

/* --- descriptors --- */

static void test_descriptor_pages(void **state)
{
    struct domain *d = pt_domain(1, false);
    struct page *p = frame_new(d);

    table(p)[7] = 0x00af9b000000ffffULL; /* code, DPL 0: raised to 3 */
    assert_int_equal(page_get_type(p, PGT_SEG_DESC), 0);
    assert_int_equal(table(p)[7], 0x00affb000000ffffULL);
    assert_int_equal(page_get_type(p, PGT_WRITABLE), -EBUSY);
    page_put_type(p);
    table(p)[511] = 0x0000ec0000000000ULL; /* a call gate */
    assert_int_equal(page_get_type(p, PGT_SEG_DESC), -EINVAL);
    assert_true(idle_frame(p));
    assert_int_equal(page_get_type(p, PGT_WRITABLE), 0);
    page_put_type(p);
    pt_domain_end(d);
}

/* --- several CPUs --- */

#define RACE_FRAMES 6
struct race { struct domain *d; struct page *p[RACE_FRAMES]; u64 as_table[RACE_FRAMES], as_writable[RACE_FRAMES]; };

/* Takes and drops uses at random; whoever holds a frame one way sees nobody hold it the other way. */
static void race_cpu(void *arg)
{
    struct race *r = arg;
    unsigned seed = this_cpu() + 1;

    for (unsigned n = 0; n < 10000; n++) {
        unsigned i = rand_r(&seed) % RACE_FRAMES;
        u64 type = rand_r(&seed) % 3 ? PGT_WRITABLE : PT_TYPE(1 + rand_r(&seed) % 4);

        if (rand_r(&seed) % 8 == 0) { /* takes no lock either */
            if (page_get_type(r->p[i], PGT_SEG_DESC))
                continue;
            atomic_add(&r->as_table[i], 1);
            if (atomic_read(&r->as_writable[i]))
                abort();
            atomic_sub(&r->as_table[i], 1);
            page_put_type(r->p[i]);
            continue;
        }
        if (type == PGT_WRITABLE) {
            if (page_get_type(r->p[i], type))
                continue;
            atomic_add(&r->as_writable[i], 1);
            if (atomic_read(&r->as_table[i]))
                abort();
            atomic_sub(&r->as_writable[i], 1);
            page_put_type(r->p[i]);
            continue;
        }
        if (get_type_locked(r->d, r->p[i], type))
            continue;
        atomic_add(&r->as_table[i], 1);
        if (atomic_read(&r->as_writable[i]))
            abort();
        atomic_sub(&r->as_table[i], 1);
        put_type_locked(r->d, r->p[i]);
    }
}

static void test_race_of_types(void **state)
{
    struct race r = { .d = pt_domain(1, false) };

    for (unsigned i = 0; i < RACE_FRAMES; i++)
        r.p[i] = frame_new(r.d);
    host_run_cpus(4, race_cpu, &r);
    assert_all_idle(r.d);
    pt_domain_end(r.d);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, pt_begin)
    const struct CMUnitTest tests[] = {
        T(test_types_exclude_each_other), T(test_tree_validates_and_undoes), T(test_every_entry_is_found),
        T(test_bad_entries_are_refused),
        T(test_absent_entries_that_point_to_ram), T(test_io_memory_by_permission),
        T(test_flush_once_for_a_group), T(test_foreign_mapping_flushes_all),
        T(test_preempted_everywhere), T(test_preempted_failure), T(test_death_returns_everything),
        T(test_descriptor_pages), T(test_race_of_types),
    };

    return cmocka_run_group_tests(tests, pt_setup, NULL);
}
