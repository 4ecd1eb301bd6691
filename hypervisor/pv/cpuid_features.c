/* SPDX-License-Identifier: MIT */
/*
 * Feature bits as one set of words, in the public order, and what each feature
 * needs from others: a guest that lacks XSAVE has no AVX, and so on.
 */
#include <zelo/lib.h>

#include "cpuid.h"

#define F(name) XEN_X86_FEATURE_##name

#define AT(member) offsetof(struct cpuid_policy, member)
static const u16 word_at[FEATURESET_WORDS] = {
    AT(basic[1].d), AT(basic[1].c), AT(extd[1].d), AT(extd[1].c), AT(xstate[1].a), AT(feat[0].b),
    AT(feat[0].c), AT(extd[7].d), AT(extd[8].b), AT(feat[0].d), AT(feat[1].a), AT(extd[0x21].a),
    AT(feat[1].b), AT(feat[2].d), AT(feat[1].c), AT(feat[1].d), AT(arch_caps),
    AT(arch_caps) + sizeof(u32), AT(extd[0x21].c),
};
#undef AT

static u32 *word_of(struct cpuid_policy *p, unsigned word)
{
    return (u32 *)((char *)p + word_at[word]);
}

static u32 word_read(const struct cpuid_policy *p, unsigned word)
{
    return *(const u32 *)((const char *)p + word_at[word]);
}

bool cpuid_has(const struct cpuid_policy *p, unsigned feature)
{
    return word_read(p, feature / 32) & (1u << feature % 32);
}

void cpuid_set_feature(struct cpuid_policy *p, unsigned feature, bool on)
{
    u32 *w = word_of(p, feature / 32), bit = 1u << feature % 32;

    *w = on ? *w | bit : *w & ~bit;
}

void cpuid_get_features(const struct cpuid_policy *p, u32 set[FEATURESET_WORDS])
{
    for (unsigned w = 0; w < FEATURESET_WORDS; w++)
        set[w] = word_read(p, w);
}

void cpuid_put_features(struct cpuid_policy *p, const u32 set[FEATURESET_WORDS])
{
    for (unsigned w = 0; w < FEATURESET_WORDS; w++)
        *word_of(p, w) = set[w];
}

/* CPU manuals: each left one is of no use, or faults, without the right one. */
static const struct { u16 feature, needs; } dependencies[] = {
    { F(PSE36), F(PSE) }, { F(MMXEXT), F(MMX) }, { F(3DNOW), F(MMX) }, { F(3DNOWEXT), F(3DNOW) },
    { F(SSE), F(FXSR) }, { F(SSE2), F(SSE) }, { F(SSE3), F(SSE2) }, { F(SSSE3), F(SSE3) },
    { F(SSE4_1), F(SSSE3) }, { F(SSE4_2), F(SSE4_1) }, { F(SSE4A), F(SSE3) }, { F(MISALIGNSSE), F(SSE) },
    { F(AESNI), F(SSE2) }, { F(PCLMULQDQ), F(SSE2) }, { F(SHA), F(SSE2) }, { F(GFNI), F(SSE2) },
    { F(CX16), F(CX8) }, { F(FFXSR), F(FXSR) }, { F(LM), F(PAE) }, { F(NX), F(PAE) }, { F(LAHF_LM), F(LM) },
    { F(PAGE1GB), F(LM) }, { F(PCID), F(LM) }, { F(INVPCID), F(PCID) }, { F(FSGSBASE), F(LM) },
    { F(PKU), F(PAE) }, { F(OSPKE), F(PKU) },
    { F(XSAVEOPT), F(XSAVE) }, { F(XSAVEC), F(XSAVE) }, { F(XGETBV1), F(XSAVE) }, { F(XSAVES), F(XSAVEC) },
    { F(OSXSAVE), F(XSAVE) }, { F(AVX), F(XSAVE) }, { F(AVX), F(SSE) }, { F(MPX), F(XSAVE) },
    { F(PKU), F(XSAVE) },
    { F(FMA), F(AVX) }, { F(F16C), F(AVX) }, { F(FMA4), F(AVX) }, { F(XOP), F(AVX) }, { F(AVX2), F(AVX) },
    { F(VAES), F(AVX) }, { F(VAES), F(AESNI) }, { F(VPCLMULQDQ), F(AVX) }, { F(VPCLMULQDQ), F(PCLMULQDQ) },
    { F(AVX_VNNI), F(AVX2) }, { F(AVX512F), F(AVX2) }, { F(AVX512DQ), F(AVX512F) },
    { F(AVX512_IFMA), F(AVX512F) }, { F(AVX512PF), F(AVX512F) }, { F(AVX512ER), F(AVX512F) },
    { F(AVX512CD), F(AVX512F) }, { F(AVX512BW), F(AVX512F) }, { F(AVX512VL), F(AVX512F) },
    { F(AVX512_4VNNIW), F(AVX512F) }, { F(AVX512_4FMAPS), F(AVX512F) }, { F(AVX512_VNNI), F(AVX512F) },
    { F(AVX512_VPOPCNTDQ), F(AVX512F) }, { F(AVX512_VP2INTERSECT), F(AVX512F) },
    { F(AVX512_VBMI), F(AVX512BW) }, { F(AVX512_VBMI2), F(AVX512BW) }, { F(AVX512_BITALG), F(AVX512BW) },
    { F(AVX512_BF16), F(AVX512BW) }, { F(AVX512_FP16), F(AVX512BW) },
    { F(HLE), F(RTM) }, { F(TSXLDTRK), F(RTM) },
    { F(STIBP), F(IBRSB) }, { F(SSBD), F(IBRSB) }, { F(INTEL_PSFD), F(IBRSB) }, { F(IPRED_CTRL), F(IBRSB) },
    { F(RRSBA_CTRL), F(IBRSB) }, { F(BHI_CTRL), F(IBRSB) }, { F(EIBRS), F(IBRSB) },
    { F(IBPB_RET), F(IBPB) }, { F(SBPB), F(IBPB) }, { F(IBPB_BRTYPE), F(IBPB) },
};

static bool drop_one_round(struct cpuid_policy *p)
{
    bool dropped = false;

    for (size_t i = 0; i < ARRAY_SIZE(dependencies); i++) {
        if (cpuid_has(p, dependencies[i].feature) && !cpuid_has(p, dependencies[i].needs)) {
            cpuid_set_feature(p, dependencies[i].feature, false);
            dropped = true;
        }
    }
    return dropped;
}

void cpuid_drop_dependents(struct cpuid_policy *p)
{
    if (!cpuid_has(p, F(ARCH_CAPS)))
        p->arch_caps = 0;
    while (drop_one_round(p))
        ; /* ends: each round clears at least one of finitely many bits */
}
