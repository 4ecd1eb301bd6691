/* SPDX-License-Identifier: MIT */
/* The HPET's main counter, to measure other clocks by at boot. Its timers are left to nobody. */
#include "clocks.h"

#include <arch/machine.h>

#define HPET_BYTES 0x400
#define HPET_CAPABILITIES 0x000 /* bits 63..32: femtoseconds for one tick */
#define HPET_CONFIG 0x010
#define HPET_CONFIG_ENABLE 0x1
#define HPET_COUNTER 0x0f0
#define FEMTOSECONDS_MAX 100000000u /* by the specification: at least 10 MHz */

static volatile u8 *hpet;

static u32 hpet_read(unsigned reg)
{
    return *(volatile u32 *)(hpet + reg);
}

u64 hpet_start(void)
{
    u32 period;

    if (!acpi_info.hpet)
        return 0;
    hpet = vmap_io(acpi_info.hpet, HPET_BYTES, MAP_RW | MAP_UC);
    if (!hpet)
        return 0;
    period = hpet_read(HPET_CAPABILITIES + 4);
    if (!period || period > FEMTOSECONDS_MAX)
        return 0;
    *(volatile u32 *)(hpet + HPET_CONFIG) |= HPET_CONFIG_ENABLE;
    return (1000000000000000ULL + period / 2) / period;
}

u32 hpet_counter(void)
{
    return hpet_read(HPET_COUNTER);
}
