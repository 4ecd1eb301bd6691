/* SPDX-License-Identifier: MIT */
/*
 * The MSRs that each vCPU has for itself (pv_vcpu.msrs): they are in the CPU
 * while it runs, and move with it when it migrates.
 */
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>

#include <xen/domctl.h>

#include "cpuid.h"
#include "msr.h"

static bool has_tsc_aux(const struct cpuid_policy *p)
{
    return cpuid_has(p, XEN_X86_FEATURE_RDTSCP) || cpuid_has(p, XEN_X86_FEATURE_RDPID);
}

static u64 spec_ctrl_allowed(const struct cpuid_policy *p)
{
    u64 bits = 0;

    if (cpuid_has(p, XEN_X86_FEATURE_IBRSB))
        bits |= SPEC_CTRL_IBRS | SPEC_CTRL_STIBP; /* STIBP is writable without effect where it is not there */
    if (cpuid_has(p, XEN_X86_FEATURE_SSBD))
        bits |= SPEC_CTRL_SSBD;
    if (cpuid_has(p, XEN_X86_FEATURE_INTEL_PSFD))
        bits |= SPEC_CTRL_PSFD;
    return bits;
}

int pv_msr_load_own(const struct vcpu *v, u32 msr, u64 *value)
{
    const struct cpuid_policy *p = v->domain->pv.cpuid;

    switch (msr) {
    case MSR_TSC_AUX:
        *value = v->pv.msrs.tsc_aux;
        return has_tsc_aux(p) ? 0 : -EINVAL;
    case MSR_SPEC_CTRL:
        *value = v->pv.msrs.spec_ctrl;
        return spec_ctrl_allowed(p) ? 0 : -EINVAL;
    case MSR_MISC_FEATURES_ENABLES:
        *value = v->pv.msrs.cpuid_fault ? MISC_FEATURES_CPUID_FAULT : 0;
        return p->platform_info & PLATFORM_INFO_CPUID_FAULTING ? 0 : -EINVAL;
    default:
        return -ENOENT;
    }
}

int pv_msr_store_own(struct vcpu *v, u32 msr, u64 value)
{
    const struct cpuid_policy *p = v->domain->pv.cpuid;
    u64 old;
    int rc = pv_msr_load_own(v, msr, &old);

    if (rc)
        return rc;
    switch (msr) {
    case MSR_TSC_AUX:
        if (value >> 32)
            return -EINVAL;
        v->pv.msrs.tsc_aux = (u32)value;
        return 0;
    case MSR_SPEC_CTRL:
        if (value & ~spec_ctrl_allowed(p))
            return -EINVAL;
        v->pv.msrs.spec_ctrl = value;
        return 0;
    default:
        if (value & ~(u64)MISC_FEATURES_CPUID_FAULT)
            return -EINVAL;
        v->pv.msrs.cpuid_fault = value;
        return 0;
    }
}

/* --- XEN_DOMCTL_get_vcpu_msrs, set_vcpu_msrs; v is paused --- */

static const u32 own_msrs[] = { MSR_SPEC_CTRL, MSR_MISC_FEATURES_ENABLES, MSR_TSC_AUX };

/* MSRs at zero, as they start, need no record. */
static int get_msrs(struct vcpu *v, struct xen_domctl_vcpu_msrs *op)
{
    xen_domctl_vcpu_msr_t out[ARRAY_SIZE(own_msrs)];
    u32 n = 0, room = op->msr_count;
    u64 value;

    if (handle_is_null(op->msrs)) {
        op->msr_count = ARRAY_SIZE(own_msrs);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(own_msrs); i++)
        if (!pv_msr_load_own(v, own_msrs[i], &value) && value)
            out[n++] = (xen_domctl_vcpu_msr_t){ .index = own_msrs[i], .value = value };
    op->msr_count = n;
    if (n > room)
        return -ENOBUFS;
    return copy_to_handle(op->msrs, out, n);
}

static int set_msrs(struct vcpu *v, struct xen_domctl_vcpu_msrs *op)
{
    xen_domctl_vcpu_msr_t in;

    for (u32 i = 0; i < op->msr_count; i++) {
        /* More than there are cannot all be right, so the loop ends soon. */
        if (i >= ARRAY_SIZE(own_msrs) || copy_from_handle_offset(&in, op->msrs, i, 1)) {
            op->msr_count = i;
            return i >= ARRAY_SIZE(own_msrs) ? -EINVAL : -EFAULT;
        }
        if (in.reserved || pv_msr_store_own(v, in.index, in.value)) {
            op->msr_count = i;
            return -EINVAL;
        }
    }
    return 0;
}

int pv_vcpu_msrs(struct vcpu *v, struct xen_domctl_vcpu_msrs *op, bool set)
{
    return set ? set_msrs(v, op) : get_msrs(v, op);
}
