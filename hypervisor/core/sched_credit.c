/* SPDX-License-Identifier: MIT */
/*
 * Weighted fairness.
 *
 * Each vCPU has credit, in nanoseconds.  Running burns it, the faster the
 * smaller the domain's weight; the vCPU with most credit runs.  When the best
 * one on a CPU has none left, a new round begins there: everybody on the CPU
 * gets as many times CREDIT_ROUND as the best one needs to have some again,
 * but nobody ends with more than CREDIT_MOST.  A vCPU that sleeps gets the
 * rounds it missed when it is queued again, so it comes back with plenty and
 * is served soon, but cannot save up more than one round.  Running while nobody
 * waits makes no debt: it takes nothing from anybody.
 *
 * Example, weights 512 and 256 (base_weight 512):  A burns 1 ns a ns, B burns
 * 2.  Both start a round with 10 ms.  After A ran 3 ms it has 7 and B gets its
 * turn (CREDIT_GRAIN); after 3 ms B has 4 and A goes on until it has 1, for 6
 * ms; and so on: A runs twice as long as B.
 */
#include "sched_private.h"

#define CREDIT_ROUND MILLISECS(10)
/* Deepest debt: the lightest beside the heaviest for some time slices. */
#define CREDIT_FLOOR (-(s64)CREDIT_ROUND * 8192)
/*
 * Two that both want to run change places when the one is so far behind the
 * other, not at each nanosecond; one that wakes up with more credit than the
 * running one does not wait for that.
 */
#define CREDIT_GRAIN MILLISECS(3)
#define CREDIT_MOST (CREDIT_ROUND + CREDIT_GRAIN)
#define SLICE_MAX MILLISECS(10)
#define SLICE_MIN MICROSECS(50)

void sched_credit_init(struct vcpu *v)
{
    v->sched.credit = CREDIT_ROUND;
}

static s64 credit_burnt(const struct sched_cpu *c, const struct vcpu *v, ns_t ran)
{
    u32 weight = v->domain->sched.weight;

    return weight == c->base_weight ? ran : (s64)((u64)ran * c->base_weight / weight);
}

s64 sched_credit_now(const struct sched_cpu *c, const struct vcpu *v, ns_t now)
{
    s64 credit = v->sched.credit - credit_burnt(c, v, MAX(now - v->sched.accounted, (ns_t)0));

    if (c->alone && credit < 0)
        return MIN(v->sched.credit, (s64)0);
    return credit;
}

void sched_account(struct sched_cpu *c, struct vcpu *v, ns_t now)
{
    if (v->domain->is_idle)
        return;
    v->sched.credit = MAX(sched_credit_now(c, v, now), CREDIT_FLOOR);
    if (unlikely(v->domain->sched.cap)) {
        v->sched.budget -= now - v->sched.accounted;
        if (v->sched.budget <= 0 && !sched_budget_take(v))
            v->sched.parked = true;
    }
    v->sched.accounted = now;
}

static void credit_give(struct vcpu *v, u64 rounds)
{
    v->sched.credit += (s64)MIN(rounds, (u64)8192) * CREDIT_ROUND;
    v->sched.credit = MIN(v->sched.credit, (s64)CREDIT_MOST);
}

void sched_credit_settle(const struct sched_cpu *c, struct vcpu *v)
{
    if (v->sched.round == c->round)
        return;
    credit_give(v, c->round - v->sched.round);
    v->sched.round = c->round;
}

void sched_new_round(struct sched_cpu *c, struct vcpu *running)
{
    struct vcpu *v, *best = list_first(&c->queue, struct vcpu, sched.runq);
    s64 most = list_empty(&c->queue) ? CREDIT_FLOOR : best->sched.credit;

    if (running)
        most = MAX(most, running->sched.credit);
    if (most > 0)
        return; /* the running one is a little behind, within CREDIT_GRAIN */
    c->round += 1 + (u64)-most / CREDIT_ROUND;
    c->base_weight = running ? running->domain->sched.weight : 1;
    list_for_each(v, &c->queue, sched.runq) {
        sched_credit_settle(c, v);
        c->base_weight = MAX(c->base_weight, (u32)v->sched.queued_weight);
    }
    if (running)
        sched_credit_settle(c, running);
}

bool sched_gives_way(const struct sched_cpu *c, const struct vcpu *running, const struct vcpu *head)
{
    return running->sched.credit + (c->preempt ? 0 : CREDIT_GRAIN) < head->sched.credit;
}

ns_t sched_slice(const struct sched_cpu *c, const struct vcpu *v, const struct vcpu *head)
{
    s64 ahead = v->sched.credit + CREDIT_GRAIN - head->sched.credit;
    ns_t slice = ahead <= 0 ? 0 : (ns_t)((u64)ahead * v->domain->sched.weight / c->base_weight);

    slice = MAX(slice, SLICE_MIN);
    return MIN(slice, SLICE_MAX);
}
