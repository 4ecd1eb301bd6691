/* SPDX-License-Identifier: MIT */
/*
 * HYPERVISOR_multicall: a list of hypercalls in one, each with its result
 * written into its entry.
 *
 * Between entries it may stop, and goes on with the rest of the list.  An
 * entry's call that has to stop itself turns the entry into its continuation
 * (number and arguments), which is where the list then goes on.
 */
#include "hypercall_private.h"

#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/trace.h>

#include <xen/xen.h>

_Static_assert(sizeof(multicall_entry_t) == 64, "an entry is eight words");

_Static_assert(sizeof(((multicall_entry_t *)0)->args) == sizeof(struct hypercall_args), "they lie as a call's do");

static long entry_call(const multicall_entry_t *e, struct hypercall_state *s)
{
    long result;

    if (trace_enabled())
        trace_hypercall(TRC_PV_HYPERCALL_SUBCALL, e->op, e->args);
    s->continued = false;
    s->in_multicall = true;
    result = hypercall_call(e->op, (const struct hypercall_args *)e->args);
    s->in_multicall = false;
    return result;
}

/* Rewrites the entry at va as the continuation that its call asked for. */
static int entry_write_continuation(vaddr_t va, multicall_entry_t *e, struct hypercall_state *s)
{
    s->continued = false;
    e->op = s->nr;
    for (size_t i = 0; i < ARRAY_SIZE(e->args); i++)
        e->args[i] = s->next.arg[i];
    return copy_to_guest(va, e);
}

static long multicall_go_on(vaddr_t list, u32 left)
{
    return hypercall_continue(__HYPERVISOR_multicall, &(struct hypercall_args){ { list, left } });
}

long do_multicall(const struct hypercall_args *a)
{
    struct hypercall_state *s = hypercall_state();
    vaddr_t va = a->arg[0];
    multicall_entry_t e;

    if (s->in_multicall) /* a list in a list */
        return -EINVAL;
    for (u32 left = (u32)a->arg[1], done = 0; left; left--, done++, va += sizeof(e)) {
        if (done && hypercall_should_preempt())
            return multicall_go_on(va, left);
        if (copy_from_guest(&e, va))
            return -EFAULT;
        e.result = (xen_ulong_t)entry_call(&e, s);
        if (s->continued)
            return entry_write_continuation(va, &e, s) ? -EFAULT : multicall_go_on(va, left);
        /* The guest has left the code that made this call: the rest of its list is not run. */
        if (e.op == __HYPERVISOR_iret)
            return (long)e.result;
        if (copy_field_to_guest(va, &e, result))
            return -EFAULT;
    }
    return 0;
}
