/* SPDX-License-Identifier: MIT */
/* The invariant checker on frames, page tables and what vCPUs hold: silent on what is right, not on what is not. */
#include "check_fixture.h"
#include "pt_fixture.h"
#include "noise_fixture.h"

#include "pv/gdt.h"


static struct domain *d, *other;
static struct tree t;

static int begin(void **state)
{
    pt_begin(state);
    d = pt_domain(1, false);
    other = pt_domain(2, false);
    t = tree_new(d);
    tree_load(d, &t);
    return 0;
}

static int end(void **state)
{
    (void)state;
    preempt_every = 0;
    pv_drop_gdt(d->vcpu[0]);
    pt_domain_end(d);
    pt_domain_end(other);
    host_set_current(NULL);
    return 0;
}

static void test_counts(void **state)
{
    struct page *p = t.data[0], *l1 = t.l[1];

    FINDS_WITH(p->count, p->count + 1, "3 references, 2 found");
    FINDS_WITH(p->count, p->count - 1, "1 references, 2 found");
    FINDS_WITH(p->type, p->type + 1, "2 uses of its type, 1 found");
    FINDS_WITH(l1->type, l1->type + 1, "2 uses of its type, 1 found");
    FINDS_WITH(l1->type, l1->type | PGT_PINNED, "1 uses of its type, 2 found");
    FINDS_WITH(p->count, p->count & ~PGC_ALLOCATED, "2 references, 1 found");
}

static void test_types(void **state)
{
    FINDS_WITH(t.data[0]->type, t.data[0]->type | PGT_PINNED, "cannot be");
    FINDS_WITH(t.data[0]->type, t.data[0]->type & ~PGT_VALIDATED, "cannot be");
    FINDS_WITH(t.l[2]->type, PGT_L3 | PGT_VALIDATED | 1, "as type 2, which is");
    FINDS_WITH(t.l[1]->type, PGT_WRITABLE | PGT_VALIDATED | 1, "as type 1, which is");
}

/* The first frame of the largest free block: the last that the checker's own notes would be kept in. */
static struct page *free_block(void)
{
    struct page *best = NULL;

    for (u64 n = 0; n < max_frame; n++) {
        struct page *p = &frame_table[n];

        if (heap_page_is_free(p) && p->free_order <= HEAP_MAX_ORDER && (!best || p->free_order > best->free_order))
            best = p;
    }
    assert_non_null(best);
    return best;
}

static void test_owners(void **state)
{
    struct page *p = t.data[1], *free = free_block();

    FINDS_WITH(p->owner, 0, "but no owner");
    FINDS_WITH(p->owner, virt_to_mfn(other).n, "is in its list");
    FINDS_WITH(free->owner, virt_to_mfn(d).n, "but owner");
    FINDS_WITH(free->count, free->count | 1, "but no owner");
    FINDS_WITH(free->count, free->count | PGC_HEAP, "free, but count");
    FINDS_WITH(free->count, 0, "not a free block");
    FINDS_WITH(free->prev, 12345, "not a free block");
}

static void test_lists(void **state)
{
    u32 second = frame_table[d->page_first].next;

    FINDS_WITH(d->tot_pages, d->tot_pages + 1, "its list of");
    FINDS_WITH(d->tot_pages, d->tot_pages - 1, "its list of");
    FINDS_WITH(d->page_last, second, "its list of");
    FINDS_WITH(frame_table[second].prev, second, "in the list, but says");
    FINDS_WITH(frame_table[second].next, second, "in a list twice");
    FINDS_WITH(d->page_first, second, "not in a list");
    FINDS_WITH(frame_table[d->page_first].next, 0x7ffffff0, "its list of");
}

static void test_domain_references(void **state)
{
    FINDS_WITH(d->refs, d->refs + 1, "d1: 3 references, 2 found");
    FINDS_WITH(d->claimed_pages, 3, "pages are claimed");
}

/* --- entries --- */

static void test_page_tables_are_not_writable(void **state)
{
    FINDS_WITH(*tree_l1e(&t, 3), entry(t.l[1], RW), "writable L1 entry uses frame");
    assert_non_null(strstr(said, "as type 7"));
}

static void test_entries_are_counted(void **state)
{
    FINDS_WITH(*tree_l1e(&t, 3), 0, "2 references, 1 found");
    FINDS_WITH(*tree_l1e(&t, 3), entry(t.data[3], RO), "1 uses of its type, 0 found");
    FINDS_WITH(*tree_l1e(&t, 4), entry(t.data[3], RO), "2 references, 3 found");
    FINDS_WITH(table(t.l[2])[0], entry(t.l[1], RW), "2 references, 3 found");
}

static void test_entries_of_frames_that_are_not_there(void **state)
{
    struct page *free = frame_new(d);
    u64 e = entry(free, RO);

    assert_int_equal(domain_release_page(d, free), 0);
    FINDS_WITH(*tree_l1e(&t, 4), e, "no references at all");
    FINDS_WITH(*tree_l1e(&t, 4), pte_make(virt_to_mfn(d), RW), "no references at all"); /* the hypervisor's */
    FINDS_WITH(*tree_l1e(&t, 4), pte_make(MFN(1ULL << 39), RO), "may not map");
    FINDS_WITH(table(t.l[2])[0], pte_make(MFN(HOST_FRAMES), RW), "not a frame of its own");
}

static void test_entries_of_others_frames(void **state)
{
    struct page *foreign = frame_new(other);

    FINDS_WITH(*tree_l1e(&t, 4), entry(foreign, RO), "may not map");
    FINDS_WITH(table(t.l[2])[0], entry(foreign, RO), "not a frame of its own");
    page_get_held(foreign);
    *tree_l1e(&t, 4) = entry(foreign, RO);
    assert_true(reports("may not map"));
    d->is_privileged = true;
    assert_invariants();
    d->is_privileged = false;
    *tree_l1e(&t, 4) = 0;
    page_put(foreign);
}

