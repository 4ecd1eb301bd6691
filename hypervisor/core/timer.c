/* SPDX-License-Identifier: MIT */
/*
 * One-shot timers.
 *
 * Each CPU has a pairing heap of its timers, linked through the timers
 * themselves: setting one needs no memory and cannot fail.  A node's children
 * are a list by 'sibling'; 'prev' is the sibling before, or the parent of the
 * first child.  Insertion is constant, removal logarithmic (amortised).
 *
 * The first timer's time is in the CPU's timer hardware.  A timer that becomes
 * first on another CPU makes that CPU look (SOFTIRQ_TIMER), for only it can
 * program its hardware.
 */
#include <zelo/timer.h>

#include <zelo/atomic.h>
#include <zelo/cpumask.h>
#include <zelo/lock.h>
#include <zelo/softirq.h>

struct timer_heap {
    spinlock_t lock;       /* LOCK_TIMER (irq) */
    struct timer *first;   /* lock */
    struct timer *running; /* whose callback this CPU is in; written under lock by it */
};

static DEFINE_PER_CPU(struct timer_heap, timer_heaps);

/* --- the heap --- */

static struct timer *heap_merge(struct timer *a, struct timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->expires < a->expires) {
        struct timer *t = a;

        a = b;
        b = t;
    }
    b->prev = a;
    b->sibling = a->child;
    if (b->sibling)
        b->sibling->prev = b;
    a->child = b;
    return a;
}

static struct timer *heap_root(struct timer *t)
{
    t->sibling = t->prev = NULL;
    return t;
}

/* Makes one heap of a list of siblings: pairs from left to right, then all from right to left. */
static struct timer *heap_merge_siblings(struct timer *list)
{
    struct timer *pairs = NULL, *all = NULL;

    while (list) {
        struct timer *a = list, *b = a->sibling;

        list = b ? b->sibling : NULL;
        a = heap_merge(heap_root(a), b ? heap_root(b) : NULL);
        a->sibling = pairs;
        pairs = a;
    }
    while (pairs) {
        struct timer *a = pairs;

        pairs = a->sibling;
        all = heap_merge(all, heap_root(a));
    }
    return all;
}

static void heap_remove(struct timer_heap *h, struct timer *t)
{
    struct timer *children = heap_merge_siblings(t->child);

    if (t == h->first) {
        h->first = children;
    } else {
        if (t->prev->child == t)
            t->prev->child = t->sibling;
        else
            t->prev->sibling = t->sibling;
        if (t->sibling)
            t->sibling->prev = t->prev;
        h->first = heap_merge(h->first, children);
    }
    t->child = t->sibling = t->prev = NULL;
    t->queued = false;
}

static void heap_insert(struct timer_heap *h, struct timer *t)
{
    t->child = NULL;
    h->first = heap_merge(h->first, heap_root(t));
    t->queued = true;
    t->moving = false;
}

/* --- timers --- */

/* Locks the heap that t belongs to; t may move to another CPU until the lock is held. */
static struct timer_heap *timer_lock(struct timer *t, unsigned long *flags)
{
    for (;;) {
        unsigned cpu = READ_ONCE(t->cpu);
        struct timer_heap *h = &per_cpu(timer_heaps, cpu);

        spin_lock_irqsave(&h->lock, *flags);
        if (atomic_read_acquire(&t->cpu) == cpu) /* pairs with timer_migrate, which had the other heap's lock */
            return h;
        spin_unlock_irqrestore(&h->lock, *flags);
    }
}

/* The first timer of a heap changed; its lock is held. */
static void timer_first_changed(const struct timer_heap *h, unsigned cpu)
{
    if (cpu != this_cpu()) {
        softirq_raise_on(cpu, SOFTIRQ_TIMER);
        return;
    }
    if (!h->first)
        arch_timer_program(0);
    else if (h->first->expires <= time_now())
        softirq_raise(SOFTIRQ_TIMER);
    else
        arch_timer_program(h->first->expires);
}

