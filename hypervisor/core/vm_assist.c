/* SPDX-License-Identifier: MIT */
/*
 * HYPERVISOR_vm_assist: behaviours a domain turns on or off for itself.  Only
 * the wish is kept here; the rooms that it concerns look at domain.vm_assist.
 * The 4gb_segments and pae_extended_cr3 kinds concern 32-bit kernels only, which
 * they keep; a 64-bit kernel may name them and sees no difference.
 */
#include <zelo/domain.h>
#include <zelo/errno.h>

#define ASSIST(type) (1ULL << VMASST_TYPE_##type)
#define ASSISTS_KNOWN                                                                       \
    (ASSIST(4gb_segments) | ASSIST(4gb_segments_notify) | ASSIST(writable_pagetables) |     \
     ASSIST(pae_extended_cr3) | ASSIST(architectural_iopl) | ASSIST(runstate_update_flag) | \
     ASSIST(m2p_strict))

void vm_assist_restore(struct domain *d, u64 assists)
{
    atomic_set(&d->vm_assist, assists & ASSISTS_KNOWN);
}

long do_vm_assist(const struct hypercall_args *a)
{
    u64 type = (u32)a->arg[1], bit;
    struct domain *d = current->domain;

    if (type >= 64)
        return -EINVAL;
    bit = 1ULL << type;
    if (!(bit & ASSISTS_KNOWN))
        return -EINVAL;
    switch ((u32)a->arg[0]) {
    case VMASST_CMD_enable:
        (void)atomic_fetch_or(&d->vm_assist, bit);
        return 0;
    case VMASST_CMD_disable:
        (void)atomic_fetch_and(&d->vm_assist, ~bit);
        return 0;
    default:
        return -ENOSYS;
    }
}
