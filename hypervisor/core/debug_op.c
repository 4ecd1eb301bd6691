/* SPDX-License-Identifier: MIT */
/* zelo/debug_op.h: the hypercall of debug builds. */
#include "hypercall_private.h"

#ifdef ZELO_DEBUG

#include <zelo/alloc_fault.h>
#include <zelo/debug_op.h>
#include <zelo/domain.h>
#include <zelo/errno.h>

long do_debug_op(const struct hypercall_args *a)
{
    if (!current->domain->is_privileged)
        return -EPERM;
    switch (a->arg[0]) {
    case ZELO_DEBUG_FAIL_ALLOCATION:
        return a->arg[1] > DOMID_INVALID ? -EINVAL : (long)alloc_fault_arm((domid_t)a->arg[1], a->arg[2]);
    case ZELO_DEBUG_OBJECTS:
        return (long)alloc_objects();
    default:
        return -EOPNOTSUPP;
    }
}

#endif
