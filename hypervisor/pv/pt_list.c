/* SPDX-License-Identifier: MIT */
/*
 * The frame around the page-table hypercalls that take a list. The count's top
 * bit, MMU_UPDATE_PREEMPTED, marks a call that goes on: the entries done before
 * are then counted in the guest's own success counter.
 */
#include "pt.h"

#include <zelo/errno.h>
#include <zelo/guest.h>

#define MMU_UPDATE_PREEMPTED 0x80000000u

long pt_list_call(unsigned nr, const struct hypercall_args *a, size_t entry,
                  int (*run)(u32 domains, vaddr_t list, u32 count, u32 *done))
{
    u32 count = (u32)a->arg[1], done = 0, before = 0, total;
    struct hypercall_args next;
    int rc = pt_undo_continue(current);

    if ((count & MMU_UPDATE_PREEMPTED) && a->arg[2] && copy_from_guest(&before, a->arg[2]))
        return -EFAULT;
    count &= ~MMU_UPDATE_PREEMPTED;
    if (!rc)
        rc = run((u32)a->arg[3], a->arg[0], count, &done);
    if (!rc)
        rc = pt_undo_continue(current);
    total = before + done;
    if (a->arg[2] && copy_to_guest(a->arg[2], &total))
        return -EFAULT;
    if (rc != -E_PREEMPTED)
        return rc;
    next = *a;
    next.arg[0] += (u64)done * entry;
    next.arg[1] = (count - done) | MMU_UPDATE_PREEMPTED;
    return hypercall_continue(nr, &next);
}
