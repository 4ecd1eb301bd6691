/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's log: one formatted message at a time to the console, behind
 * a prefix, if its level is asked for.
 *
 * loglvl= and guest_loglvl= are LEVEL or LEVEL/LEVEL: messages up to the first
 * are always printed, those up to the second at a limited rate.  Messages that
 * guests cause are limited unless both levels are given, for a guest must not
 * be able to keep the console busy.
 */
#include <zelo/log.h>

#include <zelo/console.h>
#include <zelo/lib.h>
#include <zelo/lock.h>

#define PREFIX "(ZELO) "
#define MESSAGE_MAX 512

/* A bucket of tokens, one for each message: so many at once, so many a second. */
#define BUCKET_SIZE 256
#define BUCKET_REFILL_NS (1000000000 / 32)

struct log_filter {
    int always, limited; /* highest enum log_level; -1: none */
    spinlock_t lock;     /* the fields below; of the console's level, for any code may log */
    u32 used;            /* tokens taken */
    ns_t refilled;
    u32 suppressed;
};

static struct log_filter host_filter = { LOG_INFO, LOG_INFO, SPINLOCK(LOCK_CONSOLE), 0, 0, 0 };
static struct log_filter guest_filter = { -1, LOG_WARNING, SPINLOCK(LOCK_CONSOLE), 0, 0, 0 };

static bool in_line; /* the last message had no newline; cosmetic, not guarded */

static void log_emit(const char *fmt, va_list ap)
{
    char buf[MESSAGE_MAX];
    size_t n = 0;

    if (!READ_ONCE(in_line))
        n = str_copy(buf, PREFIX, sizeof(buf));
    n += (size_t)vsnprintf(buf + n, sizeof(buf) - n, fmt, ap);
    if (n >= sizeof(buf)) {
        n = sizeof(buf) - 1;
        buf[n - 1] = '\n';
    }
    if (!n)
        return;
    WRITE_ONCE(in_line, buf[n - 1] != '\n');
    console_write(buf, n);
}

static void log_plain(const char *fmt, ...) printf_like(1, 2);
static void log_plain(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_emit(fmt, ap);
    va_end(ap);
}

static bool bucket_take_locked(struct log_filter *f, u32 *suppressed)
{
    ns_t now = time_now();
    u64 back = now > f->refilled ? (u64)(now - f->refilled) / BUCKET_REFILL_NS : 0;

    if (back) {
        f->used -= (u32)MIN(back, (u64)f->used);
        f->refilled = now;
    }
    if (f->used >= BUCKET_SIZE) {
        f->suppressed++;
        return false;
    }
    f->used++;
    *suppressed = f->suppressed;
    f->suppressed = 0;
    return true;
}

static bool bucket_take(struct log_filter *f)
{
    unsigned long flags = arch_irq_save();
    u32 suppressed = 0;
    bool pass;

    if (spin_is_mine(&f->lock)) { /* this CPU was interrupted in here (NMI): do not wait for itself */
        arch_irq_restore(flags);
        return true;
    }
    spin_lock(&f->lock);
    pass = bucket_take_locked(f, &suppressed);
    spin_unlock(&f->lock);
    arch_irq_restore(flags);
    if (suppressed)
        log_plain("%u messages suppressed\n", suppressed);
    return pass;
}

/* Nothing of a panic is held back, and no lock waited for that a stopped CPU may hold. */
static bool filter_passes(struct log_filter *f, int level)
{
    return console_in_panic() || level <= f->always || (level <= f->limited && bucket_take(f));
}

void log_msg(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    if (!filter_passes(&host_filter, (int)level))
        return;
    va_start(ap, fmt);
    log_emit(fmt, ap);
    va_end(ap);
}

void log_guest(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    if (!filter_passes(&guest_filter, (int)level))
        return;
    va_start(ap, fmt);
    log_emit(fmt, ap);
    va_end(ap);
}

/* --- loglvl= and guest_loglvl= --- */

/* *level is left alone if there is no level of that name. */
static bool parse_level(const char *s, size_t n, int *level)
{
    static const struct { const char *name; int level; } names[] = {
        { "none", -1 }, { "error", LOG_ERR }, { "warning", LOG_WARNING }, { "info", LOG_INFO },
        { "debug", LOG_DEBUG }, { "all", LOG_DEBUG },
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strlen(names[i].name) == n && !strncmp(s, names[i].name, n)) {
            *level = names[i].level;
            return true;
        }
    }
    return false;
}

/* LEVEL or LEVEL/LEVEL, true if there are two; *second is *first if there are not. */
static bool parse_levels(const char *option, const char *s, int *first, int *second)
{
    const char *slash = strchr(s, '/');
    bool known = parse_level(s, slash ? (size_t)(slash - s) : strlen(s), first);

    *second = *first;
    if (slash && !parse_level(slash + 1, strlen(slash + 1), second))
        known = false;
    if (!known)
        log_warn("Command line: %s=%s: the levels are none, error, warning, info, debug and all\n", option, s);
    return slash;
}

void console_set_levels(const char *loglvl, const char *guest_loglvl)
{
    int host = host_filter.always, host_limited = host_filter.limited;
    int guest = guest_filter.limited, guest_limited = guest;
    bool guest_has_both = guest_loglvl && parse_levels("guest_loglvl", guest_loglvl, &guest, &guest_limited);

    if (loglvl)
        (void)parse_levels("loglvl", loglvl, &host, &host_limited);
    host_filter.always = host;
    host_filter.limited = host_limited;
    if (guest_has_both)
        guest_filter.always = guest;
    guest_filter.limited = guest_limited;
}
