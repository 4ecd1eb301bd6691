/* SPDX-License-Identifier: MIT */
/*
 * Which CPU a vCPU runs on.
 *
 *   waking      where it last ran if that is idle; else an idle CPU, one of
 *               its soft affinity first; else where it was
 *   idle        takes a waiting vCPU from another queue
 *   overload    a CPU whose slice ends looks now and then whether another has
 *               less to do, and gives it one of its queue, also when the other
 *               will be the loaded one then.  It keeps the one that came that
 *               way last and sends another on.  So the crowd goes round, and
 *               five vCPUs share four CPUs evenly
 */
#include "sched_private.h"

#define BALANCE_INTERVAL MILLISECS(30)

void sched_allowed_mask(const struct vcpu *v, cpumask_t *out)
{
    cpumask_t pool;

    cpumask_and(&pool, &v->domain->sched.pool->cpus, &cpu_online);
    cpumask_and(out, &v->sched.hard, &pool);
    if (unlikely(cpumask_empty(out)))
        *out = pool;
}

bool sched_allowed(const struct vcpu *v, unsigned cpu)
{
    cpumask_t m;

    if (!cpumask_test(&v->domain->sched.pool->cpus, cpu))
        return false;
    if (likely(cpumask_test(&v->sched.hard, cpu)))
        return true;
    sched_allowed_mask(v, &m);
    return cpumask_test(&m, cpu);
}

unsigned sched_first_cpu(const struct vcpu *v)
{
    unsigned cpu;
    cpumask_t m;

    sched_allowed_mask(v, &m);
    cpu = cpumask_first(&m);
    for (unsigned i = v->id % cpumask_weight(&m); i; i--)
        cpu = cpumask_next(&m, cpu + 1);
    return cpu;
}

/* The one of the mask with least to do, preferring those from 'from' on. */
static unsigned place_least_loaded(const cpumask_t *m, unsigned from)
{
    unsigned best = cpumask_next(m, from), cpu;

    if (best >= MAX_CPUS)
        best = cpumask_first(m);
    for_each_cpu(cpu, m)
        if (READ_ONCE(per_cpu(sched_cpu, cpu).load) < READ_ONCE(per_cpu(sched_cpu, best).load))
            best = cpu;
    return best;
}

unsigned sched_choose_cpu(const struct vcpu *v)
{
    unsigned cpu = v->processor, other;
    bool here = sched_allowed(v, cpu);
    cpumask_t may, idle, soft;

    if (likely(here) && (cpumask_test(&sched_idle, cpu) ? cpumask_test(&v->sched.soft, cpu) : cpumask_empty(&sched_idle)))
        return cpu;
    sched_allowed_mask(v, &may);
    cpumask_and(&idle, &may, &sched_idle);
    cpumask_and(&soft, &idle, &v->sched.soft);
    other = cpumask_first(&soft);
    if (other < MAX_CPUS)
        return other;
    if (here && cpumask_test(&sched_idle, cpu))
        return cpu;
    other = cpumask_first(&idle);
    if (other < MAX_CPUS)
        return other;
    if (here)
        return cpu;
    cpumask_and(&soft, &may, &v->sched.soft);
    return place_least_loaded(cpumask_empty(&soft) ? &may : &soft, cpu);
}

bool sched_move(struct sched_cpu *c, struct vcpu *v, unsigned cpu)
{
    struct sched_cpu *to = &per_cpu(sched_cpu, cpu);

    if (!spin_trylock(&to->lock))
        return false;
    if (!sched_allowed(v, cpu)) { /* the CPU left the pool just now */
        spin_unlock(&to->lock);
        return false;
    }
    sched_credit_settle(c, v);
    WRITE_ONCE(v->processor, cpu);
    v->sched.round = to->round;
    return true;
}

/* v, queued on c, goes to cpu's queue; false if that cannot be just now. */
static bool place_requeue(struct sched_cpu *c, struct vcpu *v, unsigned cpu)
{
    struct sched_cpu *to = &per_cpu(sched_cpu, cpu);

    if (!sched_move(c, v, cpu))
        return false;
    sched_remove(c, v);
    sched_insert(to, v);
    spin_unlock(&to->lock);
    return true;
}

void sched_evict(struct sched_cpu *c)
{
    struct vcpu *v, *tmp;

    c->misplaced = false;
    list_for_each_safe(v, tmp, &c->queue, sched.runq) {
        if (sched_allowed(v, v->processor) || place_requeue(c, v, sched_choose_cpu(v)))
            continue;
        c->misplaced = true;
        softirq_raise(SOFTIRQ_SCHEDULE);
    }
}

static struct vcpu *steal_candidate(struct sched_cpu *victim, unsigned cpu)
{
    struct vcpu *v;

    list_for_each(v, &victim->queue, sched.runq)
        if (sched_allowed(v, cpu))
            return v;
    return NULL;
}

/* Takes one from victim to c, both locked. */
static bool steal_from(struct sched_cpu *victim, struct sched_cpu *c, unsigned cpu)
{
    struct vcpu *v = steal_candidate(victim, cpu);

    if (!v)
        return false;
    sched_remove(victim, v);
    sched_credit_settle(victim, v);
    WRITE_ONCE(v->processor, cpu);
    v->sched.round = c->round;
    sched_add(c, v);
    return true;
}

bool sched_steal(struct sched_cpu *c, unsigned cpu)
{
    const struct cpupool *pool = c->pool;
    bool stolen = false, again = false;
    unsigned peer;

    if (!pool)
        return false;
    for_each_cpu(peer, &pool->cpus) {
        struct sched_cpu *victim = &per_cpu(sched_cpu, peer);

        if (victim == c || !READ_ONCE(victim->queued))
            continue;
        if (!spin_trylock(&victim->lock)) {
            again = true;
            continue;
        }
        stolen = steal_from(victim, c, cpu);
        spin_unlock(&victim->lock);
        if (stolen)
            return true;
    }
    if (again)
        softirq_raise(SOFTIRQ_SCHEDULE);
    return false;
}

/* c locked: v, queued here, goes where there is less to do, if there is such a place. */
static void balance_one(struct sched_cpu *c, unsigned cpu, struct vcpu *v, ns_t now)
{
    struct sched_cpu *peer;
    unsigned to;
    cpumask_t may;

    sched_allowed_mask(v, &may);
    to = place_least_loaded(&may, cpu + 1);
    peer = &per_cpu(sched_cpu, to);
    if (to == cpu || c->load < READ_ONCE(peer->load) + v->sched.queued_weight)
        return;
    if (!sched_move(c, v, to))
        return;
    sched_remove(c, v);
    sched_insert(peer, v);
    peer->arrived = v;
    peer->balanced = c->balanced = now;
    spin_unlock(&peer->lock);
}

void sched_balance(struct sched_cpu *c, unsigned cpu)
{
    ns_t now = time_now();
    unsigned long flags;
    struct vcpu *v;

    if (!READ_ONCE(c->queued) || now - c->balanced < BALANCE_INTERVAL)
        return;
    spin_lock_irqsave(&c->lock, flags);
    list_for_each(v, &c->queue, sched.runq) {
        if (v == c->arrived)
            continue; /* alone in the queue: then the next time, when the other waits */
        balance_one(c, cpu, v, now);
        break;
    }
    spin_unlock_irqrestore(&c->lock, flags);
}
