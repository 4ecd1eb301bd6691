/* SPDX-License-Identifier: MIT */
/*
 * Do the CPUs' TSCs agree?  Each CPU in turn runs a race with the boot CPU: both
 * read their TSC under one lock and see whether time ever went back between
 * two readings.  If it never did, guests may trust the TSC across their vCPUs
 * (XEN_PVCLOCK_TSC_STABLE_BIT).  If it did, the CPU's skew is measured and taken
 * out of its time, and guests are told not to.
 */
#include "time.h"

#include <zelo/cpumask.h>
#include <zelo/log.h>
#include <arch/machine.h>
#include <arch/seam.h>

#define RACE_MS 2
#define PINGS 1000

bool tsc_synchronous;

static struct {
    arch_spinlock_t lock;
    u64 last;               /* lock */
    bool went_back;         /* lock */
    u32 present;            /* (a) racers at the start, then at the end */
} race;

static struct {
    u32 turn;               /* (a) odd: the other CPU is to answer */
    u64 answer;             /* its TSC; written before turn becomes even */
} ping;

static void race_meet(u32 until)
{
    (void)atomic_add_return(&race.present, 1);
    while (atomic_read_acquire(&race.present) < until)
        cpu_relax();
}

static void race_run(void *unused)
{
    u64 start, now;

    (void)unused;
    race_meet(2);
    start = rdtsc_ordered();
    do {
        arch_spin_lock(&race.lock);
        now = rdtsc_ordered();
        if (now < race.last)
            race.went_back = true;
        race.last = now;
        arch_spin_unlock(&race.lock);
        cpu_relax();
    } while (now - start < tsc_khz * RACE_MS);
    race_meet(4);
}

static void ping_answer(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < PINGS; i++) {
        while (!(atomic_read_acquire(&ping.turn) & 1))
            cpu_relax();
        ping.answer = rdtsc_ordered();
        (void)atomic_add_return(&ping.turn, 1);
    }
}

/* The other CPU's TSC minus ours, by the quickest question and answer. */
static u64 ping_ask(void)
{
    u64 best_width = ~0ULL, skew = 0;

    for (unsigned i = 0; i < PINGS; i++) {
        u64 asked = rdtsc_ordered(), width;

        (void)atomic_add_return(&ping.turn, 1);
        while (atomic_read_acquire(&ping.turn) & 1)
            cpu_relax();
        width = rdtsc_ordered() - asked;
        if (width < best_width) {
            best_width = width;
            skew = ping.answer - (asked + width / 2);
        }
    }
    return skew;
}

static void call_one(unsigned cpu, void (*fn)(void *))
{
    cpumask_t one;

    cpumask_zero(&one);
    cpumask_set(&one, cpu);
    smp_call(&one, fn, NULL, false);
}

static bool cpu_agrees(unsigned cpu)
{
    unsigned long flags;

    race.last = 0;
    race.went_back = false;
    atomic_set_release(&race.present, 0);
    call_one(cpu, race_run);
    flags = arch_irq_save();
    race_run(NULL);
    arch_irq_restore(flags);
    return !race.went_back;
}

static void cpu_measure_skew(unsigned cpu)
{
    unsigned long flags;
    u64 skew;

    atomic_set_release(&ping.turn, 0);
    call_one(cpu, ping_answer);
    flags = arch_irq_save();
    skew = ping_ask();
    arch_irq_restore(flags);
    per_cpu(tsc_skew, cpu) = skew;
    tsc_synchronous = false;
    log_warn("CPU %u: its TSC is off by %ld ticks\n", cpu, (long)skew);
}

void time_check_sync(void)
{
    unsigned cpu;

    for_each_online_cpu(cpu)
        if (cpu != this_cpu() && !cpu_agrees(cpu))
            cpu_measure_skew(cpu);
    log_info("TSCs of the CPUs %s\n", tsc_synchronous ? "agree" : "differ: guests are told not to compare them");
}
