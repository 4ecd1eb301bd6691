/* SPDX-License-Identifier: MIT */
/*
 * The page in which a guest finds a bit for each PIRQ that it must EOI
 * (PHYSDEVOP_pirq_eoi_gmfn_v1 and _v2).  The guest can write it: it is only
 * ever written here.
 */
#include "pirq.h"

#include <zelo/errno.h>

void pirq_eoi_map_update(struct domain *d, u32 nr, bool needs_eoi)
{
    unsigned long *map = d->pirqs.eoi_map;

    if (!map)
        return;
    if (needs_eoi)
        atomic_set_bit(map, nr);
    else
        atomic_clear_bit(map, nr);
}

/* d->pirqs.lock held: what is bound already. */
static void pirq_eoi_map_fill(struct domain *d)
{
    for (u32 nr = 0; nr < d->pirqs.nr_max; nr++) {
        const struct pirq *p = d->pirqs.by_nr[nr];

        pirq_eoi_map_update(d, nr, p && p->port && p->desc->level);
    }
}

int pirq_eoi_map_set(struct domain *d, u64 gmfn, bool unmasks)
{
    unsigned long flags;
    struct page *page;
    int rc;

    if (!mfn_valid(MFN(gmfn)))
        return -EINVAL;
    page = mfn_to_page(MFN(gmfn));
    rc = page_get_and_type(page, d, PGT_WRITABLE);
    if (rc)
        return -EINVAL;
    spin_lock_irqsave(&d->pirqs.lock, flags);
    if (d->pirqs.eoi_map || !d->pirqs.by_nr) {
        rc = -EBUSY;
    } else {
        d->pirqs.eoi_map = mfn_to_virt(MFN(gmfn));
        d->pirqs.eoi_unmasks = unmasks;
        pirq_eoi_map_fill(d);
    }
    spin_unlock_irqrestore(&d->pirqs.lock, flags);
    if (rc)
        page_put_and_type(page);
    return rc;
}

void pirq_eoi_map_drop(struct domain *d)
{
    unsigned long flags, *map;

    spin_lock_irqsave(&d->pirqs.lock, flags);
    map = d->pirqs.eoi_map;
    d->pirqs.eoi_map = NULL;
    d->pirqs.eoi_unmasks = false;
    spin_unlock_irqrestore(&d->pirqs.lock, flags);
    if (map)
        page_put_and_type(virt_to_page(map));
}
