/* SPDX-License-Identifier: MIT */
/*
 * XENMEM_exchange: a domain swaps frames it has for others, most often
 * contiguous and low ones to do DMA with.
 *
 * The work goes in chunks of the larger of the two extent sizes.  A chunk is
 * either exchanged as a whole or left as it was: its old frames are taken out
 * of the domain, the new ones allocated, and only then do the old ones go to
 * the heap and the new ones to the domain.  nr_exchanged in the guest's
 * structure is the progress, also from one round of a preempted call to the
 * next.
 */
#include "domain_pages.h"
#include "memory_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>

struct exchange {
    struct xen_memory_exchange x;
    struct domain *d; /* referenced */
    unsigned chunk_order;
    u32 heap_flags;
};

/* Frames or extents that are nobody's at the moment, linked by page.next. */
struct loose { u32 first; };

static void loose_push(struct loose *l, struct page *p)
{
    p->next = l->first;
    l->first = (u32)page_to_mfn(p).n;
}

static struct page *loose_pop(struct loose *l)
{
    struct page *p;

    if (l->first == PAGE_LINK_NONE)
        return NULL;
    p = &frame_table[l->first];
    l->first = p->next;
    p->next = PAGE_LINK_NONE;
    return p;
}

static int exchange_check(const struct xen_memory_exchange *x)
{
    const struct xen_memory_reservation *in = &x->in, *out = &x->out;
    unsigned ratio;

    if (in->domid != out->domid)
        return -EINVAL;
    if (in->extent_order > memory_max_order() || out->extent_order > memory_max_order())
        return -EPERM;
    if (in->nr_extents > ~0UL >> in->extent_order || out->nr_extents > ~0UL >> out->extent_order)
        return -EINVAL;
    if (in->nr_extents << in->extent_order != out->nr_extents << out->extent_order)
        return -EINVAL;
    if (x->nr_exchanged > in->nr_extents)
        return -EINVAL;
    /* Progress is made in whole chunks. */
    ratio = out->extent_order > in->extent_order ? out->extent_order - in->extent_order : 0;
    return x->nr_exchanged & ((1UL << ratio) - 1) ? -EINVAL : 0;
}

static int exchange_read(struct exchange *e, vaddr_t arg)
{
    int rc;

    if (copy_from_guest(&e->x, arg))
        return -EFAULT;
    rc = exchange_check(&e->x);
    if (rc)
        return rc;
    if (!memory_heap_flags(e->x.out.mem_flags, &e->heap_flags))
        return -EINVAL;
    e->chunk_order = MAX(e->x.in.extent_order, e->x.out.extent_order);
    return domain_target_get(e->x.in.domid, &e->d);
}

/* The domain's frames from mfn on go to the list: 0, -EINVAL (not its own), -EBUSY (in use). */
static int old_extent_take(struct exchange *e, u64 mfn, struct loose *old)
{
    for (u64 i = 0; i < 1ULL << e->x.in.extent_order; i++) {
        int rc;

        if (!mfn_valid(MFN(mfn + i)))
            return -EINVAL;
        rc = domain_take_page(e->d, mfn_to_page(MFN(mfn + i)));
        if (rc)
            return rc;
        loose_push(old, mfn_to_page(MFN(mfn + i)));
    }
    return 0;
}

static int old_take(struct exchange *e, struct loose *old)
{
    u64 n = 1ULL << (e->chunk_order - e->x.in.extent_order);

    for (u64 i = 0; i < n; i++) {
        xen_pfn_t mfn;
        int rc;

        if (copy_from_handle_offset(&mfn, e->x.in.extent_start, e->x.nr_exchanged + i, 1))
            return -EFAULT;
        rc = old_extent_take(e, mfn, old);
        if (rc)
            return rc;
    }
    return 0;
}

static u64 out_index(const struct exchange *e)
{
    return e->x.nr_exchanged << e->x.in.extent_order >> e->x.out.extent_order;
}

/* Allocates the new extents and enters where the guest wants them in the machine-to-phys table. */
static int new_alloc(struct exchange *e, struct loose *new)
{
    unsigned order = e->x.out.extent_order;
    u64 n = 1ULL << (e->chunk_order - order);

    /* From the last to the first, so that they come off the list in the guest's order. */
    while (n--) {
        xen_pfn_t gpfn;
        struct page *p;

        if (copy_from_handle_offset(&gpfn, e->x.out.extent_start, out_index(e) + n, 1))
            return -EFAULT;
        p = heap_alloc_pages(order, e->heap_flags);
        if (!p)
            return -ENOMEM;
        for (u64 i = 0; i < 1ULL << order; i++) {
            m2p_set(page_to_mfn(&p[i]), PFN(gpfn + i));
            pv_mark_dirty(e->d, page_to_mfn(&p[i]));
        }
        loose_push(new, p);
    }
    return 0;
}

static void new_free(struct exchange *e, struct loose *new)
{
    struct page *p;

    while ((p = loose_pop(new))) {
        for (u64 i = 0; i < 1ULL << e->x.out.extent_order; i++)
            m2p_set(page_to_mfn(&p[i]), PFN_INVALID);
        heap_free_pages(p, e->x.out.extent_order);
    }
}

/* The domain has its old frames again; one that dies meanwhile needs them no more. */
static void old_give_back(struct exchange *e, struct loose *old)
{
    struct page *p;

    while ((p = loose_pop(old)))
        if (domain_assign_pages(e->d, p, 0, true))
            heap_free_mapped_pages(p, 0);
}

static void old_free(struct loose *old)
{
    struct page *p;

    while ((p = loose_pop(old))) {
        m2p_set(page_to_mfn(p), PFN_INVALID);
        heap_free_mapped_pages(p, 0);
    }
}

/* Hands the new extents out; what goes wrong now cannot be undone: the guest loses track of frames. */
static int new_assign(struct exchange *e, struct loose *new)
{
    u64 index = out_index(e);
    struct page *p;
    int rc = 0;

    while ((p = loose_pop(new))) {
        xen_pfn_t mfn = page_to_mfn(p).n;

        if (domain_assign_pages(e->d, p, e->x.out.extent_order, true)) {
            loose_push(new, p);
            new_free(e, new);
            return -EINVAL;
        }
        if (copy_to_handle_offset(e->x.out.extent_start, index++, &mfn, 1))
            rc = -EFAULT;
    }
    return rc;
}

static int exchange_chunk(struct exchange *e)
{
    struct loose old = { PAGE_LINK_NONE }, new = { PAGE_LINK_NONE };
    int rc = old_take(e, &old);

    if (!rc)
        rc = new_alloc(e, &new);
    if (rc) {
        new_free(e, &new);
        old_give_back(e, &old);
        return rc;
    }
    old_free(&old);
    rc = new_assign(e, &new);
    e->x.nr_exchanged += 1UL << (e->chunk_order - e->x.in.extent_order);
    return rc;
}

long memory_exchange(struct memory_call *c)
{
    struct exchange e;
    long rc = exchange_read(&e, c->arg);
    bool first = true;

    if (rc)
        return rc;
    while (!rc && e.x.nr_exchanged < e.x.in.nr_extents) {
        if (!first && hypercall_should_preempt())
            rc = -E_PREEMPTED;
        else
            rc = exchange_chunk(&e);
        first = false;
    }
    domain_put(e.d);
    if (copy_field_to_guest(c->arg, &e.x, nr_exchanged))
        return -EFAULT;
    return rc;
}
