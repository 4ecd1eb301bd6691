/* SPDX-License-Identifier: MIT */
/*
 * Delivering to a guest: traps, system calls, events, NMIs and the failsafe
 * callback all end in a bounce frame on the guest kernel's stack (bounce.h).
 * The guest leaves it by the iret hypercall, also here.
 */
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/trace.h>

#include "bounce.h"
#include "traps.h"

#define TRAP_INVALID_OPCODE 6
#define TRAP_GENERAL_PROTECTION 13
#define TI_DPL(ti) ((ti)->flags & 3) /* struct trap_info.flags (<xen/arch-x86/xen.h>) */

static never_inline void no_stack(const struct vcpu *v, vaddr_t handler, vaddr_t sp)
{
    domain_crash(v->domain, "no stack for its own handler at %016lx: address %016lx", handler, sp);
}

/* Sends the current vCPU, v, to a handler of its kernel; or ends its domain. */
static void bounce(struct vcpu *v, const struct bounce *b)
{
    struct cpu_user_regs *regs = guest_regs();
    bool kernel = v->pv.flags & PVF_KERNEL;
    vaddr_t sp = bounce_frame_at(kernel ? regs->rsp : v->pv.kernel_sp, b);

    if (!kernel)
        pv_toggle_mode(v);
    if (unlikely(!bounce_frame_write(v, regs, b, kernel, sp))) {
        no_stack(v, b->handler, sp);
        return;
    }
    if (b->masks_events)
        v->info->evtchn_upcall_mask = 1;
    regs->rip = b->handler;
    regs->cs = FLAT_KERNEL_CS;
    regs->rsp = sp;
    regs->ss = FLAT_KERNEL_SS;
    regs->rflags = (regs->rflags & ~(u64)RFLAGS_CLEARED_BY_TRAP) | RFLAGS_IF | RFLAGS_FIXED;
    /* RCX and R11 are on the frame, so the way there may be SYSRET (x86/entry.S). */
    regs->entry_vector = PV_SYSRET_ALLOWED;
}

/* Where the guest was, and what it is told. */
static void trace_trap(unsigned vector, bool has_error, u32 error)
{
    u64 rip = guest_regs()->rip, cr2 = current->pv.ctrlreg[2];

    if (vector == TRAP_PAGE_FAULT)
        trace(TRC_PV_PAGE_FAULT | TRC_64_FLAG, (u32)rip, (u32)(rip >> 32), (u32)cr2, (u32)(cr2 >> 32), error);
    else
        trace(TRC_PV_TRAP | TRC_64_FLAG, (u32)rip, (u32)(rip >> 32), vector | has_error << 15 | error << 16);
}

static void inject(unsigned vector, bool has_error, u32 error)
{
    struct vcpu *v = current;
    const struct trap_info *ti = &v->pv.traps[vector];
    struct bounce b = {
        .handler = ti->address, .masks_events = TI_MASKS_EVENTS(ti),
        .has_error = has_error, .error = error,
    };

    if (trace_enabled())
        trace_trap(vector, has_error, error);
    if (unlikely(!ti->address)) {
        domain_crash(v->domain, "no handler for trap %u, error code %x", vector, error);
        return;
    }
    bounce(v, &b);
}

void pv_inject_trap(unsigned vector, s64 error)
{
    inject(vector, error >= 0, error >= 0 ? (u32)error : 0);
}

void pv_inject_page_fault(vaddr_t cr2, u32 error)
{
    struct vcpu *v = current;

    v->info->arch.cr2 = v->pv.ctrlreg[2] = cr2;
    /* The guest's kernel believes itself in ring 0. */
    if (v->pv.flags & PVF_KERNEL)
        error &= ~PF_USER;
    inject(TRAP_PAGE_FAULT, true, error);
}

void pv_software_interrupt(struct cpu_user_regs *regs, unsigned vector, bool rip_is_past)
{
    struct vcpu *v = current;
    const struct trap_info *ti = &v->pv.traps[vector];
    unsigned cpl = v->pv.flags & PVF_KERNEL ? 1 : 3; /* <xen/arch-x86/xen.h>: at level 0 nobody may enter */
    const unsigned length = 2; /* INT imm8 */

    if (!ti->address || TI_DPL(ti) < cpl) {
        if (rip_is_past)
            regs->rip -= length;
        inject(TRAP_GENERAL_PROTECTION, true, vector << 3 | 2);
        return;
    }
    if (!rip_is_past)
        regs->rip += length;
    inject(vector, false, 0);
}

