/* SPDX-License-Identifier: MIT */
/*
 * The invariant checker on grants.  What a domain has mapped (its maptrack) is
 * what the domains that granted it count: each mapping one use of the entry,
 * for reading or for writing.  What the guests write into their entries is
 * theirs, and is not looked at.
 */
#include "check_private.h"
#include "grant_private.h"

#include <zelo/lib.h>

static u32 handles(const struct grant_table *gt)
{
    return gt->maptrack_frames * (u32)MAPTRACK_PER_FRAME;
}

static const struct maptrack *handle_at(const struct grant_table *gt, u32 handle)
{
    return &gt->maptrack[handle / MAPTRACK_PER_FRAME][handle % MAPTRACK_PER_FRAME];
}

/* --- the granting side --- */

/* Adds by's mappings of what d granted to the counts of refs 0..end-1. */
static void count_mappings(const struct domain *d, const struct domain *by, struct grant_active *counts, u32 end)
{
    const struct grant_table *gt = by->grants;

    for (u32 handle = 0; gt && handle < handles(gt); handle++) {
        const struct maptrack *m = handle_at(gt, handle);

        if (!m->flags || maptrack_owner(m) != d)
            continue;
        if (m->ref >= end)
            check_violation("d%u: handle %u is of entry %u of d%u, which has %u", by->id, handle, m->ref, d->id, end);
        else if (m->flags & GNTMAP_readonly)
            counts[m->ref].readers++;
        else
            counts[m->ref].writers++;
    }
}

static void compare_counts(const struct domain *d, const struct grant_active *counts, u32 end)
{
    const struct grant_table *gt = d->grants;
    u32 pinned = 0;

    for (u32 ref = 0; ref < end; ref++) {
        const struct grant_active *a = grant_active(gt, ref);

        if (a->readers != counts[ref].readers || a->writers != counts[ref].writers)
            check_violation("d%u: grant %u has %u readers and %u writers, mapped are %u and %u", d->id, ref,
                            a->readers, a->writers, counts[ref].readers, counts[ref].writers);
        pinned += a->readers || a->writers;
    }
    if (pinned != gt->pinned)
        check_violation("d%u: %u grants are in use, it counts %u", d->id, pinned, gt->pinned);
}

static void active_check(const struct domain *d)
{
    u32 end = grant_entry_count(d->grants);
    struct grant_active *counts = mem_alloc_array(struct grant_active, end);
    struct domain *by;

    for (unsigned id = 0; counts && (by = domain_next(id)) != NULL;) {
        id = by->id + 1u;
        count_mappings(d, by, counts, end);
        domain_put(by);
    }
    if (counts)
        compare_counts(d, counts, end);
    mem_free(counts);
}

/* --- the mapping side --- */

static void mapping_check(const struct domain *d, u32 handle, const struct maptrack *m)
{
    const struct domain *owner = maptrack_owner(m);
    mfn_t frame = MFN(m->frame);

    check_domain_ref(owner);
    if (!(m->flags & (GNTMAP_host_map | GNTMAP_device_map)) || (m->flags & MAPTRACK_BUSY))
        check_violation("d%u: handle %u is left with flags %x", d->id, handle, (unsigned)m->flags);
    if (!(m->flags & GNTMAP_device_map))
        return; /* a page-table entry holds the frame, or has been overwritten */
    if (m->flags & GNTMAP_readonly)
        check_ref(d, "grant handle", frame);
    else
        check_use(d, "grant handle", frame, PGT_WRITABLE);
    if (mfn_valid(frame) && page_owner(mfn_to_page(frame)) != owner)
        check_violation("d%u: handle %u is of d%u, but frame %lx is another's", d->id, handle, owner->id,
                        (unsigned long)frame.n);
}

/* Free handles are those in the list; true if it has as many. */
static bool free_list_has(const struct grant_table *gt, u32 wanted)
{
    u32 n = 0, handle = gt->maptrack_free;

    while (handle != MAPTRACK_NONE && handle < handles(gt) && !handle_at(gt, handle)->flags && n++ < wanted)
        handle = handle_at(gt, handle)->ref;
    return handle == MAPTRACK_NONE && n == wanted;
}

static void maptrack_check(const struct domain *d)
{
    const struct grant_table *gt = d->grants;
    u32 unused = 0;

    for (u32 handle = 0; handle < handles(gt); handle++) {
        const struct maptrack *m = handle_at(gt, handle);

        if (m->flags)
            mapping_check(d, handle, m);
        else
            unused++;
    }
    if (!free_list_has(gt, unused))
        check_violation("d%u: %u grant handles are free, its list has others", d->id, unused);
}

bool grant_maps_frame(const struct domain *d, mfn_t m)
{
    const struct grant_table *gt = d->grants;

    for (u32 handle = 0; gt && handle < handles(gt); handle++)
        if ((handle_at(gt, handle)->flags & GNTMAP_host_map) && handle_at(gt, handle)->frame == m.n)
            return true;
    return false;
}

void grant_check(struct domain *d)
{
    const struct grant_table *gt = d->grants;

    if (!gt)
        return;
    for (u32 i = 0; i < gt->frames; i++)
        check_shared(d, gt->shared[i]);
    for (u32 i = 0; i < gt->status_frames; i++)
        check_shared(d, gt->status[i]);
    active_check(d);
    maptrack_check(d);
}
