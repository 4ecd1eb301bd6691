/* SPDX-License-Identifier: MIT */
/*
 * RDMSR of a PV guest's kernel.  Linux reads the base of GS at each switch of
 * tasks, so those come first.  What is not listed does not exist: #GP.
 */
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/log.h>
#include <arch/cpu.h>

#include "cpuid.h"
#include "msr.h"

#define APIC_BASE_DEFAULT 0xfee00000u
#define APIC_BASE_BSP (1u << 8)
#define APIC_BASE_ENABLE (1u << 11)
#define FEATURE_CONTROL_LOCK (1u << 0)
#define MISC_ENABLE_PERF (1u << 7)
#define MISC_ENABLE_NO_BTS (1u << 11)
#define MISC_ENABLE_NO_PEBS (1u << 12)
#define MISC_ENABLE_MONITOR (1u << 18)
#define HWCR_TSC_FREQ_SEL (1u << 24)
#define DE_CFG_LFENCE_SERIALISES (1u << 1)

/* A real MSR, of which the guest sees the bits of mask; one that is not there is not there for guests. */
static int read_real(u32 msr, u64 mask, u64 *value)
{
    if (rdmsr_safe(msr, value))
        return -EPERM;
    *value &= mask;
    return 0;
}

static int read_intel(u32 msr, u64 *value)
{
    switch (msr) {
    case MSR_FEATURE_CONTROL: /* locked, nothing on: neither VMX nor SGX */
        *value = FEATURE_CONTROL_LOCK;
        return 0;
    case MSR_MISC_ENABLE:
        if (read_real(msr, ~(u64)(MISC_ENABLE_PERF | MISC_ENABLE_MONITOR), value))
            return -EPERM;
        *value |= MISC_ENABLE_NO_BTS | MISC_ENABLE_NO_PEBS;
        return 0;
    default:
        return -ENOENT;
    }
}

static int read_amd(u32 msr, u64 *value)
{
    switch (msr) {
    case MSR_AMD_SYSCFG:
    case MSR_AMD_NB_CFG:
        return read_real(msr, ~0ULL, value);
    case MSR_AMD_HWCR:
        return read_real(msr, HWCR_TSC_FREQ_SEL, value);
    case MSR_AMD_DE_CFG:
        return read_real(msr, DE_CFG_LFENCE_SERIALISES, value);
    case MSR_AMD_INT_PENDING: /* no C1E that stops anything of the guest's */
        *value = 0;
        return 0;
    default:
        return -ENOENT;
    }
}

static int read_common(const struct vcpu *v, u32 msr, u64 *value)
{
    const struct cpuid_policy *p = v->domain->pv.cpuid;

    switch (msr) {
    case MSR_EFER:
        *value = EFER_SCE | EFER_LME | EFER_LMA | (cpu_features.nx ? EFER_NX : 0);
        return 0;
    case MSR_IA32_TSC:
        *value = rdtsc();
        return 0;
    case MSR_APIC_BASE:
        *value = APIC_BASE_DEFAULT | APIC_BASE_ENABLE | (v->id == 0 ? APIC_BASE_BSP : 0);
        return 0;
    case MSR_PAT:
        *value = PV_PAT;
        return 0;
    case MSR_UCODE_REV:
        return read_real(msr, ~0ULL, value);
    case MSR_PLATFORM_INFO:
        *value = p->platform_info;
        return p->platform_info ? 0 : -EPERM;
    case MSR_ARCH_CAPABILITIES:
        *value = p->arch_caps;
        return cpuid_has(p, XEN_X86_FEATURE_ARCH_CAPS) ? 0 : -EPERM;
    case MSR_MTRR_CAP:       /* no MTRRs, */
    case MSR_MTRR_DEF_TYPE:
    case MSR_MCG_CAP:        /* no machine-check banks, */
    case MSR_MCG_STATUS:
    case MSR_DEBUGCTL:       /* nothing traced */
    case MSR_XEN_HYPERCALL_PAGE:
        *value = 0;
        return 0;
    default:
        return -ENOENT;
    }
}

int pv_msr_read(struct vcpu *v, u32 msr, u64 *value)
{
    int rc;

    switch (msr) {
    case MSR_KERNEL_GS_BASE:
        *value = pv_read_gs_base_other();
        return 0;
    case MSR_FS_BASE:
        *value = pv_read_fs_base();
        return 0;
    case MSR_GS_BASE:
        *value = pv_read_gs_base();
        return 0;
    }
    rc = pv_msr_load_own(v, msr, value);
    if (rc == -ENOENT)
        rc = read_common(v, msr, value);
    if (rc == -ENOENT && cpu_features.intel)
        rc = read_intel(msr, value);
    if (rc == -ENOENT && cpu_features.amd)
        rc = read_amd(msr, value);
    if (rc == -ENOENT)
        log_guest(LOG_DEBUG, "d%uv%u: RDMSR %08x: no such MSR\n", v->domain->id, v->id, msr);
    return rc;
}
