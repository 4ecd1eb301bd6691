/* SPDX-License-Identifier: MIT */
/* MSRs of a PV guest: what its kernel's RDMSR and WRMSR do. */
#ifndef ZELO_PV_MSR_H
#define ZELO_PV_MSR_H

#include <zelo/pv.h>

/* CPU manuals' numbers, beyond those of arch/cpu.h */
#define MSR_IA32_TSC 0x10
#define MSR_FEATURE_CONTROL 0x3a
#define MSR_SPEC_CTRL 0x48
#define MSR_PRED_CMD 0x49
#define MSR_UCODE_REV 0x8b          /* AMD: PATCH_LEVEL */
#define MSR_MTRR_CAP 0xfe
#define MSR_MISC_FEATURES_ENABLES 0x140
#define MSR_MCG_CAP 0x179
#define MSR_MCG_STATUS 0x17a
#define MSR_MISC_ENABLE 0x1a0
#define MSR_DEBUGCTL 0x1d9
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MSR_XEN_HYPERCALL_PAGE 0x40000000
#define MSR_TSC_AUX 0xc0000103
#define MSR_AMD_SYSCFG 0xc0010010
#define MSR_AMD_HWCR 0xc0010015
#define MSR_AMD_NB_CFG 0xc001001f
#define MSR_AMD_INT_PENDING 0xc0010055
#define MSR_AMD_DE_CFG 0xc0011029

#define SPEC_CTRL_IBRS (1u << 0)
#define SPEC_CTRL_STIBP (1u << 1)
#define SPEC_CTRL_SSBD (1u << 2)
#define SPEC_CTRL_PSFD (1u << 7)
#define SPEC_CTRL_BHI_DIS_S (1u << 10)
#define PRED_CMD_IBPB (1u << 0)
#define PRED_CMD_SBPB (1u << 7)
#define MISC_FEATURES_CPUID_FAULT (1u << 0)

/* v is current.  Nonzero: #GP. */
int must_check pv_msr_read(struct vcpu *v, u32 msr, u64 *value);
int must_check pv_msr_write(struct vcpu *v, u32 msr, u64 value);

/* The MSRs in v->pv.msrs, running or not: -EINVAL for a value it may not have, -ENOENT for another MSR. */
int must_check pv_msr_load_own(const struct vcpu *v, u32 msr, u64 *value);
int must_check pv_msr_store_own(struct vcpu *v, u32 msr, u64 value);

/* Which of the switched MSRs this host has; once, with its policies. */
void pv_msrs_init(void);


#endif
