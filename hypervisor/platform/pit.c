/* SPDX-License-Identifier: MIT */
/* Channel 2 of the PIT (the speaker's), to measure other clocks by where there is nothing better. */
#include "clocks.h"

#include <arch/machine.h>

#define PIT_HZ 1193182
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND 0x43
#define PIT_CH2_MODE0_BOTH 0xb0 /* channel 2, low byte then high, count down once */
#define PIT_CH2_LATCH 0x80
#define PORT_SPEAKER 0x61
#define SPEAKER_GATE 0x01       /* channel 2 counts */
#define SPEAKER_ON 0x02

static u8 speaker_before;

u64 pit_start(void)
{
    speaker_before = inb(PORT_SPEAKER);
    outb(PORT_SPEAKER, (u8)((speaker_before & ~SPEAKER_ON) | SPEAKER_GATE));
    outb(PIT_COMMAND, PIT_CH2_MODE0_BOTH);
    outb(PIT_CHANNEL2, 0xff);
    outb(PIT_CHANNEL2, 0xff);
    return PIT_HZ;
}

u32 pit_counter(void)
{
    u32 low;

    outb(PIT_COMMAND, PIT_CH2_LATCH);
    low = inb(PIT_CHANNEL2);
    return 0xffff - (low | ((u32)inb(PIT_CHANNEL2) << 8));
}

void pit_stop(void)
{
    outb(PORT_SPEAKER, speaker_before);
}
