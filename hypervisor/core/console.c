/* SPDX-License-Identifier: MIT */
/*
 * The console: what the hypervisor says goes to a ring in memory, which the
 * tools read, and to the devices that console= names (all, without it).  A
 * device that comes up late is given what was said before.
 *
 * Everything here works before any allocation and in every context.
 */
#include "console_private.h"

#include <zelo/lib.h>
#include <zelo/log.h>
#include <arch/machine.h>

spinlock_t console_lock = SPINLOCK(LOCK_CONSOLE);
static struct console_device *devices; /* console lock */
static const char *selected;           /* console=; NULL: every device */
static bool is_selected;               /* selected is final */
static bool to_ring;                   /* console_to_ring: domain 0's output too */
static bool is_dying;

bool console_enter(unsigned long *flags)
{
    *flags = arch_irq_save();
    if (READ_ONCE(is_dying) || spin_is_mine(&console_lock))
        return false;
    spin_lock(&console_lock);
    return true;
}

void console_leave(bool taken, unsigned long flags)
{
    if (taken)
        spin_unlock(&console_lock);
    arch_irq_restore(flags);
}

void console_panic_mode(void)
{
    WRITE_ONCE(is_dying, true);
}

bool console_in_panic(void)
{
    return READ_ONCE(is_dying);
}

static void devices_write(const char *s, size_t n)
{
    for (struct console_device *d = devices; d; d = d->next)
        if (d->enabled)
            d->write(s, n);
}

/* Our own lines end with LF; a device gets CR LF. */
static void device_write_text(struct console_device *d, const char *s, size_t n)
{
    while (n) {
        const char *lf = memchr(s, '\n', n);
        size_t part = lf ? (size_t)(lf - s) : n;

        if (part)
            d->write(s, part);
        if (!lf)
            return;
        d->write("\r\n", 2);
        s += part + 1;
        n -= part + 1;
    }
}

void console_write(const char *s, size_t n)
{
    unsigned long flags;
    bool taken = console_enter(&flags);

    console_ring_put(s, n);
    for (struct console_device *d = devices; d; d = d->next)
        if (d->enabled)
            device_write_text(d, s, n);
    console_leave(taken, flags);
}

void console_write_raw(const char *s, size_t n)
{
    unsigned long flags;
    bool taken = console_enter(&flags);

    if (to_ring)
        console_ring_put(s, n);
    devices_write(s, n);
    console_leave(taken, flags);
}

/* What was said so far, for a device that has just come up. */
static void device_replay(struct console_device *d)
{
    u32 at = console_ring_start();
    char buf[128];
    size_t n;

    while ((n = console_ring_get(&at, buf, sizeof(buf))) != 0)
        device_write_text(d, buf, n);
}

/* Is name one of the words of a comma list? */
static bool list_names(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = list; p; p = strchr(p, ',')) {
        p += *p == ',';
        if (!strncmp(p, name, n) && (!p[n] || p[n] == ','))
            return true;
    }
    return false;
}

static void device_update(struct console_device *d)
{
    bool want = !selected || list_names(selected, d->name);

    if (want && !d->enabled)
        device_replay(d);
    d->enabled = want;
}

/* Before the choice is made, the command line is asked; it is parsed when the first device comes up. */
void console_register(struct console_device *dev)
{
    const char *list = is_selected ? selected : cmdline_get("console");
    unsigned long flags;
    bool taken = console_enter(&flags);

    selected = list;
    dev->enabled = false;
    dev->next = devices;
    devices = dev;
    device_update(dev);
    console_leave(taken, flags);
}

void console_select(const char *list)
{
    unsigned long flags;
    bool taken = console_enter(&flags);

    selected = list;
    is_selected = true;
    for (struct console_device *d = devices; d; d = d->next)
        device_update(d);
    console_leave(taken, flags);
}

/* A word of n characters that console= may hold: a device, or "none". */
static bool word_is_known(const char *word, size_t n)
{
    if (n == 4 && !strncmp(word, "none", n))
        return true;
    for (const struct console_device *d = devices; d; d = d->next)
        if (strlen(d->name) == n && !strncmp(d->name, word, n))
            return true;
    return false;
}

/* At boot, when no more devices come: without the lock, for it logs. */
void console_report_unknown(void)
{
    const char *word = selected ? selected : "", *end;

    for (; *word; word = *end ? end + 1 : end) {
        end = strchr(word, ',');
        if (!end)
            end = word + strlen(word);
        if (end != word && !word_is_known(word, (size_t)(end - word)))
            log_warn("Command line: console=%s: there is no '%.*s'\n", selected, (int)(end - word), word);
    }
}

void console_room_init(void)
{
    to_ring = cmdline_bool("console_to_ring", false);
    (void)cmdline_bool("sync_console", true); /* known, and always so: what is said is out before the next line runs */
    console_ring_resize();
    debug_keys_init();
}
