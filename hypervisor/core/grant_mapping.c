/* SPDX-License-Identifier: MIT */
/*
 * GNTTABOP_map_grant_ref: a mapping is a use of the grant entry, a handle, and
 * for each kind of mapping asked for (by the CPU, by devices) a reference to
 * the frame.  The CPU mapping's reference belongs to the page-table entry.
 * There is no IOMMU: a device mapping is the frame's machine address.
 */
#include "grant_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/page.h>
#include <zelo/trace.h>

#define KIND_FLAGS (GNTMAP_device_map | GNTMAP_host_map)
#define TRACKED_FLAGS (KIND_FLAGS | GNTMAP_readonly | GNTMAP_application_map | GNTMAP_contains_pte)

/* A second reference of the same kind as the use has, for a second kind of mapping. */
static bool frame_get_again(const struct grant_use *u)
{
    page_get_held(u->page);
    if (!u->write || !page_get_type(u->page, PGT_WRITABLE))
        return true;
    page_put(u->page);
    return false;
}

static void frame_put(struct page *p, bool write)
{
    if (write)
        page_put_and_type(p);
    else
        page_put(p);
}

/* The use's own reference becomes the first mapping's; a second one is taken if both are wanted. */
static int make_mappings(const struct gnttab_map_grant_ref *op, const struct grant_use *u)
{
    bool both = (op->flags & KIND_FLAGS) == KIND_FLAGS;
    int rc;

    if (both && !frame_get_again(u))
        return GNTST_general_error;
    if (!(op->flags & GNTMAP_host_map))
        return GNTST_okay;
    rc = pv_grant_map(op->host_addr, page_to_mfn(u->page), op->flags);
    if (rc && both)
        frame_put(u->page, u->write);
    return rc;
}

static int map_with_handle(struct domain *owner, struct gnttab_map_grant_ref *op, u32 handle)
{
    struct maptrack m = { .ref = op->ref, .owner = (u32)virt_to_mfn(owner).n };
    struct grant_table *mine = current->domain->grants;
    struct grant_use use;
    int rc = grant_use_get(owner, op->ref, current->domain->id, !(op->flags & GNTMAP_readonly), 0, &use);

    if (!rc) {
        rc = make_mappings(op, &use);
        if (rc)
            grant_use_put(&use);
    }
    if (!rc) {
        m.flags = op->flags & TRACKED_FLAGS;
        m.frame = page_to_mfn(use.page).n & MAPTRACK_FRAME;
        domain_hold(owner); /* the handle's */
        trace(TRC_MEM_PAGE_GRANT_MAP, owner->id);
        op->handle = handle;
        op->dev_bus_addr = m.frame << PAGE_SHIFT;
    }
    maptrack_set(mine, handle, &m);
    return rc;
}

static int map_one(struct gnttab_map_grant_ref *op)
{
    struct domain *owner;
    u32 handle;
    int rc;

    if (!(op->flags & KIND_FLAGS))
        return GNTST_general_error;
    owner = domain_get(op->dom);
    if (!owner)
        return GNTST_bad_domain;
    handle = maptrack_alloc(current->domain->grants);
    rc = handle == MAPTRACK_NONE ? GNTST_no_space : map_with_handle(owner, op, handle);
    domain_put(owner);
    return rc;
}

int grant_map_list(vaddr_t uop, u32 count, u32 *done)
{
    for (*done = 0; *done < count; ++*done) {
        vaddr_t at = uop + (vaddr_t)*done * sizeof(struct gnttab_map_grant_ref);
        struct gnttab_map_grant_ref op;

        if (grant_list_should_stop(*done, count))
            return -E_PREEMPTED;
        if (copy_from_guest(&op, at))
            return -EFAULT;
        op.status = (s16)map_one(&op);
        if (copy_to_guest(at, &op))
            return -EFAULT;
    }
    return 0;
}
