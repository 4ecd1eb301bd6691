/* SPDX-License-Identifier: MIT */
/*
 * The frame on which a guest's kernel finds what it was entered for, laid out as the CPU would
 * (<xen/arch-x86/xen.h>), with RCX and R11 below it:
 *
 *      SS, RSP, RFLAGS, CS with the saved upcall mask in bits 32.., RIP,
 *      [error code | GS, FS, ES, DS for the failsafe callback], R11, RCX  <- RSP
 *
 * CS names ring 0 if the guest's kernel was interrupted, though it runs in ring 3.
 */
#ifndef ZELO_PV_BOUNCE_H
#define ZELO_PV_BOUNCE_H

#include <zelo/domain.h>
#include <zelo/guest.h>

#include "traps.h"

struct bounce {
    vaddr_t handler;
    bool masks_events;
    bool has_error, has_selectors;
    u32 error;
};

static inline u64 guest_visible_rflags(const struct vcpu *v, const struct cpu_user_regs *regs, u8 masked)
{
    u64 f = regs->rflags & ~(u64)(RFLAGS_IF | RFLAGS_IOPL);

    if (!masked)
        f |= RFLAGS_IF;
    if (pv_iopl_is_visible(v->domain))
        f |= (u64)v->pv.iopl << RFLAGS_IOPL_SHIFT;
    return f;
}

/* Where the frame begins on a stack that ends at `stack`. */
static always_inline vaddr_t bounce_frame_at(vaddr_t stack, const struct bounce *b)
{
    return ALIGN_DOWN(stack, FRAME_ALIGN) - SYSCALL_FRAME_BYTES - sizeof(u64) * (b->has_error + (b->has_selectors ? 4 : 0));
}

/*
 * The frame, upwards from sp. False: the guest may not write there. Addresses are numbers: a guest's may be anything,
 * which a pointer may not.
 */
static always_inline bool bounce_frame_write(const struct vcpu *v, const struct cpu_user_regs *regs,
                                             const struct bounce *b, bool kernel, vaddr_t sp)
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

#endif
