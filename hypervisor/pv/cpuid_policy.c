/* SPDX-License-Identifier: MIT */
/*
 * The host's CPU policies, made once at boot, and the rules that every guest's
 * policy is put under: nothing beyond pv_max, what PV needs forced on, leaves
 * that mean nothing to a PV guest empty.
 */
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/lib.h>
#include <arch/cpu.h>

#include <xen/arch-x86/cpuid.h>

#include "cpuid.h"
#include "msr.h"

#define PV_LINEAR_BITS 48 /* four levels of page tables, whatever the CPU can */

#define F(name) XEN_X86_FEATURE_##name

struct cpuid_policy cpuid_raw_policy, cpuid_host_policy, cpuid_pv_max, cpuid_pv_default;

/* What the hypervisor itself does not use, or not yet with this CPU, nobody has. */
static void make_host(void)
{
    struct cpuid_policy *p = &cpuid_host_policy;
    const struct { bool has; u16 feature; } ours[] = {
        { cpu_features.xsave, F(XSAVE) },
        { cpu_features.xcr0_mask & XCR0_AVX, F(AVX) },
        { (cpu_features.xcr0_mask & XCR0_AVX512) == XCR0_AVX512, F(AVX512F) },
        { cpu_features.fsgsbase, F(FSGSBASE) },
        { cpu_features.rdtscp, F(RDTSCP) },
        { cpu_features.pku, F(PKU) },
        { cpu_features.nx, F(NX) },
        { cpu_features.tsc_invariant, F(ITSC) },
    };

    *p = cpuid_raw_policy;
    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        if (!ours[i].has)
            cpuid_set_feature(p, ours[i].feature, false);
    p->platform_info &= cpu_features.cpuid_faulting ? PLATFORM_INFO_CPUID_FAULTING : 0;
    cpuid_drop_dependents(p);
}

/* Leaves beyond a policy's own limits are not there, nor the features in them. */
static void clear_beyond_limits(struct cpuid_policy *p)
{
    p->basic[0].a = MIN(p->basic[0].a, CPUID_BASIC_LEAVES - 1u);
    for (u32 i = p->basic[0].a + 1; i < CPUID_BASIC_LEAVES; i++)
        p->basic[i] = (struct cpuid_regs){ 0 };
    if (p->basic[0].a < 4)
        memset(p->cache, 0, sizeof(p->cache));
    if (p->basic[0].a < 7)
        memset(p->feat, 0, sizeof(p->feat));
    if (p->basic[0].a < 0xd)
        cpuid_set_feature(p, F(XSAVE), false);
    p->feat[0].a = MIN(p->feat[0].a, CPUID_FEAT_SUBLEAVES - 1u);
    for (u32 i = p->feat[0].a + 1; i < CPUID_FEAT_SUBLEAVES; i++)
        p->feat[i] = (struct cpuid_regs){ 0 };
    if (p->extd[0].a < 0x80000000)
        p->extd[0].a = 0x80000000;
    p->extd[0].a = MIN(p->extd[0].a, 0x80000000u + CPUID_EXTD_LEAVES - 1);
    for (u32 i = (p->extd[0].a & 0xffff) + 1; i < CPUID_EXTD_LEAVES; i++)
        p->extd[i] = (struct cpuid_regs){ 0 };
}

/* Leaves that tell of what a PV guest has not: MWAIT, thermal and performance monitors, topology, SVM... */
static void clear_foreign_leaves(struct cpuid_policy *p)
{
    static const u8 basic[] = { 3, 4, 5, 6, 7, 8, 9, 0xa, 0xb, 0xc, 0xd };
    static const u8 kept_extended[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x19, 0x1a, 0x21 };
    u64 kept = 0;

    for (size_t i = 0; i < ARRAY_SIZE(basic); i++)
        p->basic[basic[i]] = (struct cpuid_regs){ 0 };
    memset(p->topo, 0, sizeof(p->topo));
    for (size_t i = 0; i < ARRAY_SIZE(kept_extended); i++)
        kept |= 1ULL << kept_extended[i];
    for (unsigned i = 0; i < CPUID_EXTD_LEAVES; i++)
        if (!(kept & (1ULL << i)))
            p->extd[i] = (struct cpuid_regs){ 0 };
}

/* Fields beside the feature bits. */
static void clear_foreign_fields(struct cpuid_policy *p)
{
    p->basic[1].b &= 0x00ffffff; /* the APIC ID is each vCPU's own */
    p->feat[2].a = p->feat[2].b = p->feat[2].c = 0;
    p->extd[7].a = p->extd[7].b = p->extd[7].c = 0;
    p->extd[8].a = (p->extd[8].a & 0xff) | PV_LINEAR_BITS << 8;
    p->extd[8].d = 0;
    p->extd[0x21].b = p->extd[0x21].d = 0;
}

static void force_features(struct cpuid_policy *p)
{
    static const u16 needed[] = { F(APIC), F(SYSCALL), F(LM), F(NX), F(PAE), F(MSR), F(FXSR), F(CX8), F(SSE),
                                  F(SSE2) };

    for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
        if (cpuid_has(&cpuid_host_policy, needed[i]))
            cpuid_set_feature(p, needed[i], true);
    cpuid_set_feature(p, F(HYPERVISOR), true);
    cpuid_set_feature(p, F(OSXSAVE), false); /* follows the vCPU's state */
    cpuid_set_feature(p, F(OSPKE), false);
}