/* --- system calls of guest user mode --- */

void pv_syscall_from_user(void)
{
    struct vcpu *v = current;

    if (unlikely(!v->pv.syscall_callback)) {
        domain_crash(v->domain, "system call without a handler");
        return;
    }
    bounce(v, &(struct bounce){ .handler = v->pv.syscall_callback, .masks_events = v->pv.flags & PVF_SYSCALL_MASKS });
}

void pv_syscall32_from_user(struct cpu_user_regs *regs)
{
    struct vcpu *v = current;
    struct bounce b = {
        .handler = v->pv.syscall32_callback,
        .masks_events = v->pv.flags & PVF_SYSCALL32_MASKS,
    };

    if (!b.handler) {
        regs->rip -= 2; /* as if SYSCALL were not there */
        inject(TRAP_INVALID_OPCODE, false, 0);
        return;
    }
    bounce(v, &b);
}

void pv_sysenter_from_user(struct cpu_user_regs *regs)
{
    struct vcpu *v = current;
    struct bounce b = {
        .handler = v->pv.sysenter_callback,
        .masks_events = v->pv.flags & PVF_SYSENTER_MASKS,
    };

    regs->rflags = (regs->rflags & ~(u64)(RFLAGS_TF | RFLAGS_NT)) | RFLAGS_IF;
    if (!b.handler) {
        inject(TRAP_GENERAL_PROTECTION, true, 0);
        return;
    }
    bounce(v, &b);
}

/* --- events, NMIs, failsafe --- */

void pv_deliver_event(struct vcpu *v)
{
    struct bounce b = { .handler = v->pv.event_callback, .masks_events = true };

    if (unlikely(!b.handler)) {
        domain_crash(v->domain, "event without a handler");
        return;
    }
    bounce(v, &b);
}

bool pv_deliver_nmi(struct vcpu *v)
{
    struct bounce b = { .handler = v->pv.nmi_callback, .masks_events = true };

    if (!b.handler || (v->pv.flags & PVF_NMI_MASKED))
        return false;
    atomic_set(&v->pv.nmi_pending, 0);
    v->pv.flags |= PVF_NMI_MASKED; /* until its iret */
    bounce(v, &b);
    return true;
}

void pv_raise_nmi(struct vcpu *v)
{
    if (!atomic_xchg(&v->pv.nmi_pending, 1))
        vcpu_kick(v);
}

void pv_deliver_failsafe(struct vcpu *v)
{
    struct bounce b = {
        .handler = v->pv.failsafe_callback, .has_selectors = true,
        .masks_events = v->pv.flags & PVF_FAILSAFE_MASKS,
    };

    if (!b.handler) {
        domain_crash(v->domain, "bad segment or return frame, and no failsafe handler");
        return;
    }
    bounce(v, &b);
}

/* The handler compares the selectors of its frame with those it finds, to tell this from a bad selector. */
void pv_return_failed(struct cpu_user_regs *regs)
{
    pv_save_selectors(regs);
    pv_deliver_failsafe(current);
}

/* --- the way back --- */

/* From the kernel's own code, from a list, by INT 0x82; the usual ones are done at once (at_once.c). */
long do_iret(const struct hypercall_args *a)
{
    struct cpu_user_regs *regs = guest_regs();
    struct vcpu *v = current;
    struct iret_context f;
    bool user;

    (void)a;
    if (copy_from_guest(&f, regs->rsp)) {
        domain_crash(v->domain, "iret frame not readable at %016lx", regs->rsp);
        return (long)regs->rax;
    }
    user = pv_frame_is_user(&f);
    if (unlikely(user && mfn_is_invalid(v->pv.root_user))) {
        domain_crash(v->domain, "iret to user mode without user page tables");
        return (long)regs->rax;
    }
    regs->r11 = f.r11;
    regs->rcx = f.rcx;
    regs->rip = f.rip;
    regs->rsp = f.rsp;
    pv_frame_flags(regs, &f);
    if (pv_iopl_is_visible(v->domain))
        v->pv.iopl = (u32)(f.rflags & RFLAGS_IOPL) >> RFLAGS_IOPL_SHIFT;
    v->pv.flags &= ~PVF_NMI_MASKED;
    v->info->evtchn_upcall_mask = !(f.rflags & RFLAGS_IF);
    if (user)
        pv_toggle_mode(v);
    return (long)f.rax;
}
