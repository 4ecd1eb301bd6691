/* SPDX-License-Identifier: MIT */
/*
 * Raising events.  Everything here may be called in any context.  A sender
 * holds the lock of the channel it sends on, which keeps both ends in place
 * (event_private.h), and ends in evtchn_raise on the channel that receives.
 */
#include "event_private.h"

#include <zelo/errno.h>

/*
 * v->info is read after the pending bit was set by a locked instruction; so
 * either this is the new place of a moved vcpu_info, or the mover's
 * event_vcpu_info_moved makes the guest look at the bit.
 */
void event_notify_vcpu(struct vcpu *v)
{
    vcpu_info_t *info = atomic_read_acquire(&v->info);

    if (!atomic_xchg(&info->evtchn_upcall_pending, 1))
        vcpu_kick(v);
}

void evtchn_raise(struct domain *d, struct evtchn *chn)
{
    struct vcpu *v = d->vcpu[READ_ONCE(chn->notify_vcpu)];

    if (likely(evtchn_is_fifo(d))) {
        event_fifo_raise(d, chn, v);
        return;
    }
    event_2l_raise(d, chn, v);
    /* A domain that turns to FIFO takes over what is pending after publishing that; so this looks again after. */
    if (unlikely(evtchn_is_fifo(d)))
        event_fifo_raise(d, chn, v);
}

int event_send(struct domain *d, u32 port)
{
    struct evtchn *chn = evtchn_find(d, port);
    unsigned long flags;
    int rc = 0;

    if (!chn)
        return -EINVAL;
    spin_lock_irqsave(&chn->lock, flags);
    switch (chn->state) {
    case EVTCHNSTAT_interdomain:
        evtchn_raise(chn->u.remote.domain, chn->u.remote.chn);
        break;
    case EVTCHNSTAT_ipi:
        evtchn_raise(d, chn);
        break;
    case EVTCHNSTAT_unbound: /* nobody listens yet; whoever binds finds it pending */
        break;
    default:
        rc = -EINVAL;
    }
    spin_unlock_irqrestore(&chn->lock, flags);
    return rc;
}

void event_send_hypervisor(struct domain *d, u32 port)
{
    (void)event_send(d, port); /* a port that the guest has closed since: its loss */
}

/* The port may have been closed or reused since it was read: raised only if it is what it was. */
static void event_send_if(struct domain *d, u32 port, u8 state, u32 source)
{
    struct evtchn *chn = evtchn_find(d, port);
    unsigned long flags;

    if (!chn)
        return;
    spin_lock_irqsave(&chn->lock, flags);
    if (chn->state == state && (state == EVTCHNSTAT_pirq || chn->u.virq == source))
        evtchn_raise(d, chn);
    spin_unlock_irqrestore(&chn->lock, flags);
}

void event_send_vcpu_virq(struct vcpu *v, u32 virq)
{
    u32 port = READ_ONCE(v->evt.virq_port[virq]);

    if (port)
        event_send_if(v->domain, port, EVTCHNSTAT_virq, virq);
}

void event_send_global_virq(struct domain *d, u32 virq)
{
    struct vcpu *v = domain_vcpu(d, 0); /* where it is entered, wherever it is delivered */

    if (v)
        event_send_vcpu_virq(v, virq);
}

void event_send_host_virq(u32 virq)
{
    struct domain *d = READ_ONCE(dom0);

    if (d)
        event_send_global_virq(d, virq);
}

void event_send_pirq(struct domain *d, u32 port)
{
    event_send_if(d, port, EVTCHNSTAT_pirq, 0);
}

/* --- the receiving side --- */

int event_port_pending(struct domain *d, u32 port)
{
    struct evtchn *chn = evtchn_find(d, port);
    unsigned long flags;
    bool pending = false;

    if (!chn)
        return -EINVAL;
    spin_lock_irqsave(&chn->lock, flags);
    if (chn->state != EVTCHNSTAT_closed) /* open: the FIFO's pages stay */
        pending = evtchn_is_fifo(d) ? event_fifo_is_pending(d, chn) : event_2l_is_pending(d, port);
    spin_unlock_irqrestore(&chn->lock, flags);
    return pending;
}

int event_unmask(struct domain *d, u32 port)
{
    struct evtchn *chn = evtchn_find(d, port);
    unsigned long flags;
    int rc = 0;

    if (!chn)
        return -EINVAL;
    spin_lock_irqsave(&chn->lock, flags);
    if (chn->state == EVTCHNSTAT_closed)
        rc = -EINVAL;
    else if (evtchn_is_fifo(d))
        event_fifo_unmask(d, chn, d->vcpu[chn->notify_vcpu]);
    else
        event_2l_unmask(d, chn, d->vcpu[chn->notify_vcpu]);
    spin_unlock_irqrestore(&chn->lock, flags);
    return rc;
}

void event_vcpu_info_moved(struct vcpu *v)
{
    if (!evtchn_is_fifo(v->domain))
        event_2l_info_moved(v);
    event_notify_vcpu(v);
}
