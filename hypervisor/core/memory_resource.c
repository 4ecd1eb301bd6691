/* SPDX-License-Identifier: MIT */
/*
 * XENMEM_acquire_resource: frames that belong to a domain's hypervisor-side
 * state, for the tools to map.  The caller is a PV domain, so it gets their
 * machine frame numbers and maps them as the domain's.  Only grant tables are
 * there to be had.
 */
#include "memory_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>

#define STATUS_PER_FRAME (PAGE_SIZE / sizeof(grant_status_t))
#define ENTRIES_V2_PER_FRAME (PAGE_SIZE / sizeof(grant_entry_v2_t))

/* Frames that the domain's table can grow to. */
static u32 resource_size(struct domain *d, u32 id)
{
    u32 frames = grant_table_max_frames(d);

    return id == XENMEM_resource_grant_table_id_shared
               ? frames
               : (u32)DIV_ROUND_UP((u64)frames * ENTRIES_V2_PER_FRAME, STATUS_PER_FRAME);
}

static int resource_frame(struct domain *d, u32 id, u64 index, mfn_t *out)
{
    return id == XENMEM_resource_grant_table_id_shared ? grant_table_frame(d, (u32)index, out)
                                                       : grant_status_frame(d, (u32)index, out);
}

static int resource_check(const struct xen_mem_acquire_resource *r)
{
    if (r->pad)
        return -EINVAL;
    if (r->type != XENMEM_resource_grant_table)
        return -EOPNOTSUPP;
    if (r->id != XENMEM_resource_grant_table_id_shared && r->id != XENMEM_resource_grant_table_id_status)
        return -EINVAL;
    if (handle_is_null(r->frame_list) != !r->nr_frames)
        return -EINVAL;
    return 0;
}

static int resource_list(struct memory_call *c, struct domain *d, const struct xen_mem_acquire_resource *r)
{
    u64 size = resource_size(d, r->id);

    if (r->frame > size || r->nr_frames > size - r->frame || c->start > r->nr_frames)
        return -EINVAL;
    for (u64 i = c->start; i < r->nr_frames; i++) {
        xen_pfn_t entry;
        mfn_t mfn;
        int rc;

        if (i != c->start && hypercall_should_preempt()) {
            c->start = i;
            return -E_PREEMPTED;
        }
        rc = resource_frame(d, r->id, r->frame + i, &mfn);
        if (rc)
            return rc;
        entry = mfn.n;
        if (copy_to_handle_offset(r->frame_list, i, &entry, 1))
            return -EFAULT;
    }
    return 0;
}

long memory_acquire_resource(struct memory_call *c)
{
    struct xen_mem_acquire_resource r;
    struct domain *d;
    long rc;

    if (copy_from_guest(&r, c->arg))
        return -EFAULT;
    rc = resource_check(&r);
    if (rc)
        return rc;
    rc = domain_target_get(r.domid, &d);
    if (rc)
        return rc;
    if (!domain_controls(current->domain, d)) {
        rc = -EPERM;
    } else if (r.nr_frames) {
        rc = resource_list(c, d, &r);
    } else {
        r.nr_frames = resource_size(d, r.id);
        rc = copy_field_to_guest(c->arg, &r, nr_frames);
    }
    domain_put(d);
    return rc;
}
