/* SPDX-License-Identifier: MIT */
/*
 * Pausing and unpausing vCPUs and domains; blocking and kicking.
 *
 * A vCPU runs while none of its pause_flags is set and no pause counted, of
 * its own or its domain.  Who adds a reason calls vcpu_sleep_*, who takes the
 * last one away calls vcpu_wake; both look at the reasons again with the run
 * queue locked, so that the order of their calls does not matter.
 */
#include "sched_private.h"

#include <zelo/errno.h>
#include <zelo/log.h>
#include <zelo/trace.h>

static void vcpu_wait_saved(const struct vcpu *v)
{
    while (atomic_read_acquire(&v->is_running))
        cpu_relax();
}

void vcpu_sleep_sync(struct vcpu *v)
{
    BUG_ON(v == current);
    vcpu_sleep_nosync(v);
    vcpu_wait_saved(v);
}

void vcpu_pause_nosync(struct vcpu *v)
{
    atomic_add(&v->pause_count, 1);
    vcpu_sleep_nosync(v);
}

void vcpu_pause(struct vcpu *v)
{
    atomic_add(&v->pause_count, 1);
    vcpu_sleep_sync(v);
}

void vcpu_unpause(struct vcpu *v)
{
    if (atomic_sub_return(&v->pause_count, 1) == 0)
        vcpu_wake(v);
}

/* --- domains --- */

void domain_pause_nosync(struct domain *d)
{
    struct vcpu *v;

    atomic_add(&d->pause_count, 1);
    for_each_vcpu(d, v)
        vcpu_sleep_nosync(v);
}

/* All are told to stop before any is waited for. The current one, if of d, goes on until it leaves the hypervisor. */
void domain_pause(struct domain *d)
{
    struct vcpu *v;

    domain_pause_nosync(d);
    for_each_vcpu(d, v)
        if (v != current)
            vcpu_wait_saved(v);
}

void domain_unpause(struct domain *d)
{
    struct vcpu *v;

    if (atomic_sub_return(&d->pause_count, 1))
        return;
    for_each_vcpu(d, v)
        vcpu_wake(v);
}

int domain_pause_by_tools(struct domain *d)
{
    int rc = 0;

    spin_lock(&d->lock);
    if (d->tools_pause_count == (u16)~0)
        rc = -EOVERFLOW;
    else
        d->tools_pause_count++;
    spin_unlock(&d->lock);
    if (!rc)
        domain_pause(d);
    return rc;
}

int domain_unpause_by_tools(struct domain *d)
{
    int rc = 0;

    spin_lock(&d->lock);
    if (!d->tools_pause_count)
        rc = -EINVAL;
    else
        d->tools_pause_count--;
    spin_unlock(&d->lock);
    if (!rc)
        domain_unpause(d);
    return rc;
}

/* --- blocking --- */

static bool vcpu_has_work(const struct vcpu *v)
{
    if (vcpu_event_deliverable(v))
        return true;
    /* An NMI without a handler waits for one, and its vCPU may sleep all the same. */
    return atomic_read(&v->pv.nmi_pending) && v->pv.nmi_callback && !(READ_ONCE(v->pv.flags) & PVF_NMI_MASKED);
}

/*
 * Events are unmasked, the block is announced, then events are looked for:
 * an event that comes before the last step is seen there, one that comes
 * after finds the vCPU blocked and wakes it.
 */
void vcpu_block(void)
{
    struct vcpu *v = current;

    WRITE_ONCE(v->info->evtchn_upcall_mask, 0);
    (void)atomic_fetch_or(&v->pause_flags, VPF_BLOCKED);
    if (vcpu_has_work(v)) {
        (void)atomic_fetch_and(&v->pause_flags, ~VPF_BLOCKED);
    } else {
        trace_vcpu(TRC_SCHED_BLOCK, v);
        softirq_raise(SOFTIRQ_SCHEDULE);
    }
}

void vcpu_yield(void)
{
    trace_vcpu(TRC_SCHED_YIELD, current);
    current->sched.yielded = true; /* it runs, and only its own CPU reads this */
    softirq_raise(SOFTIRQ_SCHEDULE);
}

/*
 * First out of the pollers, then awake: by then v may poll anew.  So whoever
 * takes the bit of a poll that he did not mean wakes that one too.
 */
void vcpu_unblock(struct vcpu *v)
{
    u32 was;

    if (atomic_read(&v->pause_flags) & VPF_POLL)
        atomic_clear_bit(v->domain->sched.pollers, v->id);
    was = atomic_fetch_and(&v->pause_flags, ~(VPF_BLOCKED | VPF_POLL));
    if (was & VPF_BLOCKED)
        vcpu_wake(v);
}

/*
 * The caller has made something pending for v (a locked instruction, so it is
 * seen by whoever does not see what is read here).  A vCPU being switched in
 * has is_running set before it looks for events.
 */
void vcpu_kick(struct vcpu *v)
{
    if (atomic_read(&v->pause_flags) & VPF_BLOCKED)
        vcpu_unblock(v);
    else if (v != current && READ_ONCE(v->is_running))
        cpu_kick(READ_ONCE(v->processor));
}
