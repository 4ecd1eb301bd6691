/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's middle: run queues, picking the next vCPU, waking and
 * putting to sleep.  sched_private.h has the states and locks.
 *
 *   sched_credit.c    who deserves to run: weights
 *   sched_cap.c       who must not any more: caps
 *   sched_place.c     on which CPU: waking, stealing, balancing
 *   sched_affinity.c, cpupool.c   where it may at all
 *
 * A switch: schedule() runs as a softirq on the way out of the hypervisor. It
 * picks with the queue locked, marks the old one leaving and the new one
 * running, unlocks, and calls context_switch, which does not return; that
 * calls sched_context_saved once the old one's registers are in memory.
 */
#include "sched_private.h"

#include <zelo/console.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/softirq.h>
#include <zelo/trace.h>
#include <arch/machine.h>

DEFINE_PER_CPU(struct sched_cpu, sched_cpu);
cpumask_t sched_idle;
ns_t sched_ratelimit = MICROSECS(1000);

bool vcpu_runnable(const struct vcpu *v)
{
    return !(atomic_read(&v->pause_flags) | atomic_read(&v->pause_count) | atomic_read(&v->domain->pause_count));
}

struct sched_cpu *sched_lock_vcpu(const struct vcpu *v)
{
    for (;;) {
        unsigned cpu = READ_ONCE(v->processor);
        struct sched_cpu *c = &per_cpu(sched_cpu, cpu);

        spin_lock(&c->lock);
        if (likely(cpu == READ_ONCE(v->processor)))
            return c;
        spin_unlock(&c->lock);
    }
}

/* --- the queue --- */

static struct vcpu *sched_head(const struct sched_cpu *c)
{
    return list_empty(&c->queue) ? NULL : list_first(&c->queue, struct vcpu, sched.runq);
}

void sched_remove(struct sched_cpu *c, struct vcpu *v)
{
    list_remove(&v->sched.runq);
    v->sched.queued = false;
    WRITE_ONCE(c->queued, c->queued - 1);
    WRITE_ONCE(c->load, c->load - v->sched.queued_weight);
}

/* Makes the CPU look at its queue if it should, for v was added. */
static void sched_tickle(struct sched_cpu *c, const struct vcpu *v)
{
    unsigned cpu = v->processor;

    if (c->curr->domain->is_idle) {
        /* Bit clear: somebody has told it already, and it has not looked yet. */
        if (cpumask_test(&sched_idle, cpu)) {
            cpumask_clear(&sched_idle, cpu);
            softirq_raise_on(cpu, SOFTIRQ_SCHEDULE);
        }
    } else if (v->sched.credit > sched_credit_now(c, c->curr, time_now())) {
        c->preempt = true;
        softirq_raise_on(cpu, SOFTIRQ_SCHEDULE);
    } else if (!c->timer_at) {
        softirq_raise_on(cpu, SOFTIRQ_SCHEDULE); /* curr was alone: its slice begins to count */
    }
}

void sched_add(struct sched_cpu *c, struct vcpu *v)
{
    struct vcpu *pos;

    sched_credit_settle(c, v);
    list_for_each(pos, &c->queue, sched.runq)
        if (v->sched.credit > pos->sched.credit)
            break;
    list_insert_after(pos->sched.runq.prev, &v->sched.runq);
    v->sched.queued = true;
    v->sched.queued_weight = v->domain->sched.weight;
    c->base_weight = MAX(c->base_weight, (u32)v->sched.queued_weight);
    WRITE_ONCE(c->queued, c->queued + 1);
    WRITE_ONCE(c->load, c->load + v->sched.queued_weight);
}

void sched_insert(struct sched_cpu *c, struct vcpu *v)
{
    sched_add(c, v);
    sched_tickle(c, v);
}

