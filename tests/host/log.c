/* SPDX-License-Identifier: MIT */
/* Log, panic and the lock-order check of the host build. */
#include "host.h"

#include <zelo/log.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Thread_local jmp_buf *host_panic_catch;
char host_panic_message[256];
char host_log[4096];

/* Levels held by this thread, lowest first. */
static _Thread_local const spinlock_t *held[32];
static _Thread_local unsigned held_count;

static void log_keep(const char *fmt, va_list ap)
{
    vsnprintf(host_log, sizeof(host_log), fmt, ap);
    if (getenv("ZELO_LOG"))
        fputs(host_log, stderr);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    (void)level;
    va_start(ap, fmt);
    log_keep(fmt, ap);
    va_end(ap);
}

void log_guest(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    (void)level;
    va_start(ap, fmt);
    log_keep(fmt, ap);
    va_end(ap);
}

static no_return void end_here(const char *fmt, va_list ap)
{
    vsnprintf(host_panic_message, sizeof(host_panic_message), fmt, ap);
    held_count = 0;
    if (host_panic_catch)
        longjmp(*host_panic_catch, 1);
    fprintf(stderr, "panic: %s\n", host_panic_message);
    abort();
}

void panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    end_here(fmt, ap);
}

void boot_refuse(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    end_here(fmt, ap);
}

static bool level_may_repeat(u16 level)
{
    return level == LOCK_GRANT_TABLE || level == LOCK_PAGE_TABLES || level == LOCK_DOMAIN_PAGES ||
           level == LOCK_EVENT || level == LOCK_SCHED;
}

void lock_order_acquire(const spinlock_t *l)
{
    u16 top = 0;

    for (unsigned i = 0; i < held_count; i++)
        top = MAX(top, held[i]->level);
    if (l->level < top || (l->level == top && !level_may_repeat(top)))
        panic("lock order: level %u wanted while %u is held\n", l->level, top);
    lock_order_acquired_by_try(l);
}

void lock_order_acquired_by_try(const spinlock_t *l)
{
    if (held_count < ARRAY_SIZE(held))
        held[held_count++] = l;
}

void lock_order_release(const spinlock_t *l)
{
    for (unsigned i = held_count; i--;) {
        if (held[i] != l)
            continue;
        memmove(&held[i], &held[i + 1], (held_count - i - 1) * sizeof(held[0]));
        held_count--;
        return;
    }
}

unsigned host_locks_held(void) { return held_count; }

/* Where the stubs of tests/unit/link.sh lead. */
no_return void host_stub_called(const char *name);
void host_stub_called(const char *name)
{
    panic("%s was called, which no room or test provides\n", name);
}
