/* SPDX-License-Identifier: MIT */
/*
 * What a port is for.  Each operation takes a free port under the domain's
 * lock, fills in what the state needs, and sets the state last, since from
 * then on senders may use it.
 */
#include "event_private.h"

#include <zelo/errno.h>
#include <zelo/irq.h>
#include <zelo/nospec.h>

int event_alloc_unbound(struct domain *d, domid_t remote, u32 *port)
{
    struct evtchn *chn;
    int rc;

    spin_lock(&d->evt.lock);
    chn = evtchn_alloc(d, &rc);
    if (chn) {
        chn->u.unbound.remote = remote;
        evtchn_set_state(chn, EVTCHNSTAT_unbound);
        *port = chn->port;
    }
    spin_unlock(&d->evt.lock);
    return rc;
}

/* --- interdomain --- */

/* The remote port as one that waits for ld; NULL if it does not. */
static struct evtchn *interdomain_remote(struct domain *ld, struct domain *rd, u32 remote_port)
{
    struct evtchn *rchn = evtchn_find(rd, remote_port);

    if (rd->evt.dying || !rchn || rchn->state != EVTCHNSTAT_unbound || rchn->u.unbound.remote != ld->id)
        return NULL;
    return rchn;
}

static void interdomain_connect(struct evtchn *chn, struct domain *to, struct evtchn *far)
{
    unsigned long flags;

    spin_lock_irqsave(&chn->lock, flags);
    chn->u.remote.domain = to;
    chn->u.remote.chn = far;
    WRITE_ONCE(chn->state, EVTCHNSTAT_interdomain);
    spin_unlock_irqrestore(&chn->lock, flags);
}

/* Both locks held. */
static int interdomain_bind(struct domain *ld, struct domain *rd, u32 remote_port, u32 *port)
{
    struct evtchn *lchn, *rchn;
    int rc;

    rchn = interdomain_remote(ld, rd, remote_port);
    if (!rchn)
        return -EINVAL;
    lchn = evtchn_alloc(ld, &rc);
    if (!lchn)
        return rc;
    interdomain_connect(lchn, rd, rchn);
    interdomain_connect(rchn, ld, lchn);
    *port = lchn->port;
    /* The far end may have sent before there was anybody to hear it. */
    evtchn_raise(ld, lchn);
    return 0;
}

int event_bind_interdomain(struct domain *ld, domid_t remote, u32 remote_port, u32 *port)
{
    struct domain *rd = domain_get(remote);
    int rc;

    if (!rd)
        return -ESRCH;
    event_lock_pair(ld, rd);
    rc = interdomain_bind(ld, rd, remote_port, port);
    event_unlock_pair(ld, rd);
    domain_put(rd);
    return rc;
}

/* --- virtual interrupts --- */

int event_bind_virq(struct domain *d, u32 virq, u32 vcpu, u32 *port)
{
    struct evtchn *chn;
    struct vcpu *v;
    int rc;

    if (virq >= NR_VIRQS || (virq_is_global(virq) && vcpu != 0))
        return -EINVAL;
    virq = array_index_nospec(virq, NR_VIRQS);
    v = domain_vcpu(d, vcpu);
    if (!v)
        return -ENOENT;
    spin_lock(&d->evt.lock);
    chn = NULL;
    rc = -EEXIST;
    if (!v->evt.virq_port[virq])
        chn = evtchn_alloc(d, &rc);
    if (chn) {
        chn->u.virq = virq;
        chn->notify_vcpu = (u16)v->id;
        evtchn_set_state(chn, EVTCHNSTAT_virq);
        atomic_set_release(&v->evt.virq_port[virq], chn->port);
        *port = chn->port;
    }
    spin_unlock(&d->evt.lock);
    return rc;
}

