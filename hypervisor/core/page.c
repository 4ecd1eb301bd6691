/* SPDX-License-Identifier: MIT */
/*
 * References to frames.
 *
 *   free        count 0, owner none, in the heap
 *   owned       PGC_ALLOCATED and one reference of the owner's, in its list
 *   given up    PGC_ALLOCATED gone (domain_release_page), others still refer to it;
 *               still the owner's, still in its list
 *   shared      PGC_HEAP and one reference of the hypervisor's (page_share_with_domain)
 *
 * owned -> given up -> free goes by page_put; whoever drops the last reference
 * takes the frame out of the owner's list.  The owner is set before the count
 * leaves zero and changes only at zero, so that a reference, once obtained,
 * says for sure whose frame it is.
 *
 * A domain with frames holds one reference of itself for all of them.  Each
 * reference to a shared frame but the hypervisor's own holds one of the domain.
 */
#include "domain_pages.h"

#include <zelo/domain.h>

#include <zelo/log.h>

struct domain *page_owner(const struct page *p)
{
    u32 owner = READ_ONCE(p->owner);

    return owner ? mfn_to_virt(MFN(owner)) : NULL;
}

void page_set_owner(struct page *p, struct domain *d)
{
    WRITE_ONCE(p->owner, d ? (u32)virt_to_mfn(d).n : 0);
}

static u64 refs_of(u64 count)
{
    return count & PGC_COUNT_MASK;
}

/* One more reference, unless there is none at all; the count found is in *before. */
static bool count_inc(struct page *p, u64 *before)
{
    u64 count = atomic_read(&p->count);

    do {
        if (!refs_of(count) || refs_of(count) == PGC_COUNT_MASK)
            return false;
    } while (!atomic_cas(&p->count, &count, count + 1));
    *before = count;
    return true;
}

/* Undoes count_inc on a shared frame, the hypervisor's reference stays. */
static void count_dec_shared(struct page *p)
{
    BUG_ON(!refs_of(atomic_sub_return(&p->count, 1)));
}

bool page_get(struct page *p, struct domain *d)
{
    u64 before;

    /* A look first, so that frames of others are not disturbed; it counts only once the reference is held. */
    if (page_owner(p) != d || !count_inc(p, &before))
        return false;
    if (likely(page_owner(p) == d)) {
        if (unlikely(before & PGC_HEAP))
            domain_hold(d);
        return true;
    }
    if (before & PGC_HEAP)
        count_dec_shared(p);
    else
        page_put(p);
    return false;
}

struct domain *page_get_any(struct page *p)
{
    struct domain *d;
    u64 before;

    if (!count_inc(p, &before))
        return NULL;
    d = page_owner(p);
    if (unlikely(before & PGC_HEAP) && !domain_hold_unless_dead(d)) {
        count_dec_shared(p); /* page_unshare waits for this */
        return NULL;
    }
    if (!d)
        page_put(p);
    return d;
}

void page_get_held(struct page *p)
{
    u64 before;

    BUG_ON(!count_inc(p, &before));
    if (unlikely(before & PGC_HEAP))
        domain_hold(page_owner(p));
}

/* The last reference went: nobody can take another. */
static void page_free(struct page *p)
{
    struct domain *d = page_owner(p);

    BUG_ON(atomic_read(&p->type) & PGT_COUNT_MASK);
    if (d)
        domain_forget_page(d, p);
    heap_free_mapped_pages(p, 0);
}

void page_put_last(struct page *p, u64 count)
{
    BUG_ON(refs_of(count) == PGC_COUNT_MASK); /* there was none */
    if (refs_of(count))
        return;
    BUG_ON(count & PGC_ALLOCATED);
    page_free(p);
}

void page_put(struct page *p)
{
    u64 count = atomic_read(&p->count);
    struct domain *shared_by = unlikely(count & PGC_HEAP) ? page_owner(p) : NULL;

    count = atomic_sub_return(&p->count, 1);
    if (unlikely(shared_by)) {
        BUG_ON(!refs_of(count) || refs_of(count) == PGC_COUNT_MASK);
        domain_put(shared_by);
    } else {
        page_put_last(p, count);
    }
}
