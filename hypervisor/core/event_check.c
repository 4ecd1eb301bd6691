/* SPDX-License-Identifier: MIT */
/*
 * The invariant checker on event channels: what a channel says of its other
 * end, its VIRQ or PIRQ, and its queue is what those say of it.  The words and
 * control blocks of the FIFO ABI are the guest's to spoil, and are not looked at.
 */
#include "event_fifo.h"

#include <zelo/check.h>
#include <zelo/irq.h>

/* --- what a channel is for --- */

static void interdomain_check(const struct domain *d, const struct evtchn *chn)
{
    const struct evtchn *far = chn->u.remote.chn;
    const struct domain *rd = chn->u.remote.domain;

    if (evtchn_find(rd, far->port) != far || far->state != EVTCHNSTAT_interdomain || far->u.remote.chn != chn ||
        far->u.remote.domain != d)
        check_violation("d%u: port %u leads to port %u of d%u, which is in state %u and does not lead back", d->id,
                        chn->port, far->port, rd->id, far->state);
}

static void virq_check(const struct domain *d, const struct evtchn *chn)
{
    const struct vcpu *v = domain_vcpu(d, virq_is_global(chn->u.virq) ? 0 : chn->notify_vcpu);

    if (chn->u.virq >= NR_VIRQS || !v || v->evt.virq_port[chn->u.virq] != chn->port)
        check_violation("d%u: port %u is of VIRQ %u on v%u, which does not know it", d->id, chn->port, chn->u.virq,
                        chn->notify_vcpu);
}

static void pirq_check(struct domain *d, const struct evtchn *chn)
{
    u32 port = pirq_bound_port(d, chn->u.pirq);

    if (port != chn->port)
        check_violation("d%u: port %u is of PIRQ %u, which is bound to port %u", d->id, chn->port, chn->u.pirq, port);
}

static void open_check(struct domain *d, const struct evtchn *chn)
{
    if (!chn->port || !domain_vcpu(d, chn->notify_vcpu) || chn->priority > EVTCHN_FIFO_PRIORITY_MIN)
        check_violation("d%u: port %u in state %u notifies v%u with priority %u", d->id, chn->port, chn->state,
                        chn->notify_vcpu, chn->priority);
    switch (chn->state) {
    case EVTCHNSTAT_interdomain:
        interdomain_check(d, chn);
        break;
    case EVTCHNSTAT_virq:
        virq_check(d, chn);
        break;
    case EVTCHNSTAT_pirq:
        pirq_check(d, chn);
        break;
    case EVTCHNSTAT_unbound:
    case EVTCHNSTAT_ipi:
        break;
    default:
        check_violation("d%u: port %u is in state %u", d->id, chn->port, chn->state);
    }
}

/* --- FIFO --- */

static bool queue_is_of(const struct domain *d, const struct fifo_queue *q)
{
    const struct vcpu *v;

    for_each_vcpu(d, v)
        if (v->evt.fifo && q >= v->evt.fifo->queue && q < v->evt.fifo->queue + ARRAY_SIZE(v->evt.fifo->queue))
            return true;
    return false;
}

/* An interrupt may link a port while this looks, but a queue's tail stays a port that belongs on it. */
static void queue_check(const struct domain *d, const struct vcpu *v, struct fifo_queue *q, u32 priority)
{
    const struct evtchn *tail = NULL;
    unsigned long flags;
    bool ok;

    spin_lock_irqsave(&q->lock, flags);
    ok = q->vcpu == v && q->priority == priority && virt_to_page(q->block) == v->evt.fifo->page;
    if (q->tail) {
        tail = evtchn_find(d, q->tail);
        ok &= tail && tail->queue == q && fifo_word(d->evt.fifo, q->tail);
    }
    spin_unlock_irqrestore(&q->lock, flags);
    if (!ok)
        check_violation("d%uv%u: FIFO queue %u has priority %u and ends with port %u, which is not of it", d->id, v->id,
                        priority, q->priority, q->tail);
}

static void fifo_check(const struct domain *d)
{
    const struct evtchn_fifo *f = d->evt.fifo;
    const struct vcpu *v;

    for (u32 i = 0; f && i < f->pages; i++)
        check_use(d, "event words", virt_to_mfn(f->words[i]), PGT_WRITABLE);
    for_each_vcpu(d, v) {
        if (!v->evt.fifo)
            continue;
        check_use(d, "FIFO control block", page_to_mfn(v->evt.fifo->page), PGT_WRITABLE);
        if (!f)
            check_violation("d%uv%u: it has FIFO queues, its domain has none", d->id, v->id);
        for (u32 i = 0; f && i < ARRAY_SIZE(v->evt.fifo->queue); i++)
            queue_check(d, v, &v->evt.fifo->queue[i], i);
    }
}

/* --- the table --- */

static void channel_check(struct domain *d, const struct evtchn *chn, u32 port)
{
    bool closed = chn->state == EVTCHNSTAT_closed;

    if (chn->port != port)
        check_violation("d%u: port %u says that it is %u", d->id, port, chn->port);
    if (closed && port && port < d->evt.search_from)
        check_violation("d%u: port %u is free, but searched from %u", d->id, port, d->evt.search_from);
    if (chn->queue && !queue_is_of(d, chn->queue))
        check_violation("d%u: port %u is on a queue of nobody", d->id, port);
    if (!closed)
        open_check(d, chn);
}

static void vcpu_check(const struct domain *d, const struct vcpu *v, u32 pirqs)
{
    if (v->evt.pirqs != pirqs)
        check_violation("d%uv%u: %u PIRQs notify it, it counts %u", d->id, v->id, pirqs, v->evt.pirqs);
    for (u32 virq = 0; virq < NR_VIRQS; virq++) {
        u32 port = v->evt.virq_port[virq];
        const struct evtchn *chn = port ? evtchn_find(d, port) : NULL;

        if (port && (!chn || chn->state != EVTCHNSTAT_virq || chn->u.virq != virq))
            check_violation("d%uv%u: VIRQ %u is bound to port %u, which is another's", d->id, v->id, virq, port);
    }
}

struct totals { u32 open, pirqs; };

static struct totals channels_check(struct domain *d)
{
    struct totals t = { 0, 0 };

    for (u32 port = 0; port < d->evt.port_limit; port++) {
        const struct evtchn *chn = evtchn_find(d, port);

        if (!chn) {
            port |= EVTCHN_BUCKET_CHANNELS - 1;
            continue;
        }
        channel_check(d, chn, port);
        t.open += chn->state != EVTCHNSTAT_closed;
        t.pirqs += chn->state == EVTCHNSTAT_pirq;
    }
    return t;
}

static u32 pirqs_of(const struct domain *d, const struct vcpu *v)
{
    u32 n = 0;

    for (u32 port = 0; port < d->evt.port_limit; port++) {
        const struct evtchn *chn = evtchn_find(d, port);

        if (chn)
            n += chn->state == EVTCHNSTAT_pirq && chn->notify_vcpu == v->id;
        else
            port |= EVTCHN_BUCKET_CHANNELS - 1;
    }
    return n;
}

void event_check(struct domain *d)
{
    const struct vcpu *v;
    struct totals t;

    if (!d->evt.buckets)
        return;
    spin_lock(&d->evt.lock);
    t = channels_check(d);
    if (t.open != d->evt.active)
        check_violation("d%u: %u event channels are open, it counts %u", d->id, t.open, d->evt.active);
    for_each_vcpu(d, v)
        vcpu_check(d, v, t.pirqs ? pirqs_of(d, v) : 0);
    fifo_check(d);
    spin_unlock(&d->evt.lock);
}
