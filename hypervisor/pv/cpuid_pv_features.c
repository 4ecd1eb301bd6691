/* SPDX-License-Identifier: MIT */
/*
 * The features that a PV guest may have, if the host has them.  Left out is
 * what the hypervisor keeps for itself (paging modes, SMEP, SMAP, PCID, PKU,
 * virtualisation), what needs an MSR that guests do not get (MTRR, thermal and
 * performance monitoring, debug store, DR masks, HWP, CET), and what needs a
 * local APIC of the guest's own (x2APIC, TSC deadline).
 */
#include <zelo/lib.h>

#include "cpuid.h"

#define F(name) XEN_X86_FEATURE_##name

static const u16 by_default[] = {
    /* leaf 1 */
    F(FPU), F(DE), F(TSC), F(MSR), F(PAE), F(MCE), F(CX8), F(APIC), F(SEP), F(MCA), F(CMOV), F(PAT),
    F(CLFLUSH), F(ACPI), F(MMX), F(FXSR), F(SSE), F(SSE2), F(SS), F(HTT),
    F(SSE3), F(PCLMULQDQ), F(SSSE3), F(FMA), F(CX16), F(SSE4_1), F(SSE4_2), F(MOVBE), F(POPCNT), F(AESNI),
    F(XSAVE), F(OSXSAVE), F(AVX), F(F16C), F(RDRAND), F(HYPERVISOR),
    /* 0x80000001 */
    F(SYSCALL), F(NX), F(MMXEXT), F(RDTSCP), F(LM), F(3DNOWEXT), F(3DNOW),
    F(LAHF_LM), F(CMP_LEGACY), F(ABM), F(SSE4A), F(MISALIGNSSE), F(3DNOWPREFETCH), F(XOP), F(FMA4), F(TBM),
    /* 0xd:1 */
    F(XSAVEOPT), F(XSAVEC), F(XGETBV1),
    /* 7:0 */
    F(FSGSBASE), F(BMI1), F(AVX2), F(FDP_EXCP_ONLY), F(BMI2), F(ERMS), F(RTM), F(NO_FPU_SEL), F(AVX512F),
    F(AVX512DQ), F(RDSEED), F(ADX), F(AVX512_IFMA), F(CLFLUSHOPT), F(CLWB), F(AVX512PF), F(AVX512ER),
    F(AVX512CD), F(SHA), F(AVX512BW), F(AVX512VL),
    F(PREFETCHWT1), F(AVX512_VBMI), F(AVX512_VBMI2), F(GFNI), F(VAES), F(VPCLMULQDQ), F(AVX512_VNNI),
    F(AVX512_BITALG), F(AVX512_VPOPCNTDQ), F(RDPID), F(CLDEMOTE),
    F(AVX512_4VNNIW), F(AVX512_4FMAPS), F(FSRM), F(MD_CLEAR), F(RTM_ALWAYS_ABORT), F(SERIALIZE), F(IBRSB),
    F(STIBP), F(ARCH_CAPS), F(SSBD),
    /* 7:1, 7:2 */
    F(AVX_VNNI), F(AVX512_BF16), F(FZRM), F(FSRS), F(FSRCS), F(INTEL_PSFD), F(MCDT_NO),
    /* 0x80000008, 0x80000021 */
    F(CLZERO), F(RSTR_FP_ERR_PTRS), F(IBPB), F(SSB_NO), F(BTC_NO), F(IBPB_RET),
    F(LFENCE_DISPATCH), F(VERW_CLEAR), F(NSCB), F(SBPB), F(IBPB_BRTYPE), F(SRSO_NO), F(SRSO_US_NO),
    F(TSA_SQ_NO), F(TSA_L1_NO),
    /* ARCH_CAPABILITIES */
    F(RDCL_NO), F(EIBRS), F(RSBA), F(INTEL_SSB_NO), F(MDS_NO), F(IF_PSCHANGE_MC_NO), F(TAA_NO),
    F(SBDR_SSDP_NO), F(FBSDP_NO), F(PSDP_NO), F(FB_CLEAR), F(RRSBA), F(BHI_NO), F(PBRSB_NO), F(GDS_NO),
    F(RFDS_NO), F(RFDS_CLEAR), F(ITS_NO),
};

/* Only if asked for: they tie a guest to this host, or are rarely wanted. */
static const u16 on_request[] = {
    F(ITSC), F(HLE), F(MOVDIRI), F(MOVDIR64B), F(AVX512_VP2INTERSECT), F(TSXLDTRK),
};

u32 pv_features_default[FEATURESET_WORDS], pv_features_max[FEATURESET_WORDS];

static void add_features(u32 *set, const u16 *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        set[list[i] / 32] |= 1u << list[i] % 32;
}

void pv_features_init(void)
{
    add_features(pv_features_default, by_default, ARRAY_SIZE(by_default));
    memcpy(pv_features_max, pv_features_default, sizeof(pv_features_max));
    add_features(pv_features_max, on_request, ARRAY_SIZE(on_request));
}
