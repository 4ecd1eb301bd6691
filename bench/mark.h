/* SPDX-License-Identifier: MIT */
/*
 * Where a piece of work begins and ends, for counter.c.  For the CPU these are NOPs, in any ring and under any
 * hypervisor: 0F 1F /0 (Intel SDM, NOP) with a displacement that nobody else uses.
 */
#ifndef BENCH_MARK_H
#define BENCH_MARK_H

#define BENCH_MARK_BEGIN 0x5a656c42
#define BENCH_MARK_END 0x5a656c45
/* Before the first of them, once: until then the plugin may have counted nothing, which is quicker. */
#define BENCH_MARK_READY 0x5a656c52

#define bench_mark(which) __asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00; .long %c0" :: "i"(which) : "memory")
#define bench_begin() bench_mark(BENCH_MARK_BEGIN)
#define bench_end() bench_mark(BENCH_MARK_END)
#define bench_ready() bench_mark(BENCH_MARK_READY)

#endif
