/* SPDX-License-Identifier: MIT */
/*
 * XEN_SYSCTL_* (<xen/sysctl.h>): what the tools ask of the host as a whole.
 * Operations that the table does not name answer -EOPNOTSUPP.
 */
#include "sysctl.h"

#include <zelo/console.h>
#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/nospec.h>
#include <zelo/trace.h>

static int sysctl_readconsole(struct xen_sysctl *op)
{
    return console_sysctl_read(&op->u.readconsole);
}

static int sysctl_sched_id(struct xen_sysctl *op)
{
    op->u.sched_id.sched_id = sched_id();
    return 0;
}

static int sysctl_scheduler_op(struct xen_sysctl *op)
{
    return sched_sysctl(&op->u.scheduler_op);
}

static int sysctl_cpupool_op(struct xen_sysctl *op)
{
    return cpupool_sysctl(&op->u.cpupool_op);
}

static int sysctl_tbuf_op(struct xen_sysctl *op)
{
    return trace_sysctl(&op->u.tbuf_op);
}

static sysctl_fn *const sysctl_table[] = {
    [XEN_SYSCTL_readconsole] = sysctl_readconsole,
    [XEN_SYSCTL_tbuf_op] = sysctl_tbuf_op,
    [XEN_SYSCTL_physinfo] = sysctl_physinfo,
    [XEN_SYSCTL_sched_id] = sysctl_sched_id,
    [XEN_SYSCTL_getdomaininfolist] = sysctl_getdomaininfolist,
    [XEN_SYSCTL_debug_keys] = sysctl_debug_keys,
    [XEN_SYSCTL_getcpuinfo] = sysctl_getcpuinfo,
    [XEN_SYSCTL_get_pmstat] = sysctl_get_pmstat,
    [XEN_SYSCTL_pm_op] = sysctl_pm_op,
    [XEN_SYSCTL_availheap] = sysctl_availheap,
    [XEN_SYSCTL_cputopoinfo] = sysctl_cputopoinfo,
    [XEN_SYSCTL_numainfo] = sysctl_numainfo,
    [XEN_SYSCTL_pcitopoinfo] = sysctl_pcitopoinfo,
    [XEN_SYSCTL_cpupool_op] = sysctl_cpupool_op,
    [XEN_SYSCTL_scheduler_op] = sysctl_scheduler_op,
    [XEN_SYSCTL_get_cpu_levelling_caps] = pv_sysctl_cpu_policy,
    [XEN_SYSCTL_get_cpu_featureset] = pv_sysctl_cpu_policy,
    [XEN_SYSCTL_get_cpu_policy] = pv_sysctl_cpu_policy,
};

long do_sysctl(const struct hypercall_args *a)
{
    struct xen_sysctl op;
    sysctl_fn *fn;
    int rc;

    if (!current->domain->is_privileged)
        return -EPERM;
    if (copy_from_guest(&op, a->arg[0]))
        return -EFAULT;
    if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION)
        return -EACCES;
    if (op.cmd >= ARRAY_SIZE(sysctl_table))
        return -EOPNOTSUPP;
    fn = sysctl_table[array_index_nospec(op.cmd, ARRAY_SIZE(sysctl_table))];
    if (!fn)
        return -EOPNOTSUPP;
    if (!domctl_trylock())
        return hypercall_continue(__HYPERVISOR_sysctl, a);
    rc = fn(&op);
    domctl_unlock();
    if (rc == -E_PREEMPTED)
        return hypercall_continue(__HYPERVISOR_sysctl, a);
    /* Sizes that were too small are answered with the right ones (-ENOBUFS). */
    if ((rc >= 0 || rc == -ENOBUFS) && copy_to_guest(a->arg[0], &op))
        return -EFAULT;
    return rc;
}
