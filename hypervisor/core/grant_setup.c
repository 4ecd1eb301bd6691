/* SPDX-License-Identifier: MIT */
/* GNTTABOP_setup_table, query_size, get_status_frames, get_version, dump_table: a table as a whole. */
#include "grant_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/page.h>

int grant_query_domain(domid_t id, struct domain **out)
{
    int rc = domain_target_get(id, out);

    if (!rc)
        return GNTST_okay;
    return rc == -ESRCH ? GNTST_bad_domain : GNTST_permission_denied;
}

/* Frame numbers of the first n of the frames, to the guest's array of 64-bit words at va. */
static int write_frame_list(vaddr_t va, void **frames, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        u64 mfn = virt_to_mfn(frames[i]).n;

        if (copy_to_guest(va + i * sizeof(mfn), &mfn))
            return -EFAULT;
    }
    return 0;
}

static int grow_locked(struct domain *d, u32 frames)
{
    int rc;

    spin_lock(&d->grants->lock);
    rc = grant_grow(d, frames);
    spin_unlock(&d->grants->lock);
    return rc ? GNTST_general_error : GNTST_okay;
}

int grant_setup_table(vaddr_t uop)
{
    struct gnttab_setup_table op;
    struct domain *d;
    int rc = 0, status;

    if (copy_from_guest(&op, uop))
        return -EFAULT;
    status = grant_query_domain(op.dom, &d);
    if (!status) {
        status = grow_locked(d, op.nr_frames);
        if (!status)
            rc = write_frame_list(handle_va(op.frame_list), d->grants->shared, op.nr_frames);
        domain_put(d);
    }
    op.status = (s16)status;
    return rc ? rc : copy_field_to_guest(uop, &op, status);
}

int grant_query_size(vaddr_t uop)
{
    struct gnttab_query_size op;
    struct domain *d;

    if (copy_from_guest(&op, uop))
        return -EFAULT;
    op.status = (s16)grant_query_domain(op.dom, &d);
    if (!op.status) {
        op.nr_frames = grant_table_frame_count(d);
        op.max_nr_frames = grant_table_max_frames(d);
        domain_put(d);
    }
    return copy_to_guest(uop, &op);
}

/* Version 2 has status frames for all its frames; a shorter list may be asked for. */
static int status_frames_ready(struct domain *d, u32 n)
{
    struct grant_table *gt = d->grants;
    int status;

    spin_lock(&gt->lock);
    status = gt->version == 2 && n <= gt->status_frames ? GNTST_okay : GNTST_general_error;
    spin_unlock(&gt->lock);
    return status;
}

int grant_get_status_frames(vaddr_t uop)
{
    struct gnttab_get_status_frames op;
    struct domain *d;
    int rc = 0, status;

    if (copy_from_guest(&op, uop))
        return -EFAULT;
    status = grant_query_domain(op.dom, &d);
    if (!status) {
        status = status_frames_ready(d, op.nr_frames);
        if (!status)
            rc = write_frame_list(handle_va(op.frame_list), (void **)d->grants->status, op.nr_frames);
        domain_put(d);
    }
    op.status = (s16)status;
    return rc ? rc : copy_field_to_guest(uop, &op, status);
}

static int errno_of(int status)
{
    return status == GNTST_bad_domain ? -ESRCH : -EPERM;
}

/* Has no status of its own: errors are the hypercall's. */
int grant_get_version(vaddr_t uop)
{
    struct gnttab_get_version op;
    struct domain *d;
    int status;

    if (copy_from_guest(&op, uop))
        return -EFAULT;
    status = grant_query_domain(op.dom, &d);
    if (status)
        return errno_of(status);
    op.version = READ_ONCE(d->grants->version);
    domain_put(d);
    return copy_field_to_guest(uop, &op, version);
}

int grant_dump_table(vaddr_t uop)
{
    struct gnttab_dump_table op;
    struct domain *d;

    if (copy_from_guest(&op, uop))
        return -EFAULT;
    op.status = (s16)grant_query_domain(op.dom, &d);
    if (!op.status && !current->domain->is_privileged) {
        op.status = GNTST_permission_denied; /* it writes to the hypervisor's log */
        domain_put(d);
    } else if (!op.status) {
        grant_dump(d);
        domain_put(d);
    }
    return copy_field_to_guest(uop, &op, status);
}
