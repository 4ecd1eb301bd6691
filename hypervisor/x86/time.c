/* SPDX-License-Identifier: MIT */
/*
 * System time: nanoseconds since time_init_bsp, from the TSC.
 *
 * It uses the arithmetic that the PV ABI gives to guests (shift, then a 32-bit
 * multiplier), with constants that never change.  Guests are told the same
 * constants, so their time and the hypervisor's are the same function of the
 * TSC, to the last bit, and never need to be brought together again.
 */
#include "time.h"

#include <zelo/atomic.h>
#include <zelo/log.h>
#include <arch/machine.h>
#include <arch/seam.h>

u64 tsc_khz;
struct tsc_scale tsc_scale;
u64 time_epoch;
DEFINE_PER_CPU(u64, tsc_skew);
static ns_t latest; /* (a) last answer of time_now, used only if TSCs differ */

#define NS_PER_S 1000000000ULL

/*
 * ns = (ticks << shift) * mul >> 32, so mul = 10^9 * 2^(32 - shift) / hz: with
 * the least shift for which it fits 32 bits, where rounding costs least.
 * 10^9 << 34 is the most that 64 bits hold, so a shift below -2 is not tried.
 */
static struct tsc_scale scale_for(u64 hz)
{
    int shift = -2;
    u64 mul = (NS_PER_S << 34) / hz;

    for (; mul > 0xffffffff; mul = (NS_PER_S << 34 >> (shift + 2)) / hz)
        shift++;
    return (struct tsc_scale){ (u32)mul, (s8)shift };
}

u64 tsc_to_ns(u64 ticks)
{
    u64 shifted = tsc_scale.shift < 0 ? ticks >> -tsc_scale.shift : ticks << tsc_scale.shift;

    return (u64)(((unsigned __int128)shifted * tsc_scale.mul) >> 32);
}

ns_t tsc_to_system_time(u64 tsc)
{
    s64 ticks = (s64)(tsc - time_epoch - this_cpu_var(tsc_skew));

    return ticks > 0 ? (ns_t)tsc_to_ns((u64)ticks) : 0;
}

/* With TSCs that differ a little, no CPU is told a time before one that another was told. */
static ns_t time_never_back(ns_t now)
{
    ns_t seen = atomic_read(&latest);

    while (seen < now)
        if (atomic_cas(&latest, &seen, now))
            return now;
    return seen;
}

ns_t time_now(void)
{
    ns_t now;

    if (unlikely(!tsc_scale.mul)) /* early in boot */
        return 0;
    now = tsc_to_system_time(rdtsc_ordered());
    return likely(tsc_synchronous) ? now : time_never_back(now);
}

void pvclock_params(u32 *mul, s8 *shift)
{
    *mul = tsc_scale.mul;
    *shift = tsc_scale.shift;
}

void time_init_bsp(void)
{
    u64 hz = tsc_calibrate();

    tsc_khz = (hz + 500) / 1000;
    tsc_scale = scale_for(hz);
    time_epoch = rdtsc_ordered();
    tsc_synchronous = true; /* of one CPU; time_check_sync looks at the others */
    wallclock_set(rtc_read_seconds(), 0, time_now());
}

/* A CPU counts as synchronous until time_check_sync has measured it. */
void time_init_cpu(void)
{
}
