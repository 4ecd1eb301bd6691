/* SPDX-License-Identifier: MIT */
/*
 * Delivering to a guest: traps, system calls, events, NMIs and the failsafe
 * callback all end in a bounce frame on the guest kernel's stack, laid out as
 * the CPU would (<xen/arch-x86/xen.h>), with RCX and R11 below it:
 *
 *      SS, RSP, RFLAGS, CS with the saved upcall mask in bits 32.., RIP,
 *      [error code | GS, FS, ES, DS for the failsafe callback], R11, RCX  <- RSP
 *
 * CS names ring 0 if the guest's kernel was interrupted, though it runs in
 * ring 3. The guest leaves the frame by the iret hypercall, also here.
 */
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/trace.h>

#include "traps.h"

#define TRAP_INVALID_OPCODE 6
#define TRAP_GENERAL_PROTECTION 13
#define TRAP_PAGE_FAULT 14
#define PF_USER 4u

/* struct trap_info.flags (<xen/arch-x86/xen.h>) */
#define TI_DPL(ti) ((ti)->flags & 3)
#define TI_MASKS_EVENTS(ti) ((ti)->flags & 4)

struct bounce {
    vaddr_t handler;
    bool masks_events;
    bool has_error, has_selectors;
    u32 error;
};

static u64 guest_visible_rflags(const struct vcpu *v, const struct cpu_user_regs *regs, u8 masked)
{
    u64 f = regs->rflags & ~(u64)(RFLAGS_IF | RFLAGS_IOPL);

    if (!masked)
        f |= RFLAGS_IF;
    if (v->domain->vm_assist & (1u << VMASST_TYPE_architectural_iopl))
        f |= (u64)v->pv.iopl << RFLAGS_IOPL_SHIFT;
    return f;
}

static never_inline void no_stack(const struct vcpu *v, vaddr_t handler, vaddr_t sp)
{
    domain_crash(v->domain, "no stack for its own handler at %016lx: address %016lx", handler, sp);
}

/*
 * The frame, upwards from sp. False: the guest may not write there. Addresses are numbers: a guest's may be anything,
 * which a pointer may not.
 */
static always_inline bool frame_write(const struct vcpu *v, const struct cpu_user_regs *regs, const struct bounce *b,
                                      bool kernel, vaddr_t sp)
{
    u8 masked = v->info->evtchn_upcall_mask;
    u64 rflags = guest_visible_rflags(v, regs, masked);
    const vaddr_t word = sizeof(u64);

    if (unlikely(!guest_words_at(&sp)))
        return false;
    arch_guest_begin();
    arch_guest_put(sp, regs->rcx, fault);
    arch_guest_put(sp += word, regs->r11, fault);
    if (b->has_error)
        arch_guest_put(sp += word, b->error, fault);
    if (b->has_selectors) {
        arch_guest_put(sp += word, regs->ds, fault);
        arch_guest_put(sp += word, regs->es, fault);
        arch_guest_put(sp += word, regs->fs, fault);
        arch_guest_put(sp += word, regs->gs, fault);
    }
    arch_guest_put(sp += word, regs->rip, fault);
    arch_guest_put(sp += word, (kernel ? regs->cs & ~3u : regs->cs) | (u64)masked << 32, fault);
    arch_guest_put(sp += word, rflags, fault);
    arch_guest_put(sp += word, regs->rsp, fault);
    arch_guest_put(sp += word, regs->ss, fault);
    arch_guest_end();
    return true;
fault:
    arch_guest_end();
    return false;
}

/*
 * Sends the current vCPU, its kernel's tables loaded already, to a handler of its kernel; was_kernel: it was its
 * kernel that ran. False: it is dead now.
 */
