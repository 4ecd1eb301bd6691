/* SPDX-License-Identifier: MIT */
/* CPUID, RDTSC, MSRs, XSETBV, WBINVD and HLT for a PV guest. */
#include <zelo/domain.h>
#include <zelo/guest.h>
#include <zelo/lib.h>
#include <arch/cpu.h>

#include "cpuid.h"
#include "emulate.h"
#include "msr.h"

static void put_edx_eax(struct cpu_user_regs *regs, u64 value)
{
    regs->rax = (u32)value;
    regs->rdx = value >> 32;
}

static u64 get_edx_eax(const struct cpu_user_regs *regs)
{
    return regs->eax | (u64)regs->edx << 32;
}

/* Faults in user mode if the guest's kernel asked for it (MISC_FEATURES_ENABLES). */
enum emul_result emul_cpuid(struct emul *e)
{
    struct cpu_user_regs *regs = e->regs;
    struct cpuid_regs r;

    if (!e->kernel && e->v->pv.msrs.cpuid_fault)
        return EMUL_REFUSED;
    pv_cpuid(e->v, regs->eax, regs->ecx, &r);
    regs->rax = r.a;
    regs->rbx = r.b;
    regs->rcx = r.c;
    regs->rdx = r.d;
    return EMUL_DONE;
}

/* Traps only with CR4.TSD, which is meant for user mode. */
enum emul_result emul_rdtsc(struct emul *e)
{
    if (!e->kernel)
        return EMUL_REFUSED;
    put_edx_eax(e->regs, rdtsc());
    return EMUL_DONE;
}

enum emul_result emul_rdtscp(struct emul *e)
{
    if (!e->kernel || !cpuid_has(e->v->domain->pv.cpuid, XEN_X86_FEATURE_RDTSCP))
        return EMUL_REFUSED;
    put_edx_eax(e->regs, rdtsc());
    e->regs->rcx = e->v->pv.msrs.tsc_aux;
    return EMUL_DONE;
}

/*
 * A kernel that has no #GP handler yet reads zero instead of dying
 * (<xen/arch-x86/xen.h>, trap_info).
 */
enum emul_result emul_rdmsr(struct emul *e)
{
    u64 value = 0;

    if (pv_msr_read(e->v, e->regs->ecx, &value)) {
        if (e->v->pv.traps[TRAP_GP].address)
            return EMUL_REFUSED;
        value = 0;
    }
    put_edx_eax(e->regs, value);
    return EMUL_DONE;
}

enum emul_result emul_wrmsr(struct emul *e)
{
    return pv_msr_write(e->v, e->regs->ecx, get_edx_eax(e->regs)) ? EMUL_REFUSED : EMUL_DONE;
}

enum emul_result emul_xsetbv(struct emul *e)
{
    u64 value = get_edx_eax(e->regs);

    if (!(e->v->pv.ctrlreg[4] & CR4_OSXSAVE))
        return emul_fault(TRAP_UD, -1);
    if (e->regs->ecx || !pv_xcr0_valid(e->v->domain, value))
        return EMUL_REFUSED;
    pv_write_xcr0(value);
    return EMUL_DONE;
}

/* Memory is coherent by itself; only who has devices can tell whether it was written back. */
enum emul_result emul_wbinvd(struct emul *e)
{
    if (!rangeset_is_empty(&e->v->domain->io_frames))
        tlb_flush_mask(&cpu_online, TLB_FLUSH_CACHE, 0);
    return EMUL_DONE;
}

/* Returns into the guest when an event is pending, or at once if one is. */
enum emul_result emul_hlt(struct emul *e)
{
    (void)e;
    vcpu_block();
    return EMUL_DONE;
}
