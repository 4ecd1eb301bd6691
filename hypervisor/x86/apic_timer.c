/* SPDX-License-Identifier: MIT */
/*
 * The next timer interrupt of each CPU, from its local APIC: at a TSC value
 * where the CPU can (TSC deadline), else by a one-shot countdown whose clock is
 * measured against the TSC at boot.  Both are relative to the CPU's own TSC
 * now, so they need no agreement between CPUs.
 */
#include <arch/apic.h>
#include <arch/machine.h>

#include <zelo/log.h>
#include <zelo/timer.h>
#include <zelo/types.h>
#include <arch/seam.h>

#define CALIBRATE_MS 10
#define MAX_DELTA_NS 1000000000000LL /* 1000 s: an early interrupt is programmed anew */

/* Written on the boot CPU, before the others start. */
static u64 ticks_per_ns_32; /* ticks of the timer's clock in one ns, 32 fractional bits */
static bool use_deadline;

static void apic_timer_interrupt(struct cpu_user_regs *regs)
{
    (void)regs;
    timer_interrupt();
}

static u64 ns_to_ticks(ns_t ns)
{
    return (u64)(((unsigned __int128)(u64)ns * ticks_per_ns_32) >> 32) + 1; /* never early by rounding */
}

void arch_timer_program(ns_t deadline)
{
    u64 tsc = rdtsc(), ticks;
    ns_t delta = deadline - tsc_to_system_time(tsc);

    if (deadline <= 0) {
        if (use_deadline)
            wrmsr(MSR_TSC_DEADLINE, 0);
        else
            apic_write(APIC_TIMER_INITIAL, 0);
        return;
    }
    if (delta < 0)
        delta = 0;
    else if (delta > MAX_DELTA_NS)
        delta = MAX_DELTA_NS;
    ticks = ns_to_ticks(delta);
    if (use_deadline)
        wrmsr(MSR_TSC_DEADLINE, tsc + ticks);
    else
        apic_write(APIC_TIMER_INITIAL, ticks > 0xffffffff ? 0xffffffff : (u32)ticks);
}

/* Ticks of the countdown in CALIBRATE_MS; the timer is masked. */
static u64 apic_timer_measure(void)
{
    u64 wait = tsc_khz * CALIBRATE_MS, start, now;
    u32 first, last;
    unsigned long flags = arch_irq_save();

    apic_write(APIC_TIMER_INITIAL, 0xffffffff);
    first = apic_read(APIC_TIMER_CURRENT);
    start = rdtsc_ordered();
    do {
        cpu_relax();
        now = rdtsc_ordered();
    } while (now - start < wait);
    last = apic_read(APIC_TIMER_CURRENT);
    apic_write(APIC_TIMER_INITIAL, 0);
    arch_irq_restore(flags);
    /* The wait may have overshot (an SMI, another guest of our host): scale to what was asked. */
    return (first - last) * wait / (now - start);
}

static u64 median(u64 a, u64 b, u64 c)
{
    u64 low = MIN(a, b), high = MAX(a, b), upper = MIN(high, c);

    return MAX(low, upper);
}

static void apic_timer_calibrate(void)
{
    u64 khz;

    if (use_deadline) {
        khz = tsc_khz;
    } else {
        khz = median(apic_timer_measure(), apic_timer_measure(), apic_timer_measure()) / CALIBRATE_MS;
        if (!khz)
            panic("The local APIC's timer does not count\n");
    }
    ticks_per_ns_32 = (khz << 32) / 1000000;
    log_info("APIC timer: %s, %lu.%03lu MHz\n", use_deadline ? "TSC deadline" : "one-shot", khz / 1000, khz % 1000);
}

void apic_timer_init_cpu(void)
{
    if (!ticks_per_ns_32)
        use_deadline = cpu_features.tsc_deadline;
    if (!use_deadline) {
        apic_write(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
        apic_write(APIC_TIMER_INITIAL, 0);
    }
    if (!ticks_per_ns_32) {
        apic_timer_calibrate();
        irq_set_fixed_handler(VECTOR_TIMER, apic_timer_interrupt);
    }
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER | (use_deadline ? APIC_LVT_TSC_DEADLINE : 0));
    /* The mode must be set before the first deadline is written. */
    __asm__ volatile("mfence" ::: "memory");
}
