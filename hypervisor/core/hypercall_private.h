/* SPDX-License-Identifier: MIT */
#ifndef ZELO_CORE_HYPERCALL_PRIVATE_H
#define ZELO_CORE_HYPERCALL_PRIVATE_H

#include <zelo/hypercall.h>

#define HYPERCALL_NUMBERS 56 /* the ABI's last is __HYPERVISOR_arch_7 */

/* Indexed by number; NULL: not served (-ENOSYS). */
extern hypercall_fn *const hypercall_table[HYPERCALL_NUMBERS];

/* core/multicall.c */
hypercall_fn do_multicall;
#ifdef ZELO_DEBUG
/* core/debug_op.c */
hypercall_fn do_debug_op;
#endif

/*
 * The hypercall this CPU is in.  One runs from entry to return on one CPU (it
 * never sleeps), so what it says about its continuation is kept for the CPU.
 */
struct hypercall_state {
    bool in_multicall;
    bool continued;              /* in a multicall: hypercall_continue was called */
    unsigned nr;                 /* in a multicall: what the entry is to become */
    struct hypercall_args next;
};
struct hypercall_state *hypercall_state(void);

/* Calls the handler of nr; -ENOSYS if there is none. */
long hypercall_call(unsigned long nr, const struct hypercall_args *a);

#endif
