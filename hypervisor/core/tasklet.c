/* SPDX-License-Identifier: MIT */
/*
 * Tasklets: functions queued to a CPU, run one at a time by its SOFTIRQ_TASKLET.
 *
 * A tasklet's function may free the structure that holds the tasklet, so after
 * the call nothing of it is touched: that it runs is noted in its CPU's
 * 'running', not in the tasklet.  One that is scheduled while it runs is queued
 * to the CPU where it runs, which is why it never runs twice at a time.
 */
#include <zelo/softirq.h>

#include <zelo/cpumask.h>
#include <zelo/lock.h>

struct tasklet_queue {
    struct list list;        /* tasklet_lock */
    struct tasklet *running; /* written by its CPU under tasklet_lock */
};

static DEFINE_PER_CPU(struct tasklet_queue, tasklet_queues);
static spinlock_t tasklet_lock = SPINLOCK(LOCK_LEAF);

/* Queues are usable from the first tasklet on, whichever CPU it is for. tasklet_lock held. */
static struct tasklet_queue *tasklet_queue_of(unsigned cpu)
{
    struct tasklet_queue *q = &per_cpu(tasklet_queues, cpu);

    if (!q->list.next)
        list_init(&q->list);
    return q;
}

void tasklet_init(struct tasklet *t, void (*fn)(void *), void *data)
{
    *t = (struct tasklet){ .fn = fn, .data = data, .cpu = -1 };
    list_init(&t->link);
}

static bool tasklet_is_running(const struct tasklet *t)
{
    return t->cpu >= 0 && tasklet_queue_of((unsigned)t->cpu)->running == t;
}

void tasklet_schedule_on(struct tasklet *t, unsigned cpu)
{
    unsigned long flags;
    bool queued = false;

    spin_lock_irqsave(&tasklet_lock, flags);
    if (!t->dead && list_empty(&t->link)) {
        if (tasklet_is_running(t))
            cpu = (unsigned)t->cpu;
        t->cpu = (int)cpu;
        list_push_back(&tasklet_queue_of(cpu)->list, &t->link);
        queued = true;
    }
    spin_unlock_irqrestore(&tasklet_lock, flags);
    if (queued)
        softirq_raise_on(cpu, SOFTIRQ_TASKLET);
}

void tasklet_schedule(struct tasklet *t)
{
    tasklet_schedule_on(t, this_cpu());
}

void tasklet_kill(struct tasklet *t)
{
    unsigned long flags;
    int cpu;

    spin_lock_irqsave(&tasklet_lock, flags);
    t->dead = true;
    list_remove(&t->link);
    cpu = tasklet_is_running(t) ? t->cpu : -1;
    spin_unlock_irqrestore(&tasklet_lock, flags);
    while (cpu >= 0 && cpu != (int)this_cpu() && atomic_read_acquire(&per_cpu(tasklet_queues, cpu).running) == t)
        cpu_relax();
}

static struct tasklet *tasklet_take(unsigned cpu)
{
    struct tasklet *t = NULL;
    struct tasklet_queue *q;
    unsigned long flags;

    spin_lock_irqsave(&tasklet_lock, flags);
    q = tasklet_queue_of(cpu);
    if (!q->running && !list_empty(&q->list)) {
        t = list_first(&q->list, struct tasklet, link);
        list_remove(&t->link);
        atomic_set(&q->running, t);
    }
    spin_unlock_irqrestore(&tasklet_lock, flags);
    return t;
}

static bool tasklet_finish(struct tasklet_queue *q)
{
    unsigned long flags;
    bool more;

    spin_lock_irqsave(&tasklet_lock, flags);
    atomic_set_release(&q->running, NULL); /* pairs with tasklet_kill */
    more = !list_empty(&q->list);
    spin_unlock_irqrestore(&tasklet_lock, flags);
    return more;
}

/* One tasklet a time, so that timers and the scheduler are not kept waiting by a long queue. */
static void tasklet_softirq(void)
{
    struct tasklet *t = tasklet_take(this_cpu());

    if (!t)
        return;
    t->fn(t->data);
    if (tasklet_finish(&this_cpu_var(tasklet_queues)))
        softirq_raise(SOFTIRQ_TASKLET);
}

void tasklet_room_init(void)
{
    softirq_register(SOFTIRQ_TASKLET, tasklet_softirq);
}
