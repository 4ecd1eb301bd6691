/* SPDX-License-Identifier: MIT */
/*
 * The check of the lock order (zelo/lock.h) in debug builds.
 *
 * Each CPU keeps the list of locks it holds.  A lock may be taken while every
 * held one is of a lower level.  Two cases cannot be judged and are let pass:
 * a lock taken by trylock (it does not wait), and a lock taken with interrupts
 * off while another was taken with them on, for that is what an interrupt
 * handler does that came in between.
 */
#include <zelo/lock.h>

#ifdef ZELO_DEBUG

#include <zelo/log.h>

#define HELD_MAX 16

struct held_lock { const spinlock_t *lock; bool irqs_on; };
struct held_list { struct held_lock at[HELD_MAX]; unsigned count; };

static DEFINE_PER_CPU(struct held_list, held_locks);

/* Levels of which a CPU may hold two, in the order that lock.h names. */
static bool level_may_pair(unsigned level)
{
    return level == LOCK_GRANT_TABLE || level == LOCK_PAGE_TABLES || level == LOCK_DOMAIN_PAGES ||
           level == LOCK_EVENT || level == LOCK_SCHED;
}

static void lock_order_check(const struct held_lock *h, const spinlock_t *l, bool irqs_on)
{
    if (h->irqs_on && !irqs_on)
        return;
    if (h->lock == l)
        panic("Lock %p of level %u taken twice\n", (const void *)l, l->level);
    if (h->lock->level > l->level || (h->lock->level == l->level && !level_may_pair(l->level)))
        panic("Lock order: level %u taken while holding level %u\n", l->level, h->lock->level);
}

static void held_add(const spinlock_t *l, bool irqs_on)
{
    unsigned long flags = arch_irq_save();
    struct held_list *list = &this_cpu_var(held_locks);

    if (list->count < HELD_MAX)
        list->at[list->count++] = (struct held_lock){ l, irqs_on };
    arch_irq_restore(flags);
}

void lock_order_acquire(const spinlock_t *l)
{
    struct held_list *list = &this_cpu_var(held_locks);
    bool irqs_on = arch_irq_enabled();

    for (unsigned i = 0; i < list->count; i++)
        lock_order_check(&list->at[i], l, irqs_on);
    held_add(l, irqs_on);
}

void lock_order_acquired_by_try(const spinlock_t *l)
{
    held_add(l, arch_irq_enabled());
}

void lock_order_release(const spinlock_t *l)
{
    unsigned long flags = arch_irq_save();
    struct held_list *list = &this_cpu_var(held_locks);

    for (unsigned i = list->count; i-- > 0;) {
        if (list->at[i].lock != l)
            continue;
        for (list->count--; i < list->count; i++)
            list->at[i] = list->at[i + 1];
        break;
    }
    arch_irq_restore(flags);
}

#endif
