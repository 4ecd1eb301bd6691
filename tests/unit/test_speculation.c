/* SPDX-License-Identifier: MIT */
/* pv/speculation.c: which mitigations are on, by CPU and command line; zelo/nospec.h: the masks. */
#include "unit.h"
#include "said_fixture.h"

#include <zelo/nospec.h>
#include <zelo/speculation.h>

#include <xen/arch-x86/cpufeatureset.h>

#include "pv/msr.h"

#define BIT(feature) (1u << XEN_X86_FEATURE_##feature % 32)
#define CAPS(feature) (1ULL << (XEN_X86_FEATURE_##feature - XEN_X86_FEATURE_RDCL_NO))

/* With the microcode of 2018 and later. */
static const struct speculation_cpu skylake = {
    .intel = true, .smep = true, .family = 6, .model = 0x55, .leaf7b = BIT(RTM),
    .leaf7d = BIT(IBRSB) | BIT(STIBP) | BIT(SSBD) | BIT(MD_CLEAR),
};
/* One that says it is free of the early flaws. */
static const struct speculation_cpu newer_intel = {
    .intel = true, .smep = true, .family = 6, .model = 0x8f,
    .leaf7d = BIT(IBRSB) | BIT(STIBP) | BIT(SSBD) | BIT(MD_CLEAR) | BIT(ARCH_CAPS),
    .leaf7_2d = BIT(INTEL_PSFD) | BIT(BHI_CTRL),
    .arch_caps = CAPS(RDCL_NO) | CAPS(MDS_NO) | CAPS(TAA_NO) | CAPS(EIBRS) | CAPS(SBDR_SSDP_NO) | CAPS(FBSDP_NO) |
                 CAPS(PSDP_NO) | CAPS(FB_CLEAR) | CAPS(INTEL_SSB_NO),
};
static const struct speculation_cpu old_intel = { .intel = true, .family = 6, .model = 0x2a };
static const struct speculation_cpu zen2 = {
    .amd = true, .smep = true, .family = 0x17, .model = 0x31,
    .ext8b = BIT(IBPB) | BIT(IBRS) | BIT(AMD_STIBP) | BIT(AMD_SSBD),
};
static const struct speculation_cpu zen4 = {
    .amd = true, .smep = true, .family = 0x19, .model = 0x61,
    .ext8b = BIT(IBPB) | BIT(IBRS) | BIT(AMD_STIBP) | BIT(AMD_SSBD) | BIT(PSFD) | BIT(BTC_NO),
    .ext21a = BIT(AUTO_IBRS) | BIT(VERW_CLEAR),
};

static struct speculation decide(const struct speculation_cpu *cpu, const char *spec_ctrl, const char *xpti,
                                 const char *pv_l1tf)
{
    struct speculation_words w = { spec_ctrl, xpti, pv_l1tf };
    struct speculation s;

    said[0] = '\0';
    speculation_decide(cpu, &w, &s);
    return s;
}

static void test_masks(void **state)
{
    u32 table[5] = { 10, 11, 12, 13, 14 }, i;

    for (i = 0; i < 5; i++)
        assert_int_equal(table[array_index_nospec(i, 5)], 10 + i);
    for (i = 5; i < 9; i++)
        assert_int_equal(array_index_nospec(i, 5), 0);
    assert_int_equal(array_index_nospec(~0u, 5), 0);
    assert_true(nospec_mask(~0ULL, 5) == 0);
    assert_true(nospec_mask(0, 0) == 0);
    assert_true(nospec_mask(0x7fffffffffffffff, 0x8000000000000000) == ~0ULL);
    assert_true(nospec_mask(0x8000000000000000, 0x7fffffffffffffff) == 0);
    assert_int_equal(sizeof(array_index_nospec(i, 5)), sizeof(i));
}

