/* SPDX-License-Identifier: MIT */
/*
 * Caps: how much a domain may run at most, in percent of one CPU.
 *
 * A capped domain gets a budget of running time each period; its vCPUs take
 * pieces of it when they are switched in or have used up the last, and give
 * back what they did not use.  A vCPU that finds none is parked until the
 * period ends.  Time used beyond the budget (a piece ends a little late) is
 * taken off the next one.
 *
 * Periods follow one another exactly, however late their timer comes, and the
 * domain gets what it missed by that.  At most one period's budget is kept: at
 * the end of a period one that runs has often used more than is known yet.
 *
 * Lock order: a run queue's lock, then sched_domain.lock.
 */
#include "sched_private.h"

#define BUDGET_PIECE_MIN MICROSECS(500)
#define PERIODS_MISSED_MAX 10 /* a machine that stood still for longer makes no burst */

static ns_t cap_budget(u16 cap)
{
    return SCHED_CAP_PERIOD * cap / 100;
}

bool sched_budget_take(struct vcpu *v)
{
    struct sched_domain *s = &v->domain->sched;
    unsigned long flags;
    bool capped;
    ns_t piece;

    spin_lock_irqsave(&s->lock, flags);
    capped = s->cap; /* the caller looked without the lock */
    piece = MAX(cap_budget(s->cap) / 4, BUDGET_PIECE_MIN);
    if (v->sched.budget < 0)
        piece -= v->sched.budget; /* what it overran */
    piece = MIN(piece, s->budget);
    if (capped && piece > 0) {
        s->budget -= piece;
        v->sched.budget += piece;
    }
    spin_unlock_irqrestore(&s->lock, flags);
    return !capped || v->sched.budget > 0;
}

void sched_budget_return(struct vcpu *v)
{
    struct sched_domain *s = &v->domain->sched;
    unsigned long flags;

    if (likely(!v->sched.budget))
        return;
    spin_lock_irqsave(&s->lock, flags);
    if (s->cap)
        s->budget += v->sched.budget;
    v->sched.budget = 0;
    spin_unlock_irqrestore(&s->lock, flags);
}

/* Parked is read with the queue locked: whoever found no budget parks before he unlocks it. */
static void cap_unpark(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu(d, v) {
        unsigned long flags = arch_irq_save();
        struct sched_cpu *c = sched_lock_vcpu(v);

        if (v->sched.parked) {
            v->sched.parked = false;
            sched_make_queued(c, v);
        }
        spin_unlock(&c->lock);
        arch_irq_restore(flags);
    }
}

/* How many periods ended since the last call; s->lock held. */
static ns_t cap_periods_ended(struct sched_domain *s)
{
    ns_t n = 1 + MAX(time_now() - s->period_end, (ns_t)0) / SCHED_CAP_PERIOD;

    s->period_end += n * SCHED_CAP_PERIOD;
    return MIN(n, (ns_t)PERIODS_MISSED_MAX);
}

static void cap_replenish(void *data)
{
    struct domain *d = data;
    struct sched_domain *s = &d->sched;
    unsigned long flags;
    ns_t full, next, periods;

    spin_lock_irqsave(&s->lock, flags);
    full = cap_budget(s->cap);
    periods = cap_periods_ended(s);
    s->budget = MIN(s->budget, full) + full * periods;
    next = s->period_end;
    spin_unlock_irqrestore(&s->lock, flags);
    if (full)
        timer_set(&s->replenish, next);
    cap_unpark(d);
}

/* Domctl lock held. */
void sched_cap_set(struct domain *d, u16 cap)
{
    struct sched_domain *s = &d->sched;
    unsigned long flags;
    ns_t full, next;
    bool had;

    spin_lock_irqsave(&s->lock, flags);
    full = cap_budget(cap);
    had = s->cap;
    s->cap = cap;
    s->budget = had ? MIN(s->budget, full) : full;
    if (!had)
        s->period_end = time_now() + SCHED_CAP_PERIOD;
    next = s->period_end;
    spin_unlock_irqrestore(&s->lock, flags);
    if (cap && !had) {
        struct vcpu *v;

        timer_set(&s->replenish, next);
        for_each_vcpu(d, v) /* those that run have no timer for it yet */
            if (READ_ONCE(v->is_running))
                softirq_raise_on(READ_ONCE(v->processor), SOFTIRQ_SCHEDULE);
    } else if (!cap) {
        timer_stop(&s->replenish);
        cap_unpark(d);
    }
}

void sched_cap_init(struct domain *d)
{
    spin_lock_init(&d->sched.lock, LOCK_LEAF);
    timer_init(&d->sched.replenish, cap_replenish, d, this_cpu());
}

void sched_cap_stop(struct domain *d)
{
    timer_kill(&d->sched.replenish);
}
