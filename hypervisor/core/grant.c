/* SPDX-License-Identifier: MIT */
/*
 * The grant_table_op hypercall: which operation, how many of it, and going on
 * where a long list was interrupted.  Lists may be stopped between any two of
 * their operations; what is done is done, and the guest issues the rest again.
 */
#include "grant_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/hypercall.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/nospec.h>

/* Looking for work elsewhere after every operation would cost more than many of them. */
#define STOP_EVERY 16

bool grant_list_should_stop(u32 done, u32 count)
{
    return done && done % STOP_EVERY == 0 && done < count && hypercall_should_preempt();
}

/* Giving pages away is not offered; each page stays with the caller, which is what this status says. */
int grant_transfer_list(vaddr_t uop, u32 count, u32 *done)
{
    for (*done = 0; *done < count; ++*done) {
        vaddr_t at = uop + (vaddr_t)*done * sizeof(struct gnttab_transfer);
        struct gnttab_transfer op = { .status = GNTST_bad_page };

        if (grant_list_should_stop(*done, count))
            return -E_PREEMPTED;
        if (copy_field_to_guest(at, &op, status))
            return -EFAULT;
    }
    return 0;
}

static const struct {
    grant_list_fn *list;
    grant_single_fn *single;
    u32 size; /* of one operation's structure */
} operations[] = {
    [GNTTABOP_map_grant_ref] = { .list = grant_map_list, .size = sizeof(struct gnttab_map_grant_ref) },
    [GNTTABOP_unmap_grant_ref] = { .list = grant_unmap_list, .size = sizeof(struct gnttab_unmap_grant_ref) },
    [GNTTABOP_setup_table] = { .single = grant_setup_table },
    [GNTTABOP_dump_table] = { .single = grant_dump_table },
    [GNTTABOP_transfer] = { .list = grant_transfer_list, .size = sizeof(struct gnttab_transfer) },
    [GNTTABOP_copy] = { .list = grant_copy_list, .size = sizeof(struct gnttab_copy) },
    [GNTTABOP_query_size] = { .single = grant_query_size },
    [GNTTABOP_unmap_and_replace] = { .list = grant_unmap_and_replace_list,
                                     .size = sizeof(struct gnttab_unmap_and_replace) },
    [GNTTABOP_set_version] = { .single = grant_set_version },
    [GNTTABOP_get_status_frames] = { .single = grant_get_status_frames },
    [GNTTABOP_get_version] = { .single = grant_get_version },
    [GNTTABOP_swap_grant_ref] = { .list = grant_swap_list, .size = sizeof(struct gnttab_swap_grant_ref) },
    [GNTTABOP_cache_flush] = { 0 }, /* for machines whose devices do not see the caches */
};

static long run_list(const struct hypercall_args *a, u32 cmd, u32 count)
{
    struct hypercall_args next = *a;
    u32 done;
    int rc = operations[cmd].list(a->arg[1], count, &done);

    if (rc != -E_PREEMPTED)
        return rc;
    next.arg[1] += (unsigned long)done * operations[cmd].size;
    next.arg[2] = count - done;
    return hypercall_continue(__HYPERVISOR_grant_table_op, &next);
}

long do_grant_table_op(const struct hypercall_args *a)
{
    u32 cmd = (u32)a->arg[0], count = (u32)a->arg[2];

    if (cmd >= ARRAY_SIZE(operations))
        return -ENOSYS;
    cmd = array_index_nospec(cmd, ARRAY_SIZE(operations));
    if (count > INT32_MAX)
        return -EINVAL;
    if (operations[cmd].list)
        return run_list(a, cmd, count);
    if (!operations[cmd].single)
        return -EOPNOTSUPP;
    return count == 1 ? operations[cmd].single(a->arg[1]) : -EINVAL;
}

void grant_dump(struct domain *d)
{
    struct grant_table *gt = d->grants;

    if (!gt)
        return;
    spin_lock(&gt->entry_lock);
    log_info("d%u: grants version %u, %u of %u frames, %u of %u maptrack frames, %u entries in use\n", d->id,
             gt->version, gt->frames, gt->max_frames, gt->maptrack_frames, gt->max_maptrack_frames,
             gt->pinned);
    for (u32 ref = 0; gt->pinned && ref < grant_entry_count(gt); ref++) {
        const struct grant_active *a = grant_active(gt, ref);

        if (a->readers || a->writers)
            log_info("  [%u] %u readers, %u writers\n", ref, a->readers, a->writers);
    }
    spin_unlock(&gt->entry_lock);
}