static void test_skylake(void **state)
{
    struct speculation s = decide(&skylake, NULL, NULL, NULL);

    assert_true(s.meltdown && s.l1tf && s.mds && s.taa && s.ssb && s.rsb_underflow);
    assert_false(s.btc || s.srso || s.tsa || s.mmio || s.rfds);
    assert_true(s.xpti_dom0 && s.xpti_domu && s.l1tf_domu);
    assert_false(s.l1tf_dom0);
    assert_int_equal(s.thunk, THUNK_RETPOLINE);
    assert_int_equal(s.spec_ctrl, SPEC_CTRL_IBRS | SPEC_CTRL_STIBP);
    assert_true(s.switch_spec_ctrl && s.verw && s.ibpb_switch);
    assert_false(s.ibpb_entry || s.rsb || s.auto_ibrs);
}

static void test_newer_intel(void **state)
{
    struct speculation s = decide(&newer_intel, NULL, NULL, NULL);

    assert_false(s.meltdown || s.l1tf || s.mds || s.taa || s.mmio || s.ssb || s.verw);
    assert_false(s.xpti_dom0 || s.xpti_domu || s.l1tf_domu);
    assert_int_equal(s.spec_ctrl, SPEC_CTRL_IBRS | SPEC_CTRL_STIBP | SPEC_CTRL_BHI_DIS_S);
}

/* Without the microcode no MSR may be touched, whatever is asked for. */
static void test_old_intel(void **state)
{
    struct speculation s = decide(&old_intel, NULL, NULL, NULL);

    assert_true(s.meltdown && s.xpti_domu && s.rsb);
    assert_false(s.switch_spec_ctrl || s.ibpb_switch || s.ibpb_entry || s.verw);
    s = decide(&old_intel, "ibrs,ssbd,psfd,bhi-dis-s,ibpb,ibpb-entry", NULL, NULL);
    assert_int_equal(s.spec_ctrl, 0);
    assert_false(s.switch_spec_ctrl || s.ibpb_switch || s.ibpb_entry || s.auto_ibrs);
}

static void test_amd(void **state)
{
    struct speculation s = decide(&zen2, NULL, NULL, NULL);

    assert_false(s.meltdown || s.l1tf || s.mds || s.taa || s.verw || s.xpti_dom0 || s.xpti_domu || s.l1tf_domu);
    assert_true(s.btc && s.srso && s.ibpb_entry && s.ibpb_switch && s.ssb);
    assert_int_equal(s.spec_ctrl, 0);
    s = decide(&zen4, NULL, NULL, NULL);
    assert_true(!s.btc && s.srso && s.ibpb_entry && s.auto_ibrs && s.tsa && s.verw);
    assert_int_equal(s.spec_ctrl, SPEC_CTRL_IBRS | SPEC_CTRL_STIBP);
}

static void test_no_flaw_named_no_mitigation(void **state)
{
    struct speculation_cpu cpu = zen4;
    struct speculation s;

    cpu.ext21a |= BIT(SRSO_NO);
    cpu.ext21c |= BIT(TSA_SQ_NO) | BIT(TSA_L1_NO);
    s = decide(&cpu, NULL, NULL, NULL);
    assert_false(s.srso || s.tsa || s.verw || s.ibpb_entry);
    cpu = newer_intel;
    cpu.arch_caps |= CAPS(RFDS_CLEAR);
    assert_true(decide(&cpu, NULL, NULL, NULL).verw);
    cpu.arch_caps |= CAPS(RFDS_NO);
    assert_false(decide(&cpu, NULL, NULL, NULL).verw);
    cpu.arch_caps &= ~CAPS(PSDP_NO);
    assert_true(decide(&cpu, NULL, NULL, NULL).verw);
}

static void test_everything_off(void **state)
{
    static const char *const words[] = { "no", "off", "false", "0", "xen=no" };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        struct speculation s = decide(&zen4, words[i], NULL, NULL);

        assert_int_equal(s.thunk, THUNK_JMP);
        assert_false(s.switch_spec_ctrl || s.auto_ibrs || s.rsb || s.verw || s.ibpb_entry || s.ibpb_switch);
    }
    assert_false(decide(&skylake, "no", NULL, NULL).xpti_domu);
    assert_false(decide(&skylake, "no", NULL, NULL).l1tf_domu);
    /* Options of their own still count, and so do later words. */
    assert_true(decide(&skylake, "no", "domu", "dom0").xpti_domu);
    assert_true(decide(&skylake, "no,verw", NULL, NULL).verw);
}

