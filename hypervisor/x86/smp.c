/* SPDX-License-Identifier: MIT */
/* Interrupts between CPUs: kicks, and functions called on other CPUs. */
#include <zelo/cpumask.h>
#include <arch/machine.h>
#include <arch/seam.h>

#include "smp.h"

/* One call is under way at a time; as in tlb.c, whoever waits serves. */
static struct {
    arch_spinlock_t turn;
    void (*fn)(void *);     /* these two: written by the holder before 'pending' */
    void *arg;
    cpumask_t pending;      /* (a) CPUs that have not taken note */
    cpumask_t running;      /* (a) CPUs that have not finished */
} call;

void ipi_send(unsigned cpu, u8 vector)
{
    apic_send_ipi(cpu_apicid[cpu], vector);
}

void ipi_send_mask(const void *cpumask, u8 vector)
{
    unsigned cpu;

    for_each_cpu(cpu, (const cpumask_t *)cpumask)
        ipi_send(cpu, vector);
}

/* A CPU that is in the hypervisor already looks on its way out. */
void cpu_kick(unsigned cpu)
{
    if (cpu != this_cpu())
        ipi_send(cpu, VECTOR_EVENT_CHECK);
}

void smp_call_serve(void)
{
    unsigned long flags = arch_irq_save();
    unsigned cpu = this_cpu();

    if (cpumask_test(&call.pending, cpu)) {
        void (*fn)(void *);
        void *arg;

        smp_rmb(); /* fn and arg after pending; pairs with the full barrier of cpumask_set */
        fn = call.fn;
        arg = call.arg;
        cpumask_clear(&call.pending, cpu); /* the caller may go on, if it does not wait */
        fn(arg);
        cpumask_clear(&call.running, cpu);
    }
    arch_irq_restore(flags);
}

static void call_others(const cpumask_t *others, void (*fn)(void *), void *arg, bool wait)
{
    unsigned cpu;

    while (!arch_spin_trylock(&call.turn)) {
        smp_call_serve();
        tlb_serve();
        cpu_relax();
    }
    call.fn = fn;
    call.arg = arg;
    for_each_cpu(cpu, others)
        cpumask_set(&call.running, cpu);
    for_each_cpu(cpu, others)
        cpumask_set(&call.pending, cpu);
    ipi_send_mask(others, VECTOR_CALL);
    while (!cpumask_empty(wait ? &call.running : &call.pending)) {
        tlb_serve();
        cpu_relax();
    }
    arch_spin_unlock(&call.turn);
}

void smp_call(const void *cpumask, void (*fn)(void *), void *arg, bool wait)
{
    cpumask_t others;
    bool here;

    cpumask_and(&others, cpumask, &cpu_online);
    here = cpumask_test(&others, this_cpu());
    cpumask_clear(&others, this_cpu());
    if (!cpumask_empty(&others))
        call_others(&others, fn, arg, wait);
    if (here) {
        unsigned long flags = arch_irq_save();

        fn(arg);
        arch_irq_restore(flags);
    }
}

static void call_interrupt(unused_arg struct cpu_user_regs *regs)
{
    smp_call_serve();
}

/* The interrupt itself is the message: the CPU looks at softirqs and events on its way out. */
static void event_check_interrupt(unused_arg struct cpu_user_regs *regs)
{
}

void smp_room_init(void)
{
    irq_set_fixed_handler(VECTOR_CALL, call_interrupt);
    irq_set_fixed_handler(VECTOR_EVENT_CHECK, event_check_interrupt);
    tlb_room_init();
}
