/* SPDX-License-Identifier: MIT */
/* What the files about time share. */
#ifndef X86_TIME_H
#define X86_TIME_H

#include <zelo/types.h>
#include <arch/percpu.h>

/* tsc_calibrate.c: TSC ticks a second, by the best clock there is; panics if there is none. */
u64 tsc_calibrate(void);

/*
 * System time is (TSC - time_epoch - the CPU's tsc_skew) scaled by tsc_scale.
 * All are constant once the CPUs are up.
 */
struct tsc_scale { u32 mul; s8 shift; };
extern struct tsc_scale tsc_scale;
extern u64 time_epoch;             /* the boot CPU's TSC at system time 0 */
DECLARE_PER_CPU(u64, tsc_skew);    /* how far this CPU's TSC is ahead of the boot CPU's, modulo 2^64 */
extern bool tsc_synchronous;       /* no CPU was ever seen behind another */

#endif