static void test_words(void **state)
{
    struct speculation s;

    assert_int_equal(decide(&skylake, "bti-thunk=lfence", NULL, NULL).thunk, THUNK_LFENCE);
    assert_int_equal(decide(&skylake, "bti-thunk=jmp,rsb", NULL, NULL).thunk, THUNK_JMP);
    s = decide(&skylake, "no-ibrs,ssbd,rsb=yes,no-verw,ibpb=0,ibpb-entry=pv", NULL, NULL);
    assert_int_equal(s.spec_ctrl, SPEC_CTRL_SSBD);
    assert_true(s.rsb && s.ibpb_entry);
    assert_false(s.verw || s.ibpb_switch);
    assert_false(decide(&skylake, "verw=pv=no", NULL, NULL).verw);
    assert_false(decide(&skylake, "md-clear=no-pv", NULL, NULL).verw);
    assert_false(decide(&skylake, "msr-sc=off", NULL, NULL).switch_spec_ctrl);
    s = decide(&skylake, "pv=no", NULL, NULL);
    assert_false(s.switch_spec_ctrl || s.verw);
    assert_true(s.ibpb_switch);
    assert_string_equal(said, "");
}

static void test_words_not_understood(void **state)
{
    struct speculation s = decide(&skylake, "bti-thunk=magic,l1d-flush,verw=perhaps,nonsense", "perhaps", "dom7");

    assert_non_null(strstr(said, "'bti-thunk=magic'"));
    assert_non_null(strstr(said, "spec-ctrl=l1d-flush: there is no such thing here"));
    assert_non_null(strstr(said, "'verw=perhaps'"));
    assert_non_null(strstr(said, "'nonsense'"));
    assert_non_null(strstr(said, "xpti: 'perhaps'"));
    assert_non_null(strstr(said, "pv-l1tf: 'dom7'"));
    assert_true(s.verw && s.xpti_dom0 && s.l1tf_domu && s.thunk == THUNK_RETPOLINE);
}

static void test_per_domain(void **state)
{
    struct speculation s = decide(&skylake, NULL, "dom0=no", "true");

    assert_true(!s.xpti_dom0 && s.xpti_domu && s.l1tf_dom0 && s.l1tf_domu);
    s = decide(&skylake, NULL, "no-dom0,domu", "off");
    assert_true(!s.xpti_dom0 && s.xpti_domu && !s.l1tf_dom0 && !s.l1tf_domu);
    s = decide(&zen2, NULL, "true", "domu");
    assert_true(s.xpti_dom0 && s.xpti_domu && !s.l1tf_dom0 && s.l1tf_domu);
    s = decide(&skylake, NULL, "false,domu=on", NULL);
    assert_true(!s.xpti_dom0 && s.xpti_domu);
    s = decide(&skylake, NULL, "default", NULL);
    assert_true(s.xpti_dom0 && s.xpti_domu);
    assert_string_equal(said, "");
}

/* What `xl dmesg` tells. */
static void test_report(void **state)
{
    struct speculation s = decide(&skylake, NULL, "dom0=no", NULL);

    speculation_report(&s);
    assert_non_null(strstr(said, "Spectre v2: thunks retpoline, IBRS, IBPB between domains\n"));
    assert_non_null(strstr(said, "Meltdown: affected; separate page tables (xpti): all but domain 0\n"));
    assert_non_null(strstr(said, "MDS affected, TAA affected, MMIO not affected"));
    assert_non_null(strstr(said, "VERW at return to guests: on\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_skylake),
        cmocka_unit_test(test_newer_intel),
        cmocka_unit_test(test_old_intel),
        cmocka_unit_test(test_amd),
        cmocka_unit_test(test_no_flaw_named_no_mitigation),
        cmocka_unit_test(test_everything_off),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_words_not_understood),
        cmocka_unit_test(test_per_domain),
        cmocka_unit_test(test_report),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
