/* SPDX-License-Identifier: MIT */
/*
 * Which PIRQs a domain has, and what they stand for.  A GSI's PIRQ has the
 * GSI's number unless the guest wants another; MSIs have numbers above all
 * GSIs.  A privileged domain's table grows with its devices.
 */
#include "pirq.h"

#include <arch/msi.h>

#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/log.h>

int pirq_domain_init(struct domain *d, u32 nr_max)
{
    spin_lock_init(&d->pirqs.lock, LOCK_IRQ_TABLE);
    nr_max = MIN(nr_max, (u32)PIRQ_LIMIT);
    d->pirqs.by_nr = mem_alloc_array(struct pirq *, nr_max);
    if (!d->pirqs.by_nr)
        return -ENOMEM;
    d->pirqs.nr_max = nr_max;
    return 0;
}

/* pci_lock held, as for all changes of the table: it is read here without its own. */
static int pirq_table_grow(struct domain *d)
{
    u32 old_max = d->pirqs.nr_max, new_max = MIN(old_max * 2, (u32)PIRQ_LIMIT);
    struct pirq **old = d->pirqs.by_nr, **table;
    unsigned long flags;

    if (!d->is_privileged || new_max == old_max)
        return -ENOSPC;
    table = mem_alloc_array(struct pirq *, new_max);
    if (!table)
        return -ENOMEM;
    memcpy(table, old, old_max * sizeof(*table));
    spin_lock_irqsave(&d->pirqs.lock, flags);
    d->pirqs.by_nr = table;
    d->pirqs.nr_max = new_max;
    spin_unlock_irqrestore(&d->pirqs.lock, flags);
    mem_free(old);
    return 0;
}

/* Free, or only reserved: a mapping may take it. */
static bool pirq_available(const struct domain *d, u32 nr, bool reserved_too)
{
    const struct pirq *p = d->pirqs.by_nr[nr];

    return !p || (reserved_too && !p->desc);
}

static bool pirq_range_available(const struct domain *d, u32 first, unsigned count, bool reserved_too)
{
    if (first >= d->pirqs.nr_max || count > d->pirqs.nr_max - first)
        return false;
    for (u32 nr = first; nr < first + count; nr++)
        if (!pirq_available(d, nr, reserved_too))
            return false;
    return true;
}

/* The first of 'count' numbers in a row, above the GSIs. */
static int pirq_find_range(struct domain *d, unsigned count)
{
    u32 first = nr_gsis;
    int rc;

    for (;;) {
        for (; first + count <= d->pirqs.nr_max; first++)
            if (pirq_range_available(d, first, count, false))
                return (int)first;
        rc = pirq_table_grow(d);
        if (rc)
            return rc;
    }
}

static int pirq_choose(struct domain *d, int want, unsigned count)
{
    if (!d->pirqs.by_nr || READ_ONCE(d->dying) != DOMAIN_ALIVE)
        return -ESRCH;
    if (want < 0)
        return pirq_find_range(d, count);
    if ((u32)want >= d->pirqs.nr_max)
        return -EINVAL;
    return pirq_range_available(d, (u32)want, count, true) ? want : -EBUSY;
}

static void pirq_drop(struct domain *d, u32 nr)
{
    struct pirq *p = d->pirqs.by_nr[nr];
    unsigned long flags;

    spin_lock_irqsave(&d->pirqs.lock, flags);
    d->pirqs.by_nr[nr] = NULL;
    spin_unlock_irqrestore(&d->pirqs.lock, flags);
    mem_free(p);
}

/* Puts one PIRQ into the table; a reservation becomes it. */
static int pirq_install(struct domain *d, u32 nr, struct irq_desc *desc, u32 msi_count)
{
    struct pirq *p = d->pirqs.by_nr[nr] ? d->pirqs.by_nr[nr] : mem_alloc_type(struct pirq);
    unsigned long flags;

    if (!p)
        return -ENOMEM;
    spin_lock_irqsave(&d->pirqs.lock, flags);
    p->domain = d;
    p->nr = nr;
    p->desc = desc;
    p->msi_count = msi_count;
    d->pirqs.by_nr[nr] = p;
    spin_unlock_irqrestore(&d->pirqs.lock, flags);
    return 0;
}

