/* SPDX-License-Identifier: MIT */
/* Delivery of traps and callbacks to the current vCPU: pv/traps.c. All may end in domain_crash. */
#ifndef ZELO_PV_TRAPS_H
#define ZELO_PV_TRAPS_H

#include <zelo/domain.h>
#include <zelo/pv.h>
#include <zelo/softirq.h>

/* RFLAGS, Intel SDM vol. 1, 3.4.3 */
#define RFLAGS_FIXED 0x2u
#define RFLAGS_TF 0x100u
#define RFLAGS_IF 0x200u
#define RFLAGS_IOPL 0x3000u
#define RFLAGS_IOPL_SHIFT 12
#define RFLAGS_NT 0x4000u
#define RFLAGS_RF 0x10000u
#define RFLAGS_VM 0x20000u
#define RFLAGS_AC 0x40000u
#define RFLAGS_CLEARED_BY_TRAP (RFLAGS_TF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM | RFLAGS_AC)
/* CF PF AF ZF SF TF DF OF NT RF AC ID: what a return frame may choose; IF is virtual, IOPL is always 0. */
#define RFLAGS_GUEST_MAY_SET (0xdd5u | RFLAGS_NT | RFLAGS_RF | RFLAGS_AC | 0x200000u)

/* regs.entry_vector: RCX and R11 need not be restored (x86/entry.h, VECTOR_SYSCALL). */
#define PV_SYSRET_ALLOWED 0x100u

/* One entry of the virtual IDT, of a vCPU that is current or does not run. -EINVAL: no canonical address. */
int must_check pv_set_trap(struct vcpu *v, const struct trap_info *ti);
/* An INT imm8 of the guest; rip_is_past: it came through a gate, RIP is behind it already. */
void pv_software_interrupt(struct cpu_user_regs *regs, unsigned vector, bool rip_is_past);

/*
 * Called by x86/entry.S with the frame at the stack's top: system calls of user mode, HYPERVISOR_iret
 * (<xen/arch-x86/xen-x86_64.h>), an IRET that faulted.  The first two are called with interrupts off, change no
 * register of the guest that C functions keep, and tell whether it may run at once (pv_may_run_at_once).
 */
bool pv_syscall_from_user(struct cpu_user_regs *regs, struct vcpu *v);
bool pv_iret(struct cpu_user_regs *regs, struct vcpu *v);
void pv_syscall32_from_user(struct cpu_user_regs *regs);
void pv_sysenter_from_user(struct cpu_user_regs *regs);
void pv_return_failed(struct cpu_user_regs *regs);

/* Does nothing wait to be done first?  The current vCPU; interrupts off, or the answer is old. */
static inline bool pv_nothing_waits(const struct vcpu *v)
{
    return likely(!softirq_pending()) && likely(!atomic_read(&v->pv.nmi_pending)) && !vcpu_event_deliverable(v);
}
/* Nor is a copy of its root to be made: the guest needs no guest_exit_work (x86/guest_exit.c). */
static inline bool pv_may_run_at_once(const struct vcpu *v)
{
    return pv_nothing_waits(v) && !v->domain->pv.cr3_indirect;
}

void pv_deliver_event(struct vcpu *v);
bool pv_deliver_nmi(struct vcpu *v);        /* false: masked, or nobody wants it */
/* A segment register or return frame did not load; the selectors are in guest_regs(). */
void pv_deliver_failsafe(struct vcpu *v);

#endif
