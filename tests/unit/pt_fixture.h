/* SPDX-License-Identifier: MIT */
/*
 * What the tests of page tables share: small domains without tools, events or
 * grants, trees of tables, and the parts of x86/ that pv/ calls.  Included once
 * in a test program.
 */
#ifndef TESTS_PT_FIXTURE_H
#define TESTS_PT_FIXTURE_H

#include "preempt_fixture.h"

#include <zelo/softirq.h>

#include <arch/machine.h>

#include "pv/perdomain.h"
#include "pv/pt.h"

/* --- x86/ --- */
static u64 root_slots[512];
u64 *paging_l4_slot(unsigned slot) { return &root_slots[slot]; }
u64 *cpu_gdt_page[MAX_CPUS];
static unused_arg unsigned cr3_loads, ldt_loads;
void pv_load_cr3(struct vcpu *v)
{
    cr3_loads++;
    v->pv.cr3 = pv_mode_root(&v->pv).n << PAGE_SHIFT;
}
void pv_load_ldt(struct vcpu *v) { (void)v, ldt_loads++; }
int pv_fpu_init(struct vcpu *v) { (void)v; return 0; }
void pv_fpu_free(struct vcpu *v) { (void)v; }

/* --- domains --- */
#define MAX_TEST_DOMAINS 64
static struct domain *test_domains[MAX_TEST_DOMAINS];

struct domain *domain_get(domid_t id)
{
    struct domain *d = id == DOMID_SELF ? current->domain : id < MAX_TEST_DOMAINS ? test_domains[id] : NULL;

    if (d)
        domain_hold(d);
    return d;
}

struct domain *domain_next(unsigned from)
{
    for (; from < MAX_TEST_DOMAINS; from++)
        if (test_domains[from])
            return domain_get((domid_t)from);
    return NULL;
}

static unused_arg struct domain *bare_domain(domid_t id)
{
    struct domain *d = heap_alloc(order_for_pages(PFN_UP(sizeof(*d))), 0);

    assert_non_null(d);
    d->id = id;
    d->refs = 1;
    d->page_first = d->page_last = PAGE_LINK_NONE;
    d->max_pages = ~0ULL;
    spin_lock_init(&d->lock, LOCK_DOMAIN);
    spin_lock_init(&d->page_lock, LOCK_DOMAIN_PAGES);
    spin_lock_init(&d->pv.pt_lock, LOCK_PAGE_TABLES);
    rangeset_init(&d->io_ports);
    rangeset_init(&d->io_frames);
    rangeset_init(&d->irqs);
    return d;
}

/* A domain with one vCPU in kernel mode and no tables yet, whose CR3 CPU 0 has loaded. */
static unused_arg struct domain *pt_domain(domid_t id, bool privileged)
{
    struct domain *d = bare_domain(id);
    struct vcpu *v = mem_alloc_type(struct vcpu);

    assert_non_null(v);
    d->is_privileged = privileged;
    d->max_vcpus = 1;
    d->vcpu = mem_alloc_array(struct vcpu *, 1);
    d->vcpu[0] = v;
    v->domain = d;
    v->info = &v->own_info;
    v->info_mfn = MFN_INVALID;
    assert_int_equal(perdomain_init(d), 0);
    assert_int_equal(pv_vcpu_init(v), 0);
    cpumask_set(&d->pv.dirty_cpus, 0);
    test_domains[id] = d;
    return d;
}

/* Takes the domain's memory away; its struct stays, with nothing in it. */
static unused_arg void pt_domain_end(struct domain *d)
{
    int rc;

    assert_invariants();
    d->dying = DOMAIN_DYING;
    do
        rc = pv_domain_relinquish(d);
    while (rc == -E_PREEMPTED);
    assert_int_equal(rc, 0);
    assert_int_equal(d->tot_pages, 0);
    assert_invariants();
    test_domains[d->id] = NULL;
}

