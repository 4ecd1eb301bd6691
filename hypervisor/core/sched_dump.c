/* SPDX-License-Identifier: MIT */
/* Debug key 'r': what every CPU runs and who waits. */
#include "sched_private.h"

#include <zelo/log.h>

static void dump_vcpu(const struct vcpu *v, const char *what)
{
    log_info("  %s d%uv%u credit %ld us, weight %u\n", what, v->domain->id, v->id,
             (long)(v->sched.credit / 1000), v->domain->sched.weight);
}

static void dump_cpu(unsigned cpu)
{
    struct sched_cpu *c = &per_cpu(sched_cpu, cpu);
    unsigned long flags;
    struct vcpu *v;

    spin_lock_irqsave(&c->lock, flags);
    log_info("CPU %u: pool %d, %u queued, load %lu, round %lu\n", cpu, c->pool ? (int)c->pool->id : -1, c->queued,
             (unsigned long)c->load, (unsigned long)c->round);
    if (!c->curr->domain->is_idle)
        dump_vcpu(c->curr, "runs ");
    list_for_each(v, &c->queue, sched.runq)
        dump_vcpu(v, "waits");
    spin_unlock_irqrestore(&c->lock, flags);
}

static void dump_domain(const struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu(d, v)
        log_info("d%uv%u: CPU %u, flags %x, paused %u+%u%s%s\n", d->id, v->id, v->processor, v->pause_flags,
                 v->pause_count, d->pause_count, v->is_running ? ", runs" : "", v->sched.parked ? ", parked" : "");
}

void sched_dump(u8 key)
{
    struct domain *d;
    unsigned cpu;

    (void)key;
    for_each_online_cpu(cpu)
        dump_cpu(cpu);
    for (unsigned id = 0; (d = domain_next(id)); id = d->id + 1u, domain_put(d))
        dump_domain(d);
}
