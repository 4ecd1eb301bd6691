/* SPDX-License-Identifier: MIT */
/* How long each vCPU has been running, waiting, blocked and offline (<xen/vcpu.h>). */
#include "sched_private.h"

#include <zelo/trace.h>

int sched_runstate_of(const struct vcpu *v)
{
    if (vcpu_runnable(v))
        return RUNSTATE_runnable;
    return atomic_read(&v->pause_flags) & VPF_BLOCKED ? RUNSTATE_blocked : RUNSTATE_offline;
}

/* Both states are part of the event's number. */
static void runstate_trace(const struct vcpu *v, u32 from, u32 to)
{
    trace(TRC_SCHED_RUNSTATE_CHANGE | from << 8 | to << 4, (u32)v->domain->id << 16 | v->id);
}

void sched_runstate_set(struct vcpu *v, int state, ns_t now)
{
    struct vcpu_runstate_info *r = &v->sched.runstate;
    s64 delta = now - (s64)r->state_entry_time;

    if (r->state == state)
        return;
    runstate_trace(v, (u32)r->state, (u32)state);
    if (delta > 0) {
        r->time[r->state] += (u64)delta;
        r->state_entry_time = (u64)now;
    }
    r->state = state;
}

/* The one that runs here changes by this CPU's own doing only: it needs no lock, and its switch-in asks often. */
static void runstate_copy(const struct vcpu *v, struct vcpu_runstate_info *out)
{
    unsigned long flags = arch_irq_save();
    struct sched_cpu *c = NULL;

    if (!READ_ONCE(v->is_running) || READ_ONCE(v->processor) != this_cpu())
        c = sched_lock_vcpu(v);
    *out = v->sched.runstate;
    if (c)
        spin_unlock(&c->lock);
    arch_irq_restore(flags);
}

static void runstate_bring_up(struct vcpu_runstate_info *r)
{
    s64 delta = time_now() - (s64)r->state_entry_time;

    if (delta > 0)
        r->time[r->state] += (u64)delta;
}

void vcpu_runstate_get(const struct vcpu *v, struct vcpu_runstate_info *out)
{
    runstate_copy(v, out);
    runstate_bring_up(out);
}

ns_t vcpu_cpu_time(const struct vcpu *v)
{
    struct vcpu_runstate_info r;

    runstate_copy(v, &r);
    if (r.state == RUNSTATE_running)
        runstate_bring_up(&r);
    return (ns_t)r.time[RUNSTATE_running];
}

ns_t cpu_idle_time(unsigned cpu)
{
    return idle_vcpu[cpu] ? vcpu_cpu_time(idle_vcpu[cpu]) : 0;
}
