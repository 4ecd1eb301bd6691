/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's timers: single-shot and periodic, both telling it by VIRQ_TIMER,
 * and the end of a SCHEDOP_poll.  They follow the vCPU to its CPU when it is
 * switched in there.  The periodic one ticks only while the vCPU runs.
 */
#include "sched_private.h"

#include <zelo/errno.h>

#define PERIOD_MIN MILLISECS(1)
#define PERIOD_DEFAULT MILLISECS(10) /* what a PV guest has until it says otherwise */
#define TIME_FAR ((u64)1 << 62)      /* as good as never */

static void singleshot_fired(void *data)
{
    event_send_vcpu_virq(data, VIRQ_TIMER);
}

static void poll_timer_fired(void *data)
{
    struct vcpu *v = data;

    if (atomic_read(&v->pause_flags) & VPF_POLL)
        vcpu_unblock(v);
}

/* Sets the timer for the next tick; sends one first if it is due. */
static void periodic_work(struct vcpu *v)
{
    ns_t period = READ_ONCE(v->period), now = time_now();

    if (!period)
        return;
    if (now - v->period_last >= period) {
        v->period_last = now - (now - v->period_last) % period;
        event_send_vcpu_virq(v, VIRQ_TIMER);
    }
    timer_set(&v->periodic_timer, v->period_last + period);
}

static void periodic_fired(void *data)
{
    struct vcpu *v = data;

    if (READ_ONCE(v->is_running)) /* else at its next switch-in */
        periodic_work(v);
}

void vcpu_timers_init(struct vcpu *v)
{
    timer_init(&v->singleshot_timer, singleshot_fired, v, v->processor);
    timer_init(&v->periodic_timer, periodic_fired, v, v->processor);
    timer_init(&v->poll_timer, poll_timer_fired, v, v->processor);
    v->period = PERIOD_DEFAULT;
}

void vcpu_timers_kill(struct vcpu *v)
{
    timer_kill(&v->singleshot_timer);
    timer_kill(&v->periodic_timer);
    timer_kill(&v->poll_timer);
}

void vcpu_timers_switch_in(struct vcpu *v, unsigned cpu, bool moved)
{
    if (moved) {
        timer_migrate(&v->singleshot_timer, cpu);
        timer_migrate(&v->periodic_timer, cpu);
        timer_migrate(&v->poll_timer, cpu);
    }
    if (unlikely(v->period))
        periodic_work(v);
}

void vcpu_timers_switch_out(struct vcpu *v)
{
    if (unlikely(v->period))
        timer_stop(&v->periodic_timer);
}

int vcpu_periodic_set(struct vcpu *v, u64 period)
{
    if (period && period < (u64)PERIOD_MIN)
        return -EINVAL;
    if (period > TIME_FAR)
        return -EINVAL;
    WRITE_ONCE(v->period, (ns_t)period);
    if (!period)
        timer_stop(&v->periodic_timer);
    else if (READ_ONCE(v->is_running))
        timer_set(&v->periodic_timer, time_now() + (ns_t)period);
    return 0;
}

int vcpu_singleshot_set(struct vcpu *v, u64 timeout, u32 flags)
{
    ns_t at = (ns_t)MIN(timeout, TIME_FAR);

    if ((flags & VCPU_SSHOTTMR_future) && at < time_now())
        return -ETIME;
    timer_set(&v->singleshot_timer, at);
    return 0;
}

void vcpu_poll_timer_set(struct vcpu *v, u64 timeout)
{
    if (timeout)
        timer_set(&v->poll_timer, (ns_t)MIN(timeout, TIME_FAR));
    else if (READ_ONCE(v->poll_timer.queued))
        timer_stop(&v->poll_timer);
}

/* Absolute system time; 0: none. */
long do_set_timer_op(const struct hypercall_args *a)
{
    struct vcpu *v = current;
    u64 timeout = a->arg[0];

    if (!timeout) {
        timer_stop(&v->singleshot_timer);
        return 0;
    }
    return vcpu_singleshot_set(v, timeout, 0);
}
