/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's state as one structure (vcpu_guest_context, <xen/arch-x86/xen.h>):
 * how a vCPU gets its first state and how the tools save and restore it. The
 * vCPU does not run meanwhile.
 */
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>
#include <arch/cpu.h>

#include "emulate.h"
#include "gdt.h"
#include "traps.h"

#define XSTATE_BV_OFFSET 512
#define XSTATE_X87_SSE 3u
#define FXSAVE_BYTES 512

static bool context_addresses_ok(const vcpu_guest_context_t *c)
{
    return va_is_canonical(c->event_callback_eip) && va_is_canonical(c->failsafe_callback_eip) &&
           va_is_canonical(c->syscall_callback_eip) && va_is_canonical(c->fs_base) && va_is_canonical(c->gs_base_kernel) &&
           va_is_canonical(c->gs_base_user) && c->ldt_ents <= 8192 && c->gdt_ents <= PV_GDT_ENTRIES &&
           (!c->ldt_ents || (!(c->ldt_base & PAGE_OFFSET_MASK) && guest_range_ok(c->ldt_base, c->ldt_ents * 8)));
}

static void context_set_registers(struct vcpu *v, const vcpu_guest_context_t *c)
{
    struct cpu_user_regs *r = &v->pv.regs;

    *r = c->user_regs;
    r->cs |= 3;
    r->ss |= 3;
    r->rflags = (r->rflags & RFLAGS_GUEST_MAY_SET) | (c->user_regs.rflags & RFLAGS_TF) | RFLAGS_IF | RFLAGS_FIXED;
    r->entry_vector = r->error_code = 0;
    v->pv.iopl = (u32)(c->user_regs.rflags & RFLAGS_IOPL) >> RFLAGS_IOPL_SHIFT;
    pv_set_kernel_stack(v, c->kernel_ss, c->kernel_sp);
    v->pv.fs_base = c->fs_base;
    v->pv.gs_base_kernel = c->gs_base_kernel;
    v->pv.gs_base_user = c->gs_base_user;
    memcpy(v->pv.ctrlreg, c->ctrlreg, sizeof(v->pv.ctrlreg));
    v->pv.ts = c->ctrlreg[0] & CR0_TS; /* the rest of CR0 is the same for all */
}

static void context_set_callbacks(struct vcpu *v, const vcpu_guest_context_t *c)
{
    u32 flags = v->pv.flags & ~(PVF_KERNEL | PVF_FAILSAFE_MASKS | PVF_SYSCALL_MASKS);

    if (c->flags & VGCF_in_kernel)
        flags |= PVF_KERNEL;
    if (c->flags & VGCF_failsafe_disables_events)
        flags |= PVF_FAILSAFE_MASKS;
    if (c->flags & VGCF_syscall_disables_events)
        flags |= PVF_SYSCALL_MASKS;
    v->pv.flags = flags;
    v->pv.event_callback = c->event_callback_eip;
    v->pv.failsafe_callback = c->failsafe_callback_eip;
    v->pv.syscall_callback = c->syscall_callback_eip;
}

static int context_set_traps(struct vcpu *v, const vcpu_guest_context_t *c)
{
    for (unsigned i = 0; i < 256; i++) {
        struct trap_info ti = c->trap_ctxt[i];

        ti.vector = (u8)i;
        if (pv_set_trap(v, &ti))
            return -EINVAL;
    }
    return 0;
}

static int context_set_debugregs(struct vcpu *v, const vcpu_guest_context_t *c)
{
    static const u8 order[] = { 0, 1, 2, 3, 6, 7 };

    for (size_t i = 0; i < sizeof(order); i++) {
        u64 value = c->debugreg[order[i]];

        if (order[i] >= 6)
            value &= 0xffffffffUL; /* the upper halves are reserved, and tools leave anything there */
        if (pv_debugreg_set(v, order[i], value) && c->debugreg[order[i]])
            return -EINVAL;
    }
    return 0;
}

static void context_set_fpu(struct vcpu *v, const vcpu_guest_context_t *c)
{
    pv_fpu_reset(v);
    if (!(c->flags & VGCF_i387_valid))
        return;
    memcpy(v->pv.fpu, c->fpu_ctxt.x, FXSAVE_BYTES);
    if (pv_fpu_area_size() > FXSAVE_BYTES) {
        memset((char *)v->pv.fpu + FXSAVE_BYTES - 48, 0, 48); /* the software-reserved bytes are not state */
        *(u64 *)((char *)v->pv.fpu + XSTATE_BV_OFFSET) = XSTATE_X87_SSE;
    }
}

