/* SPDX-License-Identifier: MIT */
/*
 * HYPERVISOR_mca (<xen/arch-x86/xen-mca.h>): machine-check telemetry.  A
 * machine check ends the hypervisor, and nothing is collected: every
 * operation is known and not supported, so that domain 0 does without.
 */
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/guest.h>

#include <xen/arch-x86/xen-mca.h>

long do_mca(const struct hypercall_args *a)
{
    struct { u32 cmd, interface_version; } head; /* how struct xen_mc begins */

    _Static_assert(offsetof(struct xen_mc, cmd) == 0 && offsetof(struct xen_mc, interface_version) == 4,
                   "the head of struct xen_mc");
    if (!current->domain->is_privileged)
        return -EPERM;
    if (copy_from_guest(&head, a->arg[0]))
        return -EFAULT;
    if (head.interface_version != XEN_MCA_INTERFACE_VERSION)
        return -EACCES;
    switch (head.cmd) {
    case XEN_MC_fetch:
    case XEN_MC_notifydomain:
    case XEN_MC_physcpuinfo:
    case XEN_MC_msrinject:
    case XEN_MC_mceinject:
    case XEN_MC_inject_v2:
        return -EOPNOTSUPP;
    default:
        return -EINVAL;
    }
}
