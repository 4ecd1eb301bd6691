/* SPDX-License-Identifier: MIT */
/*
 * The FIFO ABI: the memory a guest gives for it, and priorities.
 *
 * The first EVTCHNOP_init_control turns the domain from the 2-level ABI, with
 * what is pending there; each vCPU needs one of its own.  The frames of control blocks and event words
 * hold a reference and the writable type until all channels are closed
 * (EVTCHNOP_reset, death); so senders, who hold an open channel, may use them.
 */
#include "event_fifo.h"

#include <zelo/errno.h>
#include <zelo/log.h>

_Static_assert(sizeof(struct evtchn_fifo_control_block) == 8 + 4 * EVTCHN_FIFO_MAX_QUEUES, "ABI");

/* The guest's frame, held and writable; NULL if it may not be had. */
static struct page *fifo_get_frame(struct domain *d, u64 gfn)
{
    struct page *p;

    if (!mfn_valid(MFN(gfn)))
        return NULL;
    p = mfn_to_page(MFN(gfn));
    return page_get_and_type(p, d, PGT_WRITABLE) ? NULL : p;
}

/* Raises what was postponed for want of v's control block (v NULL: of event words). Domain's lock held. */
static void fifo_deliver_postponed(struct domain *d, const struct vcpu *v, u32 first, u32 end)
{
    for (u32 port = first; port < MIN(end, d->evt.port_limit); port++) {
        struct evtchn *chn = evtchn_find(d, port);

        if (!chn) {
            port |= EVTCHN_BUCKET_CHANNELS - 1;
            continue;
        }
        if (chn->state == EVTCHNSTAT_closed || (v && chn->notify_vcpu != v->id))
            continue;
        if (atomic_read(&chn->undelivered) && atomic_xchg(&chn->undelivered, 0))
            evtchn_raise(d, chn);
    }
}

/*
 * What is pending in the 2-level ABI stays so: it is postponed, as there are no event words yet.  Masked ones too,
 * since the mask is in the event words from now on.  Domain's lock held, evt.fifo published.
 */
static void fifo_take_over(struct domain *d)
{
    for (u32 port = 1; port < MIN(d->evt.port_limit, (u32)EVTCHN_2L_NR_CHANNELS); port++) {
        struct evtchn *chn = evtchn_find(d, port);

        if (!chn)
            port |= EVTCHN_BUCKET_CHANNELS - 1;
        else if (chn->state != EVTCHNSTAT_closed && event_2l_is_pending(d, port))
            (void)atomic_xchg(&chn->undelivered, 1);
    }
}

/* --- control blocks --- */

static struct evtchn_fifo_vcpu *fifo_vcpu_make(struct vcpu *v, struct page *p, u32 offset)
{
    struct evtchn_fifo_vcpu *f = mem_alloc_type(struct evtchn_fifo_vcpu);

    if (!f)
        return NULL;
    f->page = p;
    for (u32 i = 0; i < ARRAY_SIZE(f->queue); i++) {
        spin_lock_init(&f->queue[i].lock, LOCK_EVENT_QUEUE);
        f->queue[i].priority = i;
        f->queue[i].vcpu = v;
        f->queue[i].block = (void *)((char *)page_to_virt(p) + offset);
    }
    return f;
}

/* Domain's lock held; consumes the frame on success. */
static int fifo_add_vcpu(struct domain *d, struct vcpu *v, struct page *p, u32 offset)
{
    struct evtchn_fifo_vcpu *f;
    struct evtchn_fifo *dom = NULL;

    if (v->evt.fifo)
        return -EINVAL;
    f = fifo_vcpu_make(v, p, offset);
    if (!f)
        return -ENOMEM;
    if (!d->evt.fifo) {
        dom = mem_alloc_type(struct evtchn_fifo);
        if (!dom) {
            mem_free(f);
            return -ENOMEM;
        }
    }
    (void)atomic_xchg(&v->evt.fifo, f);
    if (dom) {
        (void)atomic_xchg(&d->evt.fifo, dom); /* published before looking for what is pending */
        fifo_take_over(d);
    }
    fifo_deliver_postponed(d, v, 1, d->evt.port_limit);
    return 0;
}

