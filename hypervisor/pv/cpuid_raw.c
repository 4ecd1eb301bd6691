/* SPDX-License-Identifier: MIT */
/* Reads the CPU's own CPUID leaves and the MSRs that belong to a policy. */
#include <zelo/lib.h>
#include <arch/cpu.h>

#include "cpuid.h"

static void read_caches(struct cpuid_policy *p)
{
    for (u32 i = 0; i < CPUID_CACHE_SUBLEAVES; i++) {
        cpuid_raw(4, i, &p->cache[i]);
        if (!(p->cache[i].a & 0x1f))
            return;
    }
}

static void read_xstates(struct cpuid_policy *p)
{
    u64 mask;

    cpuid_raw(0xd, 0, &p->xstate[0]);
    cpuid_raw(0xd, 1, &p->xstate[1]);
    mask = (p->xstate[0].a | (u64)p->xstate[0].d << 32) | (p->xstate[1].c | (u64)p->xstate[1].d << 32);
    for (u32 i = 2; i < CPUID_XSTATE_SUBLEAVES; i++)
        if (mask & (1ULL << i))
            cpuid_raw(0xd, i, &p->xstate[i]);
}

static void read_features(struct cpuid_policy *p)
{
    u32 last;

    cpuid_raw(7, 0, &p->feat[0]);
    last = MIN(p->feat[0].a, CPUID_FEAT_SUBLEAVES - 1u);
    for (u32 i = 1; i <= last; i++)
        cpuid_raw(7, i, &p->feat[i]);
}

static void read_basic(struct cpuid_policy *p)
{
    u32 last;

    cpuid_raw(0, 0, &p->basic[0]);
    last = MIN(p->basic[0].a, CPUID_BASIC_LEAVES - 1u);
    for (u32 leaf = 1; leaf <= last; leaf++) {
        switch (leaf) {
        case 4:
            read_caches(p);
            break;
        case 7:
            read_features(p);
            break;
        case 0xb:
            for (u32 i = 0; i < CPUID_TOPO_SUBLEAVES; i++)
                cpuid_raw(0xb, i, &p->topo[i]);
            break;
        case 0xd:
            read_xstates(p);
            break;
        default:
            cpuid_raw(leaf, 0, &p->basic[leaf]);
        }
    }
}

static void read_extended(struct cpuid_policy *p)
{
    u32 last;

    cpuid_raw(0x80000000, 0, &p->extd[0]);
    if (p->extd[0].a < 0x80000000 || p->extd[0].a > 0x8000ffff)
        return;
    last = MIN(p->extd[0].a & 0xffff, CPUID_EXTD_LEAVES - 1u);
    for (u32 i = 1; i <= last; i++)
        cpuid_raw(0x80000000 + i, 0, &p->extd[i]);
}

void cpuid_policy_read_raw(struct cpuid_policy *p)
{
    memset(p, 0, sizeof(*p));
    read_basic(p);
    read_extended(p);
    if (cpuid_has(p, XEN_X86_FEATURE_ARCH_CAPS))
        (void)!rdmsr_safe(MSR_ARCH_CAPABILITIES, &p->arch_caps);
    if (rdmsr_safe(MSR_PLATFORM_INFO, &p->platform_info))
        p->platform_info = 0;
}
