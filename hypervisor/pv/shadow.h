/* SPDX-License-Identifier: MIT */
/*
 * Log-dirty mode of a PV domain: shadow page tables (shadow.c, shadow_fault.c)
 * and the record of what was written (log_dirty.c).  A domain without it pays
 * one test of d->pv.shadow where its tables change.
 */
#ifndef ZELO_PV_SHADOW_H
#define ZELO_PV_SHADOW_H

#include "pt.h"

#include <xen/domctl.h>

/* All under pt_lock. */
struct shadow {
    u32 tables;         /* list of the shadow tables, linked by their struct pages */
    u32 count, limit;   /* tables that are there, and those that may come from the heap */
    u32 spare;          /* list of frames that are always ours, so that a vCPU can go on without the heap */
    u32 spares, spares_wanted;
};

/* --- shadow.c --- */
/* Turns it on: 0, -ENOMEM.  Off: tables and spares go back to the heap.  The domain is paused. */
int must_check shadow_enable(struct domain *d);
void shadow_disable(struct domain *d);
/* The next write to any frame faults again; the domain is paused. */
void shadow_revoke_writes(struct domain *d);
/*
 * The shadow of a validated table of d, made if need be; NULL if frames have
 * run out (shadow_reclaim, and begin again at the root).  pt_lock held.
 */
struct page *must_check shadow_get(struct domain *d, struct page *guest);
/* Drops all tables but the roots of vCPUs, which it empties, and flushes. pt_lock held. */
void shadow_reclaim(struct domain *d);
/* A vCPU's new root, before it is loaded: has a shadow from now on. pt_lock held. */
void shadow_root_make(struct domain *d, mfn_t root);

static inline struct page *shadow_of(const struct page *guest)
{
    u32 n = READ_ONCE(guest->pt.shadow);

    return n ? mfn_to_page(MFN(n)) : NULL;
}

/* --- log_dirty.c --- */
int must_check log_dirty_start(struct domain *d);   /* 0, -ENOMEM, -E2BIG: no sane size of its p2m. Paused */
void log_dirty_free(struct domain *d);              /* d is gone, or never was */
bool log_dirty_test(struct domain *d, mfn_t m);     /* written since the last report? True for what it cannot record */
/* XEN_DOMCTL_SHADOW_OP_PEEK and _CLEAN: copies the bitmap out; the domain is paused. 0, -EFAULT. */
int must_check log_dirty_report(struct domain *d, struct xen_domctl_shadow_op *op, bool clean);
void log_dirty_count_fault(struct domain *d);

#endif
