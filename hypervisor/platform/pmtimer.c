/* SPDX-License-Identifier: MIT */
/* The ACPI power management timer, to measure other clocks by at boot. */
#include "clocks.h"

#include <arch/machine.h>

#define PMTIMER_HZ 3579545

u64 pmtimer_start(void)
{
    u32 first;

    if (!acpi_info.pmtimer_port)
        return 0;
    /* A port that is not there reads the same for ever. */
    first = pmtimer_counter();
    for (unsigned i = 0; i < 10000; i++)
        if (pmtimer_counter() != first)
            return PMTIMER_HZ;
    return 0;
}

/* The upper 8 bits are not there on every machine. */
u32 pmtimer_counter(void)
{
    return inl((u16)acpi_info.pmtimer_port) & 0xffffff;
}
