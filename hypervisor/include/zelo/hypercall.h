/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls: one handler for each number in <xen/xen.h>, all of one shape.
 * core/hypercall.c holds the table, multicall and continuations.
 */
#ifndef ZELO_HYPERCALL_H
#define ZELO_HYPERCALL_H

#include <zelo/types.h>

struct cpu_user_regs;

struct hypercall_args { unsigned long arg[6]; };

/* Runs on the caller's page tables with interrupts on and no lock held. Returns what goes to rax. */
typedef long hypercall_fn(const struct hypercall_args *a);

/* From the entry code: number in rax, arguments in rdi, rsi, rdx, r10, r8, r9. */
void hypercall_dispatch(struct cpu_user_regs *regs);

/* True when the running hypercall should stop soon: softirq or event pending for this CPU. */
bool hypercall_should_preempt(void);
/*
 * Arranges that the current hypercall (also inside a multicall) is issued
 * again as number nr with these arguments when the vCPU next runs.  The
 * handler returns the result at once: return hypercall_continue(...).
 */
long must_check hypercall_continue(unsigned nr, const struct hypercall_args *next);

#endif
