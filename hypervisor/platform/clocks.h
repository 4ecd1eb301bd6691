/* SPDX-License-Identifier: MIT */
/*
 * Clocks of known frequency that the TSC is measured by at boot.  The start
 * functions return ticks a second, 0 if there is no such clock.
 */
#ifndef PLATFORM_CLOCKS_H
#define PLATFORM_CLOCKS_H

#include <zelo/types.h>

u64 hpet_start(void);
u32 hpet_counter(void);    /* counts up, 32 bits */

u64 pmtimer_start(void);
u32 pmtimer_counter(void); /* counts up, 24 bits */

u64 pit_start(void);       /* channel 2, which runs out after 54 ms */
u32 pit_counter(void);     /* counts up, 16 bits */
void pit_stop(void);

#endif
