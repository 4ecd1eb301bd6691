/* SPDX-License-Identifier: MIT */
/*
 * Debug keys: one-letter commands, typed on the serial line or sent by
 * `xl debug-keys`.  Rooms register theirs at boot; 'h' lists them all.
 */
#include "console_private.h"

#include <zelo/atomic.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/softirq.h>

static struct { const char *what; void (*fn)(u8 key); } keys[256]; /* written at boot only */
static unsigned long pressed[BITMAP_LONGS(256)]; /* (a) keys whose turn has not come */
static struct tasklet keys_tasklet;

void debug_key_register(u8 key, const char *what, void (*fn)(u8 key))
{
    keys[key].what = what;
    keys[key].fn = fn;
}

static void debug_key_help(u8 key)
{
    log_err("'%c' pressed: the keys are\n", key);
    for (unsigned k = 0; k < ARRAY_SIZE(keys); k++)
        if (keys[k].fn)
            log_err("  %c  %s\n", (char)k, keys[k].what);
}

/* For whoever wants to see what a panic tells. */
static void debug_key_crash(u8 key)
{
    panic("'%c' pressed\n", key);
}

static void debug_keys_run(void *unused)
{
    (void)unused;
    for (unsigned k = 0; k < ARRAY_SIZE(keys); k++)
        if (atomic_test_clear_bit(pressed, k) && keys[k].fn)
            keys[k].fn((u8)k);
}

/* By a tasklet on this CPU: for a hypercall that is before it returns to the guest. */
void debug_key(u8 key)
{
    if (!keys[key].fn)
        return;
    atomic_set_bit(pressed, key);
    tasklet_schedule(&keys_tasklet);
}

void debug_keys_init(void)
{
    tasklet_init(&keys_tasklet, debug_keys_run, NULL);
    debug_key_register('C', "crash the hypervisor", debug_key_crash);
    debug_key_register('h', "this list", debug_key_help);
}
