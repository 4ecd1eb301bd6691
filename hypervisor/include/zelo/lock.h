/* SPDX-License-Identifier: MIT */
/*
 * Ticket spinlocks with an order.  A CPU may take a lock only if its level is
 * higher than that of every lock it holds (same level: only where noted);
 * builds with ZELO_DEBUG check it.  The list below is the one place where the
 * order is written.
 *
 * Locks marked (irq) are also taken in interrupt context: take them with the
 * _irqsave forms everywhere.
 */
#ifndef ZELO_LOCK_H
#define ZELO_LOCK_H

#include <zelo/types.h>
#include <arch/seam.h>

enum lock_level {
    LOCK_DOMCTL = 1,     /* serialises control operations on all domains */
    LOCK_DOMAIN,         /* struct domain: build state, vcpu array, callbacks */
    LOCK_PCI,            /* PCI devices, MSI set-up */
    LOCK_GRANT_TABLE,    /* grant table geometry and maptrack */
    LOCK_GRANT_ENTRY,    /* one active grant entry */
    LOCK_PAGE_TABLES,    /* a domain's page tables (pv/), two domains: lower domid first */
    LOCK_DOMAIN_PAGES,   /* a domain's page list and counts */
    LOCK_EVENT,          /* a domain's event channel table; two domains: lower address first */
    LOCK_IRQ_TABLE,      /* PIRQ tables (irq) */
    LOCK_IRQ_DESC,       /* one IRQ descriptor (irq) */
    LOCK_EVENT_CHANNEL,  /* one event channel / FIFO queue (irq) */
    LOCK_EVENT_QUEUE,    /* a FIFO event queue (irq) */
    LOCK_DOMAIN_LIST,    /* domid lookup (irq) */
    LOCK_SCHED,          /* a CPU's run queue (irq); two: lower CPU first */
    LOCK_TIMER,          /* a CPU's timer heap (irq) */
    LOCK_HEAP,           /* page allocator (irq) */
    LOCK_SLAB,           /* small-object allocator (irq) */
    LOCK_LEAF,           /* anything that takes no other lock (irq) */
    LOCK_CONSOLE,        /* console ring and UART (irq) */
};

typedef struct spinlock {
    arch_spinlock_t raw;
    u16 level;
    u16 holder; /* CPU + 1 while held, for assertions */
} spinlock_t;

#define SPINLOCK(lvl) { .level = (lvl) }
static inline void spin_lock_init(spinlock_t *l, enum lock_level level)
{
    *l = (spinlock_t)SPINLOCK(level);
}

#ifdef ZELO_DEBUG
void lock_order_acquire(const spinlock_t *l); /* panics on a wrong order */
void lock_order_acquired_by_try(const spinlock_t *l); /* trying cannot deadlock: held from now on, not checked */
void lock_order_release(const spinlock_t *l);
#else
static inline void lock_order_acquire(const spinlock_t *l) { (void)l; }
static inline void lock_order_acquired_by_try(const spinlock_t *l) { (void)l; }
static inline void lock_order_release(const spinlock_t *l) { (void)l; }
#endif

static inline void spin_lock(spinlock_t *l)
{
    lock_order_acquire(l);
    arch_spin_lock(&l->raw);
    WRITE_ONCE(l->holder, (u16)(this_cpu() + 1));
}
static inline bool spin_trylock(spinlock_t *l)
{
    if (!arch_spin_trylock(&l->raw))
        return false;
    lock_order_acquired_by_try(l);
    WRITE_ONCE(l->holder, (u16)(this_cpu() + 1));
    return true;
}
static inline void spin_unlock(spinlock_t *l)
{
    WRITE_ONCE(l->holder, 0);
    arch_spin_unlock(&l->raw);
    lock_order_release(l);
}
static inline bool spin_is_mine(const spinlock_t *l) { return READ_ONCE(l->holder) == this_cpu() + 1; }

#define spin_lock_irqsave(l, flags) \
    do { (flags) = arch_irq_save(); spin_lock(l); } while (0)
#define spin_unlock_irqrestore(l, flags) \
    do { spin_unlock(l); arch_irq_restore(flags); } while (0)

#endif
