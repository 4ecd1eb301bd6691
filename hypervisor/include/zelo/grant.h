/* SPDX-License-Identifier: MIT */
/* Grant tables (<xen/grant_table.h>), versions 1 and 2. core/grant_*.c */
#ifndef ZELO_GRANT_H
#define ZELO_GRANT_H

#include <zelo/hypercall.h>
#include <zelo/lock.h>
#include <zelo/types.h>

#include <xen/grant_table.h>

struct domain;
struct grant_table; /* private to the room */

#define GRANT_DEFAULT_MAX_FRAMES 64
#define GRANT_DEFAULT_MAX_MAPTRACK_FRAMES 1024

int grant_domain_init(struct domain *d, u32 max_frames, u32 max_maptrack_frames, u32 max_version);
/* Drops every mapping d made of others' frames; preemptible: 0 or -E_PREEMPTED. */
int must_check grant_domain_release_mappings(struct domain *d);
void grant_domain_free(struct domain *d);

/* For XENMEM_acquire_resource and XENMAPSPACE_grant_table: frames of the table itself, grown as needed. */
int grant_table_frame(struct domain *d, u32 index, mfn_t *out);
int grant_status_frame(struct domain *d, u32 index, mfn_t *out);
u32 grant_table_frame_count(struct domain *d);
u32 grant_table_max_frames(struct domain *d);

void grant_dump(struct domain *d); /* debug key 'g' */
/* Log-dirty mode: notes every frame that others may write to through d's grants right now. */
void grant_mark_dirty(struct domain *d);

hypercall_fn do_grant_table_op;

/*
 * The page-table side, in pv/grant_map.c.  host_addr is a virtual address of
 * the current vCPU, or with GNTMAP_contains_pte the machine address of an L1
 * entry.  A mapping's references belong to its entry.
 */
/*
 * The caller has taken the frame reference and, for !readonly, the
 * PGT_WRITABLE type; they are the new entry's if this succeeds.  GNTST_*.
 */
int pv_grant_map(u64 host_addr, mfn_t frame, u32 gntmap_flags);
/*
 * Clears (or, with new_addr, replaces by that address's entry) the mapping of
 * frame.  GNTST_*.  The old entry's references are left: the caller drops them
 * with pv_grant_drop(*old) after a pv_grant_flush().
 */
int pv_grant_unmap(u64 host_addr, mfn_t frame, u64 new_addr, u32 gntmap_flags, u64 *old);
void pv_grant_flush(void);              /* the current domain's translations, on all CPUs */
void pv_grant_drop(u64 old);

#endif
