/* SPDX-License-Identifier: MIT */
/*
 * When must TLBs be flushed because a frame becomes something else?
 *
 * A guest flushes its own TLBs for its own good.  The hypervisor must not rely
 * on that where a stale translation would break its invariants:
 *   - a frame that was writable becomes a page table or descriptor table: a
 *     CPU with the old translation could still write to it;
 *   - a page table becomes writable: a CPU may have cached that it is one, and
 *     would walk what the guest writes there.
 * (Frames that leave their owner are core/heap.c's.)
 *
 * Most such changes come in groups (a process's tables are made read-only one
 * by one, then pinned), and one flush serves the whole group.  To know that,
 * time is counted in flushes: pt_tlb_clock is advanced at the start of each.  A
 * frame is stamped with the clock when a writable translation to it, or its
 * use as a table, goes.  A flush that began at tick t, so that t > stamp, came
 * after.
 *
 *      entry cleared, stamp = 7        flush begins: clock 7 -> 8
 *   ---------*------------------------------*------------------------> time
 *            stamp < 8: this flush has taken the translation away
 *
 * Stamps are the low 32 bits of the clock; a stamp is read as the latest moment
 * it can mean, so that a very old one costs a flush and nothing else.
 *
 * Other domains that map a frame (domain 0 while it builds a guest) are not in
 * its owner's dirty_cpus.  They are rare: the owner only remembers when that
 * last happened, and its next change flushes all CPUs.
 */
#include "pt.h"

#include <zelo/errno.h>
#include <zelo/guest.h>

u64 pt_tlb_clock = 1;
static u64 everywhere_flushed_at = 1; /* (a) all CPUs were flushed at this tick */

static void tick_raise(u64 *at, u64 t)
{
    u64 old = atomic_read(at);

    while (old < t && !atomic_cas(at, &old, t))
        ;
}

static u64 stamp_latest(u32 stamp)
{
    u64 now = atomic_read(&pt_tlb_clock);

    return now - (u32)((u32)now - stamp);
}

void pt_note_foreign_unmap(struct domain *owner)
{
    tick_raise(&owner->pv.foreign_unmapped_at, atomic_read(&pt_tlb_clock));
}

void pt_flush_domain(struct domain *d)
{
    u64 t = atomic_add_return(&pt_tlb_clock, 1);
    cpumask_t cpus;

    cpumask_copy(&cpus, &d->pv.dirty_cpus); /* read after the tick: a CPU that comes later loads CR3 later */
    if (!cpumask_empty(&cpus))
        tlb_flush_mask(&cpus, TLB_FLUSH_ALL, 0);
    tick_raise(&d->pv.tlb_flushed_at, t);
}

static void flush_everywhere(void)
{
    u64 t = atomic_add_return(&pt_tlb_clock, 1);

    tlb_flush_mask(&cpu_online, TLB_FLUSH_ALL, 0);
    tick_raise(&everywhere_flushed_at, t);
}

void pt_flush_stale(struct domain *d, u32 stamp)
{
    u64 everywhere = atomic_read(&everywhere_flushed_at);

    if (atomic_read(&d->pv.foreign_unmapped_at) >= everywhere)
        flush_everywhere();
    else if (stamp_latest(stamp) >= MAX(everywhere, atomic_read(&d->pv.tlb_flushed_at)))
        pt_flush_domain(d);
}

static void cpus_add(struct domain *d, unsigned first, u64 bits, cpumask_t *out)
{
    for (; bits; bits &= bits - 1) {
        struct vcpu *v = domain_vcpu(d, first + (unsigned)__builtin_ctzll(bits));
        unsigned cpu;

        if (!v)
            continue;
        /* If it moves meanwhile, the other CPU loads CR3 anew. */
        cpu = READ_ONCE(v->processor);
        if (cpumask_test(&d->pv.dirty_cpus, cpu))
            cpumask_set(out, cpu);
    }
}

int pt_cpus_of_vcpus(struct domain *d, vaddr_t bitmap, cpumask_t *out)
{
    cpumask_zero(out);
    for (unsigned first = 0; first < d->max_vcpus; first += 64) {
        unsigned left = d->max_vcpus - first;
        u64 bits = 0;

        if (guest_read(&bits, bitmap + first / 8, left < 64 ? DIV_ROUND_UP(left, 8) : sizeof(bits)))
            return -EFAULT;
        cpus_add(d, first, bits, out);
    }
    return 0;
}
