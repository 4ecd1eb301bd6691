/* SPDX-License-Identifier: MIT */
/* pv/msr*.c: the MSRs a guest has, those of each vCPU as they are switched and migrate. */
#include "policy_fixture.h"

#define HYPERCALL_PAGE_MARK 0xc3

void hypercall_page_fill(void *page) { memset(page, HYPERCALL_PAGE_MARK, PAGE_SIZE); }

static u64 read_msr(u32 msr)
{
    u64 value = 0x5555;

    assert_int_equal(pv_msr_read(&vcpu, msr, &value), 0);
    return value;
}

static bool msr_faults(u32 msr)
{
    u64 value;

    return pv_msr_read(&vcpu, msr, &value) != 0;
}

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

static void test_msrs_that_all_have(void **state)
{
    u64 tsc;

    start(HOST_CPU_AMD);
    bases[0] = 0x7f0000001000;
    bases[1] = 0x7f0000002000;
    assert_int_equal(read_msr(MSR_FS_BASE), 0x7f0000001000);
    assert_int_equal(read_msr(MSR_GS_BASE), 0x7f0000002000);
    tsc = read_msr(MSR_IA32_TSC);
    assert_true(read_msr(MSR_IA32_TSC) > tsc);
    assert_int_equal(read_msr(MSR_APIC_BASE), 0xfee00800);
    vcpu.id = 0;
    assert_int_equal(read_msr(MSR_APIC_BASE), 0xfee00900); /* the boot processor */
    assert_int_equal(read_msr(MSR_DEBUGCTL), 0);
    assert_int_equal(read_msr(MSR_XEN_HYPERCALL_PAGE), 0);
    assert_true(msr_faults(MSR_UCODE_REV)); /* the machine has none */
    host_msr_set(MSR_UCODE_REV, 0x8001250);
    assert_int_equal(read_msr(MSR_UCODE_REV), 0x8001250);
}

static void test_msrs_of_intel(void **state)
{
    start(HOST_CPU_INTEL);
    assert_true(msr_faults(MSR_MISC_ENABLE));
    host_msr_set(MSR_MISC_ENABLE, ~0ULL & ~(1ULL << 11 | 1ULL << 12));
    /* performance monitoring and MONITOR are off, BTS and PEBS are not there */
    assert_true(read_msr(MSR_MISC_ENABLE) == ~(1ULL << 7 | 1ULL << 18));
    assert_int_equal(read_msr(MSR_PLATFORM_INFO), 0x80000000); /* CPUID faulting, and no more of the host's */
    dom.pv.cpuid->platform_info = 0;
    assert_true(msr_faults(MSR_PLATFORM_INFO));
}

static void test_msrs_of_amd(void **state)
{
    start(HOST_CPU_AMD);
    assert_int_equal(read_msr(MSR_AMD_INT_PENDING), 0);
    assert_true(msr_faults(MSR_AMD_SYSCFG));
    host_msr_set(MSR_AMD_SYSCFG, 0x160000);
    host_msr_set(MSR_AMD_NB_CFG, 0x123456789);
    host_msr_set(MSR_AMD_HWCR, ~0ULL);
    host_msr_set(MSR_AMD_DE_CFG, ~0ULL);
    assert_int_equal(read_msr(MSR_AMD_SYSCFG), 0x160000);
    assert_int_equal(read_msr(MSR_AMD_NB_CFG), 0x123456789);
    assert_int_equal(read_msr(MSR_AMD_HWCR), 1 << 24);
    assert_int_equal(read_msr(MSR_AMD_DE_CFG), 2);
    assert_true(msr_faults(MSR_FEATURE_CONTROL)); /* another vendor's */
    assert_true(msr_faults(MSR_ARCH_CAPABILITIES));
    assert_true(msr_faults(MSR_PLATFORM_INFO));
}

/* <xen/arch-x86/cpuid.h>, leaf 2: a write of the page's address and number. */
static void test_hypercall_page(void **state)
{
    struct domain *d;
    struct page *p;
    u64 at;

    start(HOST_CPU_AMD);
    d = host_domain_create(9, false, 1, 100);
    p = domain_alloc_pages(d, 0, 0);
    at = page_to_mfn(p).n << PAGE_SHIFT;
    vcpu.domain = d;
    assert_int_not_equal(pv_msr_write(&vcpu, MSR_XEN_HYPERCALL_PAGE, at + 1), 0); /* there is page 0 only */
    assert_int_not_equal(pv_msr_write(&vcpu, MSR_XEN_HYPERCALL_PAGE, HOST_FRAMES << PAGE_SHIFT), 0);
    assert_int_not_equal(pv_msr_write(&vcpu, MSR_XEN_HYPERCALL_PAGE, virt_to_phys(d->shared_info) - PAGE_SIZE), 0);
    assert_int_equal(((u8 *)page_to_virt(p))[0], 0);
    assert_int_equal(pv_msr_write(&vcpu, MSR_XEN_HYPERCALL_PAGE, at), 0);
    assert_int_equal(((u8 *)page_to_virt(p))[PAGE_SIZE - 1], HYPERCALL_PAGE_MARK);
    assert_int_equal(p->count & PGC_COUNT_MASK, 1);
    host_set_current(idle_vcpu[0]);
    assert_true(host_domain_destroy(d));
}

/* What newer CPUs have besides. */
static void test_newer_speculation_controls(void **state)
{
    start(HOST_CPU_INTEL);
    assert_int_not_equal(pv_msr_write(&vcpu, MSR_SPEC_CTRL, SPEC_CTRL_PSFD), 0);
    cpuid_set_feature(dom.pv.cpuid, XEN_X86_FEATURE_INTEL_PSFD, true);
    assert_int_equal(pv_msr_write(&vcpu, MSR_SPEC_CTRL, SPEC_CTRL_PSFD), 0);
    assert_int_equal(read_msr(MSR_SPEC_CTRL), SPEC_CTRL_PSFD);
    cpuid_set_feature(dom.pv.cpuid, XEN_X86_FEATURE_SBPB, true);
    assert_int_equal(pv_msr_write(&vcpu, MSR_PRED_CMD, PRED_CMD_SBPB), 0);
    assert_int_equal(host_msr_get(MSR_PRED_CMD), PRED_CMD_SBPB);
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
        cmocka_unit_test(test_msrs_that_all_have),
        cmocka_unit_test(test_msrs_of_intel),
        cmocka_unit_test(test_msrs_of_amd),
        cmocka_unit_test(test_hypercall_page),
        cmocka_unit_test(test_newer_speculation_controls),
        cmocka_unit_test(test_msr_own),
        cmocka_unit_test(test_switch_writes_only_changes),
        cmocka_unit_test(test_vcpu_msrs),
    };

    return cmocka_run_group_tests(tests, host_group_boot, NULL);
}
