/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls: from the guest's registers to the handler and back, and their
 * continuation.
 *
 * A call that has to stop half-way is made to happen again: its number and new
 * arguments are put in the guest's registers and the instruction pointer goes
 * back over the SYSCALL (or INT 0x82) that made it.  On its way out the CPU
 * does what was waiting - events are delivered, another vCPU may run - and the
 * guest then issues the call by itself.  It could change the registers before,
 * so the new arguments are checked like any others.
 */
#include "hypercall_private.h"

#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/log.h>
#include <zelo/nospec.h>
#include <zelo/softirq.h>
#include <zelo/trace.h>

#define CALL_INSTRUCTION_BYTES 2 /* SYSCALL and INT n both */

static DEFINE_PER_CPU(struct hypercall_state, hypercall_states);

struct hypercall_state *hypercall_state(void)
{
    return &this_cpu_var(hypercall_states);
}

long hypercall_call(unsigned long nr, const struct hypercall_args *a)
{
    hypercall_fn *fn;

    if (unlikely(nr >= HYPERCALL_NUMBERS))
        return -ENOSYS;
    fn = hypercall_table[array_index_nospec(nr, HYPERCALL_NUMBERS)];
    return likely(fn) ? fn(a) : -ENOSYS;
}

void hypercall_dispatch(struct cpu_user_regs *regs)
{
    const struct hypercall_args a = { { regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9 } };

    if (trace_enabled())
        trace_hypercall(TRC_PV_HYPERCALL_V2, regs->rax, a.arg);
    /* Of a continuation the result is its number, of HYPERVISOR_iret the new rax. */
    regs->rax = (u64)hypercall_call(regs->rax, &a);
}

/* Outside a guest's call (domain 0's building) there is nothing to come back to. */
bool hypercall_should_preempt(void)
{
    const struct vcpu *v = current;

    if (unlikely(!v))
        return false;
    return unlikely(softirq_pending()) ? !v->domain->is_idle : vcpu_event_deliverable(v);
}

long hypercall_continue(unsigned nr, const struct hypercall_args *next)
{
    struct hypercall_state *s = hypercall_state();
    struct cpu_user_regs *regs = guest_regs();

    if (s->in_multicall) {
        BUG_ON(s->continued);
        s->continued = true;
        s->nr = nr;
        s->next = *next;
        return 0;
    }
    regs->rdi = next->arg[0];
    regs->rsi = next->arg[1];
    regs->rdx = next->arg[2];
    regs->r10 = next->arg[3];
    regs->r8 = next->arg[4];
    regs->r9 = next->arg[5];
    regs->rip -= CALL_INSTRUCTION_BYTES;
    return nr;
}
