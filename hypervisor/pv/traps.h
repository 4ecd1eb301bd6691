/* SPDX-License-Identifier: MIT */
/* Delivery of traps and callbacks to the current vCPU: pv/traps.c. All may end in domain_crash. */
#ifndef ZELO_PV_TRAPS_H
#define ZELO_PV_TRAPS_H

#include <zelo/domain.h>
#include <zelo/guest.h>
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

/* struct trap_info.flags (<xen/arch-x86/xen.h>) */
#define TI_MASKS_EVENTS(ti) ((ti)->flags & 4)

#define TRAP_PAGE_FAULT 14
/* Error codes of page faults, Intel SDM vol. 3, 4.7 */
#define PF_PRESENT 1u
#define PF_WRITE 2u
#define PF_USER 4u
#define PF_RESERVED 8u
/* A write to what is mapped read-only, perhaps one of its page tables. */
static inline bool pf_write_refused(u32 error)
{
    return (error & (PF_PRESENT | PF_WRITE | PF_RESERVED)) == (PF_PRESENT | PF_WRITE);
}

/* regs.entry_vector: RCX and R11 need not be restored (x86/entry.h, VECTOR_SYSCALL). */
#define PV_SYSRET_ALLOWED 0x100u

/* One entry of the virtual IDT, of a vCPU that is current or does not run. -EINVAL: no canonical address. */
int must_check pv_set_trap(struct vcpu *v, const struct trap_info *ti);
/* An INT imm8 of the guest; rip_is_past: it came through a gate, RIP is behind it already. */
void pv_software_interrupt(struct cpu_user_regs *regs, unsigned vector, bool rip_is_past);

/* Did its kernel ask to see the IOPL it has set (VMASST_TYPE_architectural_iopl)? */
static always_inline bool pv_iopl_is_visible(const struct domain *d)
{
    return d->vm_assist & (1u << VMASST_TYPE_architectural_iopl);
}

/* RCX and R11, and what the CPU would push. */
#define SYSCALL_FRAME_BYTES (7 * sizeof(u64))
#define FRAME_ALIGN 16UL
/* The stack that v's kernel is entered on from user mode; any values. v is current or does not run. */
static inline void pv_set_kernel_stack(struct vcpu *v, u64 ss, vaddr_t sp)
{
    v->pv.kernel_ss = ss | 3;
    v->pv.kernel_sp = sp;
    v->pv.syscall_frame = ALIGN_DOWN(sp, FRAME_ALIGN) - SYSCALL_FRAME_BYTES;
    (void)guest_words_at(&v->pv.syscall_frame); /* which makes it 0 if not */
}

static always_inline bool pv_frame_is_user(const struct iret_context *f) { return (f->cs & 3) == 3; }
/* The part of a frame of HYPERVISOR_iret that is not taken as it is (<xen/arch-x86/xen-x86_64.h>). */
static always_inline void pv_frame_flags(struct cpu_user_regs *regs, const struct iret_context *f)
{
    regs->rflags = (f->rflags & RFLAGS_GUEST_MAY_SET) | RFLAGS_IF | RFLAGS_FIXED;
    regs->cs = (u16)(f->cs | 3);
    regs->ss = (u16)(f->ss | 3);
    regs->entry_vector = 0;
    if (unlikely(f->flags & VGCF_in_syscall)) {
        regs->cs = FLAT_USER_CS64;
        regs->ss = FLAT_USER_SS64;
        regs->entry_vector = PV_SYSRET_ALLOWED; /* which leaves RCX and R11 as it does */
    }
}

/*
 * Called by x86/entry.S with the frame at the stack's top: system calls of user mode, and an IRET that faulted.
 * HYPERVISOR_iret, if not done at once, is a hypercall like others.
 */
void pv_syscall_from_user(void);
void pv_syscall32_from_user(struct cpu_user_regs *regs);
void pv_sysenter_from_user(struct cpu_user_regs *regs);
void pv_return_failed(struct cpu_user_regs *regs);

/*
 * pv/at_once.c: a system call of user mode, HYPERVISOR_iret and a page fault, interrupts off, of a guest that may run
 * at once afterwards, without guest_exit_work.  The registers that C functions keep need not be in regs.  False: it is
 * not an ordinary one; nothing has been done, but for registers that a frame half read would have given.
 */
bool must_check pv_syscall_at_once(struct cpu_user_regs *regs, struct vcpu *v);
bool must_check pv_iret_at_once(struct cpu_user_regs *regs, struct vcpu *v);
bool must_check pv_page_fault_at_once(struct cpu_user_regs *regs, struct vcpu *v, vaddr_t va); /* va: CR2 */

/* Does nothing wait to be done first?  The current vCPU; interrupts off, or the answer is old. */
static inline bool pv_nothing_waits(const struct vcpu *v)
{
    return likely(!softirq_pending()) && likely(!atomic_read(&v->pv.nmi_pending)) && !vcpu_event_deliverable(v);
}

void pv_deliver_event(struct vcpu *v);
bool pv_deliver_nmi(struct vcpu *v);        /* false: masked, or nobody wants it */
/* A segment register or return frame did not load; the selectors are in guest_regs(). */
void pv_deliver_failsafe(struct vcpu *v);

#endif
