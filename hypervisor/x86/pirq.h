/* SPDX-License-Identifier: MIT */
/*
 * PIRQs: a domain's names for physical interrupts.  Mapped by the hypercall
 * (pirq_map.c), then bound to an event channel (pirq.c).
 */
#ifndef ZELO_X86_PIRQ_H
#define ZELO_X86_PIRQ_H

#include <arch/irq_desc.h>

#include <zelo/domain.h>
#include <zelo/nospec.h>

/* What PHYSDEVOP_pirq_eoi_gmfn_*'s page has bits for. */
#define PIRQ_LIMIT (PAGE_SIZE * 8)

struct pirq {
    struct domain *domain;
    u32 nr;
    struct irq_desc *desc; /* NULL: only the number is taken (PHYSDEVOP_get_free_pirq); domain's pirqs.lock */
    u32 msi_count;         /* PIRQs of the MSI group that this one leads; 0: a GSI or a follower */
    u32 port;              /* desc->lock; 0: not bound */
    bool in_service;       /* level: masked until the guest's EOI; desc->lock */
};

/* d->pirqs.lock held. */
static inline struct pirq *pirq_find(const struct domain *d, u32 nr)
{
    return nr < d->pirqs.nr_max ? d->pirqs.by_nr[array_index_nospec(nr, d->pirqs.nr_max)] : NULL;
}

/* All three with pci_lock held.  *nr < 0: any number, else this one. -EBUSY, -EEXIST, -ENOSPC, -ESRCH (dying). */
int must_check pirq_map_gsi(struct domain *d, u32 gsi, int *nr);
int must_check pirq_map_msi(struct domain *d, struct irq_desc *const *descs, unsigned count, int *nr);
int must_check pirq_reserve(struct domain *d, int *nr);
/* The whole group of an MSI's leader. -EINVAL; -EBUSY while bound. */
int must_check pirq_unmap(struct domain *d, u32 nr);

/* What PHYSDEVOP_irq_status_query and PHYSDEVOP_eoi need to know. -EINVAL. */
int must_check pirq_query(struct domain *d, u32 nr, bool *level, u32 *port);

/* x86/pirq_eoi_map.c */
int must_check pirq_eoi_map_set(struct domain *d, u64 gmfn, bool unmasks);
void pirq_eoi_map_drop(struct domain *d);
/* Notes whether nr needs EOIs; d->pirqs.lock held. */
void pirq_eoi_map_update(struct domain *d, u32 nr, bool needs_eoi);

#endif
