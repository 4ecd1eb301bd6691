/* SPDX-License-Identifier: MIT */
/*
 * Vectors are given out for each CPU separately, so that the machine can have
 * more interrupts than one CPU has vectors.  An interrupt keeps its vector
 * number for life and moves only to CPUs where that number is free: its message
 * then changes in one word, and an IO-APIC still recognises the EOI of an
 * interrupt that was on its way.  A new interrupt therefore gets the number
 * that is in use on the fewest CPUs.
 */
#include "vector.h"

#include <zelo/cpumask.h>
#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/lock.h>
#include <arch/machine.h>

static spinlock_t vector_lock = SPINLOCK(LOCK_LEAF); /* all below */
static unsigned long vector_taken[MAX_CPUS][BITMAP_LONGS(256)];
static u16 vector_cpus[256]; /* on how many CPUs */

static bool vector_usable(unsigned vector)
{
    return vector >= VECTOR_FIRST_DYNAMIC && vector <= VECTOR_LAST_DYNAMIC && vector != VECTOR_INT80 &&
           vector != VECTOR_LEGACY_HYPERCALL;
}

static bool vector_block_free(unsigned cpu, unsigned first, unsigned count)
{
    for (unsigned v = first; v < first + count; v++)
        if (!vector_usable(v) || bitmap_test(vector_taken[cpu], v))
            return false;
    return true;
}

static void vector_take(unsigned cpu, unsigned vector)
{
    bitmap_set(vector_taken[cpu], vector);
    vector_cpus[vector]++;
}

/* The free block whose vectors are used on the fewest other CPUs; 0: none. */
static unsigned vector_best_block(unsigned cpu, unsigned count)
{
    unsigned best = 0, best_use = ~0u;

    for (unsigned first = ALIGN_UP(VECTOR_FIRST_DYNAMIC, count); first <= VECTOR_LAST_DYNAMIC; first += count) {
        unsigned use = 0;

        if (!vector_block_free(cpu, first, count))
            continue;
        for (unsigned v = first; v < first + count; v++)
            use += vector_cpus[v];
        if (use < best_use) {
            best = first;
            best_use = use;
        }
        if (!use)
            break;
    }
    return best;
}

int vector_alloc(unsigned cpu, unsigned count)
{
    unsigned long flags;
    unsigned first;

    spin_lock_irqsave(&vector_lock, flags);
    first = vector_best_block(cpu, count);
    for (unsigned v = first; first && v < first + count; v++)
        vector_take(cpu, v);
    spin_unlock_irqrestore(&vector_lock, flags);
    return first ? (int)first : -ENOSPC;
}

bool vector_claim(unsigned cpu, u8 vector)
{
    unsigned long flags;
    bool ok;

    spin_lock_irqsave(&vector_lock, flags);
    ok = vector_block_free(cpu, vector, 1);
    if (ok)
        vector_take(cpu, vector);
    spin_unlock_irqrestore(&vector_lock, flags);
    return ok;
}

void vector_release(unsigned cpu, u8 vector)
{
    unsigned long flags;

    spin_lock_irqsave(&vector_lock, flags);
    bitmap_clear(vector_taken[cpu], vector);
    vector_cpus[vector]--;
    spin_unlock_irqrestore(&vector_lock, flags);
}
