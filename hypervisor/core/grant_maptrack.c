/* SPDX-License-Identifier: MIT */
/*
 * The maptrack: what a domain has mapped of others, by handle.  Free handles
 * form a list through their ref; a new frame of them is added when it is empty.
 * A mapping being made or undone is busy, so that two vCPUs that name the same
 * handle cannot both undo it.  Each mapping holds the granting domain.
 */
#include "grant_private.h"

#include <zelo/lib.h>
#include <zelo/nospec.h>
#include <zelo/page.h>

static struct maptrack *entry(struct grant_table *gt, u32 handle)
{
    return &gt->maptrack[handle / MAPTRACK_PER_FRAME][handle % MAPTRACK_PER_FRAME];
}

static u32 handles(const struct grant_table *gt)
{
    return gt->maptrack_frames * (u32)MAPTRACK_PER_FRAME;
}

static void link_free(struct grant_table *gt, u32 handle)
{
    *entry(gt, handle) = (struct maptrack){ .ref = gt->maptrack_free };
    gt->maptrack_free = handle;
}

static bool grow(struct grant_table *gt)
{
    struct maptrack *frame;
    u32 first = handles(gt);

    if (gt->maptrack_frames >= gt->max_maptrack_frames || first > MAPTRACK_NONE - MAPTRACK_PER_FRAME)
        return false;
    frame = heap_alloc(0, 0);
    if (!frame)
        return false;
    gt->maptrack[gt->maptrack_frames++] = frame;
    for (u32 i = MAPTRACK_PER_FRAME; i--;) /* the lowest handle first in the list */
        link_free(gt, first + i);
    return true;
}

u32 maptrack_alloc(struct grant_table *gt)
{
    u32 handle = MAPTRACK_NONE;

    spin_lock(&gt->lock);
    if (gt->maptrack_free != MAPTRACK_NONE || grow(gt)) {
        handle = gt->maptrack_free;
        gt->maptrack_free = entry(gt, handle)->ref;
        entry(gt, handle)->flags = MAPTRACK_BUSY;
    }
    spin_unlock(&gt->lock);
    return handle;
}

void maptrack_set(struct grant_table *gt, u32 handle, const struct maptrack *m)
{
    spin_lock(&gt->lock);
    if (m->flags & MAPTRACK_FLAGS)
        *entry(gt, handle) = (struct maptrack){ m->ref, m->owner, m->flags & MAPTRACK_FLAGS, m->frame };
    else
        link_free(gt, handle);
    spin_unlock(&gt->lock);
}

/* lock held */
static bool claim(struct grant_table *gt, u32 handle, struct maptrack *out)
{
    struct maptrack *m = entry(gt, handle);

    if (!m->flags || (m->flags & MAPTRACK_BUSY))
        return false;
    *out = *m;
    m->flags |= MAPTRACK_BUSY;
    return true;
}

bool maptrack_claim(struct grant_table *gt, u32 handle, struct maptrack *out)
{
    bool ok;

    spin_lock(&gt->lock);
    ok = handle < handles(gt) && claim(gt, array_index_nospec(handle, handles(gt)), out);
    spin_unlock(&gt->lock);
    return ok;
}

bool maptrack_claim_next(struct grant_table *gt, u32 *handle, struct maptrack *out)
{
    bool ok = false;

    spin_lock(&gt->lock);
    while (*handle < handles(gt) && !(ok = claim(gt, *handle, out)))
        ++*handle;
    spin_unlock(&gt->lock);
    return ok;
}
