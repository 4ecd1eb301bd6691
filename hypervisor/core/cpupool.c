/* SPDX-License-Identifier: MIT */
/*
 * CPU pools: each CPU is in one or in none, each domain in one, and runs on
 * its pool's CPUs only.  Pool-0 has all CPUs at the start.
 *
 * The pool lock guards the list and the counts.  A pool that has a domain has
 * at least one CPU, and is not destroyed.  Pools and CPUs change under the
 * domctl lock, which keeps what the pool lock cannot: nothing else changes
 * between a check and its consequence.
 */
#include "sched_private.h"
#include "xenctl.h"

#include <zelo/errno.h>
#include <zelo/log.h>

static struct cpupool pool0;
static struct list pools; /* by id, ascending */
static spinlock_t pool_lock = SPINLOCK(LOCK_LEAF);

/* The first pool with an id >= id; pool lock held. */
static struct cpupool *pool_from(u32 id)
{
    struct cpupool *p;

    list_for_each(p, &pools, link)
        if (p->id >= id)
            return p;
    return NULL;
}

static struct cpupool *pool_find(u32 id)
{
    struct cpupool *p = pool_from(id);

    return p && p->id == id ? p : NULL;
}

bool cpupool_exists(u32 id)
{
    unsigned long flags;
    bool found;

    spin_lock_irqsave(&pool_lock, flags);
    found = pool_find(id);
    spin_unlock_irqrestore(&pool_lock, flags);
    return found;
}

void cpupool_room_init(void)
{
    list_init(&pools);
    list_push_back(&pools, &pool0.link);
}

void cpupool_add_boot_cpu(unsigned cpu)
{
    per_cpu(sched_cpu, cpu).pool = &pool0;
    cpumask_set(&pool0.cpus, cpu);
}

static void pool_cpus_online(const struct cpupool *p, cpumask_t *out)
{
    cpumask_and(out, &p->cpus, &cpu_online);
}

/* --- domains --- */

/* Counts a domain in; -ENOENT, or -ENODEV if nothing could run there. */
static int pool_count_in(u32 id, struct cpupool **out)
{
    unsigned long flags;
    struct cpupool *p;
    cpumask_t cpus;
    int rc = 0;

    spin_lock_irqsave(&pool_lock, flags);
    p = pool_find(id);
    if (!p) {
        rc = -ENOENT;
    } else {
        pool_cpus_online(p, &cpus);
        if (cpumask_empty(&cpus))
            rc = -ENODEV;
        else
            p->domains++;
    }
    spin_unlock_irqrestore(&pool_lock, flags);
    *out = p;
    return rc;
}

static void pool_count_out(struct cpupool *p)
{
    unsigned long flags;

    spin_lock_irqsave(&pool_lock, flags);
    p->domains--;
    spin_unlock_irqrestore(&pool_lock, flags);
}

int cpupool_join(struct domain *d, u32 id)
{
    struct cpupool *p;
    int rc = pool_count_in(id, &p);

    if (!rc)
        d->sched.pool = p;
    return rc;
}

void cpupool_leave(struct domain *d)
{
    pool_count_out(d->sched.pool);
    d->sched.pool = NULL;
}

unsigned domain_poolid(const struct domain *d)
{
    return d->sched.pool ? d->sched.pool->id : XEN_SYSCTL_CPUPOOL_PAR_ANY;
}

/* --- the operations --- */

static int pool_insert(struct cpupool *new, u32 id)
{
    struct cpupool *p;

    if (id == XEN_SYSCTL_CPUPOOL_PAR_ANY) { /* the lowest that is free */
        id = 0;
        list_for_each(p, &pools, link)
            if (p->id == id)
                id++;
    }
    if (pool_find(id))
        return -EEXIST;
    new->id = id;
    p = pool_from(id);
    list_push_back(p ? &p->link : &pools, &new->link);
    return 0;
}

static int pool_create(struct xen_sysctl_cpupool_op *op)
{
    struct cpupool *p;
    unsigned long flags;
    int rc;

    if (op->sched_id != sched_id())
        return -EINVAL;
    p = mem_alloc_type(struct cpupool);
    if (!p)
        return -ENOMEM;
    spin_lock_irqsave(&pool_lock, flags);
    rc = pool_insert(p, op->cpupool_id);
    spin_unlock_irqrestore(&pool_lock, flags);
    if (rc)
        mem_free(p);
    else
        op->cpupool_id = p->id;
    return rc;
}

static int pool_destroy(struct xen_sysctl_cpupool_op *op)
{
    unsigned long flags;
    struct cpupool *p;
    int rc = 0;

    spin_lock_irqsave(&pool_lock, flags);
    p = pool_find(op->cpupool_id);
    if (!p)
        rc = -ENOENT;
    else if (p == &pool0 || p->domains || !cpumask_empty(&p->cpus))
        rc = -EBUSY;
    else
        list_remove(&p->link);
    spin_unlock_irqrestore(&pool_lock, flags);
    if (!rc)
        mem_free(p);
    return rc;
}

static int pool_info(struct xen_sysctl_cpupool_op *op)
{
    unsigned long flags;
    struct cpupool *p;
    cpumask_t cpus;

    spin_lock_irqsave(&pool_lock, flags);
    p = pool_from(op->cpupool_id);
    if (p) {
        op->cpupool_id = p->id;
        op->n_dom = p->domains;
        pool_cpus_online(p, &cpus);
    }
    spin_unlock_irqrestore(&pool_lock, flags);
    if (!p)
        return -ENOENT;
    op->sched_id = sched_id();
    return cpumask_to_xenctl(&op->cpumap, &cpus);
}

