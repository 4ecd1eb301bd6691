/* SPDX-License-Identifier: MIT */
/* On which CPUs a vCPU may run (hard affinity) and should (soft). */
#include "sched_private.h"

#include <zelo/errno.h>

/* v's queue is locked: gets it off a CPU that it may not use any more. */
static void affinity_enforce(struct sched_cpu *c, struct vcpu *v)
{
    if (sched_allowed(v, v->processor) || !(v->sched.queued || v->is_running))
        return; /* a sleeping one moves when it wakes */
    if (v->sched.queued)
        c->misplaced = true;
    softirq_raise_on(v->processor, SOFTIRQ_SCHEDULE);
}

int vcpu_set_hard_affinity(struct vcpu *v, const cpumask_t *m)
{
    unsigned long flags;
    struct sched_cpu *c;
    cpumask_t usable;
    int rc = 0;

    flags = arch_irq_save();
    c = sched_lock_vcpu(v);
    cpumask_and(&usable, m, &v->domain->sched.pool->cpus);
    if (!cpumask_empty(&v->sched.hard_saved)) {
        rc = -EBUSY; /* pinned by its kernel for the moment */
    } else if (cpumask_empty(&usable)) {
        rc = -EINVAL;
    } else {
        v->sched.hard = *m;
        affinity_enforce(c, v);
    }
    spin_unlock(&c->lock);
    arch_irq_restore(flags);
    return rc;
}

int vcpu_set_soft_affinity(struct vcpu *v, const cpumask_t *m)
{
    unsigned long flags = arch_irq_save();
    struct sched_cpu *c = sched_lock_vcpu(v);

    v->sched.soft = *m;
    spin_unlock(&c->lock);
    arch_irq_restore(flags);
    return 0;
}

static int affinity_pin(struct vcpu *v, unsigned cpu)
{
    if (!cpumask_empty(&v->sched.hard_saved))
        return -EBUSY;
    if (cpu >= MAX_CPUS || !cpumask_test(&v->domain->sched.pool->cpus, cpu))
        return -EINVAL;
    v->sched.hard_saved = v->sched.hard;
    cpumask_zero(&v->sched.hard);
    cpumask_set(&v->sched.hard, cpu);
    return 0;
}

static int affinity_unpin(struct vcpu *v)
{
    if (cpumask_empty(&v->sched.hard_saved))
        return -EINVAL;
    v->sched.hard = v->sched.hard_saved;
    cpumask_zero(&v->sched.hard_saved);
    return 0;
}

int vcpu_pin_override(struct vcpu *v, int cpu)
{
    unsigned long flags = arch_irq_save();
    struct sched_cpu *c = sched_lock_vcpu(v);
    int rc = cpu < 0 ? affinity_unpin(v) : affinity_pin(v, (unsigned)cpu);

    if (!rc)
        affinity_enforce(c, v);
    spin_unlock(&c->lock);
    arch_irq_restore(flags);
    return rc;
}