void sched_make_queued(struct sched_cpu *c, struct vcpu *v)
{
    unsigned cpu;

    if (v->sched.queued || v->is_running || v->sched.parked || !vcpu_runnable(v))
        return;
    cpu = sched_choose_cpu(v);
    if (cpu == v->processor) {
        sched_insert(c, v);
        return;
    }
    if (sched_move(c, v, cpu)) {
        struct sched_cpu *to = &per_cpu(sched_cpu, cpu);

        sched_insert(to, v);
        spin_unlock(&to->lock);
        return;
    }
    /* Its queue is locked just now: from here it can be fetched. */
    sched_insert(c, v);
    if (!sched_allowed(v, v->processor)) {
        c->misplaced = true;
        softirq_raise_on(v->processor, SOFTIRQ_SCHEDULE);
    } else {
        softirq_raise_on(cpu, SOFTIRQ_SCHEDULE);
    }
}

/* --- waking and sleeping --- */

void vcpu_wake(struct vcpu *v)
{
    unsigned long flags = arch_irq_save();
    struct sched_cpu *c = sched_lock_vcpu(v);

    if (!v->is_running && !v->sched.queued) {
        trace_vcpu(TRC_SCHED_WAKE, v);
        sched_runstate_set(v, sched_runstate_of(v), time_now());
        sched_make_queued(c, v);
    }
    spin_unlock(&c->lock);
    arch_irq_restore(flags);
}

void vcpu_sleep_nosync(struct vcpu *v)
{
    unsigned long flags = arch_irq_save();
    struct sched_cpu *c = sched_lock_vcpu(v);

    if (!vcpu_runnable(v)) {
        trace_vcpu(TRC_SCHED_SLEEP, v);
        if (v->sched.queued)
            sched_remove(c, v);
        if (!v->is_running)
            sched_runstate_set(v, sched_runstate_of(v), time_now());
        else if (c->curr == v)
            softirq_raise_on(v->processor, SOFTIRQ_SCHEDULE);
    }
    spin_unlock(&c->lock);
    arch_irq_restore(flags);
}

/* --- picking --- */

/* The first of the queue that may run here and has budget; those without are parked. */
static struct vcpu *sched_pick_queued(struct sched_cpu *c, unsigned cpu)
{
    struct vcpu *v, *tmp;

    list_for_each_safe(v, tmp, &c->queue, sched.runq) {
        if (unlikely(c->misplaced) && !sched_allowed(v, cpu))
            continue;
        if (likely(!v->domain->sched.cap) || sched_budget_take(v))
            return v;
        sched_remove(c, v);
        v->sched.parked = true;
    }
    return NULL;
}

/* May the one that runs go on? */
static bool sched_may_continue(const struct vcpu *prev, unsigned cpu)
{
    return !prev->domain->is_idle && vcpu_runnable(prev) && !prev->sched.parked && sched_allowed(prev, cpu);
}

static struct vcpu *sched_pick(struct sched_cpu *c, unsigned cpu, struct vcpu *prev, ns_t now)
{
    bool yielded = prev->sched.yielded;
    struct vcpu *next;

    sched_account(c, prev, now);
    if (unlikely(c->misplaced))
        sched_evict(c);
    prev->sched.yielded = false;
    if (!sched_may_continue(prev, cpu)) {
        next = sched_pick_queued(c, cpu);
        prev = NULL;
    } else if (!yielded && now - prev->sched.slice_start < sched_ratelimit) {
        return prev;
    } else {
        next = sched_pick_queued(c, cpu);
        if (!next) {
            c->preempt = false;
            return prev;
        }
        if (!yielded && !sched_gives_way(c, prev, next)) {
            sched_budget_return(next);
            next = prev;
        }
    }
    c->preempt = false;
    if (!next)
        return idle_vcpu[cpu];
    if (next->sched.credit <= 0)
        sched_new_round(c, prev);
    return next;
}

/* When c must choose again without being told: its timer. */
static void sched_arm_timer(struct sched_cpu *c, struct vcpu *v, ns_t now)
{
    struct vcpu *head = sched_head(c);
    ns_t at = now + MILLISECS(100);

    c->alone = !head;
    if (v->domain->is_idle || (!head && !v->domain->sched.cap))
        return;
    if (head) {
        at = v->sched.slice_start + sched_ratelimit;
        at = MAX(at, now + sched_slice(c, v, head));
    }
    if (v->domain->sched.cap) {
        ns_t left = MAX(v->sched.budget, MICROSECS(50));

        at = MIN(at, now + left);
    }
    if (c->timer_at && c->timer_at <= at)
        return; /* an early one does no harm, and setting it costs */
    c->timer_at = at;
    timer_set(&c->timer, at);
}

