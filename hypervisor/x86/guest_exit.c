/* SPDX-License-Identifier: MIT */
/* What has to be done before a CPU goes back to its guest. */
#include <zelo/domain.h>
#include <zelo/softirq.h>

#include "../pv/traps.h"
#include "entry.h"
#include "xpti.h"

/*
 * The last thing, interrupts off; once more if the guest's IRET met an LDT page that had to be mapped first:
 * waiting for a lock this CPU may have served another's flush since.
 */
static always_inline void root_copy(const struct cpu_info *info)
{
    if (unlikely(info->guest_cr3))
        xpti_copy_root(info->vcpu);
}
void guest_exit_again(void) { root_copy(cpu_info()); }

/* Does one thing of what waits, which may bring up others. May switch vCPUs, and then does not return. False: nothing. */
static bool did_one(struct vcpu *v)
{
    if (softirq_pending()) {
        arch_irq_enable();
        softirq_run();
        return true;
    }
    if (atomic_read(&v->pv.nmi_pending) && pv_deliver_nmi(v))
        return true;
    if (!vcpu_event_deliverable(v))
        return false;
    pv_deliver_event(v); /* masks events; a domain that dies of it has a softirq pending now */
    return true;
}

/* Of its own, so that the usual way has no registers to save. */
static never_inline void work_off(void)
{
    while (did_one(current))
        arch_irq_disable();
}

/*
 * Returns with interrupts off and nothing left to do, so that whatever comes
 * up until the guest runs raises an interrupt there. May switch vCPUs, and
 * then does not return here.
 */
static always_inline void exit_work(const struct cpu_info *info)
{
    arch_irq_disable();
    if (unlikely(!pv_nothing_waits(info->vcpu)))
        work_off();
    root_copy(info);
}
void guest_exit_work(void) { exit_work(cpu_info()); }

void hypercall_from_kernel(struct cpu_user_regs *regs)
{
    arch_irq_enable();
    hypercall_dispatch(regs);
    exit_work(cpu_info());
}
