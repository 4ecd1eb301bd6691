/* SPDX-License-Identifier: MIT */
/*
 * The TSC's frequency, measured against a clock of known frequency: HPET, ACPI
 * PM timer, or PIT.  Each end of the measured time is a reading of that clock
 * between two readings of the TSC, the closest pair of several, so that neither
 * interrupts of the firmware nor a host below us spoil it.
 */
#include "time.h"

#include "../platform/clocks.h"

#include <zelo/lib.h>
#include <zelo/log.h>
#include <arch/machine.h>
#include <arch/seam.h>

#define MEASURE_MS 50
#define MEASURE_PIT_MS 40 /* its counter runs out after 54 ms */
#define TRIES 10

struct clock {
    const char *name;
    const char *option; /* of clocksource= */
    u64 (*start)(void);
    u32 (*counter)(void);
    void (*stop)(void);
    u32 mask;
    unsigned ms;
};

static const struct clock clocks[] = {
    { "HPET", "hpet", hpet_start, hpet_counter, NULL, 0xffffffff, MEASURE_MS },
    { "ACPI PM timer", "acpi", pmtimer_start, pmtimer_counter, NULL, 0xffffff, MEASURE_MS },
    { "PIT", "pit", pit_start, pit_counter, pit_stop, 0xffff, MEASURE_PIT_MS },
};

struct sample { u64 tsc; u32 count; };

static struct sample take_sample(const struct clock *c)
{
    struct sample best = { 0, 0 };
    u64 best_width = ~0ULL;

    for (unsigned i = 0; i < TRIES; i++) {
        u64 before = rdtsc_ordered();
        u32 count = c->counter();
        u64 width = rdtsc_ordered() - before;

        if (width < best_width) {
            best_width = width;
            best = (struct sample){ before + width / 2, count };
        }
    }
    return best;
}

/* Waits by the clock itself; false if it stands still (the TSC then runs for seconds meanwhile). */
static bool wait_ticks(const struct clock *c, u32 first, u32 ticks)
{
    u64 start = rdtsc();

    while (((c->counter() - first) & c->mask) < ticks) {
        if (rdtsc() - start > 50000000000ULL)
            return false;
        cpu_relax();
    }
    return true;
}

/* 0 if the clock is not there or does not count. */
static u64 measure(const struct clock *c)
{
    u64 hz = c->start(), tsc_hz = 0;
    struct sample first, last;
    unsigned long flags;

    if (!hz)
        return 0;
    flags = arch_irq_save();
    first = take_sample(c);
    if (wait_ticks(c, first.count, (u32)(hz * c->ms / 1000))) {
        last = take_sample(c);
        tsc_hz = (last.tsc - first.tsc) * hz / ((last.count - first.count) & c->mask);
    }
    arch_irq_restore(flags);
    if (c->stop)
        c->stop();
    return tsc_hz;
}

static u64 measure_and_tell(const struct clock *c)
{
    u64 hz = measure(c);

    if (hz < 1000000) /* no TSC is that slow: a clock that is not one */
        return 0;
    log_info("TSC: %lu.%03lu MHz by the %s%s\n", (unsigned long)(hz / 1000000), (unsigned long)(hz / 1000 % 1000),
             c->name, cpu_features.tsc_invariant ? ", invariant" : "");
    return hz;
}

/* clocksource=hpet, acpi or pit: 0 if it is not given, unknown or not there. */
static u64 calibrate_by_choice(void)
{
    const char *wanted = cmdline_get("clocksource");
    u64 hz = 0;

    if (!wanted)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(clocks); i++)
        if (!strcmp(wanted, clocks[i].option))
            hz = measure_and_tell(&clocks[i]);
    if (!hz)
        log_warn("clocksource=%s: there is none\n", wanted);
    return hz;
}

u64 tsc_calibrate(void)
{
    u64 hz = calibrate_by_choice();

    for (size_t i = 0; !hz && i < ARRAY_SIZE(clocks); i++)
        hz = measure_and_tell(&clocks[i]);
    if (!hz)
        panic("No clock to measure the TSC by: neither HPET nor ACPI PM timer nor PIT counts\n");
    return hz;
}