static void sched_timer_fired(void *data)
{
    unsigned cpu = this_cpu();
    struct sched_cpu *c = data;
    unsigned long flags;

    spin_lock_irqsave(&c->lock, flags);
    c->timer_at = 0;
    trace(TRC_SCHED_S_TIMER_FN);
    spin_unlock_irqrestore(&c->lock, flags);
    sched_balance(c, cpu);
    softirq_raise(SOFTIRQ_SCHEDULE);
}

/* --- the switch --- */

static void sched_mark_leaving(struct sched_cpu *c, struct vcpu *prev, ns_t now)
{
    if (prev->domain->is_idle) {
        sched_runstate_set(prev, RUNSTATE_runnable, now);
        return;
    }
    WRITE_ONCE(c->load, c->load - prev->sched.running_weight);
    sched_budget_return(prev);
    sched_runstate_set(prev, sched_runstate_of(prev), now);
}

static void sched_mark_running(struct sched_cpu *c, struct vcpu *next, ns_t now)
{
    if (!next->domain->is_idle) {
        sched_remove(c, next);
        next->sched.running_weight = next->domain->sched.weight;
        WRITE_ONCE(c->load, c->load + next->sched.running_weight);
    }
    next->sched.slice_start = next->sched.accounted = now;
    next->state_saved = false;
    WRITE_ONCE(next->is_running, true);
    sched_runstate_set(next, RUNSTATE_running, now);
    c->curr = next;
}

static void sched_mark_idle(unsigned cpu, const struct vcpu *next)
{
    bool idle = next->domain->is_idle;

    if (idle != cpumask_test(&sched_idle, cpu)) {
        if (idle)
            cpumask_set(&sched_idle, cpu);
        else
            cpumask_clear(&sched_idle, cpu);
    }
}

/* What was chosen: who goes after which time, who comes after waiting how long, and until when (~0: no limit). */
static void sched_trace_switch(const struct sched_cpu *c, const struct vcpu *prev, const struct vcpu *next, ns_t now)
{
    u32 ran = (u32)(now - prev->sched.slice_start), limit = c->timer_at ? (u32)(c->timer_at - now) : ~0u;

    if (next == prev) {
        trace_vcpu(TRC_SCHED_SWITCH_INFCONT, next, ran, limit);
        return;
    }
    trace_vcpu(TRC_SCHED_SWITCH_INFPREV, prev, ran);
    trace_vcpu(TRC_SCHED_SWITCH_INFNEXT, next, (u32)(now - (ns_t)next->sched.runstate.state_entry_time), limit);
    trace_vcpu(TRC_SCHED_SWITCH, prev, next->domain->id, next->id);
}

/* No lock held: what else goes with the vCPU. */
static void sched_switch_rest(struct vcpu *prev, struct vcpu *next, unsigned cpu)
{
    bool moved = next->sched.last_cpu != (int)cpu;

    if (!prev->domain->is_idle)
        vcpu_timers_switch_out(prev);
    if (next->domain->is_idle)
        return;
    vcpu_timers_switch_in(next, cpu, moved);
    if (moved) {
        next->sched.last_cpu = (int)cpu;
        event_vcpu_move(next);
    }
}

static void schedule(void)
{
    unsigned long flags = arch_irq_save();
    unsigned cpu = this_cpu();
    struct sched_cpu *c = &per_cpu(sched_cpu, cpu);
    struct vcpu *prev = current, *next;
    ns_t now;

    spin_lock(&c->lock);
    now = time_now();
    next = sched_pick(c, cpu, prev, now);
    if (next->domain->is_idle && sched_steal(c, cpu))
        next = sched_pick(c, cpu, prev, now);
    if (trace_enabled())
        sched_trace_switch(c, prev, next, now);
    if (next != prev) {
        sched_mark_leaving(c, prev, now);
        sched_mark_running(c, next, now);
    }
    sched_mark_idle(cpu, next);
    sched_arm_timer(c, next, now);
    spin_unlock(&c->lock);

    if (next == prev) {
        arch_irq_restore(flags);
        return;
    }
    smp_mb(); /* is_running is seen before next's events are looked at: see vcpu_kick */
    sched_switch_rest(prev, next, cpu);
    context_switch(prev, next);
}