static void test_bits_of_entries(void **state)
{
    u64 *l1e = tree_l1e(&t, 1), *l2e = &table(t.l[2])[PT_INDEX(TREE_VA, 2)];

    FINDS_WITH(*l1e, *l1e & ~PTE_USER, "which is refused");
    FINDS_WITH(*l1e, *l1e | PTE_GLOBAL, "which is refused");
    FINDS_WITH(*l1e, *l1e | PTE_PCD, "which is refused");
    FINDS_WITH(*l2e, *l2e | PTE_PSE, "which is refused");
    FINDS_WITH(*l2e, *l2e | PTE_PCD, "which is refused");
    *l1e |= PTE_NX;
    FINDS_WITH(pt_nx_usable, false, "which is refused");
}

static void test_slots_of_the_hypervisor(void **state)
{
    u64 *l4 = table(t.l[4]);

    FINDS_WITH(l4[L4_SLOT_LAST], 0, "slot 271 of L4");
    FINDS_WITH(l4[L4_SLOT_PERDOMAIN], l4[L4_SLOT_FIRST], "slot 258 of L4");
    l4[L4_SLOT_M2P_RO] = 0; /* m2p_strict */
    assert_invariants();
    FINDS_WITH(l4[L4_SLOT_M2P_RO], l4[L4_SLOT_LAST], "slot 256 of L4");
}

/* --- vCPUs --- */

static void test_roots(void **state)
{
    struct vcpu *v = d->vcpu[0];

    FINDS_WITH(v->pv.root_kernel, MFN_INVALID, "2 references, 1 found");
    FINDS_WITH(v->pv.root_user, page_to_mfn(t.l[4]), "2 references, 3 found");
    FINDS_WITH(v->pv.root_user, page_to_mfn(t.l[3]), "user root uses frame");
    FINDS_WITH(v->pv.undo, t.l[3], "2 references, 3 found");
    FINDS_WITH(d->pv.relmem_cursor, t.l[3], "2 references, 3 found");
    FINDS_WITH(v->id, 1, "says v1");
}

static void test_descriptor_tables(void **state)
{
    struct page *gdt = frame_new(d);
    struct vcpu *v = d->vcpu[0];
    u64 frame = page_to_mfn(gdt).n;

    assert_int_equal(pv_gdt_install(v, &frame, 512), 0);
    assert_int_equal(type_of(gdt), PGT_SEG_DESC);
    FINDS_WITH(v->pv.gdt_entries, 0, "2 references, 1 found");
    FINDS_WITH(v->pv.gdt_frames[0], page_to_mfn(t.data[0]), "GDT uses frame");
    FINDS_WITH(*d->pv.perdomain_l1[0], entry(t.data[0], RW), "page 0 of its GDT");
    FINDS_WITH(v->pv.ldt_mapped, 1, "page 0 of its LDT");
    FINDS_WITH(d->pv.perdomain_l1[0][WINDOW_LDT + 1], entry(gdt, RW), "page 1 of its LDT");
}

static void test_vcpu_info(void **state)
{
    struct vcpu *v = d->vcpu[0];

    FINDS_WITH(v->info, page_to_virt(t.data[0]), "vcpu_info is at");
    v->info = page_to_virt(t.data[0]);
    v->info_mfn = page_to_mfn(t.data[0]);
    assert_int_equal(page_get_and_type(t.data[0], d, PGT_WRITABLE), 0);
    FINDS_WITH(v->info_mfn, MFN_INVALID, "3 references, 2 found");
    v->info = &v->own_info;
    v->info_mfn = MFN_INVALID;
    page_put_and_type(t.data[0]);
}

/* --- what is half done --- */

static long pin_step(unsigned cmd, struct page *p)
{
    struct mmuext_op op = { .cmd = cmd, .arg1.mfn = page_to_mfn(p).n };

    return do_mmuext_op(&(struct hypercall_args){ { (unsigned long)&op, 1, 0, DOMID_SELF } });
}

/* Stopped after every step, tables have what they show. */
static void test_half_done(void **state)
{
    struct tree other_tree = tree_new(d);
    unsigned steps = 0;

    preempt_every = 1;
    while (pin_step(MMUEXT_PIN_L4_TABLE, other_tree.l[4]) == -E_PREEMPTED) {
        assert_invariants();
        steps++;
    }
    while (pin_step(MMUEXT_UNPIN_TABLE, other_tree.l[4]) == -E_PREEMPTED) {
        assert_invariants();
        steps++;
    }
    assert_true(steps >= 4);
    preempt_every = 0;
    assert_invariants();
}

/* --- anything, in any order --- */

/* A guest without sense or patience: what is preempted it leaves, or comes back to by chance. */
static void test_noise(void **state)
{
    noise_begin(d, &t, 42);
    for (unsigned i = 0; i < 600; i++) {
        preempt_every = any(4);
        any_act();
        assert_int_equal(host_locks_held(), 0);
        assert_invariants();
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(test_counts), T(test_types), T(test_owners), T(test_lists), T(test_domain_references),
        T(test_page_tables_are_not_writable), T(test_entries_are_counted),
        T(test_entries_of_frames_that_are_not_there), T(test_entries_of_others_frames), T(test_bits_of_entries),
        T(test_slots_of_the_hypervisor), T(test_roots), T(test_descriptor_tables), T(test_vcpu_info),
        T(test_half_done), T(test_noise),
    };

    return cmocka_run_group_tests(tests, pt_setup, NULL);
}
