/* SPDX-License-Identifier: MIT */
/* What trace.c and trace_buffers.c share. */
#ifndef ZELO_CORE_TRACE_PRIVATE_H
#define ZELO_CORE_TRACE_PRIVATE_H

#include <zelo/cpumask.h>
#include <zelo/trace.h>
#include <arch/seam.h>

/*
 * One CPU's buffer.  Only that CPU writes it, with interrupts off.  Domain 0
 * maps the frames writable, to move the reader's end: nothing in them is
 * believed, the writer's end and the frames are kept here.
 */
struct trace_cpu {
    const u32 *frames;  /* frame numbers; NULL: this CPU has no buffer.  Set once, the last of all */
    u32 bytes;          /* for records: all but the struct t_buf at the start */
    u32 written;        /* offset of the next record, modulo 2 * bytes */
    u32 lost;           /* records that found no room since the last that did */
    u64 lost_since;     /* cycles at the first of them */
};
DECLARE_PER_CPU(struct trace_cpu, trace_cpus);

/* What is asked for; written under the domctl lock, read at any time. */
extern u32 trace_events;
extern cpumask_t trace_cpu_mask;

#endif