/* prev may be freed by another CPU as soon as the lock is dropped. */
void sched_context_saved(struct vcpu *prev)
{
    struct sched_cpu *c = &per_cpu(sched_cpu, prev->processor);

    spin_lock(&c->lock);
    prev->state_saved = true;
    atomic_set_release(&prev->is_running, false);
    if (!prev->domain->is_idle && vcpu_runnable(prev)) {
        sched_runstate_set(prev, RUNSTATE_runnable, time_now()); /* unless woken meanwhile, it is already */
        sched_make_queued(c, prev);
    }
    spin_unlock(&c->lock);
}

/*
 * c->halted is one word, so that others can read it at any time: the time
 * halted so far, or while the CPU halts that minus when it began, below zero.
 * The interrupt that ends the wait is counted with it.
 */
static void idle_halt(struct sched_cpu *c)
{
    WRITE_ONCE(c->halts, c->halts + 1);
    WRITE_ONCE(c->halted, c->halted - time_now());
    arch_idle_wait();
    WRITE_ONCE(c->halted, c->halted + time_now());
}

void idle_loop(void)
{
    unsigned cpu = this_cpu();

    for (;;) {
        arch_irq_disable();
        if (softirq_pending()) {
            arch_irq_enable();
            softirq_run();
        } else {
            idle_halt(&per_cpu(sched_cpu, cpu));
        }
    }
}

void cpu_halt_stats(unsigned cpu, u64 *halts, ns_t *halted)
{
    const struct sched_cpu *c = &per_cpu(sched_cpu, cpu);

    *halts = READ_ONCE(c->halts);
    *halted = READ_ONCE(c->halted);
    if (*halted < 0)
        *halted += time_now();
}

/* --- the start --- */

void sched_room_init(void)
{
    const char *wanted = cmdline_get("sched");
    u64 ratelimit;

    if (wanted && strcmp(wanted, sched_name()))
        log_warn("sched=%s: there is only %s\n", wanted, sched_name());
    ratelimit = cmdline_u64("sched_ratelimit_us", 1000);
    sched_ratelimit = MICROSECS(MIN(ratelimit, (u64)XEN_SYSCTL_SCHED_RATELIMIT_MAX));
    softirq_register(SOFTIRQ_SCHEDULE, schedule);
    cpupool_room_init();
    debug_key_register('r', "run queues", sched_dump);
}

void sched_cpu_init(unsigned cpu)
{
    struct sched_cpu *c = &per_cpu(sched_cpu, cpu);
    struct vcpu *idle = idle_vcpu[cpu];

    spin_lock_init(&c->lock, LOCK_SCHED);
    list_init(&c->queue);
    c->base_weight = SCHED_WEIGHT_DEFAULT;
    c->curr = idle;
    timer_init(&c->timer, sched_timer_fired, c, cpu);
    idle->is_running = true;
    idle->state_saved = false;
    idle->sched.runstate.state = RUNSTATE_running;
    idle->sched.runstate.state_entry_time = (u64)time_now();
    cpumask_set(&sched_idle, cpu);
    cpupool_add_boot_cpu(cpu);
}

int sched_vcpu_init(struct vcpu *v)
{
    struct domain *d = v->domain;

    list_init(&v->sched.runq);
    v->sched.last_cpu = -1;
    v->sched.runstate.state = RUNSTATE_offline;
    v->sched.runstate.state_entry_time = (u64)time_now();
    if (d->is_idle)
        return 0;
    cpumask_fill(&v->sched.hard);
    cpumask_fill(&v->sched.soft);
    v->processor = sched_first_cpu(v);
    sched_credit_init(v);
    vcpu_timers_init(v);
    return 0;
}

void sched_vcpu_destroy(struct vcpu *v)
{
    unsigned long flags = arch_irq_save();
    struct sched_cpu *c = sched_lock_vcpu(v); /* waits for a sched_context_saved that has not quite ended */

    BUG_ON(v->is_running);
    if (v->sched.queued)
        sched_remove(c, v);
    spin_unlock(&c->lock);
    arch_irq_restore(flags);
    vcpu_timers_kill(v);
}
