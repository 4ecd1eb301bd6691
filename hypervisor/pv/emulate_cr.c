/* SPDX-License-Identifier: MIT */
/*
 * Control and debug registers of a PV guest's kernel.  CR0 is fixed but for
 * TS; CR2 lives in vcpu_info; CR3 holds a machine frame number; of CR4 the
 * guest owns what has a meaning in ring 3.  CR8 is always zero.
 */
#include <zelo/domain.h>
#include <zelo/guest.h>
#include <zelo/log.h>
#include <arch/cpu.h>

#include "cpuid.h"
#include "emulate.h"

#define PV_CR0 (CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG)
#define CR0_LMSW 0xfu

#define CR4_OF_GUEST (CR4_TSD | CR4_DE | CR4_FSGSBASE | CR4_OSXSAVE)
/* The hypervisor's, but a kernel may see that they are on. */
#define CR4_VISIBLE (CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT)
/* Asked for by kernels as a matter of course, and without effect here. */
#define CR4_IGNORED (CR4_PSE | CR4_PGE | 0x100u /* PCE */)

u64 emul_cr0(const struct vcpu *v)
{
    return PV_CR0 | (v->pv.ts ? CR0_TS : 0);
}

static u64 read_cr4_of(const struct vcpu *v)
{
    return (v->pv.ctrlreg[4] & CR4_OF_GUEST) | (cpu_features.cr4 & CR4_VISIBLE);
}

static enum emul_result write_cr0_of(struct vcpu *v, u64 value)
{
    if ((value ^ emul_cr0(v)) & ~(u64)CR0_TS) {
        log_guest(LOG_DEBUG, "d%uv%u: CR0 <- %016lx refused\n", v->domain->id, v->id, value);
        return EMUL_REFUSED;
    }
    pv_set_ts(value & CR0_TS);
    return EMUL_DONE;
}

static enum emul_result write_cr4_of(struct vcpu *v, u64 value)
{
    const struct cpuid_policy *p = v->domain->pv.cpuid;
    u64 owned = CR4_TSD | CR4_DE;
    unsigned long flags;

    if (cpuid_has(p, XEN_X86_FEATURE_FSGSBASE))
        owned |= CR4_FSGSBASE;
    if (cpuid_has(p, XEN_X86_FEATURE_XSAVE))
        owned |= CR4_OSXSAVE;
    if (value & ~(owned | CR4_VISIBLE | CR4_IGNORED)) {
        log_guest(LOG_DEBUG, "d%uv%u: CR4 <- %016lx refused\n", v->domain->id, v->id, value);
        return EMUL_REFUSED;
    }
    v->pv.ctrlreg[4] = value & owned;
    flags = arch_irq_save();
    pv_msrs_load(v); /* TSD */
    arch_irq_restore(flags);
    return EMUL_DONE;
}

static enum emul_result write_cr(struct emul *e, unsigned cr, u64 value)
{
    switch (cr) {
    case 0:
        return write_cr0_of(e->v, value);
    case 2:
        e->v->info->arch.cr2 = e->v->pv.ctrlreg[2] = value;
        return EMUL_DONE;
    case 3:
        return emul_write_cr3(e->v, value);
    case 4:
        return write_cr4_of(e->v, value);
    case 8:
        return value ? EMUL_REFUSED : EMUL_DONE;
    default:
        return emul_fault(TRAP_UD, -1);
    }
}

static enum emul_result read_cr(struct emul *e, unsigned cr, u64 *value)
{
    switch (cr) {
    case 0:
        *value = emul_cr0(e->v);
        return EMUL_DONE;
    case 2:
        *value = e->v->info->arch.cr2;
        return EMUL_DONE;
    case 3:
        *value = xen_pfn_to_cr3(e->v->pv.root_kernel.n);
        return EMUL_DONE;
    case 4:
        *value = read_cr4_of(e->v);
        return EMUL_DONE;
    case 8:
        *value = 0;
        return EMUL_DONE;
    default:
        return emul_fault(TRAP_UD, -1);
    }
}

/* The register numbers of MOV CR and MOV DR; ModRM.mod is ignored by the CPU. */
static unsigned special_number(const struct emul *e)
{
    return ((e->modrm >> 3) & 7) | (e->rex & 4) << 1;
}

