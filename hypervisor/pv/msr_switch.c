/* SPDX-License-Identifier: MIT */
/*
 * Brings the CPU's MSRs in line with the vCPU that is about to run.  Each CPU
 * remembers what it holds, so that a switch between vCPUs that agree, as most
 * do, writes nothing.
 */
#include <zelo/domain.h>
#include <zelo/lib.h>
#include <zelo/speculation.h>
#include <arch/cpu.h>

#include "cpuid.h"
#include "msr.h"

struct held { /* this CPU only, interrupts off */
    u64 spec_ctrl;
    u32 tsc_aux;
    bool cpuid_fault, tsd, known;
};
static DEFINE_PER_CPU(struct held, held_msrs);

static struct { bool tsc_aux, spec_ctrl, cpuid_fault; } host_has; /* set at boot */

void pv_msrs_init(void)
{
    const struct cpuid_policy *p = &cpuid_host_policy;

    host_has.tsc_aux = cpuid_has(p, XEN_X86_FEATURE_RDTSCP) || cpuid_has(p, XEN_X86_FEATURE_RDPID);
    host_has.spec_ctrl = cpuid_has(p, XEN_X86_FEATURE_IBRSB);
    host_has.cpuid_fault = p->platform_info & PLATFORM_INFO_CPUID_FAULTING;
}

/* Domain 0 is not levelled; others' user mode sees their policy. */
static bool wants_cpuid_fault(const struct vcpu *v)
{
    return v->pv.msrs.cpuid_fault || !v->domain->is_privileged;
}

static bool wants_tsd(const struct vcpu *v)
{
    return (v->pv.ctrlreg[4] & CR4_TSD) || v->domain->pv.tsc_disabled;
}

void pv_msrs_load(const struct vcpu *v)
{
    struct held *h = &this_cpu_var(held_msrs);
    bool fault = wants_cpuid_fault(v), tsd = wants_tsd(v);

    if (host_has.tsc_aux && (h->tsc_aux != v->pv.msrs.tsc_aux || !h->known)) {
        h->tsc_aux = v->pv.msrs.tsc_aux;
        (void)!wrmsr_safe(MSR_TSC_AUX, h->tsc_aux);
    }
    if (host_has.spec_ctrl && (h->spec_ctrl != v->pv.msrs.spec_ctrl || !h->known)) {
        h->spec_ctrl = v->pv.msrs.spec_ctrl;
        speculation_guest_spec_ctrl(h->spec_ctrl);
    }
    if (host_has.cpuid_fault && (h->cpuid_fault != fault || !h->known)) {
        h->cpuid_fault = fault;
        (void)!wrmsr_safe(MSR_MISC_FEATURES_ENABLES, fault ? MISC_FEATURES_CPUID_FAULT : 0);
    }
    if (h->tsd != tsd) {
        h->tsd = tsd;
        write_cr4((read_cr4() & ~(u64)CR4_TSD) | (tsd ? CR4_TSD : 0));
    }
    h->known = true;
}
