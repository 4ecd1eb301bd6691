/* SPDX-License-Identifier: MIT */
/*
 * Power management as the tools see it.  A CPU with nothing to do halts, and
 * the hypervisor knows no deeper idle state: each CPU has C0, in which it works,
 * and C1.  It has no say in the CPUs' frequency, so there are no P-states.
 */
#include "sysctl.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>

enum { C0, C1, C_STATES };

/* C0 is entered as often as C1 is left. */
static int pm_copy_cxstat(unsigned cpu, struct pm_cx_stat *s)
{
    u64 triggers[C_STATES];
    ns_t residencies[C_STATES];
    u32 n = MIN(s->nr, (u32)C_STATES);

    cpu_halt_stats(cpu, &triggers[C1], &residencies[C1]);
    triggers[C0] = triggers[C1];
    residencies[C0] = time_now() - residencies[C1];
    s->nr = C_STATES;
    s->last = cpu == this_cpu() ? C0 : C1;
    s->idle_time = (u64)cpu_idle_time(cpu);
    s->nr_pc = s->nr_cc = 0; /* no counters of the hardware's own states */
    if (copy_to_handle(s->triggers, triggers, n) || copy_to_handle(s->residencies, residencies, n))
        return -EFAULT;
    return 0;
}

int sysctl_get_pmstat(struct xen_sysctl *op)
{
    struct xen_sysctl_get_pmstat *p = &op->u.get_pmstat;

    if (p->cpuid >= MAX_CPUS || !cpumask_test(&cpu_online, p->cpuid))
        return -EINVAL;
    switch (p->type) {
    case PMSTAT_get_max_cx:
        p->u.getcx.nr = C_STATES;
        return 0;
    case PMSTAT_get_cxstat:
        return pm_copy_cxstat(p->cpuid, &p->u.getcx);
    case PMSTAT_get_max_px:
    case PMSTAT_get_pxstat:
    case PMSTAT_reset_pxstat:
        return -ENODEV;
    default:
        return -EOPNOTSUPP;
    }
}

/* For this call the CPU's number says what is asked for: the deepest state (0) or sub-state (1) in use. */
int sysctl_pm_op(struct xen_sysctl *op)
{
    struct xen_sysctl_pm_op *p = &op->u.pm_op;

    if (p->cmd != XEN_SYSCTL_pm_op_get_max_cstate)
        return -EOPNOTSUPP;
    if (p->cpuid > 1)
        return -EINVAL;
    p->u.get_max_cstate = p->cpuid == 0 ? C1 : XEN_SYSCTL_CX_UNLIMITED;
    return 0;
}
