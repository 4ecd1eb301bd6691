/* SPDX-License-Identifier: MIT */
/*
 * Taking a dead domain's memory apart.
 *
 * Phases, each resumable:
 *   vCPUs    roots, GDT, LDT, and undoings that a vCPU left half-way
 *   tables   pins go, validations that nobody will finish are undone: after
 *            this no page table of the domain is left, since tables are only
 *            used by roots, pins and higher tables
 *   frames   the owner's reference of each goes; what nobody else refers to is
 *            freed
 *
 * No vCPU of the domain runs, and whatever could use its tables anew looks at
 * d->dying under pt_lock.  Frames can leave the list meanwhile (another domain
 * drops its last mapping) but none comes in, and a frame with a reference
 * stays: so the list is walked from one referenced frame to the next.
 */
#include "pt.h"

#include <zelo/errno.h>
#include <zelo/hypercall.h>

enum { PHASE_VCPUS, PHASE_TABLES, PHASE_FRAMES, PHASE_DONE };

static int vcpu_drop_all(struct vcpu *v)
{
    if (pt_undo_continue(v) || pt_put_roots(v))
        return -E_PREEMPTED;
    pv_drop_gdt(v);
    pv_unmap_ldt(v);
    return 0;
}

static int phase_vcpus(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu(d, v)
        if (vcpu_drop_all(v))
            return -E_PREEMPTED;
    return 0;
}

/* The next frame of the list (NULL: the first), referenced; drops p's reference. NULL at the end. */
static struct page *frame_after(struct domain *d, struct page *p)
{
    u32 n;

    spin_lock(&d->page_lock);
    n = p ? p->next : d->page_first;
    while (n != PAGE_LINK_NONE && !page_get(&frame_table[n], d))
        n = frame_table[n].next; /* on its way out */
    spin_unlock(&d->page_lock);
    if (p)
        page_put(p);
    return n == PAGE_LINK_NONE ? NULL : &frame_table[n];
}

/* Goes on with undoing whatever makes p a page table. pt_lock held. */
static int table_break(struct page *p)
{
    if ((atomic_read(&p->type) & PGT_PARTIAL) && p->pt.partial == PT_VALIDATING)
        p->pt.partial = PT_UNDOING; /* entries below pt.entries are what has been taken */
    if (page_finish_undo(p, true))
        return -E_PREEMPTED;
    if (!(atomic_read(&p->type) & PGT_PINNED))
        return 0;
    atomic_fetch_and(&p->type, ~PGT_PINNED);
    if (page_put_type_from(p, true)) {
        page_put(p); /* the pin's; the half-undone state has its own */
        return -E_PREEMPTED;
    }
    page_put(p);
    return 0;
}

static int frame_break_table(struct domain *d, struct page *p)
{
    int rc;

    pt_lock(d);
    rc = table_break(p);
    pt_unlock(d);
    return rc;
}

static int frame_release(struct domain *d, struct page *p)
{
    int given_up_before = domain_release_page(d, p);

    (void)given_up_before; /* then others still refer to it, and it waits for them */
    return 0;
}

/* Runs fn for each frame, perhaps twice; where it stopped is in relmem_cursor, referenced. */
static int each_frame(struct domain *d, int (*fn)(struct domain *d, struct page *p))
{
    struct page *p = d->pv.relmem_cursor ? d->pv.relmem_cursor : frame_after(d, NULL);

    d->pv.relmem_cursor = NULL;
    for (unsigned n = 1; p; n++) {
        if (fn(d, p) || (n % 64 == 0 && hypercall_should_preempt())) {
            d->pv.relmem_cursor = p;
            return -E_PREEMPTED;
        }
        p = frame_after(d, p);
    }
    return 0;
}

/* Under the domctl lock. */
int pv_domain_relinquish(struct domain *d)
{
    int rc = 0;

    while (!rc && d->pv.relmem_phase != PHASE_DONE) {
        switch (d->pv.relmem_phase) {
        case PHASE_VCPUS:
            rc = phase_vcpus(d);
            break;
        case PHASE_TABLES:
            rc = each_frame(d, frame_break_table);
            break;
        case PHASE_FRAMES:
            rc = each_frame(d, frame_release);
            break;
        }
        if (!rc)
            d->pv.relmem_phase++;
    }
    return rc;
}