static int pirq_of_desc(const struct domain *d, const struct irq_desc *desc)
{
    for (u32 nr = 0; d->pirqs.by_nr && nr < d->pirqs.nr_max; nr++)
        if (d->pirqs.by_nr[nr] && d->pirqs.by_nr[nr]->desc == desc)
            return (int)nr;
    return -1;
}

int pirq_map_gsi(struct domain *d, u32 gsi, int *nr)
{
    struct irq_desc *desc = irq_gsi_desc(gsi);
    int rc, at = *nr, had;

    if (!desc)
        return -EINVAL;
    had = pirq_of_desc(d, desc);
    if (had >= 0 && (at < 0 || at == had)) { /* mapped before: the same answer again */
        *nr = had;
        return 0;
    }
    if (had >= 0)
        return -EEXIST;
    if (at < 0 && gsi < d->pirqs.nr_max && pirq_available(d, gsi, false))
        at = (int)gsi;
    at = pirq_choose(d, at, 1);
    if (at < 0)
        return at;
    rc = irq_place(&desc, 1);
    if (!rc)
        rc = pirq_install(d, (u32)at, desc, 0);
    if (!rc)
        *nr = at;
    return rc;
}

int pirq_map_msi(struct domain *d, struct irq_desc *const *descs, unsigned count, int *nr)
{
    int rc = 0, first = pirq_choose(d, *nr, count);
    unsigned i;

    if (first < 0)
        return first;
    for (i = 0; i < count && !rc; i++)
        rc = pirq_install(d, (u32)first + i, descs[i], i ? 0 : count);
    if (!rc) {
        *nr = first;
        return 0;
    }
    while (i-- > 0)
        if (d->pirqs.by_nr[first + i])
            pirq_drop(d, (u32)first + i);
    return rc;
}

int pirq_reserve(struct domain *d, int *nr)
{
    int at = pirq_choose(d, -1, 1);

    if (at < 0)
        return at;
    *nr = at;
    return pirq_install(d, (u32)at, NULL, 0);
}

/* Takes a group out of the table if none of it is bound, so that none can be bound any more. */
static int pirq_remove(struct domain *d, u32 first, unsigned count, struct pirq **out)
{
    unsigned long flags;
    int rc = 0;

    spin_lock_irqsave(&d->pirqs.lock, flags);
    for (u32 nr = first; nr < first + count; nr++)
        if (d->pirqs.by_nr[nr]->port)
            rc = -EBUSY;
    for (unsigned i = 0; !rc && i < count; i++) {
        out[i] = d->pirqs.by_nr[first + i];
        d->pirqs.by_nr[first + i] = NULL;
    }
    spin_unlock_irqrestore(&d->pirqs.lock, flags);
    return rc;
}

static bool pirq_is_group_member(const struct pirq *p)
{
    return p->desc && !p->msi_count && !irq_is_gsi(p->desc);
}

int pirq_unmap(struct domain *d, u32 nr)
{
    struct pirq *p = pirq_find(d, nr), *group[MSI_MAX_COUNT];
    unsigned count;
    int rc;

    if (!p || pirq_is_group_member(p))
        return -EINVAL;
    count = MAX(p->msi_count, 1u);
    rc = pirq_remove(d, nr, count, group);
    if (rc)
        return rc;
    if (p->msi_count)
        msi_destroy(p->desc);
    for (unsigned i = 0; i < count; i++)
        mem_free(group[i]);
    return 0;
}

void pirq_domain_free(struct domain *d)
{
    struct pirq **table;
    unsigned long flags;

    spin_lock(&pci_lock);
    for (u32 nr = 0; nr < d->pirqs.nr_max; nr++) {
        struct pirq *p = d->pirqs.by_nr[nr];

        if (!p)
            continue;
        for (u32 i = nr; i < nr + MAX(p->msi_count, 1u); i++)
            pirq_unbind(d, i);
        BUG_ON(pirq_unmap(d, nr)); /* its event channels are closed: nothing binds it again */
    }
    spin_lock_irqsave(&d->pirqs.lock, flags);
    table = d->pirqs.by_nr;
    d->pirqs.by_nr = NULL;
    d->pirqs.nr_max = 0;
    spin_unlock_irqrestore(&d->pirqs.lock, flags);
    spin_unlock(&pci_lock);
    mem_free(table);
    pirq_eoi_map_drop(d);
}