int event_fifo_init_control(struct domain *d, struct evtchn_init_control *op)
{
    struct vcpu *v = domain_vcpu(d, op->vcpu);
    struct page *p;
    int rc;

    if (!v)
        return -ENOENT;
    if (op->offset % 8 || op->offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block))
        return -EINVAL;
    p = fifo_get_frame(d, op->control_gfn);
    if (!p)
        return -EINVAL;
    spin_lock(&d->evt.lock);
    rc = d->evt.dying ? -ESRCH : fifo_add_vcpu(d, v, p, op->offset);
    spin_unlock(&d->evt.lock);
    if (rc)
        page_put_and_type(p);
    else
        op->link_bits = EVTCHN_FIFO_LINK_BITS;
    return rc;
}

/* --- event words --- */

static int fifo_add_words(struct domain *d, struct page *p)
{
    struct evtchn_fifo *f = d->evt.fifo;
    u32 n;

    if (!f)
        return -EOPNOTSUPP;
    n = f->pages;
    if (n >= FIFO_ARRAY_PAGES)
        return -ENOSPC;
    f->words[n] = page_to_virt(p);
    (void)atomic_xchg(&f->pages, n + 1); /* published before looking for what was postponed */
    fifo_deliver_postponed(d, NULL, n * FIFO_WORDS_PER_PAGE, (n + 1) * FIFO_WORDS_PER_PAGE);
    return 0;
}

int event_fifo_expand_array(struct domain *d, u64 gfn)
{
    struct page *p;
    int rc;

    if (!d->evt.fifo)
        return -EOPNOTSUPP;
    p = fifo_get_frame(d, gfn);
    if (!p)
        return -EINVAL;
    spin_lock(&d->evt.lock);
    rc = fifo_add_words(d, p);
    spin_unlock(&d->evt.lock);
    if (rc)
        page_put_and_type(p);
    return rc;
}

/* --- priority --- */

int event_fifo_set_priority(struct domain *d, u32 port, u32 priority)
{
    struct evtchn *chn;
    unsigned long flags;
    int rc = -EINVAL;

    if (priority > EVTCHN_FIFO_PRIORITY_MIN)
        return -EINVAL;
    if (!d->evt.fifo)
        return -ENOSYS;
    spin_lock(&d->evt.lock);
    chn = evtchn_find(d, port);
    if (chn && chn->state != EVTCHNSTAT_closed) {
        spin_lock_irqsave(&chn->lock, flags);
        WRITE_ONCE(chn->priority, (u8)priority);
        spin_unlock_irqrestore(&chn->lock, flags);
        rc = 0;
    }
    spin_unlock(&d->evt.lock);
    return rc;
}

/* --- the end --- */

static void fifo_forget_queues(struct domain *d)
{
    for (u32 i = 0; i < d->evt.bucket_count; i++) {
        struct evtchn *bucket = d->evt.buckets[i];

        for (u32 n = 0; bucket && n < EVTCHN_BUCKET_CHANNELS; n++) {
            bucket[n].queue = NULL;
            bucket[n].undelivered = 0;
        }
    }
}

/* Its frames are written by whoever sends. Domain's lock. */
static void fifo_mark_dirty(struct domain *d, const struct evtchn_fifo *f)
{
    struct vcpu *v;

    for_each_vcpu(d, v)
        if (v->evt.fifo)
            pv_mark_page_dirty(v->evt.fifo->page);
    for (u32 i = 0; i < f->pages; i++)
        pv_mark_page_dirty(virt_to_page(f->words[i]));
}

void event_mark_dirty(struct domain *d)
{
    spin_lock(&d->evt.lock);
    if (d->evt.fifo)
        fifo_mark_dirty(d, d->evt.fifo);
    spin_unlock(&d->evt.lock);
}

struct evtchn_fifo *event_fifo_detach(struct domain *d)
{
    struct evtchn_fifo *f = d->evt.fifo;
    struct vcpu *v;

    BUG_ON(d->evt.active);
    fifo_forget_queues(d);
    WRITE_ONCE(d->evt.fifo, NULL);
    d->evt.search_from = 1;
    fifo_mark_dirty(d, f);
    for_each_vcpu(d, v) {
        struct evtchn_fifo_vcpu *fv = v->evt.fifo;

        if (!fv)
            continue;
        WRITE_ONCE(v->evt.fifo, NULL);
        fv->next = f->detached;
        f->detached = fv;
    }
    return f;
}

void event_fifo_free(struct evtchn_fifo *f)
{
    while (f->detached) {
        struct evtchn_fifo_vcpu *fv = f->detached;

        f->detached = fv->next;
        page_put_and_type(fv->page);
        mem_free(fv);
    }
    for (u32 i = 0; i < f->pages; i++)
        page_put_and_type(virt_to_page(f->words[i]));
    mem_free(f);
}