void timer_init(struct timer *t, void (*fn)(void *), void *data, unsigned cpu)
{
    *t = (struct timer){ .fn = fn, .data = data, .cpu = cpu };
}

void timer_set(struct timer *t, ns_t expires)
{
    unsigned long flags;
    struct timer_heap *h = timer_lock(t, &flags);

    if (!t->killed) {
        if (t->queued)
            heap_remove(h, t);
        t->expires = expires;
        heap_insert(h, t);
        if (h->first == t)
            timer_first_changed(h, t->cpu);
    }
    spin_unlock_irqrestore(&h->lock, flags);
}

/* The hardware is left as it is: an interrupt that finds nothing to do costs less than programming it twice. */
void timer_stop(struct timer *t)
{
    unsigned long flags;
    struct timer_heap *h = timer_lock(t, &flags);

    if (t->queued)
        heap_remove(h, t);
    t->moving = false;
    spin_unlock_irqrestore(&h->lock, flags);
}

/* Between the two locks t belongs to the new CPU and is in no heap: whoever sets or stops it meanwhile wins. */
void timer_migrate(struct timer *t, unsigned cpu)
{
    unsigned long flags;
    struct timer_heap *h = timer_lock(t, &flags);

    if (t->cpu == cpu) {
        spin_unlock_irqrestore(&h->lock, flags);
        return;
    }
    if (t->queued) {
        heap_remove(h, t);
        t->moving = true;
    }
    atomic_set_release(&t->cpu, cpu); /* whoever finds it there finds it removed here */
    spin_unlock_irqrestore(&h->lock, flags);

    h = timer_lock(t, &flags);
    if (t->moving) {
        heap_insert(h, t);
        if (h->first == t)
            timer_first_changed(h, t->cpu);
    }
    spin_unlock_irqrestore(&h->lock, flags);
}

void timer_kill(struct timer *t)
{
    unsigned long flags;
    struct timer_heap *h;
    unsigned cpu;

    if (!t->fn) /* never initialised */
        return;
    h = timer_lock(t, &flags);
    if (t->queued)
        heap_remove(h, t);
    t->killed = true;
    t->moving = false;
    spin_unlock_irqrestore(&h->lock, flags);
    for_each_online_cpu(cpu)
        while (cpu != this_cpu() && atomic_read_acquire(&per_cpu(timer_heaps, cpu).running) == t)
            cpu_relax();
}

/* --- expiry --- */

void timer_interrupt(void)
{
    softirq_raise(SOFTIRQ_TIMER);
}

/* Takes the first timer if its time has come and notes that it runs. */
static struct timer *timer_take_due(struct timer_heap *h, ns_t now)
{
    struct timer *t = h->first;

    if (!t || t->expires > now)
        return NULL;
    heap_remove(h, t);
    atomic_set(&h->running, t);
    return t;
}

/*
 * The time is read once, so a callback that sets its timer into the past comes
 * again in another round, after the other softirqs.  A callback may free its
 * timer.
 */
static void timer_softirq(void)
{
    struct timer_heap *h = &this_cpu_var(timer_heaps);
    ns_t now = time_now();
    unsigned long flags;
    struct timer *t;

    spin_lock_irqsave(&h->lock, flags);
    while ((t = timer_take_due(h, now))) {
        void (*fn)(void *) = t->fn;
        void *data = t->data;

        spin_unlock_irqrestore(&h->lock, flags);
        fn(data);
        spin_lock_irqsave(&h->lock, flags);
        atomic_set_release(&h->running, NULL); /* pairs with timer_kill */
    }
    timer_first_changed(h, this_cpu());
    spin_unlock_irqrestore(&h->lock, flags);
}

void timer_cpu_init(unsigned cpu)
{
    spin_lock_init(&per_cpu(timer_heaps, cpu).lock, LOCK_TIMER);
}

void timer_room_init(void)
{
    softirq_register(SOFTIRQ_TIMER, timer_softirq);
}
