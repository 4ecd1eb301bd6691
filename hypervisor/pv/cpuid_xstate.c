/* SPDX-License-Identifier: MIT */
/* CPUID leaf 0xd of a policy: which XSAVE components a guest has, and how large they are. */
#include <zelo/lib.h>
#include <arch/cpu.h>

#include "cpuid.h"

#define XSTATE_ALIGN64 (1u << 1) /* subleaf ECX: aligned in the compacted form */

u64 cpuid_xcr0_mask(const struct cpuid_policy *p)
{
    u64 mask = XCR0_X87 | XCR0_SSE;

    if (!cpuid_has(p, XEN_X86_FEATURE_XSAVE))
        return 0;
    if (cpuid_has(p, XEN_X86_FEATURE_AVX))
        mask |= XCR0_AVX;
    if (cpuid_has(p, XEN_X86_FEATURE_AVX512F))
        mask |= XCR0_AVX512;
    return mask & cpu_features.xcr0_mask;
}

u32 cpuid_xsave_size(const struct cpuid_policy *p, u64 xcr0)
{
    u32 size = XSAVE_LEGACY_BYTES;

    for (unsigned i = 2; i < CPUID_XSTATE_SUBLEAVES; i++)
        if (xcr0 & (1ULL << i))
            size = MAX(size, p->xstate[i].a + p->xstate[i].b);
    return size;
}

u32 cpuid_xsavec_size(const struct cpuid_policy *p, u64 xcr0)
{
    u32 size = XSAVE_LEGACY_BYTES;

    for (unsigned i = 2; i < CPUID_XSTATE_SUBLEAVES; i++) {
        if (!(xcr0 & (1ULL << i)))
            continue;
        if (p->xstate[i].c & XSTATE_ALIGN64)
            size = ALIGN_UP(size, 64u);
        size += p->xstate[i].a;
    }
    return size;
}

/* Sizes and places of the components are the host's: guests read them with the instruction, too. */
void cpuid_xstate_sanitise(struct cpuid_policy *p)
{
    u64 mask = cpuid_xcr0_mask(p);
    u32 features = mask ? p->xstate[1].a : 0;

    memset(p->xstate, 0, sizeof(p->xstate));
    if (!mask)
        return;
    for (unsigned i = 2; i < CPUID_XSTATE_SUBLEAVES; i++) {
        if (!(mask & (1ULL << i)))
            continue;
        p->xstate[i] = cpuid_raw_policy.xstate[i];
        p->xstate[i].c &= XSTATE_ALIGN64;
        p->xstate[i].d = 0;
    }
    p->xstate[1].a = features;
    p->xstate[0].a = (u32)mask;
    p->xstate[0].d = (u32)(mask >> 32);
    p->xstate[0].b = p->xstate[0].c = cpuid_xsave_size(p, mask);
}