static u64 *general_register(const struct emul *e)
{
    return emul_reg(e, (e->modrm & 7) | (e->rex & 1) << 3);
}

enum emul_result emul_mov_from_cr(struct emul *e)
{
    enum emul_result r;
    u64 value = 0;

    if (!emul_modrm(e))
        return EMUL_REFUSED;
    r = read_cr(e, special_number(e), &value);
    if (r == EMUL_DONE)
        *general_register(e) = value;
    return r;
}

enum emul_result emul_mov_to_cr(struct emul *e)
{
    if (!emul_modrm(e))
        return EMUL_REFUSED;
    return write_cr(e, special_number(e), *general_register(e));
}

enum emul_result emul_clts(struct emul *e)
{
    (void)e;
    pv_set_ts(false);
    return EMUL_DONE;
}

/* --- debug registers --- */

/* DR4 and DR5 stand for DR6 and DR7 unless CR4.DE is on. */
static bool debug_number(const struct emul *e, unsigned *n)
{
    *n = special_number(e);
    if (*n == 4 || *n == 5) {
        if (e->v->pv.ctrlreg[4] & CR4_DE)
            return false;
        *n += 2;
    }
    return *n < 8;
}

enum emul_result emul_mov_from_dr(struct emul *e)
{
    unsigned n;

    if (!emul_modrm(e))
        return EMUL_REFUSED;
    if (!debug_number(e, &n))
        return emul_fault(TRAP_UD, -1);
    *general_register(e) = e->v->pv.dr[n];
    return EMUL_DONE;
}

enum emul_result emul_mov_to_dr(struct emul *e)
{
    unsigned n;

    if (!emul_modrm(e))
        return EMUL_REFUSED;
    if (!debug_number(e, &n))
        return emul_fault(TRAP_UD, -1);
    return pv_write_debugreg(n, *general_register(e)) ? EMUL_REFUSED : EMUL_DONE;
}

/* --- 0f 01: SGDT, SIDT, SMSW in any mode; LMSW, INVLPG, XSETBV, RDTSCP in the kernel's --- */

static enum emul_result invlpg(struct emul *e)
{
    vaddr_t va;

    if (!emul_address(e, &va))
        return EMUL_REFUSED;
    if (guest_range_ok(va, 1)) /* another is nobody's to flush, and not cached either */
        tlb_flush_local(TLB_FLUSH_VA, va);
    return EMUL_DONE;
}

static enum emul_result lmsw(struct emul *e)
{
    u64 cr0 = emul_cr0(e->v);
    u16 value;
    vaddr_t va;

    if ((e->modrm >> 6) == 3) {
        value = (u16)*general_register(e);
    } else {
        if (!emul_address(e, &va))
            return EMUL_REFUSED;
        if (guest_read(&value, va, sizeof(value)))
            return emul_page_fault(e, va, sizeof(value), false);
    }
    /* It can set PE, but not clear it. */
    return write_cr0_of(e->v, (cr0 & ~(u64)CR0_LMSW) | (value & CR0_LMSW) | CR0_PE);
}

static enum emul_result kernel_0f01(struct emul *e)
{
    switch (e->modrm) {
    case 0xd1:
        return emul_xsetbv(e);
    case 0xf9:
        return emul_rdtscp(e);
    }
    switch ((e->modrm >> 3) & 7) {
    case 6:
        return lmsw(e);
    case 7:
        return (e->modrm >> 6) == 3 ? EMUL_REFUSED : invlpg(e);
    default: /* LGDT, LIDT, SWAPGS and the like have hypercalls */
        return EMUL_REFUSED;
    }
}

enum emul_result emul_group_0f01(struct emul *e)
{
    if (!emul_modrm(e))
        return EMUL_REFUSED;
    switch ((e->modrm >> 3) & 7) {
    case 0:
    case 1:
        if ((e->modrm >> 6) != 3)
            return emul_store_table(e);
        break;
    case 4:
        return emul_smsw(e);
    }
    return e->kernel ? kernel_0f01(e) : EMUL_REFUSED;
}
