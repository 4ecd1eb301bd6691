/* SPDX-License-Identifier: MIT */
/* Grant tables as memory: their frames, grown on demand up to the domain's limits. */
#include "grant_private.h"

#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/nospec.h>
#include <zelo/page.h>

static u32 status_frames_for(u32 frames)
{
    return (u32)DIV_ROUND_UP((u64)frames * V2_PER_FRAME, STATUS_PER_FRAME);
}

u32 grant_entry_count(const struct grant_table *gt)
{
    return atomic_read_acquire(&gt->frames) * (u32)(gt->version == 2 ? V2_PER_FRAME : V1_PER_FRAME);
}

int grant_domain_init(struct domain *d, u32 max_frames, u32 max_maptrack_frames, u32 max_version)
{
    struct grant_table *gt = mem_alloc_type(struct grant_table);

    if (!gt)
        return -ENOMEM;
    d->grants = gt;
    spin_lock_init(&gt->lock, LOCK_GRANT_TABLE);
    spin_lock_init(&gt->entry_lock, LOCK_GRANT_ENTRY);
    gt->version = 1;
    gt->max_version = max_version;
    gt->max_frames = max_frames;
    gt->max_status_frames = status_frames_for(max_frames);
    gt->max_maptrack_frames = max_maptrack_frames;
    gt->maptrack_free = MAPTRACK_NONE;
    gt->shared = mem_alloc_array(void *, MAX(max_frames, 1u));
    gt->active = mem_alloc_array(struct grant_active *, MAX(max_frames, 1u));
    gt->status = mem_alloc_array(grant_status_t *, MAX(gt->max_status_frames, 1u));
    gt->maptrack = mem_alloc_array(struct maptrack *, MAX(max_maptrack_frames, 1u));
    if (gt->shared && gt->active && gt->status && gt->maptrack)
        return 0;
    grant_domain_free(d);
    return -ENOMEM;
}

/* Nobody can map it any more: each mapping would hold the domain. */
static void free_shared_frame(void *frame)
{
    BUG_ON(!page_unshare(virt_to_page(frame)));
    heap_free(frame, 0);
}

void grant_domain_free(struct domain *d)
{
    struct grant_table *gt = d->grants;

    if (!gt)
        return;
    for (u32 i = 0; i < gt->frames; i++) {
        free_shared_frame(gt->shared[i]);
        heap_free(gt->active[i], 0);
    }
    for (u32 i = 0; i < gt->status_frames; i++)
        free_shared_frame(gt->status[i]);
    for (u32 i = 0; i < gt->maptrack_frames; i++)
        heap_free(gt->maptrack[i], 0);
    mem_free(gt->shared);
    mem_free(gt->active);
    mem_free(gt->status);
    mem_free(gt->maptrack);
    mem_free(gt);
    d->grants = NULL;
}

/* --- growing: lock held; a frame counts only once it is there --- */

static void *shared_frame_new(struct domain *d)
{
    void *frame = heap_alloc(0, 0);

    if (frame)
        page_share_with_domain(virt_to_page(frame), d, true);
    return frame;
}

static int grow_by_one(struct domain *d)
{
    struct grant_table *gt = d->grants;
    struct grant_active *active = heap_alloc(0, 0);
    void *shared;

    if (!active)
        return -ENOMEM;
    shared = shared_frame_new(d);
    if (!shared) {
        heap_free(active, 0);
        return -ENOMEM;
    }
    gt->active[gt->frames] = active;
    gt->shared[gt->frames] = shared;
    atomic_set_release(&gt->frames, gt->frames + 1);
    return 0;
}

int grant_grow_status(struct domain *d, u32 frames)
{
    struct grant_table *gt = d->grants;

    for (u32 want = status_frames_for(frames); gt->status_frames < want;) {
        grant_status_t *frame = shared_frame_new(d);

        if (!frame)
            return -ENOMEM;
        gt->status[gt->status_frames] = frame;
        atomic_set_release(&gt->status_frames, gt->status_frames + 1);
    }
    return 0;
}

int grant_grow(struct domain *d, u32 frames)
{
    struct grant_table *gt = d->grants;
    int rc = 0;

    if (frames <= gt->frames)
        return 0;
    if (frames > gt->max_frames)
        return -EINVAL;
    if (gt->version == 2)
        rc = grant_grow_status(d, frames);
    while (!rc && gt->frames < frames)
        rc = grow_by_one(d);
    return rc;
}

/* --- for XENMEM_acquire_resource and add_to_physmap --- */

int grant_table_frame(struct domain *d, u32 index, mfn_t *out)
{
    struct grant_table *gt = d->grants;
    int rc;

    if (index >= gt->max_frames)
        return -EINVAL;
    spin_lock(&gt->lock);
    rc = grant_grow(d, index + 1);
    spin_unlock(&gt->lock);
    if (!rc)
        *out = virt_to_mfn(gt->shared[array_index_nospec(index, gt->max_frames)]);
    return rc;
}

int grant_status_frame(struct domain *d, u32 index, mfn_t *out)
{
    struct grant_table *gt = d->grants;
    int rc = -EINVAL;

    if (index >= gt->max_status_frames)
        return -EINVAL;
    spin_lock(&gt->lock);
    if (gt->version == 2)
        rc = grant_grow(d, MIN((index + 1) * (u32)(STATUS_PER_FRAME / V2_PER_FRAME), gt->max_frames));
    spin_unlock(&gt->lock);
    if (!rc)
        *out = virt_to_mfn(gt->status[array_index_nospec(index, gt->max_status_frames)]);
    return rc;
}

u32 grant_table_frame_count(struct domain *d)
{
    return atomic_read_acquire(&d->grants->frames);
}

u32 grant_table_max_frames(struct domain *d)
{
    return d->grants->max_frames;
}
