/* SPDX-License-Identifier: MIT */
/*
 * Closing event channels: one, or all of a domain that resets or dies.  The
 * far end of an interdomain channel goes back to waiting for this domain.
 */
#include "event_private.h"

#include <zelo/errno.h>
#include <zelo/irq.h>
#include <zelo/log.h>

/* d's lock held. A global VIRQ is entered at vCPU 0 wherever it is delivered. */
static void close_virq(struct domain *d, struct evtchn *chn)
{
    struct vcpu *v = d->vcpu[virq_is_global(chn->u.virq) ? 0 : chn->notify_vcpu];

    BUG_ON(v->evt.virq_port[chn->u.virq] != chn->port);
    WRITE_ONCE(v->evt.virq_port[chn->u.virq], 0);
}

static void close_pirq(struct domain *d, struct evtchn *chn)
{
    pirq_unbind(d, chn->u.pirq);
    d->vcpu[chn->notify_vcpu]->evt.pirqs--;
}

/* Both domains' locks held. After this nobody sends to chn any more. */
static void close_far_end(struct domain *d, struct evtchn *chn)
{
    struct evtchn *far = chn->u.remote.chn;
    unsigned long flags;

    spin_lock_irqsave(&far->lock, flags);
    BUG_ON(far->state != EVTCHNSTAT_interdomain || far->u.remote.chn != chn);
    far->u.unbound.remote = d->id;
    WRITE_ONCE(far->state, EVTCHNSTAT_unbound);
    spin_unlock_irqrestore(&far->lock, flags);
}

/* d's lock held, and peer's, which is NULL or perhaps d: closes unless that takes another domain's lock. */
static int close_locked(struct domain *d, u32 port, const struct domain *peer)
{
    struct evtchn *chn = evtchn_find(d, port);

    if (!chn || chn->state == EVTCHNSTAT_closed)
        return -EINVAL;
    switch (chn->state) {
    case EVTCHNSTAT_interdomain:
        if (chn->u.remote.domain != d && chn->u.remote.domain != peer)
            return -EAGAIN;
        close_far_end(d, chn);
        break;
    case EVTCHNSTAT_virq:
        close_virq(d, chn);
        break;
    case EVTCHNSTAT_pirq:
        close_pirq(d, chn);
        break;
    default:
        break;
    }
    evtchn_free(d, chn);
    return 0;
}

/* The domain at the far end, referenced; NULL if there is none but d. d's lock held. */
static struct domain *close_peer(struct domain *d, u32 port)
{
    struct evtchn *chn = evtchn_find(d, port);
    struct domain *peer;

    if (!chn || chn->state != EVTCHNSTAT_interdomain || chn->u.remote.domain == d)
        return NULL;
    peer = chn->u.remote.domain;
    domain_hold(peer); /* it lives: its death closes this channel first */
    return peer;
}

/* Goes round only if the far end was closed and bound anew by another domain in between. */
int event_close(struct domain *d, u32 port)
{
    int rc;

    do {
        struct domain *peer;

        spin_lock(&d->evt.lock);
        peer = close_peer(d, port);
        if (!peer) {
            rc = close_locked(d, port, NULL);
            spin_unlock(&d->evt.lock);
            return rc;
        }
        spin_unlock(&d->evt.lock);

        event_lock_pair(d, peer);
        rc = close_locked(d, port, peer);
        event_unlock_pair(d, peer);
        domain_put(peer);
    } while (rc == -EAGAIN);
    return rc;
}

/* Ports that are free are skipped at a bucket's price, so the whole costs what the domain has in use. */
static int event_close_all(struct domain *d, bool preemptible)
{
    for (u32 port = 1; port < d->evt.port_limit; port++) {
        struct evtchn *chn = evtchn_find(d, port);

        if (!chn) {
            port |= EVTCHN_BUCKET_CHANNELS - 1;
            continue;
        }
        if (READ_ONCE(chn->state) == EVTCHNSTAT_closed)
            continue;
        (void)event_close(d, port); /* -EINVAL: the guest closed it meanwhile */
        if (preemptible && hypercall_should_preempt())
            return -E_PREEMPTED;
    }
    return 0;
}

int event_reset(struct domain *d)
{
    struct evtchn_fifo *f = NULL;
    int rc = event_close_all(d, true);

    if (rc)
        return rc;
    spin_lock(&d->evt.lock);
    if (d->evt.active)
        rc = -E_PREEMPTED; /* bound meanwhile by another vCPU */
    else if (d->evt.fifo && d == current->domain)
        f = event_fifo_detach(d); /* another's reset leaves the guest its memory's use */
    spin_unlock(&d->evt.lock);
    if (f)
        event_fifo_free(f);
    return rc;
}

void event_domain_destroy(struct domain *d)
{
    struct evtchn_fifo *f = NULL;
    struct vcpu *v;

    spin_lock(&d->evt.lock);
    d->evt.dying = true;
    spin_unlock(&d->evt.lock);
    (void)event_close_all(d, false);

    spin_lock(&d->evt.lock);
    BUG_ON(d->evt.active);
    if (d->evt.fifo)
        f = event_fifo_detach(d);
    spin_unlock(&d->evt.lock);
    if (f)
        event_fifo_free(f);
    for_each_vcpu(d, v)
        tasklet_kill(&v->evt.pirq_follow);
}
