/* SPDX-License-Identifier: MIT */
/*
 * The ways that guests go most: from user mode to the kernel by SYSCALL and by page faults, and back by
 * HYPERVISOR_iret, as they are when nothing else is to be done.  What is out of the ordinary is left to traps.c,
 * which says what is right and does all of it: these do nothing then but say so.
 *
 * They are called by x86/entry.S with interrupts off, and nothing waited for the CPU when the guest began to run.
 * Softirqs, events and NMIs that others raise since come with an interrupt, which the guest is stopped by as soon as
 * it runs on.  What a frame lets through, events and the NMI that came in the last one's handler, is looked for here.
 */
#include <zelo/domain.h>
#include <zelo/guest.h>
#include <zelo/trace.h>

#include "bounce.h"
#include "traps.h"

/* A frame of SYSCALL is already what its handler begins with, but for RIP, RSP and some flags. */
_Static_assert(FLAT_USER_CS64 == FLAT_KERNEL_CS && FLAT_USER_SS64 == FLAT_KERNEL_SS, "one pair for both modes");

/* The change of modes is CR3 and GS, and there is no IOPL to be seen. */
static always_inline bool is_ordinary(const struct domain *d)
{
    return likely(!d->pv.cr3_indirect) && likely(!pv_iopl_is_visible(d));
}

static always_inline void to_kernel(struct vcpu *v)
{
    v->pv.flags |= PVF_KERNEL;
    arch_change_mode(v->pv.root_kernel.n << PAGE_SHIFT);
}

static always_inline void to_user(struct vcpu *v)
{
    v->pv.flags &= ~PVF_KERNEL;
    arch_change_mode(v->pv.root_user.n << PAGE_SHIFT);
}

/* As bounce_frame_write, of a SYSCALL with events not masked: RCX is its RIP, R11 its RFLAGS. */
static always_inline bool syscall_frame_write(const struct cpu_user_regs *regs, vaddr_t sp)
{
    u64 rip = regs->rip, rflags = regs->rflags;
    const vaddr_t word = sizeof(u64);

    arch_guest_begin();
    arch_guest_put(sp, rip, fault);
    arch_guest_put(sp += word, rflags, fault);
    arch_guest_put(sp += word, rip, fault);
    arch_guest_put(sp += word, FLAT_USER_CS64, fault);
    arch_guest_put(sp += word, rflags, fault);
    arch_guest_put(sp += word, regs->rsp, fault);
    arch_guest_put(sp += word, FLAT_USER_SS64, fault);
    arch_guest_end();
    return true;
fault:
    arch_guest_end();
    return false;
}

bool pv_syscall_at_once(struct cpu_user_regs *regs, struct vcpu *v)
{
    vcpu_info_t *info = v->info;
    vaddr_t sp = v->pv.syscall_frame;

    if (unlikely(!is_ordinary(v->domain)) || unlikely(READ_ONCE(info->evtchn_upcall_mask)) || unlikely(!sp) ||
        unlikely(!v->pv.syscall_callback))
        return false;
    to_kernel(v);
    if (unlikely(!syscall_frame_write(regs, sp))) {
        to_user(v);
        return false;
    }
    if (v->pv.flags & PVF_SYSCALL_MASKS)
        info->evtchn_upcall_mask = 1;
    regs->rip = v->pv.syscall_callback;
    regs->rsp = sp;
    regs->rflags &= ~(u64)RFLAGS_CLEARED_BY_TRAP;
    return true;
}

/*
 * The frame's part for the registers, and what the caller judges in *f.  Its lowest word comes first (guest_words_at),
 * then where it goes: if it may not, no more is read.  RSP comes last and RAX is known, so that the call can be made
 * once more after a fault; the other registers of the frame may be its already then.
 */
#define FRAME_AT(field) (sp + offsetof(struct iret_context, field))
static always_inline bool frame_read(struct cpu_user_regs *regs, const struct vcpu *v, struct iret_context *f,
                                     vaddr_t sp)
{
    arch_guest_begin();
    arch_guest_get(regs->rax, FRAME_AT(rax), fault);
    arch_guest_get(f->cs, FRAME_AT(cs), fault);
    if (unlikely(pv_frame_is_user(f) && mfn_is_invalid(v->pv.root_user)))
        goto fault;
    arch_guest_get(f->ss, FRAME_AT(ss), fault);
    arch_guest_get(f->rflags, FRAME_AT(rflags), fault);
    arch_guest_get(f->flags, FRAME_AT(flags), fault);
    pv_frame_flags(regs, f);
    arch_guest_get(regs->r11, FRAME_AT(r11), fault);
    arch_guest_get(regs->rcx, FRAME_AT(rcx), fault);
    arch_guest_get(regs->rip, FRAME_AT(rip), fault);
    arch_guest_get(regs->rsp, FRAME_AT(rsp), fault);
    arch_guest_end();
    return true;
fault:
    arch_guest_end();
    regs->rax = __HYPERVISOR_iret;
    return false;
}
#undef FRAME_AT

bool pv_iret_at_once(struct cpu_user_regs *regs, struct vcpu *v)
{
    struct iret_context f;
    vaddr_t sp = regs->rsp;

    if (unlikely(!is_ordinary(v->domain)) || unlikely(v->pv.flags & PVF_NMI_MASKED) ||
        unlikely(READ_ONCE(v->info->evtchn_upcall_pending)) || unlikely(trace_enabled()) ||
        unlikely(!guest_words_at(&sp)) || unlikely(!frame_read(regs, v, &f, sp)))
        return false;
    if (likely(f.rflags & RFLAGS_IF))
        v->info->evtchn_upcall_mask = 0;
    else
        v->info->evtchn_upcall_mask = 1;
    if (likely(pv_frame_is_user(&f)))
        to_user(v);
    return true;
}

bool pv_page_fault_at_once(struct cpu_user_regs *regs, struct vcpu *v, vaddr_t va)
{
    const struct trap_info *ti = &v->pv.traps[TRAP_PAGE_FAULT];
    bool kernel = v->pv.flags & PVF_KERNEL;
    u32 error = regs->error_code;
    /* The guest's kernel believes itself in ring 0. */
    const struct bounce b = { .has_error = true, .error = kernel ? error & ~PF_USER : error };
    vaddr_t sp = bounce_frame_at(kernel ? regs->rsp : v->pv.kernel_sp, &b);

    /* Without PF_USER it was the CPU's own read of a descriptor. */
    if (unlikely(!is_ordinary(v->domain)) || unlikely(!(error & PF_USER)) || unlikely(kernel && pf_write_refused(error)) ||
        unlikely(trace_enabled()) || unlikely(!ti->address))
        return false;
    if (!kernel)
        to_kernel(v);
    if (unlikely(!bounce_frame_write(v, regs, &b, kernel, sp))) {
        if (!kernel)
            to_user(v);
        arch_set_fault_address(va); /* CR2 is the frame's by now */
        return false;
    }
    v->info->arch.cr2 = v->pv.ctrlreg[2] = va;
    if (TI_MASKS_EVENTS(ti))
        v->info->evtchn_upcall_mask = 1;
    regs->rip = ti->address;
    regs->rsp = sp;
    regs->rflags &= ~(u64)RFLAGS_CLEARED_BY_TRAP;
    return true;
}
