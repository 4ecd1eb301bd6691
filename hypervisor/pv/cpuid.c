/* SPDX-License-Identifier: MIT */
/*
 * The CPUID instruction as a PV guest's vCPU sees it: through the forced
 * emulation prefix (guest kernels use it) or CPUID faulting.  Static facts come
 * from the domain's policy, the rest is put in here.
 */
#include <zelo/debug.h>
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/nospec.h>
#include <arch/machine.h>

#include <xen/arch-x86/cpuid.h>
#include <xen/arch-x86/cpufeatureset.h>

#include "cpuid.h"

int pv_cpuid_domain_init(struct domain *d)
{
    static bool ready; /* the first domain is made at boot, on one CPU */

    if (!ready) {
        cpuid_policies_init();
        ready = true;
    }
    if (d->is_system)
        return 0;
    d->pv.cpuid = mem_alloc_type(struct cpuid_policy);
    if (!d->pv.cpuid)
        return -ENOMEM;
    *d->pv.cpuid = cpuid_pv_default;
    if (d->is_privileged) {
        cpuid_set_feature(d->pv.cpuid, XEN_X86_FEATURE_ITSC, true); /* it does not migrate */
        cpuid_policy_sanitise(d->pv.cpuid);
    }
    return 0;
}

void pv_cpuid_domain_free(struct domain *d)
{
    mem_free(d->pv.cpuid);
    d->pv.cpuid = NULL;
}

u64 pv_xcr0_allowed(const struct domain *d)
{
    return cpuid_xcr0_mask(d->pv.cpuid);
}

/* Intel SDM vol. 1, 13.3: x87 always, AVX needs SSE, AVX-512 all of its three and AVX. */
bool pv_xcr0_valid(const struct domain *d, u64 xcr0)
{
    if ((xcr0 & ~pv_xcr0_allowed(d)) || !(xcr0 & XCR0_X87))
        return false;
    if ((xcr0 & XCR0_AVX) && !(xcr0 & XCR0_SSE))
        return false;
    if (xcr0 & XCR0_AVX512)
        return (xcr0 & XCR0_AVX512) == XCR0_AVX512 && (xcr0 & XCR0_AVX);
    return true;
}

/* --- leaves 0x40000000.. (<xen/arch-x86/cpuid.h>) --- */

static void cpuid_time(const struct domain *d, u32 subleaf, struct cpuid_regs *r)
{
    s8 shift;

    switch (subleaf) {
    case 0:
        r->a = cpu_features.tsc_invariant ? 2 : 0;
        r->a |= cpuid_has(d->pv.cpuid, XEN_X86_FEATURE_RDTSCP) ? 4 : 0;
        r->b = d->tsc_mode;
        r->c = arch_tsc_khz();
        r->d = d->tsc_incarnation;
        break;
    case 1: /* guests read the TSC as it is: offset zero */
        pvclock_params(&r->c, &shift);
        r->d = (u8)shift;
        break;
    case 2:
        r->a = arch_tsc_khz();
        break;
    }
}

static void cpuid_hypervisor(const struct domain *d, u32 index, u32 subleaf, struct cpuid_regs *r)
{
    u32 limit = d->pv.cpuid->hv_limit & 0xff; /* the tools may lower it */

    if (!limit || limit > XEN_CPUID_MAX_NUM_LEAVES)
        limit = XEN_CPUID_MAX_NUM_LEAVES;
    if (index > limit)
        return;
    switch (index) {
    case 0:
        *r = (struct cpuid_regs){ XEN_CPUID_LEAF(limit), XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX,
                                  XEN_CPUID_SIGNATURE_EDX };
        break;
    case 1:
        r->a = XEN_ABI_MAJOR << 16 | XEN_ABI_MINOR;
        break;
    case 2:
        r->a = 1;          /* one hypercall page, */
        r->b = 0x40000000; /* by this MSR (msr_write.c) */
        r->c = XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD;
        break;
    case 3:
        cpuid_time(d, subleaf, r);
        break;
    case 5:
        if (subleaf == 0)
            r->b = arch_phys_addr_bits();
        break;
    }
}

/* --- the CPU's own leaves --- */

static void cpuid_xstate(const struct vcpu *v, u32 subleaf, struct cpuid_regs *r)
{
    const struct cpuid_policy *p = v->domain->pv.cpuid;

    if (subleaf >= CPUID_XSTATE_SUBLEAVES)
        return;
    *r = p->xstate[array_index_nospec(subleaf, CPUID_XSTATE_SUBLEAVES)];
    if (subleaf == 0 && r->a)
        r->b = cpuid_xsave_size(p, v->pv.xcr0);
    else if (subleaf == 1 && cpuid_has(p, XEN_X86_FEATURE_XSAVEC))
        r->b = cpuid_xsavec_size(p, v->pv.xcr0);
}

static void cpuid_basic(const struct vcpu *v, u32 leaf, u32 subleaf, struct cpuid_regs *r)
{
    const struct cpuid_policy *p = v->domain->pv.cpuid;

    if (leaf > p->basic[0].a || leaf >= CPUID_BASIC_LEAVES)
        return;
    switch (leaf) {
    case 1:
        *r = p->basic[1];
        r->b |= v->id << 24;
        /* On in the real CR4, whatever the guest's says: its kernels ask before they switch it on. */
        if (r->c & (1u << XEN_X86_FEATURE_XSAVE % 32))
            r->c |= 1u << XEN_X86_FEATURE_OSXSAVE % 32;
        break;
    case 4:
        if (subleaf < CPUID_CACHE_SUBLEAVES)
            *r = p->cache[array_index_nospec(subleaf, CPUID_CACHE_SUBLEAVES)];
        break;
    case 7:
        if (subleaf <= p->feat[0].a && subleaf < CPUID_FEAT_SUBLEAVES)
            *r = p->feat[array_index_nospec(subleaf, CPUID_FEAT_SUBLEAVES)];
        break;
    case 0xb: /* no levels: the guest's scheduler must not trust the host's */
        r->c = subleaf & 0xff;
        r->d = v->id;
        break;
    case 0xd:
        cpuid_xstate(v, subleaf, r);
        break;
    default:
        *r = p->basic[array_index_nospec(leaf, CPUID_BASIC_LEAVES)];
    }
}

void pv_cpuid(struct vcpu *v, u32 leaf, u32 subleaf, struct cpuid_regs *out)
{
    const struct cpuid_policy *p = v->domain->pv.cpuid;

    *out = (struct cpuid_regs){ 0 };
    if (leaf < 0x40000000)
        cpuid_basic(v, leaf, subleaf, out);
    else if (leaf - 0x40000000 < 0x100)
        cpuid_hypervisor(v->domain, leaf - 0x40000000, subleaf, out);
    else if (leaf >= 0x80000000 && leaf <= p->extd[0].a && leaf - 0x80000000 < CPUID_EXTD_LEAVES)
        *out = p->extd[array_index_nospec(leaf - 0x80000000, CPUID_EXTD_LEAVES)];
}