static void pool_free_cpus(cpumask_t *out)
{
    unsigned cpu;

    cpumask_zero(out);
    for_each_online_cpu(cpu)
        if (!per_cpu(sched_cpu, cpu).pool)
            cpumask_set(out, cpu);
}

static int pool_freeinfo(struct xen_sysctl_cpupool_op *op)
{
    cpumask_t cpus;

    pool_free_cpus(&cpus);
    return cpumask_to_xenctl(&op->cpumap, &cpus);
}

/* The CPU asked for, or any of the set; MAX_CPUS: none. *rc says why. */
static unsigned pool_choose_cpu(u32 asked, const cpumask_t *among, int *rc)
{
    unsigned cpu = asked == XEN_SYSCTL_CPUPOOL_PAR_ANY ? cpumask_first(among) : asked;

    *rc = 0;
    if (asked != XEN_SYSCTL_CPUPOOL_PAR_ANY && (asked >= MAX_CPUS || !cpumask_test(&cpu_online, asked)))
        *rc = -EINVAL;
    else if (cpu >= MAX_CPUS || !cpumask_test(among, cpu))
        *rc = -ENODEV;
    return *rc ? MAX_CPUS : cpu;
}

/* In or out (NULL) of a pool, so that the CPU itself and those who place vCPUs on it notice. */
static void pool_set_cpu(unsigned cpu, struct cpupool *from, struct cpupool *to)
{
    struct sched_cpu *c = &per_cpu(sched_cpu, cpu);
    unsigned long flags;

    spin_lock_irqsave(&c->lock, flags);
    if (from)
        cpumask_clear(&from->cpus, cpu);
    WRITE_ONCE(c->pool, to);
    if (to)
        cpumask_set(&to->cpus, cpu);
    c->misplaced = true;
    spin_unlock_irqrestore(&c->lock, flags);
    softirq_raise_on(cpu, SOFTIRQ_SCHEDULE);
}

static int pool_addcpu(struct xen_sysctl_cpupool_op *op)
{
    struct cpupool *p;
    cpumask_t unused;
    unsigned cpu;
    int rc;

    p = pool_find(op->cpupool_id);
    if (!p)
        return -ENOENT;
    pool_free_cpus(&unused);
    cpu = pool_choose_cpu(op->cpu, &unused, &rc);
    if (!rc)
        pool_set_cpu(cpu, NULL, p);
    return rc;
}

/* Is a vCPU of the pool pinned to the CPU by its own kernel? */
static bool pool_cpu_is_pinned(const struct cpupool *p, unsigned cpu)
{
    bool pinned = false;
    struct domain *d;

    for (unsigned id = 0; !pinned && (d = domain_next(id)); id = d->id + 1u, domain_put(d)) {
        struct vcpu *v;

        if (d->sched.pool != p)
            continue;
        for_each_vcpu(d, v)
            if (!cpumask_empty(&v->sched.hard_saved) && cpumask_test(&v->sched.hard, cpu))
                pinned = true;
    }
    return pinned;
}

static int pool_rmcpu(struct xen_sysctl_cpupool_op *op)
{
    struct cpupool *p;
    cpumask_t cpus;
    unsigned cpu;
    int rc;

    p = pool_find(op->cpupool_id);
    if (!p)
        return -ENOENT;
    pool_cpus_online(p, &cpus);
    cpu = pool_choose_cpu(op->cpu, &cpus, &rc);
    if (rc)
        return rc;
    if (p->domains && cpumask_weight(&cpus) == 1)
        return -EBUSY;
    if (pool_cpu_is_pinned(p, cpu))
        return -EADDRINUSE;
    pool_set_cpu(cpu, p, NULL);
    return 0;
}

/* While it is paused nothing of d is in a queue; each vCPU finds its CPU when it wakes. */
static int pool_movedomain(struct xen_sysctl_cpupool_op *op)
{
    struct cpupool *to, *from;
    struct domain *d;
    int rc;

    if (op->domid >= DOMID_FIRST_RESERVED)
        return -EINVAL;
    d = domain_get((domid_t)op->domid);
    if (!d)
        return -EINVAL;
    rc = pool_count_in(op->cpupool_id, &to);
    if (rc)
        goto out;
    domain_pause(d);
    from = d->sched.pool;
    d->sched.pool = to;
    domain_unpause(d);
    pool_count_out(from);
    softirq_raise(SOFTIRQ_SCHEDULE); /* if it was the caller's own */
out:
    domain_put(d);
    return rc;
}

int cpupool_sysctl(struct xen_sysctl_cpupool_op *op)
{
    switch (op->op) {
    case XEN_SYSCTL_CPUPOOL_OP_CREATE:
        return pool_create(op);
    case XEN_SYSCTL_CPUPOOL_OP_DESTROY:
        return pool_destroy(op);
    case XEN_SYSCTL_CPUPOOL_OP_INFO:
        return pool_info(op);
    case XEN_SYSCTL_CPUPOOL_OP_ADDCPU:
        return pool_addcpu(op);
    case XEN_SYSCTL_CPUPOOL_OP_RMCPU:
        return pool_rmcpu(op);
    case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN:
        return pool_movedomain(op);
    case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
        return pool_freeinfo(op);
    default:
        return -EOPNOTSUPP;
    }
}
