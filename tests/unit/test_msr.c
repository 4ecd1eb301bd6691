/* SPDX-License-Identifier: MIT */
/* pv/msr*.c: the MSRs a guest has, those of each vCPU as they are switched and migrate. */
#include "policy_fixture.h"

static void test_msr_bases(void **state)
{
    u64 v;

    start(HOST_CPU_AMD);
    assert_int_equal(pv_msr_write(&vcpu, MSR_KERNEL_GS_BASE, 0x7fff12345000), 0);
    assert_int_equal(bases[2], 0x7fff12345000);
    assert_int_equal(pv_msr_read(&vcpu, MSR_KERNEL_GS_BASE, &v), 0);
    assert_int_equal(v, 0x7fff12345000);
    assert_int_equal(pv_msr_write(&vcpu, MSR_GS_BASE, 0xffff888000000000), 0);
    assert_int_not_equal(pv_msr_write(&vcpu, MSR_FS_BASE, 0x0000800000000000), 0);
    assert_int_not_equal(pv_msr_write(&vcpu, MSR_GS_BASE, 0xdead000000000000), 0);
}

static void test_msr_list(void **state)
{
    u64 v;

    start(HOST_CPU_INTEL);
    assert_int_equal(pv_msr_read(&vcpu, MSR_EFER, &v), 0);
    assert_int_equal(v, EFER_SCE | EFER_LME | EFER_LMA | EFER_NX);
    assert_int_equal(pv_msr_write(&vcpu, MSR_EFER, v), 0);
    assert_int_not_equal(pv_msr_write(&vcpu, MSR_EFER, v | 1 << 12), 0);
    assert_int_equal(pv_msr_read(&vcpu, MSR_PAT, &v), 0);
    assert_int_equal(v, PV_PAT);
    assert_int_not_equal(pv_msr_write(&vcpu, MSR_PAT, 0), 0);
    assert_int_equal(pv_msr_read(&vcpu, MSR_MCG_CAP, &v), 0);
    assert_int_equal(v, 0);
    assert_int_equal(pv_msr_read(&vcpu, MSR_ARCH_CAPABILITIES, &v), 0);
    assert_int_equal(v, 0x23);
    assert_int_equal(pv_msr_read(&vcpu, MSR_FEATURE_CONTROL, &v), 0);
    assert_int_equal(v, 1);
    assert_int_not_equal(pv_msr_read(&vcpu, MSR_LSTAR, &v), 0);
    assert_int_not_equal(pv_msr_write(&vcpu, MSR_LSTAR, 0), 0);
    assert_int_not_equal(pv_msr_read(&vcpu, MSR_AMD_HWCR, &v), 0);
    assert_int_not_equal(pv_msr_read(&vcpu, 0xdeadbeef, &v), 0);
    assert_int_equal(pv_msr_write(&vcpu, MSR_UCODE_REV, 0), 0);
    assert_int_not_equal(pv_msr_write(&vcpu, 0x79, 0), 0); /* microcode update */
}

