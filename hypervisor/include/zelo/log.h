/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's log and its ways to stop.  Levels are those of the
 * loglvl= and guest_loglvl= options.
 */
#ifndef ZELO_LOG_H
#define ZELO_LOG_H

#include <zelo/types.h>

enum log_level { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* One message, its own newline included in fmt; any context, any CPU. */
void log_msg(enum log_level level, const char *fmt, ...) printf_like(2, 3);
/* The same for what a guest did: filtered by guest_loglvl= and rate limited. */
void log_guest(enum log_level level, const char *fmt, ...) printf_like(2, 3);

#define log_err(...) log_msg(LOG_ERR, __VA_ARGS__)
#define log_warn(...) log_msg(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_DEBUG, __VA_ARGS__)

/* Stops the machine: prints the message, registers, stack, CPU and domain. */
no_return void panic(const char *fmt, ...) printf_like(1, 2);
/* The same with the registers of where it went wrong, as an exception found them. */
struct cpu_user_regs;
no_return void panic_at(const struct cpu_user_regs *regs, const char *fmt, ...) printf_like(2, 3);
/* The machine, its options or its modules are not such that it can boot: the line that says so, and no more. */
no_return void boot_refuse(const char *fmt, ...) printf_like(1, 2);

/* An internal contradiction.  Never applied to what a guest supplied. */
#define BUG_ON(c) \
    do { if (unlikely(c)) panic("BUG at %s:%d: %s\n", __FILE__, __LINE__, #c); } while (0)
#define BUG() panic("BUG at %s:%d\n", __FILE__, __LINE__)
#define ASSERT(c) BUG_ON(!(c))

#endif
