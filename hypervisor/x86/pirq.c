/* SPDX-License-Identifier: MIT */
/*
 * PIRQs bound to event channels: an interrupt marks the port pending.
 *
 * An edge (or an MSI) is acknowledged at once; the event channel remembers it.
 * A level-triggered line is masked at its pin, acknowledged, and unmasked when
 * the guest has served its device and says EOI:
 *
 *   unmasked --interrupt--> masked, in_service --pirq_eoi--> unmasked
 *
 * so a guest that never says EOI loses its own line and nothing else.
 *
 * Locks: the domain's table (which PIRQs there are), then the descriptor
 * (binding); the interrupt itself takes only the descriptor's.
 */
#include "pirq.h"

#include <arch/machine.h>

#include <zelo/errno.h>

/* --- interrupts --- */

/* As irq_handle_unbound. */
static void pirq_not_bound(struct irq_desc *desc)
{
    desc->unhandled++;
    if (!desc->retiring)
        desc->chip->mask(desc);
}

static void pirq_handle_edge(struct irq_desc *desc, struct cpu_user_regs *regs)
{
    const struct pirq *p;

    (void)regs;
    apic_eoi();
    spin_lock(&desc->lock);
    p = desc->pirq;
    if (likely(p)) {
        desc->count++;
        event_send_pirq(p->domain, p->port);
    } else {
        pirq_not_bound(desc);
    }
    spin_unlock(&desc->lock);
}

static void pirq_handle_level(struct irq_desc *desc, struct cpu_user_regs *regs)
{
    struct pirq *p;

    (void)regs;
    spin_lock(&desc->lock);
    desc->chip->mask(desc);
    apic_eoi(); /* after the mask, or the IO-APIC would send it again */
    p = desc->pirq;
    if (likely(p)) {
        desc->count++;
        p->in_service = true;
        event_send_pirq(p->domain, p->port);
    } else {
        desc->unhandled++;
    }
    spin_unlock(&desc->lock);
}

/* --- binding; d->pirqs.lock held, interrupts off --- */

static int pirq_attach(struct pirq *p, u32 port, const struct vcpu *target)
{
    struct irq_desc *desc = p->desc;
    int rc = 0;

    spin_lock(&desc->lock);
    if (desc->pirq || desc->device) {
        rc = desc->pirq == p ? -EEXIST : -EBUSY;
    } else {
        p->port = port;
        p->in_service = false;
        desc->pirq = p;
        WRITE_ONCE(desc->handler, desc->level ? pirq_handle_level : pirq_handle_edge);
        pirq_eoi_map_update(p->domain, p->nr, desc->level);
        irq_move(desc, READ_ONCE(target->processor));
        desc->chip->unmask(desc);
    }
    spin_unlock(&desc->lock);
    return rc;
}

static void pirq_detach(struct pirq *p)
{
    struct irq_desc *desc = p->desc;

    spin_lock(&desc->lock);
    if (desc->pirq == p) {
        desc->chip->mask(desc);
        desc->pirq = NULL;
        WRITE_ONCE(desc->handler, irq_handle_unbound);
        p->port = 0;
        p->in_service = false;
        pirq_eoi_map_update(p->domain, p->nr, false);
    }
    spin_unlock(&desc->lock);
}

/* A line that another has bound is refused, whatever 'share' says: there are no two domains with devices. */
int pirq_bind(struct domain *d, u32 nr, u32 port, struct vcpu *target, bool share)
{
    struct pirq *p;
    unsigned long flags;
    int rc = -EINVAL;

    (void)share;
    spin_lock_irqsave(&d->pirqs.lock, flags);
    p = pirq_find(d, nr);
    if (p && p->desc)
        rc = pirq_attach(p, port, target);
    spin_unlock_irqrestore(&d->pirqs.lock, flags);
    return rc;
}

void pirq_unbind(struct domain *d, u32 nr)
{
    struct pirq *p;
    unsigned long flags;

    spin_lock_irqsave(&d->pirqs.lock, flags);
    p = pirq_find(d, nr);
    if (p && p->desc)
        pirq_detach(p);
    spin_unlock_irqrestore(&d->pirqs.lock, flags);
}

void pirq_set_target(struct domain *d, u32 nr, struct vcpu *target)
{
    struct pirq *p;
    unsigned long flags;

    spin_lock_irqsave(&d->pirqs.lock, flags);
    p = pirq_find(d, nr);
    if (p && p->desc) {
        spin_lock(&p->desc->lock);
        if (p->desc->pirq == p)
            irq_move(p->desc, READ_ONCE(target->processor));
        spin_unlock(&p->desc->lock);
    }
    spin_unlock_irqrestore(&d->pirqs.lock, flags);
}

void pirq_eoi(struct domain *d, u32 nr)
{
    struct pirq *p;
    unsigned long flags;

    spin_lock_irqsave(&d->pirqs.lock, flags);
    p = pirq_find(d, nr);
    if (p && p->desc) {
        spin_lock(&p->desc->lock);
        if (p->in_service) {
            p->in_service = false;
            p->desc->chip->unmask(p->desc);
        }
        spin_unlock(&p->desc->lock);
    }
    spin_unlock_irqrestore(&d->pirqs.lock, flags);
}

int pirq_query(struct domain *d, u32 nr, bool *level, u32 *port)
{
    struct pirq *p;
    unsigned long flags;
    int rc = -EINVAL;

    spin_lock_irqsave(&d->pirqs.lock, flags);
    p = pirq_find(d, nr);
    if (p && p->desc) {
        *level = p->desc->level;
        *port = p->port;
        rc = 0;
    }
    spin_unlock_irqrestore(&d->pirqs.lock, flags);
    return rc;
}

u32 pirq_bound_port(struct domain *d, u32 nr)
{
    u32 port = 0;
    bool level;

    return pirq_query(d, nr, &level, &port) ? 0 : port;
}
