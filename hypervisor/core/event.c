/* SPDX-License-Identifier: MIT */
/*
 * Event channels: a domain's table of them from birth to death.
 * event_private.h says how channels are found and locked.
 *
 *   event_alloc.c   ports: free ones, given ones
 *   event_bind.c    what a port is for: unbound, interdomain, VIRQ, IPI, PIRQ
 *   event_close.c   the way back, one port or all
 *   event_send.c    raising events, from guests and from the hypervisor
 *   event_op.c      the hypercall
 *   event_2l.c, event_fifo.c   the two ways in which a guest sees them
 */
#include "event_private.h"

#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/log.h>

int event_domain_init(struct domain *d, u32 max_port)
{
    struct evtchn_domain *e = &d->evt;

    spin_lock_init(&e->lock, LOCK_EVENT);
    e->port_limit = MIN(max_port, (u32)EVTCHN_FIFO_NR_CHANNELS - 1) + 1;
    e->bucket_count = DIV_ROUND_UP(e->port_limit, (u32)EVTCHN_BUCKET_CHANNELS);
    e->search_from = 1; /* port 0 is never used: guests take it for 'none' */
    e->buckets = mem_alloc_array(struct evtchn *, e->bucket_count);
    return e->buckets ? 0 : -ENOMEM;
}

int event_vcpu_init(struct vcpu *v)
{
    tasklet_init(&v->evt.pirq_follow, event_pirqs_follow, v);
    return 0;
}

void event_domain_free(struct domain *d)
{
    for (u32 i = 0; i < d->evt.bucket_count; i++)
        mem_free(d->evt.buckets[i]);
    mem_free(d->evt.buckets);
    d->evt.buckets = NULL;
    d->evt.bucket_count = d->evt.port_limit = 0;
}

void event_lock_pair(struct domain *a, struct domain *b)
{
    spin_lock(a < b ? &a->evt.lock : &b->evt.lock);
    if (a != b)
        spin_lock(a < b ? &b->evt.lock : &a->evt.lock);
}

void event_unlock_pair(struct domain *a, struct domain *b)
{
    spin_unlock(&a->evt.lock);
    if (a != b)
        spin_unlock(&b->evt.lock);
}

/* --- status --- */

static void status_fill(const struct evtchn *chn, struct evtchn_status *st)
{
    st->status = chn->state;
    st->vcpu = chn->notify_vcpu;
    switch (chn->state) {
    case EVTCHNSTAT_unbound:
        st->u.unbound.dom = chn->u.unbound.remote;
        break;
    case EVTCHNSTAT_interdomain:
        st->u.interdomain.dom = chn->u.remote.domain->id;
        st->u.interdomain.port = chn->u.remote.chn->port;
        break;
    case EVTCHNSTAT_pirq:
        st->u.pirq = chn->u.pirq;
        break;
    case EVTCHNSTAT_virq:
        st->u.virq = chn->u.virq;
        break;
    default:
        break;
    }
}

int event_status(struct domain *d, struct evtchn_status *st)
{
    struct evtchn *chn;

    spin_lock(&d->evt.lock);
    chn = evtchn_find(d, st->port);
    if (chn)
        status_fill(chn, st);
    spin_unlock(&d->evt.lock);
    return chn ? 0 : -EINVAL;
}

void event_dump(struct domain *d)
{
    static const char *const names[] = { "closed", "unbound", "interdomain", "pirq", "virq", "ipi" };

    spin_lock(&d->evt.lock);
    log_info("d%u: %u event channels, %s\n", d->id, d->evt.active, d->evt.fifo ? "FIFO" : "2-level");
    for (u32 port = 1; port < d->evt.port_limit; port++) {
        const struct evtchn *chn = evtchn_find(d, port);
        bool fifo = d->evt.fifo;

        if (!chn) {
            port |= EVTCHN_BUCKET_CHANNELS - 1;
            continue;
        }
        if (chn->state == EVTCHNSTAT_closed)
            continue;
        log_info("  %4u %s v%u prio %u%s%s\n", port, names[chn->state], chn->notify_vcpu, chn->priority,
                 (fifo ? event_fifo_is_pending(d, chn) : event_2l_is_pending(d, port)) ? " pending" : "",
                 (fifo ? event_fifo_is_masked(d, chn) : event_2l_is_masked(d, port)) ? " masked" : "");
    }
    spin_unlock(&d->evt.lock);
}
