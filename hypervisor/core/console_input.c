/* SPDX-License-Identifier: MIT */
/*
 * What is typed on the serial line.  Domain 0 gets it (CONSOLEIO_read, told by
 * VIRQ_CONSOLE); after Ctrl-a three times in a row each byte is a debug key,
 * until the next three.
 */
#include "console_private.h"

#include <zelo/atomic.h>
#include <zelo/domain.h>
#include <zelo/event.h>
#include <zelo/log.h>

#define SWITCH_BYTE 0x01 /* Ctrl-a */
#define SWITCH_COUNT 3
#define INPUT_SIZE 2048u /* what domain 0 has not fetched beyond this is lost */

static spinlock_t input_lock = SPINLOCK(LOCK_CONSOLE);
static char input[INPUT_SIZE];        /* input lock, as all of these */
static u32 input_written, input_read; /* counts; their difference is what waits */
static unsigned switch_bytes;         /* Ctrl-a seen in a row and held back */
static bool to_hypervisor;

static void input_put(u8 c)
{
    if (input_written - input_read < INPUT_SIZE)
        input[input_written++ % INPUT_SIZE] = (char)c;
}

/* The byte goes to domain 0, with the Ctrl-a before it that turned out to be meant for it. */
static void input_put_all(u8 c)
{
    for (; switch_bytes; switch_bytes--)
        input_put(SWITCH_BYTE);
    input_put(c);
}

enum input_result { INPUT_NOTHING, INPUT_FOR_DOM0, INPUT_DEBUG_KEY, INPUT_SWITCHED };

static enum input_result input_take_byte(u8 c)
{
    if (c == SWITCH_BYTE) {
        if (++switch_bytes < SWITCH_COUNT)
            return INPUT_NOTHING;
        switch_bytes = 0;
        to_hypervisor = !to_hypervisor;
        return INPUT_SWITCHED;
    }
    if (to_hypervisor) {
        switch_bytes = 0;
        return INPUT_DEBUG_KEY;
    }
    input_put_all(c);
    return INPUT_FOR_DOM0;
}

void console_input(u8 c)
{
    enum input_result r;
    unsigned long flags;

    spin_lock_irqsave(&input_lock, flags);
    r = input_take_byte(c);
    spin_unlock_irqrestore(&input_lock, flags);

    switch (r) {
    case INPUT_FOR_DOM0:
        if (READ_ONCE(dom0))
            event_send_host_virq(VIRQ_CONSOLE);
        break;
    case INPUT_DEBUG_KEY:
        debug_key(c);
        break;
    case INPUT_SWITCHED:
        log_err("Serial input goes to %s (Ctrl-a three times switches)\n",
                READ_ONCE(to_hypervisor) ? "the hypervisor: h lists the keys" : "domain 0");
        break;
    case INPUT_NOTHING:
        break;
    }
}

size_t console_input_take(char *buf, size_t n)
{
    unsigned long flags;
    size_t done = 0;

    spin_lock_irqsave(&input_lock, flags);
    while (done < n && input_read != input_written)
        buf[done++] = input[input_read++ % INPUT_SIZE];
    spin_unlock_irqrestore(&input_lock, flags);
    return done;
}
