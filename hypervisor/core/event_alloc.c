/* SPDX-License-Identifier: MIT */
/* Event channel ports: finding free ones, giving them out, taking them back. */
#include "event_private.h"

#include <zelo/errno.h>

/* The channel of a port, its bucket made if it is the first there; NULL: no memory. */
static struct evtchn *evtchn_make(struct domain *d, u32 port)
{
    struct evtchn **slot = &d->evt.buckets[port / EVTCHN_BUCKET_CHANNELS];
    struct evtchn *bucket = *slot;

    if (bucket)
        return &bucket[port % EVTCHN_BUCKET_CHANNELS];
    bucket = mem_alloc_array(struct evtchn, EVTCHN_BUCKET_CHANNELS);
    if (!bucket)
        return NULL;
    for (u32 i = 0; i < EVTCHN_BUCKET_CHANNELS; i++) {
        spin_lock_init(&bucket[i].lock, LOCK_EVENT_CHANNEL);
        bucket[i].port = ALIGN_DOWN(port, (u32)EVTCHN_BUCKET_CHANNELS) + i;
        bucket[i].priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    }
    atomic_set_release(slot, bucket);
    return &bucket[port % EVTCHN_BUCKET_CHANNELS];
}

struct evtchn *evtchn_alloc(struct domain *d, int *err)
{
    u32 end = evtchn_port_end(d);
    bool hint = true;

    if (d->evt.dying) {
        *err = -ESRCH;
        return NULL;
    }
    if (!domain_vcpu(d, 0)) { /* whom every channel notifies at first */
        *err = -ENOENT;
        return NULL;
    }
    for (u32 port = d->evt.search_from; port < end; port++) {
        struct evtchn *chn = evtchn_make(d, port);

        if (!chn) {
            *err = -ENOMEM;
            return NULL;
        }
        if (chn->state != EVTCHNSTAT_closed) {
            d->evt.search_from += hint;
            continue;
        }
        hint = false; /* from here on the search passes ports that may be free next time */
        if (d->evt.fifo && event_fifo_is_busy(d, port))
            continue;
        chn->notify_vcpu = 0;
        chn->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
        d->evt.active++;
        *err = 0;
        return chn;
    }
    *err = -ENOSPC;
    return NULL;
}

void evtchn_set_state(struct evtchn *chn, u8 state)
{
    unsigned long flags;

    spin_lock_irqsave(&chn->lock, flags);
    WRITE_ONCE(chn->state, state);
    spin_unlock_irqrestore(&chn->lock, flags);
}

void evtchn_free(struct domain *d, struct evtchn *chn)
{
    unsigned long flags;

    spin_lock_irqsave(&chn->lock, flags);
    WRITE_ONCE(chn->state, EVTCHNSTAT_closed);
    chn->notify_vcpu = 0;
    chn->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    if (d->evt.fifo)
        event_fifo_clear_pending(d, chn);
    event_2l_clear_pending(d, chn->port); /* of a FIFO domain: what it took over; it may go back */
    spin_unlock_irqrestore(&chn->lock, flags);
    d->evt.active--;
    d->evt.search_from = MIN(d->evt.search_from, chn->port);
}
