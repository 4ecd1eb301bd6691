/* SPDX-License-Identifier: MIT */
/* zelo/debug_op.h: the hypercall of debug builds. */
#include "hypercall_private.h"

#ifdef ZELO_DEBUG

#include <zelo/alloc_fault.h>
#include <zelo/debug_op.h>
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/lock.h>

static long shift(unsigned by)
{
    return (long)(1U << by);
}

static long wrong_order(void)
{
    static spinlock_t first = SPINLOCK(LOCK_DOMAIN), second = SPINLOCK(LOCK_LEAF);

    spin_lock(&second);
    spin_lock(&first);
    spin_unlock(&first);
    spin_unlock(&second);
    return 0;
}

long do_debug_op(const struct hypercall_args *a)
{
    if (!current->domain->is_privileged)
        return -EPERM;
    switch (a->arg[0]) {
    case ZELO_DEBUG_FAIL_ALLOCATION:
        return a->arg[1] > DOMID_INVALID ? -EINVAL : (long)alloc_fault_arm((domid_t)a->arg[1], a->arg[2]);
    case ZELO_DEBUG_OBJECTS:
        return (long)alloc_objects();
    case ZELO_DEBUG_SHIFT:
        return shift((unsigned)a->arg[1]);
    case ZELO_DEBUG_LOCKS:
        return wrong_order();
    default:
        return -EOPNOTSUPP;
    }
}

#endif
