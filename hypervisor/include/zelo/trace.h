/* SPDX-License-Identifier: MIT */
/*
 * Trace buffers (<xen/trace.h>): what the hypervisor does, recorded for
 * xentrace while that asks for it.  core/trace.c writes records,
 * core/trace_buffers.c makes the buffers and serves XEN_SYSCTL_tbuf_op.
 */
#ifndef ZELO_TRACE_H
#define ZELO_TRACE_H

#include <zelo/types.h>

#include <xen/trace.h>

struct domain;
struct vcpu;
struct xen_sysctl_tbuf_op;

/* The only cost while nobody traces is to look at this. */
extern bool trace_on;

static inline bool trace_enabled(void) { return unlikely(READ_ONCE(trace_on)); }

/* A record with n data words, at most TRACE_EXTRA_MAX, if the masks ask for it.  Any context but NMI. */
void trace_record(u32 event, const u32 *data, unsigned n);

/* trace(TRC_..., word, word, ...): the words are worked out only if somebody traces. */
#define trace(event, ...)                                             \
    do {                                                              \
        if (trace_enabled()) {                                        \
            const u32 words_[] = { __VA_ARGS__ };                     \
            _Static_assert(ARRAY_SIZE(words_) <= TRACE_EXTRA_MAX, ""); \
            trace_record((event), words_, ARRAY_SIZE(words_));        \
        }                                                             \
    } while (0)

/* For events of a vCPU: domain and number, in two words. */
#define trace_vcpu(event, v, ...) trace(event, (v)->domain->id, (v)->id, ##__VA_ARGS__)

/* A hypercall, or one in a multicall, with those of its arguments that tell what it is about. */
void trace_hypercall(u32 event, unsigned long nr, const unsigned long *args);

void trace_room_init(void);
int trace_sysctl(struct xen_sysctl_tbuf_op *op);

#endif