static always_inline bool bounce_in_kernel(struct vcpu *v, struct cpu_user_regs *regs, vaddr_t stack, bool was_kernel,
                                           const struct bounce *b)
{
    vaddr_t sp = ALIGN_DOWN(stack, 16UL) - sizeof(u64) * (7 + b->has_error + (b->has_selectors ? 4 : 0));

    if (unlikely(!frame_write(v, regs, b, was_kernel, sp))) {
        no_stack(v, b->handler, sp);
        return false;
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
    return true;
}

static void bounce(struct vcpu *v, const struct bounce *b)
{
    struct cpu_user_regs *regs = guest_regs();

    if (v->pv.flags & PVF_KERNEL) {
        bounce_in_kernel(v, regs, regs->rsp, true, b);
    } else {
        pv_toggle_mode(v);
        bounce_in_kernel(v, regs, v->pv.kernel_sp, false, b);
    }
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

bool pv_syscall_from_user(struct cpu_user_regs *regs, struct vcpu *v)
{
    if (unlikely(!v->pv.syscall_callback)) {
        domain_crash(v->domain, "system call without a handler");
        return false;
    }
    pv_toggle_mode(v);
    return bounce_in_kernel(v, regs, v->pv.kernel_sp, false,
                            &(struct bounce){ .handler = v->pv.syscall_callback,
                                              .masks_events = v->pv.flags & PVF_SYSCALL_MASKS }) &&
           pv_may_run_at_once(v);
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

static never_inline void trace_iret(void)
{
    trace_hypercall(TRC_PV_HYPERCALL_V2, __HYPERVISOR_iret, (const u64[6]){ 0 });
}

#define FRAME_AT(field) (sp + offsetof(struct iret_context, field))

/* Half of the frame for the caller to judge, from the lowest word on. False: the guest may not read there. */
static always_inline bool frame_read(struct iret_context *f, vaddr_t *at)
{
    vaddr_t sp;

    if (unlikely(!guest_words_at(at)))
        return false;
    sp = *at;
    arch_guest_begin();
    arch_guest_get(f->rax, FRAME_AT(rax), fault);
    arch_guest_get(f->flags, FRAME_AT(flags), fault);
    arch_guest_get(f->cs, FRAME_AT(cs), fault);
    arch_guest_get(f->rflags, FRAME_AT(rflags), fault);
    arch_guest_get(f->ss, FRAME_AT(ss), fault);
    arch_guest_end();
    return true;
fault:
    arch_guest_end();
    return false;
}

/* The other half, for the registers as it is. Fails only if another vCPU changes their tables at this moment. */
static always_inline bool frame_read_rest(struct cpu_user_regs *regs, vaddr_t sp)
{
    arch_guest_begin();
    arch_guest_get(regs->r11, FRAME_AT(r11), fault);
    arch_guest_get(regs->rcx, FRAME_AT(rcx), fault);
    arch_guest_get(regs->rip, FRAME_AT(rip), fault);
    arch_guest_get(regs->rsp, FRAME_AT(rsp), fault);
    arch_guest_end();
    return true;
fault:
    arch_guest_end();
    return false;
}

/* False: the guest is dead now. */
static always_inline bool iret(struct cpu_user_regs *regs, struct vcpu *v)
{
    struct iret_context f;
    vaddr_t sp = regs->rsp;
    bool user;

    if (unlikely(!frame_read(&f, &sp))) {
        domain_crash(v->domain, "iret frame not readable at %016lx", regs->rsp);
        return false;
    }
    user = (f.cs & 3) == 3;
    if (unlikely(user && mfn_is_invalid(v->pv.root_user))) {
        domain_crash(v->domain, "iret to user mode without user page tables");
        return false;
    }
    if (unlikely(!frame_read_rest(regs, sp))) {
        domain_crash(v->domain, "iret frame not readable at %016lx", sp);
        return false;
    }
    regs->rax = f.rax;
    regs->rflags = (f.rflags & RFLAGS_GUEST_MAY_SET) | RFLAGS_IF | RFLAGS_FIXED;
    if (unlikely(f.flags & VGCF_in_syscall)) {
        regs->cs = FLAT_USER_CS64;
        regs->ss = FLAT_USER_SS64;
        regs->entry_vector = PV_SYSRET_ALLOWED; /* which leaves RCX and R11 as it does */
    } else {
        regs->cs = (u16)(f.cs | 3);
        regs->ss = (u16)(f.ss | 3);
        regs->entry_vector = 0;
    }
    if (v->domain->vm_assist & (1u << VMASST_TYPE_architectural_iopl))
        v->pv.iopl = (u32)(f.rflags & RFLAGS_IOPL) >> RFLAGS_IOPL_SHIFT;
    v->pv.flags &= ~PVF_NMI_MASKED;
    v->info->evtchn_upcall_mask = !(f.rflags & RFLAGS_IF);
    if (user)
        pv_toggle_mode(v);
    return true;
}

bool pv_iret(struct cpu_user_regs *regs, struct vcpu *v)
{
    if (unlikely(trace_enabled()))
        trace_iret();
    return iret(regs, v) && pv_may_run_at_once(v);
}

/* As a call in a list, and by INT 0x82. */
long do_iret(const struct hypercall_args *a)
{
    struct cpu_user_regs *regs = guest_regs();

    (void)a;
    (void)iret(regs, current);
    return (long)regs->rax;
}