int event_bind_ipi(struct domain *d, u32 vcpu, u32 *port)
{
    struct evtchn *chn;
    int rc;

    if (!domain_vcpu(d, vcpu))
        return -ENOENT;
    spin_lock(&d->evt.lock);
    chn = evtchn_alloc(d, &rc);
    if (chn) {
        chn->notify_vcpu = (u16)vcpu;
        evtchn_set_state(chn, EVTCHNSTAT_ipi);
        *port = chn->port;
    }
    spin_unlock(&d->evt.lock);
    return rc;
}

/* --- physical interrupts --- */

/* The interrupt may arrive before pirq_bind returns, so the channel is ready first. */
int event_bind_pirq(struct domain *d, u32 pirq, u32 flags, u32 *port)
{
    struct evtchn *chn;
    struct vcpu *v = domain_vcpu(d, 0);
    int rc;

    if (flags & ~BIND_PIRQ__WILL_SHARE)
        return -EINVAL;
    if (!v)
        return -ENOENT;
    spin_lock(&d->evt.lock);
    chn = evtchn_alloc(d, &rc);
    if (!chn)
        goto out;
    chn->u.pirq = pirq;
    evtchn_set_state(chn, EVTCHNSTAT_pirq);
    rc = pirq_bind(d, pirq, chn->port, v, flags & BIND_PIRQ__WILL_SHARE);
    if (rc) {
        evtchn_free(d, chn);
        goto out;
    }
    v->evt.pirqs++;
    *port = chn->port;
out:
    spin_unlock(&d->evt.lock);
    return rc;
}

void event_vcpu_move(struct vcpu *v)
{
    if (READ_ONCE(v->evt.pirqs))
        tasklet_schedule(&v->evt.pirq_follow);
}

/* The scheduler moves vCPUs where it must not wait; here their PIRQs come after. */
void event_pirqs_follow(void *vcpu)
{
    struct vcpu *v = vcpu;
    struct domain *d = v->domain;

    spin_lock(&d->evt.lock);
    for (u32 port = 1; port < d->evt.port_limit; port++) {
        struct evtchn *chn = evtchn_find(d, port);

        if (!chn) {
            port |= EVTCHN_BUCKET_CHANNELS - 1;
            continue;
        }
        if (chn->state == EVTCHNSTAT_pirq && chn->notify_vcpu == v->id)
            pirq_set_target(d, chn->u.pirq, v);
    }
    spin_unlock(&d->evt.lock);
}

/* --- whom a port tells --- */

static void evtchn_set_notify(struct evtchn *chn, unsigned vcpu)
{
    unsigned long flags;

    spin_lock_irqsave(&chn->lock, flags);
    WRITE_ONCE(chn->notify_vcpu, (u16)vcpu);
    spin_unlock_irqrestore(&chn->lock, flags);
}

static void bind_vcpu_pirq(struct domain *d, struct evtchn *chn, struct vcpu *to)
{
    d->vcpu[chn->notify_vcpu]->evt.pirqs--;
    to->evt.pirqs++;
    evtchn_set_notify(chn, to->id);
    pirq_set_target(d, chn->u.pirq, to);
}

static int bind_vcpu_locked(struct domain *d, u32 port, struct vcpu *v)
{
    struct evtchn *chn = evtchn_find(d, port);

    if (!chn)
        return -EINVAL;
    switch (chn->state) {
    case EVTCHNSTAT_virq:
        if (!virq_is_global(chn->u.virq))
            return -EINVAL;
        evtchn_set_notify(chn, v->id);
        return 0;
    case EVTCHNSTAT_unbound:
    case EVTCHNSTAT_interdomain:
        evtchn_set_notify(chn, v->id);
        return 0;
    case EVTCHNSTAT_pirq:
        bind_vcpu_pirq(d, chn, v);
        return 0;
    default:
        return -EINVAL;
    }
}

int event_bind_vcpu(struct domain *d, u32 port, u32 vcpu)
{
    struct vcpu *v = domain_vcpu(d, vcpu);
    int rc;

    if (!v)
        return -ENOENT;
    spin_lock(&d->evt.lock);
    rc = bind_vcpu_locked(d, port, v);
    spin_unlock(&d->evt.lock);
    return rc;
}
