/* SPDX-License-Identifier: MIT */
/*
 * XENMEM_increase_reservation, decrease_reservation and populate_physmap: a
 * domain gets frames or gives them up, in extents of 2^order.
 *
 * Each answers how many extents it did, counted from the first round of a
 * preempted call.  An extent that cannot be done ends the call.
 */
#include "memory_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>

/* More would not fit beside the operation in a continuation's command. */
#define EXTENTS_MAX (~0UL >> 8)

struct reservation {
    struct xen_memory_reservation r;
    struct domain *d; /* referenced */
    u32 heap_flags;
};

/* One extent: true if it was done. */
typedef bool extent_fn(const struct reservation *q, u64 index);

static void extent_release(struct domain *d, struct page *p, unsigned order)
{
    for (u64 i = 0; i < 1ULL << order; i++)
        if (domain_release_page(d, &p[i]))
            break; /* the domain itself was quicker */
}

static bool extent_increase(const struct reservation *q, u64 index)
{
    struct page *p = domain_alloc_pages(q->d, q->r.extent_order, q->heap_flags);
    xen_pfn_t mfn;

    if (!p)
        return false;
    if (handle_is_null(q->r.extent_start))
        return true;
    mfn = page_to_mfn(p).n;
    if (!copy_to_handle_offset(q->r.extent_start, index, &mfn, 1))
        return true;
    extent_release(q->d, p, q->r.extent_order);
    return false;
}

static bool extent_populate(const struct reservation *q, u64 index)
{
    unsigned order = q->r.extent_order;
    xen_pfn_t gpfn, mfn;
    struct page *p;

    if (copy_from_handle_offset(&gpfn, q->r.extent_start, index, 1))
        return false;
    p = domain_alloc_pages(q->d, order, q->heap_flags);
    if (!p)
        return false;
    mfn = page_to_mfn(p).n;
    for (u64 i = 0; i < 1ULL << order; i++) {
        m2p_set(MFN(mfn + i), PFN(gpfn + i));
        pv_mark_dirty(q->d, MFN(mfn + i));
    }
    if (!copy_to_handle_offset(q->r.extent_start, index, &mfn, 1))
        return true;
    for (u64 i = 0; i < 1ULL << order; i++)
        m2p_set(MFN(mfn + i), PFN_INVALID);
    extent_release(q->d, p, order);
    return false;
}

static bool frame_give_up(struct domain *d, mfn_t mfn)
{
    struct page *p;
    bool ok;

    if (!mfn_valid(mfn))
        return false;
    p = mfn_to_page(mfn);
    if (!page_get(p, d))
        return false;
    m2p_set(mfn, PFN_INVALID); /* while our reference keeps it from its next owner */
    ok = !domain_release_page(d, p);
    page_put(p);
    return ok;
}

static bool extent_decrease(const struct reservation *q, u64 index)
{
    xen_pfn_t mfn;

    if (copy_from_handle_offset(&mfn, q->r.extent_start, index, 1))
        return false;
    for (u64 i = 0; i < 1ULL << q->r.extent_order; i++)
        if (!frame_give_up(q->d, MFN(mfn + i)))
            return false;
    return true;
}

static int reservation_read(struct reservation *q, const struct memory_call *c)
{
    if (copy_from_guest(&q->r, c->arg))
        return -EFAULT;
    if (q->r.nr_extents > EXTENTS_MAX || c->start > q->r.nr_extents)
        return -EINVAL;
    if (q->r.mem_flags & XENMEMF_populate_on_demand)
        return -EOPNOTSUPP;
    if (q->r.extent_order > memory_max_order())
        return -EPERM;
    if (!memory_heap_flags(q->r.mem_flags, &q->heap_flags))
        return -EINVAL;
    return domain_target_get(q->r.domid, &q->d);
}

static long reservation_run(struct memory_call *c, extent_fn *fn)
{
    struct reservation q;
    u64 i, first = c->start;
    long rc = reservation_read(&q, c);

    if (rc)
        return rc;
    for (i = first; i < q.r.nr_extents; i++) {
        if (i != first && hypercall_should_preempt()) {
            c->start = i;
            domain_put(q.d);
            return -E_PREEMPTED;
        }
        if (!fn(&q, i))
            break;
    }
    domain_put(q.d);
    return (long)i;
}

long memory_increase_reservation(struct memory_call *c)
{
    return reservation_run(c, extent_increase);
}

long memory_decrease_reservation(struct memory_call *c)
{
    return reservation_run(c, extent_decrease);
}

long memory_populate_physmap(struct memory_call *c)
{
    return reservation_run(c, extent_populate);
}
