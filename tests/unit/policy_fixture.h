/* SPDX-License-Identifier: MIT */
/* A vCPU on a CPU of one or the other vendor, with the policy that its domain starts with. */
#ifndef TESTS_POLICY_FIXTURE_H
#define TESTS_POLICY_FIXTURE_H

#include "unit.h"

#include "cpu.h"
#include "pv/cpuid.h"
#include "pv/msr.h"

#include <xen/domctl.h>

static struct domain dom;
static struct vcpu vcpu;
static u8 fpu[4096] aligned_to(64);
static u64 bases[3];

void pv_write_fs_base(u64 b) { bases[0] = b; }
void pv_write_gs_base(u64 b) { bases[1] = b; }
void pv_write_gs_base_other(u64 b) { bases[2] = b; }
u64 pv_read_fs_base(void) { return bases[0]; }
u64 pv_read_gs_base(void) { return bases[1]; }
u64 pv_read_gs_base_other(void) { return bases[2]; }

static unused_arg void start(enum host_cpu_model model)
{
    host_cpu_select(model);
    cpuid_policies_init();
    pv_cpuid_domain_free(&dom);
    memset(&dom, 0, sizeof(dom));
    memset(&vcpu, 0, sizeof(vcpu));
    memset(fpu, 0, sizeof(fpu));
    dom.id = 5;
    vcpu.id = 3;
    vcpu.domain = &dom;
    vcpu.pv.fpu = fpu;
    vcpu.pv.xcr0 = vcpu.pv.xcr0_accum = 1;
    assert_int_equal(pv_cpuid_domain_init(&dom), 0);
    cpuid_policies_init(); /* the first domain's creation made them once; the CPU may be another by now */
    *dom.pv.cpuid = cpuid_pv_default;
    host_set_current(&vcpu);
}

#endif