/* --- frames and trees --- */
static unused_arg struct page *frame_new(struct domain *d)
{
    struct page *p = domain_alloc_pages(d, 0, 0);

    assert_non_null(p);
    return p;
}
static unused_arg u64 *table(struct page *p) { return page_to_virt(p); }
static unused_arg u64 count_of(const struct page *p) { return p->count & PGC_COUNT_MASK; }
static unused_arg u64 uses_of(const struct page *p) { return p->type & PGT_COUNT_MASK; }
static unused_arg u64 type_of(const struct page *p) { return p->type & PGT_TYPE_MASK; }
static unused_arg bool idle_frame(const struct page *p) { return count_of(p) == 1 && !(p->type & ~PGT_TYPE_MASK); }
static unused_arg u64 entry(struct page *p, u64 flags) { return pte_make(page_to_mfn(p), flags); }

#define RO (PTE_P | PTE_USER | PTE_A)
#define RW (RO | PTE_RW | PTE_D)
#define TREE_VA 0x00007f1234560000UL

/* A path to TREE_VA: L4, L3, L2, L1 and, at TREE_VA, TREE_VA + 4096 ..., data frames mapped RW. */
struct tree { struct page *l[5]; struct page *data[4]; };

static unused_arg struct tree tree_new(struct domain *d)
{
    struct tree t;

    for (unsigned level = 1; level <= 4; level++)
        t.l[level] = frame_new(d);
    for (unsigned level = 2; level <= 4; level++)
        table(t.l[level])[PT_INDEX(TREE_VA, level)] = entry(t.l[level - 1], RW);
    for (unsigned i = 0; i < ARRAY_SIZE(t.data); i++) {
        t.data[i] = frame_new(d);
        table(t.l[1])[PT_INDEX(TREE_VA, 1) + i] = entry(t.data[i], RW);
    }
    return t;
}

static unused_arg u64 *tree_l1e(const struct tree *t, unsigned i) { return &table(t->l[1])[PT_INDEX(TREE_VA, 1) + i]; }
static unused_arg paddr_t entry_ma(struct page *p, unsigned index) { return (page_to_mfn(p).n << PAGE_SHIFT) + index * 8ULL; }

/* Makes the tree the vCPU's kernel root, and the vCPU current. */
static unused_arg void tree_load(struct domain *d, const struct tree *t)
{
    host_set_current(d->vcpu[0]);
    assert_int_equal(pv_set_roots(d->vcpu[0], page_to_mfn(t->l[4]), MFN_INVALID), 0);
}

static unused_arg bool tree_idle(const struct tree *t)
{
    for (unsigned level = 1; level <= 4; level++)
        if (!idle_frame(t->l[level]))
            return false;
    for (unsigned i = 0; i < ARRAY_SIZE(t->data); i++)
        if (!idle_frame(t->data[i]))
            return false;
    return true;
}

static unused_arg int get_type_locked(struct domain *d, struct page *p, u64 type)
{
    int rc;

    pt_lock(d);
    rc = page_get_type(p, type);
    pt_unlock(d);
    return rc;
}

static unused_arg void put_type_locked(struct domain *d, struct page *p)
{
    pt_lock(d);
    page_put_type(p);
    pt_unlock(d);
}

static unused_arg int pt_setup(void **state)
{
    static bool done;

    (void)state;
    if (done)
        return 0;
    done = true;
    host_init(4);
    dom_io = bare_domain(DOMID_IO);
    dom_xen = bare_domain(DOMID_XEN);
    dom_io->is_system = dom_xen->is_system = true;
    for (unsigned i = L4_SLOT_FIRST; i <= L4_SLOT_LAST; i++)
        root_slots[i] = 0xabc000 + i * 0x1000 + PTE_P;
    return 0;
}

/* Around each test: nothing preempted, the heap whole again. */
static unused_arg u64 heap_before;
static unused_arg int pt_begin(void **state)
{
    preempt_every = 0;
    heap_before = heap_free_page_count();
    return 0;
}

#endif
