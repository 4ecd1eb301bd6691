/* SPDX-License-Identifier: MIT */
/*
 * CPU policies: what a CPU (the real one, or a guest's) says of itself through
 * CPUID and the read-only MSRs that complete it.
 *
 *   raw       as the instruction answers
 *   host      what the hypervisor lets anybody use
 *   pv_max    the most a PV guest may have; the limit for XEN_DOMCTL_set_cpu_policy
 *   pv_default  what it gets if nobody says otherwise
 *
 * A policy holds static facts. What depends on the vCPU or its state (APIC ID,
 * OSXSAVE, sizes in leaf 0xd) is put in by pv_cpuid (cpuid.c).
 */
#ifndef ZELO_PV_CPUID_H
#define ZELO_PV_CPUID_H

#include <zelo/pv.h>
#include <zelo/types.h>

#include <xen/arch-x86/cpufeatureset.h>
#include <xen/arch-x86/xen.h>

/* The leaves of the serialised form: the tools refuse any other (-ERANGE). */
#define CPUID_BASIC_LEAVES 0xe
#define CPUID_CACHE_SUBLEAVES 6
#define CPUID_FEAT_SUBLEAVES 3
#define CPUID_TOPO_SUBLEAVES 2
#define CPUID_XSTATE_SUBLEAVES 63
#define CPUID_EXTD_LEAVES 0x22
/* Leaves 4, 7, 0xb, 0xd appear as subleaves only; two more for the hypervisor leaves' limits. */
#define CPUID_SERIALISED_MAX                                                                        \
    (CPUID_BASIC_LEAVES - 4 + CPUID_CACHE_SUBLEAVES + CPUID_FEAT_SUBLEAVES + CPUID_TOPO_SUBLEAVES + \
     CPUID_XSTATE_SUBLEAVES + CPUID_EXTD_LEAVES + 2)
#define CPUID_SERIALISED_MSRS 2

#define MSR_PLATFORM_INFO 0xce
#define MSR_ARCH_CAPABILITIES 0x10a
#define PLATFORM_INFO_CPUID_FAULTING (1ULL << 31)

struct cpuid_policy {
    struct cpuid_regs basic[CPUID_BASIC_LEAVES];     /* those with subleaves are below */
    struct cpuid_regs cache[CPUID_CACHE_SUBLEAVES];  /* leaf 4 */
    struct cpuid_regs feat[CPUID_FEAT_SUBLEAVES];    /* leaf 7 */
    struct cpuid_regs topo[CPUID_TOPO_SUBLEAVES];    /* leaf 0xb */
    struct cpuid_regs xstate[CPUID_XSTATE_SUBLEAVES]; /* leaf 0xd */
    struct cpuid_regs extd[CPUID_EXTD_LEAVES];       /* 0x80000000.. */
    u32 hv_limit, hv2_limit;  /* last leaves from 0x40000000, 0x40000100; the tools keep 8 bits of each */
    u64 platform_info, arch_caps;
};

/* --- the CPU itself: hardware.c, cpuid_raw.c --- */
void cpuid_raw(u32 leaf, u32 subleaf, struct cpuid_regs *out);
void cpuid_policy_read_raw(struct cpuid_policy *p);

/* --- cpuid_features.c: the feature bits as a set (<xen/arch-x86/cpufeatureset.h>) --- */
#define FEATURESET_WORDS 19
_Static_assert(XEN_X86_FEATURE_TSA_L1_NO / 32 < FEATURESET_WORDS, "the public header has more words");

bool cpuid_has(const struct cpuid_policy *p, unsigned feature);
void cpuid_set_feature(struct cpuid_policy *p, unsigned feature, bool on);
void cpuid_get_features(const struct cpuid_policy *p, u32 set[FEATURESET_WORDS]);
void cpuid_put_features(struct cpuid_policy *p, const u32 set[FEATURESET_WORDS]);
/* Clears each feature that lacks one it needs. */
void cpuid_drop_dependents(struct cpuid_policy *p);
/* Bits of 0x80000001 EDX that AMD repeats from leaf 1 EDX: no features of their own. */
#define CPUID_E1D_COMMON 0x0183f3ffu

/* --- cpuid_pv_features.c: what PV guests may and do get --- */
extern u32 pv_features_default[FEATURESET_WORDS], pv_features_max[FEATURESET_WORDS];
void pv_features_init(void); /* fills the two from the lists */

/* --- cpuid_policy.c --- */
extern struct cpuid_policy cpuid_raw_policy, cpuid_host_policy, cpuid_pv_max, cpuid_pv_default;
void cpuid_policies_init(void); /* boot CPU, at the first domain's creation */
/* Makes every leaf of a guest's policy agree with its features and with what a PV guest may see. */
void cpuid_policy_sanitise(struct cpuid_policy *p);

struct cpuid_error { u32 leaf, subleaf, msr; }; /* what was wrong; ~0: not that */
#define CPUID_NO_ERROR ((struct cpuid_error){ ~0u, ~0u, ~0u })
/* May a guest be given this policy on this host?  -EINVAL and where, if not. */
int must_check cpuid_policy_check(const struct cpuid_policy *p, struct cpuid_error *err);

/* --- cpuid_serial.c --- */
/* Writes all leaves of p to out (CPUID_SERIALISED_MAX entries); returns their number. */
unsigned cpuid_serialise(const struct cpuid_policy *p, xen_cpuid_leaf_t *out);
unsigned cpuid_serialise_msrs(const struct cpuid_policy *p, xen_msr_entry_t *out);
/* Puts one leaf or MSR into p: -ERANGE if the form has no such. */
int must_check cpuid_deserialise(struct cpuid_policy *p, const xen_cpuid_leaf_t *leaf);
int must_check cpuid_deserialise_msr(struct cpuid_policy *p, const xen_msr_entry_t *msr);

/* --- cpuid_xstate.c: leaf 0xd --- */
#define XCR0_X87 (1ULL << 0)
#define XCR0_SSE (1ULL << 1)
#define XCR0_AVX (1ULL << 2)
#define XCR0_AVX512 (7ULL << 5)
#define XSAVE_LEGACY_BYTES 576 /* x87, SSE and the header */
/* The XCR0 bits that the policy's features let a guest set. */
u64 cpuid_xcr0_mask(const struct cpuid_policy *p);
void cpuid_xstate_sanitise(struct cpuid_policy *p);
u32 cpuid_xsave_size(const struct cpuid_policy *p, u64 xcr0);
u32 cpuid_xsavec_size(const struct cpuid_policy *p, u64 xcr0);

#endif
