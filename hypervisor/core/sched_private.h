/* SPDX-License-Identifier: MIT */
/*
 * What the files of the scheduler share.
 *
 * Each CPU has a run queue with a lock of its own; there is no other lock on
 * the way to a switch.  A vCPU belongs to the queue of vcpu.processor, even
 * while it is blocked, and that queue's lock guards its sched_vcpu.  A vCPU is
 * in one of these states:
 *
 *   not runnable   sched.queued and is_running false (vcpu_runnable is false)
 *   queued         runnable, its state in memory, in its CPU's queue
 *   running        is_running, and sched_cpu.curr of its CPU
 *   leaving        is_running but no longer curr: its state is being saved.
 *                  Wakers leave it alone; sched_context_saved looks again
 *   parked         runnable, but its domain has used up its cap
 *
 * It changes its CPU only while neither running nor leaving, with the old and
 * the new queue's locks held.  The second lock is only tried: where that
 * fails the vCPU stays where it is, and if it may not, sched_cpu.misplaced
 * makes the CPU try again at its next schedule.
 */
#ifndef ZELO_CORE_SCHED_PRIVATE_H
#define ZELO_CORE_SCHED_PRIVATE_H

#include <zelo/domain.h>

#include <xen/sysctl.h>

#define MILLISECS(x) ((ns_t)(x) * 1000000)
#define MICROSECS(x) ((ns_t)(x) * 1000)

#define SCHED_WEIGHT_DEFAULT 256
#define SCHED_WEIGHT_MAX 65535
#define SCHED_CAP_PERIOD MILLISECS(10)

struct cpupool {
    struct list link;      /* pool lock */
    u32 id;
    u32 domains;           /* pool lock */
    cpumask_t cpus;        /* changed with the pool lock and that CPU's queue lock, read without */
};

struct sched_cpu {
    spinlock_t lock;       /* LOCK_SCHED (irq): all below unless noted */
    struct list queue;     /* most credit first */
    struct vcpu *curr;     /* running, or the idle vCPU */
    struct cpupool *pool;  /* NULL: free (pool lock to change; read without) */
    u32 queued;            /* length of queue (read without) */
    u64 load;              /* weights of what is queued and running (read without) */
    u64 round;             /* how often everybody here got new credit */
    u32 base_weight;       /* the weight whose time counts as it is */
    bool misplaced;        /* somebody queued here may not run here */
    bool preempt;          /* somebody with more credit than curr was queued */
    bool alone;            /* nobody waited when curr was last looked at */
    struct timer timer;    /* end of curr's slice or budget */
    ns_t timer_at;         /* 0: not set. Earlier than needed is fine, later is not */
    ns_t balanced;         /* when balancing last sent somebody away from here or to here */
    u64 halts;             /* how often it waited in its idle loop (it alone writes; read without) */
    ns_t halted;           /* and how long: see idle_halt (the same) */
    const struct vcpu *arrived; /* whom it sent here last; for comparison only, it may be long gone */
};
DECLARE_PER_CPU(struct sched_cpu, sched_cpu);

/* CPUs in their idle loop that nobody has sent work to yet (a). */
extern cpumask_t sched_idle;
extern ns_t sched_ratelimit; /* a vCPU runs at least so long before another takes its place */

/* Locks the queue that v belongs to; interrupts off. */
struct sched_cpu *sched_lock_vcpu(const struct vcpu *v);

/* --- sched.c; the queue's lock held --- */
void sched_remove(struct sched_cpu *c, struct vcpu *v); /* queued */
void sched_add(struct sched_cpu *c, struct vcpu *v);    /* into this very queue */
void sched_insert(struct sched_cpu *c, struct vcpu *v); /* the same, and its CPU looks if it should */
/* Makes v queued if it is runnable and not so yet, on the best CPU. */
void sched_make_queued(struct sched_cpu *c, struct vcpu *v);

/* --- sched_place.c --- */
bool sched_allowed(const struct vcpu *v, unsigned cpu);
/* Where v may run: its affinity within its pool, or all the pool if they do not meet. */
void sched_allowed_mask(const struct vcpu *v, cpumask_t *out);
unsigned sched_choose_cpu(const struct vcpu *v);
unsigned sched_first_cpu(const struct vcpu *v);          /* of a new one: a domain's are spread over its pool */
/* v, not queued, goes from c's queue to the one of cpu: false if that is locked. Both are locked on success. */
bool must_check sched_move(struct sched_cpu *c, struct vcpu *v, unsigned cpu);
void sched_evict(struct sched_cpu *c);                   /* misplaced ones; lock held */
bool sched_steal(struct sched_cpu *c, unsigned cpu);     /* for an idle CPU; lock held; true: one is queued here */
void sched_balance(struct sched_cpu *c, unsigned cpu);   /* at a slice's end; takes the lock */

/* --- sched_credit.c; the queue's lock held --- */
void sched_credit_init(struct vcpu *v);
/* Takes the time since the last call off v's credit and budget. v runs on c. */
void sched_account(struct sched_cpu *c, struct vcpu *v, ns_t now);
/* Credit v has now, were it accounted. */
s64 sched_credit_now(const struct sched_cpu *c, const struct vcpu *v, ns_t now);
void sched_credit_settle(const struct sched_cpu *c, struct vcpu *v); /* gives v the rounds it missed */
void sched_new_round(struct sched_cpu *c, struct vcpu *running);     /* when the best has none left */
/* True if running should give way to head, the first of the queue. */
bool sched_gives_way(const struct sched_cpu *c, const struct vcpu *running, const struct vcpu *head);
/* How long v may run before it should give way to head. */
ns_t sched_slice(const struct sched_cpu *c, const struct vcpu *v, const struct vcpu *head);

/* --- sched_cap.c --- */
void sched_cap_init(struct domain *d);
void sched_cap_stop(struct domain *d);    /* for good */
void sched_cap_set(struct domain *d, u16 cap);
bool sched_budget_take(struct vcpu *v);   /* queue lock held; false: none left */
void sched_budget_return(struct vcpu *v); /* the same; when it stops running */

/* --- sched_runstate.c; queue lock held --- */
void sched_runstate_set(struct vcpu *v, int state, ns_t now);
int sched_runstate_of(const struct vcpu *v); /* of one that does not run */

/* --- cpupool.c --- */
void cpupool_room_init(void);
void cpupool_add_boot_cpu(unsigned cpu); /* to Pool-0 */
int cpupool_join(struct domain *d, u32 id);
void cpupool_leave(struct domain *d);
bool cpupool_exists(u32 id);

/* --- sched_dump.c --- */
void sched_dump(u8 key);

/* --- sched_affinity.c --- */
int vcpu_pin_override(struct vcpu *v, int cpu); /* SCHEDOP_pin_override; cpu < 0: ends it */

/* --- sched_vcpu.c --- */
void vcpu_unblock(struct vcpu *v);

/* --- vcpu_timer.c --- */
void vcpu_timers_init(struct vcpu *v);
void vcpu_timers_kill(struct vcpu *v);
void vcpu_timers_switch_in(struct vcpu *v, unsigned cpu, bool moved); /* no lock held */
void vcpu_timers_switch_out(struct vcpu *v);
int vcpu_periodic_set(struct vcpu *v, u64 period);
int vcpu_singleshot_set(struct vcpu *v, u64 timeout, u32 flags);
void vcpu_poll_timer_set(struct vcpu *v, u64 timeout);

/* --- sched_poll.c --- */
long sched_op_poll(vaddr_t arg);

#endif
