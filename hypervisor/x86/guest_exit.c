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
void guest_exit_again(void)
{
    if (current->domain->pv.xpti)
        xpti_copy_root(current);
}

/*
 * Returns with interrupts off and nothing left to do, so that whatever comes
 * up until the guest runs raises an interrupt there. May switch vCPUs, and
 * then does not return here.
 */
void guest_exit_work(void)
{
    for (;;) {
        struct vcpu *v = current;

        arch_irq_disable();
        if (unlikely(softirq_pending(this_cpu()))) {
            arch_irq_enable();
            softirq_run();
            continue;
        }
        if (unlikely(atomic_read(&v->pv.nmi_pending)) && pv_deliver_nmi(v))
            continue;
        if (!v->info->evtchn_upcall_pending || v->info->evtchn_upcall_mask)
            break;
        pv_deliver_event(v); /* masks events; a domain that dies of it has a softirq pending now */
    }
    guest_exit_again();
}
