/* SPDX-License-Identifier: MIT */
/*
 * Softirqs: a word of pending bits for each CPU.  Any context may set a bit;
 * the CPU itself clears it before it runs the handler, so that a bit set
 * meanwhile is run again.
 */
#include <zelo/softirq.h>

#include <zelo/log.h>

static void (*softirq_handler[SOFTIRQ_COUNT])(void);

void softirq_register(enum softirq nr, void (*fn)(void))
{
    softirq_handler[nr] = fn;
}

void softirq_raise(enum softirq nr)
{
    atomic_set_bit(this_cpu_softirqs(), nr);
}

void softirq_raise_on(unsigned cpu, enum softirq nr)
{
    /* The bit is set before the kick is sent: the CPU sees it when it looks. */
    if (!atomic_test_set_bit(cpu_softirqs(cpu), nr) && cpu != this_cpu())
        cpu_kick(cpu);
}

static void softirq_handle(enum softirq nr)
{
    if (!atomic_test_clear_bit(this_cpu_softirqs(), nr))
        return;
    BUG_ON(!softirq_handler[nr]);
    softirq_handler[nr]();
}

static void softirq_handle_others(void)
{
    unsigned long pending = atomic_read(this_cpu_softirqs()) & ~(1UL << SOFTIRQ_SCHEDULE);

    for (; pending; pending &= pending - 1)
        softirq_handle((enum softirq)__builtin_ctzl(pending));
}

/* The scheduler comes last in a round: it may leave for another vCPU, and what the others woke is then known. */
void softirq_run(void)
{
    while (softirq_pending()) {
        softirq_handle_others();
        softirq_handle(SOFTIRQ_SCHEDULE);
    }
}

void softirq_run_no_schedule(void)
{
    while (atomic_read(this_cpu_softirqs()) & ~(1UL << SOFTIRQ_SCHEDULE))
        softirq_handle_others();
}