static void test_msr_own(void **state)
{
    start(HOST_CPU_INTEL);
    dom.is_privileged = true;
    assert_int_equal(pv_msr_write(&vcpu, MSR_SPEC_CTRL, SPEC_CTRL_IBRS | SPEC_CTRL_SSBD), 0);
    assert_int_equal(host_msr_get(MSR_SPEC_CTRL), 5);
    assert_int_not_equal(pv_msr_write(&vcpu, MSR_SPEC_CTRL, 1 << 8), 0);
    assert_int_equal(pv_msr_write(&vcpu, MSR_TSC_AUX, 77), 0);
    assert_int_equal(host_msr_get(MSR_TSC_AUX), 77);
    assert_int_not_equal(pv_msr_write(&vcpu, MSR_TSC_AUX, 1ULL << 32), 0);
    assert_int_equal(host_msr_get(MSR_MISC_FEATURES_ENABLES), 0);
    assert_int_equal(pv_msr_write(&vcpu, MSR_MISC_FEATURES_ENABLES, 1), 0);
    assert_int_equal(host_msr_get(MSR_MISC_FEATURES_ENABLES), 1);
    assert_int_not_equal(pv_msr_write(&vcpu, MSR_MISC_FEATURES_ENABLES, 2), 0);
    assert_int_equal(pv_msr_write(&vcpu, MSR_PRED_CMD, PRED_CMD_IBPB), 0);
    assert_int_equal(host_msr_get(MSR_PRED_CMD), 1);
    assert_int_not_equal(pv_msr_write(&vcpu, MSR_PRED_CMD, PRED_CMD_SBPB), 0);

    start(HOST_CPU_AMD);
    assert_int_not_equal(pv_msr_write(&vcpu, MSR_SPEC_CTRL, 0), 0);
    assert_int_not_equal(pv_msr_write(&vcpu, MSR_PRED_CMD, 0), 0);
    assert_int_not_equal(pv_msr_write(&vcpu, MSR_MISC_FEATURES_ENABLES, 0), 0);
}

static void test_switch_writes_only_changes(void **state)
{
    u64 writes;

    start(HOST_CPU_INTEL);
    dom.is_privileged = true;
    pv_msrs_load(&vcpu);
    dom.is_privileged = false;
    pv_msrs_load(&vcpu);
    assert_int_equal(host_msr_get(MSR_MISC_FEATURES_ENABLES), 1); /* a domU's user mode sees its policy */
    writes = host_msr_writes;
    pv_msrs_load(&vcpu);
    assert_int_equal(host_msr_writes, writes);
    dom.is_privileged = true;
    pv_msrs_load(&vcpu);
    assert_int_equal(host_msr_get(MSR_MISC_FEATURES_ENABLES), 0);
}

static void test_vcpu_msrs(void **state)
{
    xen_domctl_vcpu_msr_t m[8];
    struct xen_domctl_vcpu_msrs op = { 0 };

    start(HOST_CPU_INTEL);
    assert_int_equal(pv_vcpu_msrs(&vcpu, &op, false), 0);
    assert_int_equal(op.msr_count, 3);
    vcpu.pv.msrs.tsc_aux = 9;
    vcpu.pv.msrs.spec_ctrl = 1;
    op.msrs.p = m;
    op.msr_count = 1;
    assert_int_equal(pv_vcpu_msrs(&vcpu, &op, false), -ENOBUFS);
    assert_int_equal(op.msr_count, 2);
    assert_int_equal(pv_vcpu_msrs(&vcpu, &op, false), 0);
    assert_int_equal(op.msr_count, 2);
    memset(&vcpu.pv.msrs, 0, sizeof(vcpu.pv.msrs));
    assert_int_equal(pv_vcpu_msrs(&vcpu, &op, true), 0);
    assert_int_equal(vcpu.pv.msrs.tsc_aux, 9);
    assert_int_equal(vcpu.pv.msrs.spec_ctrl, 1);
    m[1].index = MSR_LSTAR;
    assert_int_equal(pv_vcpu_msrs(&vcpu, &op, true), -EINVAL);
    assert_int_equal(op.msr_count, 1);
    m[0].reserved = 1;
    op.msr_count = 2;
    assert_int_equal(pv_vcpu_msrs(&vcpu, &op, true), -EINVAL);
    assert_int_equal(op.msr_count, 0);
    m[0].reserved = 0;
    for (int i = 0; i < 8; i++)
        m[i] = m[0];
    op.msr_count = 0xffffffff;
    assert_int_equal(pv_vcpu_msrs(&vcpu, &op, true), -EINVAL);
    assert_int_equal(op.msr_count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_msr_bases),
        cmocka_unit_test(test_msr_list),
        cmocka_unit_test(test_msr_own),
        cmocka_unit_test(test_switch_writes_only_changes),
        cmocka_unit_test(test_vcpu_msrs),
    };

    return cmocka_run_group_tests(tests, host_group_setup, NULL);
}
