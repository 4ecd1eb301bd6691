/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: a weighted fair one with caps in the manner of credit2, a
 * run queue for each CPU with work stealing, cpupools.  core/sched*.c
 */
#ifndef ZELO_SCHED_H
#define ZELO_SCHED_H

#include <zelo/cpumask.h>
#include <zelo/hypercall.h>
#include <zelo/list.h>
#include <zelo/lock.h>
#include <zelo/timer.h>

#include <xen/vcpu.h>

struct domain;
struct vcpu;
struct cpupool;

/* Why a vCPU may not run: bits of vcpu.pause_flags (atomic). */
#define VPF_BLOCKED (1u << 0)  /* SCHEDOP_block or SCHEDOP_poll */
#define VPF_DOWN (1u << 1)     /* never brought up, or VCPUOP_down */
#define VPF_POLL (1u << 2)     /* SCHEDOP_poll, together with VPF_BLOCKED */

struct sched_vcpu { /* all under the run-queue lock of vcpu.processor unless noted */
    struct list runq;         /* link while queued: runnable, not running, not parked */
    bool queued;
    bool parked;              /* capped and out of budget: not queued though runnable */
    bool yielded;             /* SCHEDOP_yield: let others go first once */
    u16 queued_weight;        /* as counted in the queue's load */
    u16 running_weight;       /* as counted while it runs */
    int last_cpu;             /* where it ran last; -1: nowhere yet */
    s64 credit;               /* ns of weighted time left in this round */
    u64 round;                /* the CPU's round that credit belongs to */
    ns_t slice_start;         /* when it was switched in */
    ns_t accounted;           /* until when its running time has been taken off credit and budget */
    ns_t budget;              /* cap: ns it may still run before asking the domain for more */
    cpumask_t hard, soft;     /* affinities */
    cpumask_t hard_saved;     /* the hard one while temporarily pinned, else empty */
    struct vcpu_runstate_info runstate; /* time in each state; state_entry_time valid */
};
struct sched_domain {
    u16 weight;               /* 1..65535, default 256 (written under the domctl lock) */
    u16 cap;                  /* percent of one CPU; 0: none (the same) */
    ns_t budget;              /* cap: left of this period, sched_domain lock */
    ns_t period_end;          /* cap: when the next budget is due, sched_domain lock */
    struct timer replenish;   /* runs while cap is set */
    spinlock_t lock;          /* LOCK_LEAF (irq) */
    struct cpupool *pool;     /* changes only while the domain is paused */
    unsigned long *pollers;   /* (a) bit for each vCPU in SCHEDOP_poll; max_vcpus bits */
};

void sched_room_init(void);              /* boot CPU, before idle vCPUs exist */
void sched_cpu_init(unsigned cpu);       /* before the CPU schedules first; its idle vCPU exists */
int sched_domain_init(struct domain *d, unsigned poolid);
void sched_domain_stop(struct domain *d); /* before its vCPUs are freed: nothing looks at them by itself any more */
void sched_domain_destroy(struct domain *d);
int sched_vcpu_init(struct vcpu *v);     /* chooses v->processor */
void sched_vcpu_destroy(struct vcpu *v);

void vcpu_wake(struct vcpu *v);          /* after clearing a reason not to run; any context */
void vcpu_sleep_nosync(struct vcpu *v);  /* after setting one; it may still run a moment */
void vcpu_sleep_sync(struct vcpu *v);    /* returns when it does not run (v not current) */
void vcpu_block(void);                   /* current; returns at once if an event is pending */
void vcpu_yield(void);
bool vcpu_runnable(const struct vcpu *v);
/* Nested pauses; _sync waits until the vCPU's state is saved. */
void vcpu_pause(struct vcpu *v);
void vcpu_pause_nosync(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);
/* For XEN_DOMCTL_(un)pausedomain: nestable by the tools, count in the domain. */
int domain_pause_by_tools(struct domain *d);
int domain_unpause_by_tools(struct domain *d);
void domain_pause(struct domain *d);       /* sync */
void domain_pause_nosync(struct domain *d);
void domain_unpause(struct domain *d);

int vcpu_set_hard_affinity(struct vcpu *v, const cpumask_t *m);
int vcpu_set_soft_affinity(struct vcpu *v, const cpumask_t *m);
void vcpu_runstate_get(const struct vcpu *v, struct vcpu_runstate_info *out);
ns_t vcpu_cpu_time(const struct vcpu *v); /* ns in RUNSTATE_running */
ns_t cpu_idle_time(unsigned cpu);         /* ns the CPU's idle vCPU ran */
void cpu_halt_stats(unsigned cpu, u64 *halts, ns_t *halted); /* how often and how long it waited for an interrupt */
/* The wake-up side of SCHEDOP_poll: called by the event room when a port gets pending. */
void sched_poll_wake(struct domain *d, u32 port);

/* Called once on each CPU at the end of its start-up: never returns. */
no_return void idle_loop(void);

hypercall_fn do_sched_op, do_sched_op_compat, do_set_timer_op, do_vcpu_op;

struct xen_domctl_scheduler_op;
struct xen_sysctl_scheduler_op;
struct xen_sysctl_cpupool_op;
int sched_domctl(struct domain *d, struct xen_domctl_scheduler_op *op);
int sched_sysctl(struct xen_sysctl_scheduler_op *op);
int cpupool_sysctl(struct xen_sysctl_cpupool_op *op);
unsigned domain_poolid(const struct domain *d);
unsigned sched_id(void);                  /* XEN_SCHEDULER_* */
const char *sched_name(void);

/* Provided by pv/context.c for the switch: */
/* Saves prev, loads next and leaves through next's exit path.  Interrupts off, no locks held;
 * sched_context_saved(prev) is called once prev's state is in memory. */
no_return void context_switch(struct vcpu *prev, struct vcpu *next);
void sched_context_saved(struct vcpu *prev);

#endif
