/* SPDX-License-Identifier: MIT */
/*
 * TLB and cache flushes, here and on other CPUs.
 *
 * One request is under way at a time. The CPU that makes it writes it down,
 * interrupts the others and waits until each has cleared its bit. Whoever waits
 * (for its turn, for the others, or for a spinlock whose holder may be the one
 * that flushes) serves the request under way itself, so that two CPUs can never
 * wait for each other, whatever their interrupt flags.
 */
#include <zelo/cpumask.h>
#include <arch/machine.h>
#include <arch/seam.h>

#include "smp.h"

static struct {
    arch_spinlock_t turn;   /* held while a request is under way; outside the lock order: its waiters serve it */
    unsigned what;          /* written by the holder before 'pending' */
    vaddr_t va;
    cpumask_t pending;      /* (a) CPUs that have not flushed yet */
} request;

static void flush_global(void)
{
    u64 cr4 = read_cr4();

    if (cr4 & CR4_PGE) {
        write_cr4(cr4 & ~(u64)CR4_PGE);
        write_cr4(cr4);
    } else {
        write_cr3(read_cr3());
    }
}

void tlb_flush_local(unsigned what, vaddr_t va)
{
    unsigned long flags = arch_irq_save(); /* CR4 and CR3 are a switch's too */

    if (what & TLB_FLUSH_CACHE)
        __asm__ volatile("wbinvd" ::: "memory");
    if (what & TLB_FLUSH_GLOBAL)
        flush_global();
    else if (what & TLB_FLUSH_ALL)
        write_cr3(read_cr3());
    else if (what & TLB_FLUSH_VA)
        __asm__ volatile("invlpg (%0)" :: "r"(va) : "memory");
    arch_irq_restore(flags);
}

/*
 * Does this CPU's part of the request under way, if it has one left. Its own
 * interrupt must not come between test and clear: the bit cleared at the end
 * could be that of the next request.
 */
static void request_serve(void)
{
    unsigned long flags = arch_irq_save();
    unsigned cpu = this_cpu();

    if (cpumask_test(&request.pending, cpu)) {
        smp_rmb(); /* what and va after pending; pairs with the full barrier of cpumask_set */
        tlb_flush_local(request.what, request.va);
        cpumask_clear(&request.pending, cpu);
    }
    arch_irq_restore(flags);
}

static void flush_interrupt(unused_arg struct cpu_user_regs *regs)
{
    request_serve();
}

void tlb_flush_mask(const void *cpumask, unsigned what, vaddr_t va)
{
    cpumask_t others;
    unsigned cpu;

    cpumask_and(&others, cpumask, &cpu_online);
    if (cpumask_test(&others, this_cpu())) {
        tlb_flush_local(what, va);
        cpumask_clear(&others, this_cpu());
    }
    if (cpumask_empty(&others))
        return;

    while (!arch_spin_trylock(&request.turn)) {
        request_serve();
        cpu_relax();
    }
    request.what = what;
    request.va = va;
    for_each_cpu(cpu, &others)
        cpumask_set(&request.pending, cpu);
    ipi_send_mask(&others, VECTOR_TLB_FLUSH);
    while (!cpumask_empty(&request.pending)) {
        smp_call_serve();
        cpu_relax();
    }
    arch_spin_unlock(&request.turn);
}

void tlb_serve(void)
{
    request_serve();
}

void cpu_relax_serving(void)
{
    cpu_relax();
    request_serve();
}

void arch_spin_wait(arch_spinlock_t *l, u16 ticket)
{
    while (__atomic_load_n(&l->head, __ATOMIC_ACQUIRE) != ticket)
        cpu_relax_serving();
}

void tlb_room_init(void)
{
    irq_set_fixed_handler(VECTOR_TLB_FLUSH, flush_interrupt);
}