static mfn_t cr3_root(unsigned long cr3)
{
    return cr3 ? MFN(xen_cr3_to_pfn(cr3)) : MFN_INVALID;
}

/* Neither runs nor can be brought up before its context is whole. In kernel mode: that root comes first. */
static void context_begin(struct vcpu *v)
{
    v->is_initialised = false;
    atomic_fetch_or(&v->pause_flags, VPF_DOWN);
    v->pv.flags |= PVF_KERNEL;
}

/*
 * May come again for a vCPU that has run (restore, remus): everything is
 * replaced.  What fails or is preempted half-way leaves the vCPU down and
 * without a context; the caller of a success brings it up.
 */
int pv_set_context(struct vcpu *v, const vcpu_guest_context_t *c)
{
    int rc;

    if (!context_addresses_ok(c) || !c->ctrlreg[3])
        return -EINVAL;
    if (!(c->flags & VGCF_in_kernel) && !c->ctrlreg[1])
        return -EINVAL;
    context_begin(v);
    rc = context_set_traps(v, c);
    if (!rc)
        rc = context_set_debugregs(v, c);
    if (!rc)
        rc = pv_gdt_install(v, c->gdt_frames, (unsigned)c->gdt_ents);
    if (!rc && c->vm_assist) /* before the roots, whose slots depend on it */
        vm_assist_restore(v->domain, c->vm_assist);
    if (!rc)
        rc = pv_set_roots(v, cr3_root(c->ctrlreg[3]), cr3_root(c->ctrlreg[1]));
    if (rc)
        return rc;
    pv_unmap_ldt(v);
    v->pv.ldt_base = c->ldt_base;
    v->pv.ldt_entries = (u32)c->ldt_ents;
    context_set_registers(v, c);
    context_set_callbacks(v, c);
    context_set_fpu(v, c);
    v->is_initialised = true;
    return 0;
}

void pv_get_context(struct vcpu *v, vcpu_guest_context_t *c)
{
    memset(c, 0, sizeof(*c));
    memcpy(c->fpu_ctxt.x, v->pv.fpu, FXSAVE_BYTES);
    c->flags = VGCF_i387_valid;
    if (v->pv.flags & PVF_KERNEL)
        c->flags |= VGCF_in_kernel;
    if (v->pv.flags & PVF_FAILSAFE_MASKS)
        c->flags |= VGCF_failsafe_disables_events;
    if (v->pv.flags & PVF_SYSCALL_MASKS)
        c->flags |= VGCF_syscall_disables_events;
    if (!(v->pause_flags & VPF_DOWN))
        c->flags |= VGCF_online;
    c->user_regs = v->pv.regs;
    c->user_regs.entry_vector = c->user_regs.error_code = 0;
    c->user_regs.rflags |= (u64)v->pv.iopl << RFLAGS_IOPL_SHIFT;
    memcpy(c->trap_ctxt, v->pv.traps, sizeof(c->trap_ctxt));
    c->ldt_base = v->pv.ldt_base;
    c->ldt_ents = v->pv.ldt_entries;
    for (unsigned i = 0; i < DIV_ROUND_UP(v->pv.gdt_entries, 512); i++)
        c->gdt_frames[i] = v->pv.gdt_frames[i].n;
    c->gdt_ents = v->pv.gdt_entries;
    c->kernel_ss = v->pv.kernel_ss;
    c->kernel_sp = v->pv.kernel_sp;
    memcpy(c->ctrlreg, v->pv.ctrlreg, sizeof(v->pv.ctrlreg));
    c->ctrlreg[0] = emul_cr0(v);
    c->ctrlreg[3] = mfn_is_invalid(v->pv.root_kernel) ? 0 : xen_pfn_to_cr3(v->pv.root_kernel.n);
    c->ctrlreg[1] = mfn_is_invalid(v->pv.root_user) ? 0 : xen_pfn_to_cr3(v->pv.root_user.n);
    memcpy(c->debugreg, v->pv.dr, sizeof(c->debugreg));
    c->event_callback_eip = v->pv.event_callback;
    c->failsafe_callback_eip = v->pv.failsafe_callback;
    c->syscall_callback_eip = v->pv.syscall_callback;
    c->vm_assist = v->domain->vm_assist;
    c->fs_base = v->pv.fs_base;
    c->gs_base_kernel = v->pv.gs_base_kernel;
    c->gs_base_user = v->pv.gs_base_user;
}

u32 pv_wordsize_bits(const struct domain *d)
{
    (void)d;
    return 64;
}