void cpuid_policy_sanitise(struct cpuid_policy *p)
{
    u32 set[FEATURESET_WORDS], host[FEATURESET_WORDS];

    clear_beyond_limits(p);
    clear_foreign_leaves(p);
    cpuid_get_features(p, set);
    cpuid_get_features(&cpuid_host_policy, host);
    for (unsigned w = 0; w < FEATURESET_WORDS; w++)
        set[w] &= host[w] & pv_features_max[w];
    cpuid_put_features(p, set);
    force_features(p);
    cpuid_drop_dependents(p);
    cpuid_xstate_sanitise(p);
    clear_foreign_fields(p);
    if (cpuid_raw_policy.extd[1].d & CPUID_E1D_COMMON)
        p->extd[1].d |= p->basic[1].d & CPUID_E1D_COMMON;
    p->platform_info &= cpuid_host_policy.platform_info;
}

void cpuid_policies_init(void)
{
    u32 set[FEATURESET_WORDS];

    pv_features_init();
    cpuid_policy_read_raw(&cpuid_raw_policy);
    cpuid_raw_policy.platform_info = (u32)cpuid_raw_policy.platform_info;
    make_host();

    cpuid_pv_max = cpuid_host_policy;
    cpuid_pv_max.hv_limit = XEN_CPUID_MAX_NUM_LEAVES;
    cpuid_policy_sanitise(&cpuid_pv_max);

    cpuid_pv_default = cpuid_pv_max;
    cpuid_get_features(&cpuid_pv_default, set);
    for (unsigned w = 0; w < FEATURESET_WORDS; w++)
        set[w] &= pv_features_default[w];
    cpuid_put_features(&cpuid_pv_default, set);
    cpuid_policy_sanitise(&cpuid_pv_default);
    pv_msrs_init();
}

/* Where each feature word comes from, for err_leaf and err_subleaf. */
static struct cpuid_error word_error(unsigned word)
{
    static const struct cpuid_error at[FEATURESET_WORDS] = {
        { 1, ~0u, ~0u }, { 1, ~0u, ~0u }, { 0x80000001, ~0u, ~0u }, { 0x80000001, ~0u, ~0u }, { 0xd, 1, ~0u },
        { 7, 0, ~0u }, { 7, 0, ~0u }, { 0x80000007, ~0u, ~0u }, { 0x80000008, ~0u, ~0u }, { 7, 0, ~0u },
        { 7, 1, ~0u }, { 0x80000021, ~0u, ~0u }, { 7, 1, ~0u }, { 7, 2, ~0u }, { 7, 1, ~0u }, { 7, 1, ~0u },
        { ~0u, ~0u, MSR_ARCH_CAPABILITIES }, { ~0u, ~0u, MSR_ARCH_CAPABILITIES }, { 0x80000021, ~0u, ~0u },
    };

    return at[word];
}

/* Bits that the tools set without looking at the host, or that do not name an ability of the CPU. */
static void add_harmless(u32 *set)
{
    static const u16 harmless[] = { F(ITSC), F(OSXSAVE), F(OSPKE), F(HTT), F(CMP_LEGACY), F(APIC), F(X2APIC),
                                    F(HYPERVISOR) };

    for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
        set[harmless[i] / 32] |= 1u << harmless[i] % 32;
    set[2] |= CPUID_E1D_COMMON;
}

static int check_features(const struct cpuid_policy *p, struct cpuid_error *err)
{
    u32 set[FEATURESET_WORDS], host[FEATURESET_WORDS];

    cpuid_get_features(p, set);
    cpuid_get_features(&cpuid_host_policy, host);
    add_harmless(host);
    for (unsigned w = 0; w < FEATURESET_WORDS; w++) {
        if (set[w] & ~host[w]) {
            *err = word_error(w);
            return -EINVAL;
        }
    }
    return 0;
}

static bool same_vendor(const struct cpuid_policy *a, const struct cpuid_policy *b)
{
    return a->basic[0].b == b->basic[0].b && a->basic[0].c == b->basic[0].c && a->basic[0].d == b->basic[0].d;
}

/*
 * A feature that this CPU lacks is refused: the guest may be in the middle of
 * using it.  One that the CPU has but PV does not is left out silently
 * (cpuid_policy_sanitise), since the tools ask for features by the host's list.
 */
int cpuid_policy_check(const struct cpuid_policy *p, struct cpuid_error *err)
{
    const struct cpuid_policy *max = &cpuid_pv_max;

    *err = CPUID_NO_ERROR;
    if (p->basic[0].a > max->basic[0].a || !same_vendor(p, max))
        err->leaf = 0;
    else if (p->feat[0].a > max->feat[0].a)
        *err = (struct cpuid_error){ 7, 0, ~0u };
    else if (p->extd[0].a > max->extd[0].a)
        err->leaf = 0x80000000;
    else if (p->platform_info & ~max->platform_info)
        err->msr = MSR_PLATFORM_INFO;
    else
        return check_features(p, err);
    return -EINVAL;
}
