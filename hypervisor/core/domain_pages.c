/* SPDX-License-Identifier: MIT */
/*
 * The frames of a domain: its list and count, what comes in and what goes out.
 *
 * The list is linked by frame number through struct page and holds every frame
 * whose owner is the domain (shared ones excepted), also those that it has
 * given up but others still refer to.  While it is not empty it holds one
 * reference of the domain, so that a foreign mapping keeps the owner alive.
 */
#include "domain_pages.h"

#include <zelo/cpumask.h>
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/log.h>

/* --- the list: d->page_lock held --- */

static void list_append(struct domain *d, struct page *p)
{
    u32 n = (u32)page_to_mfn(p).n;

    p->next = PAGE_LINK_NONE;
    p->prev = d->page_last;
    if (d->page_last == PAGE_LINK_NONE)
        d->page_first = n;
    else
        frame_table[d->page_last].next = n;
    d->page_last = n;
}

static void list_unlink(struct domain *d, struct page *p)
{
    if (p->prev == PAGE_LINK_NONE)
        d->page_first = p->next;
    else
        frame_table[p->prev].next = p->next;
    if (p->next == PAGE_LINK_NONE)
        d->page_last = p->prev;
    else
        frame_table[p->next].prev = p->prev;
    p->next = p->prev = PAGE_LINK_NONE;
}

/* Takes p out; true if it was the last one, and d's own reference is the caller's to drop. */
static bool account_out(struct domain *d, struct page *p)
{
    BUG_ON(!d->tot_pages);
    list_unlink(d, p);
    WRITE_ONCE(d->tot_pages, d->tot_pages - 1);
    return !d->tot_pages;
}

static void page_becomes_owned(struct domain *d, struct page *p)
{
    BUG_ON(atomic_read(&p->count) || page_owner(p));
    list_append(d, p);
    page_set_owner(p, d);
    /* Whoever sees the count sees the owner. */
    atomic_set_release(&p->count, PGC_ALLOCATED | 1);
}

/* --- coming in --- */

/* The answer counts with the lock held; without it is a first look. */
static int assign_allowed(const struct domain *d, u64 n, bool no_limit)
{
    u64 max = READ_ONCE(d->max_pages);

    if (READ_ONCE(d->dying) != DOMAIN_ALIVE)
        return -EINVAL;
    if (!no_limit && (n > max || READ_ONCE(d->tot_pages) > max - n))
        return -E2BIG;
    return 0;
}

int domain_assign_pages(struct domain *d, struct page *p, unsigned order, bool no_limit)
{
    u64 n = 1ULL << order;
    int rc;

    spin_lock(&d->page_lock);
    rc = assign_allowed(d, n, no_limit);
    if (!rc) {
        if (!d->tot_pages)
            domain_hold(d);
        for (u64 i = 0; i < n; i++)
            page_becomes_owned(d, &p[i]);
        WRITE_ONCE(d->tot_pages, d->tot_pages + n);
    }
    spin_unlock(&d->page_lock);
    return rc;
}

struct page *domain_alloc_pages(struct domain *d, unsigned order, u32 flags)
{
    struct page *p;

    /* A look first, so that a claim is not spent on what cannot be assigned. */
    if (order > HEAP_MAX_ORDER || assign_allowed(d, 1ULL << order, false))
        return NULL;
    p = heap_alloc_pages_for(d, order, flags);
    if (p && domain_assign_pages(d, p, order, false)) {
        heap_free_pages(p, order);
        p = NULL;
    }
    return p;
}

/* --- going out --- */

void domain_forget_page(struct domain *d, struct page *p)
{
    bool last;

    spin_lock(&d->page_lock);
    last = account_out(d, p);
    spin_unlock(&d->page_lock);
    page_set_owner(p, NULL);
    if (last)
        domain_put(d);
}

int domain_release_page(struct domain *d, struct page *p)
{
    bool allocated;

    if (!page_get(p, d))
        return -EINVAL;
    allocated = atomic_fetch_and(&p->count, ~PGC_ALLOCATED) & PGC_ALLOCATED;
    if (allocated)
        page_put(p); /* the owner's own */
    page_put(p);
    return allocated ? 0 : -EINVAL;
}

int domain_take_page(struct domain *d, struct page *p)
{
    u64 alone = PGC_ALLOCATED | 1;
    bool last = false;
    int rc = -EINVAL;

    spin_lock(&d->page_lock);
    /* The lock keeps the frame d's: the way out of a frame without references passes it too. */
    if (page_owner(p) == d && !(atomic_read(&p->count) & PGC_HEAP))
        rc = atomic_cas(&p->count, &alone, 0) ? 0 : -EBUSY;
    if (!rc) {
        BUG_ON(atomic_read(&p->type) & PGT_COUNT_MASK);
        last = account_out(d, p);
        page_set_owner(p, NULL);
        /* Type and tlb_stamp stay: if the frame comes back they say what TLBs may still have of it. */
    }
    spin_unlock(&d->page_lock);
    if (last)
        domain_put(d);
    return rc;
}

/* --- hypervisor memory that guests map --- */

void page_share_with_domain(struct page *p, struct domain *d, bool writable)
{
    BUG_ON(atomic_read(&p->count) != PGC_HEAP || atomic_read(&p->type));
    /* The use of the type that stays makes it impossible to take another. */
    atomic_set(&p->type, (writable ? PGT_WRITABLE : PGT_NONE) | PGT_VALIDATED | 1);
    page_set_owner(p, d);
    atomic_set_release(&p->count, PGC_HEAP | 1);
}

bool page_unshare(struct page *p)
{
    struct domain *d = page_owner(p);
    u64 alone = PGC_HEAP | 1;

    while (!atomic_cas(&p->count, &alone, PGC_HEAP)) {
        /* At d's end what is left is a page_get_any that is about to fail. */
        if (atomic_read(&d->refs))
            return false;
        alone = PGC_HEAP | 1;
        cpu_relax();
    }
    BUG_ON((atomic_read(&p->type) & PGT_COUNT_MASK) != 1);
    atomic_set(&p->type, 0);
    page_set_owner(p, NULL);
    tlb_flush_mask(&cpu_online, TLB_FLUSH_ALL, 0);
    return true;
}
