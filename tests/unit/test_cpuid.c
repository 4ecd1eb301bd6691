/* SPDX-License-Identifier: MIT */
/* pv/cpuid*.c, pv/extstate.c: what guests see of their CPU, and what the tools may make of it. */
#include "policy_fixture.h"

#include <zelo/guest.h>

#include <xen/sysctl.h>

#define F(name) XEN_X86_FEATURE_##name

static bool shows(u32 leaf, u32 subleaf, unsigned reg, unsigned bit)
{
    struct cpuid_regs r;
    u32 *regs[] = { &r.a, &r.b, &r.c, &r.d };

    pv_cpuid(&vcpu, leaf, subleaf, &r);
    return *regs[reg] >> bit & 1;
}

/* --- policies --- */

static const u16 never[] = {
    F(VME), F(PSE), F(PSE36), F(PGE), F(MTRR), F(DS), F(VMX), F(SVM), F(MONITOR), F(DCA), F(X2APIC),
    F(TSC_DEADLINE), F(PCID), F(INVPCID), F(SMEP), F(SMAP), F(UMIP), F(PKU), F(CET_SS), F(CET_IBT), F(PAGE1GB),
    F(XSAVES),
    F(TSC_ADJUST), F(SGX), F(MPX), F(PROC_TRACE), F(OSXSAVE), F(TOPOEXT), F(PDCM),
};

static void check_policy(const struct cpuid_policy *p)
{
    for (size_t i = 0; i < ARRAY_SIZE(never); i++)
        if (cpuid_has(p, never[i]))
            fail_msg("feature %u.%u", never[i] / 32, never[i] % 32);
    assert_true(cpuid_has(p, F(HYPERVISOR)));
    assert_true(cpuid_has(p, F(APIC)));
    assert_true(cpuid_has(p, F(SYSCALL)));
    assert_true(cpuid_has(p, F(LM)));
    assert_true(cpuid_has(p, F(XSAVE)));
    assert_int_equal(p->basic[0].a, 0xd);
    assert_int_equal(p->basic[5].c, 0);
    assert_int_equal(p->extd[8].a >> 8, 48);
    assert_int_equal(p->basic[0xa].a, 0);
}

static void test_pv_policy_amd(void **state)
{
    start(HOST_CPU_AMD);
    check_policy(&cpuid_pv_max);
    check_policy(&cpuid_pv_default);
    assert_int_equal(cpuid_pv_max.extd[0].a, 0x8000000a);
    assert_int_equal(cpuid_pv_max.extd[10].b, 0); /* SVM's address spaces */
    assert_int_equal(cpuid_pv_max.extd[1].d & CPUID_E1D_COMMON, cpuid_pv_max.basic[1].d & CPUID_E1D_COMMON);
    assert_int_equal(cpuid_xcr0_mask(&cpuid_pv_default), 7);
    assert_int_equal(cpuid_pv_default.xstate[0].c, 0x340);
    assert_int_equal(cpuid_pv_default.xstate[9].a, 0); /* PKRU */
    assert_int_equal(cpuid_pv_default.platform_info, 0);
}

static void test_pv_policy_intel(void **state)
{
    start(HOST_CPU_INTEL);
    check_policy(&cpuid_pv_max);
    check_policy(&cpuid_pv_default);
    assert_true(cpuid_has(&cpuid_pv_default, F(AVX512F)));
    assert_true(cpuid_has(&cpuid_pv_default, F(IBRSB)));
    assert_true(cpuid_has(&cpuid_pv_default, F(ARCH_CAPS)));
    assert_int_equal(cpuid_pv_default.arch_caps, 0x23); /* SKIP_L1DFL is the hypervisor's business */
    assert_false(cpuid_has(&cpuid_pv_default, F(ITSC)));
    assert_true(cpuid_has(&cpuid_pv_max, F(ITSC)));
    assert_int_equal(cpuid_xcr0_mask(&cpuid_pv_default), 0xe7);
    assert_int_equal(cpuid_pv_default.platform_info, PLATFORM_INFO_CPUID_FAULTING);
    assert_int_equal(cpuid_pv_default.extd[1].d & CPUID_E1D_COMMON, 0);
}

static void test_dependents_go_with_what_they_need(void **state)
{
    struct cpuid_policy p;

    start(HOST_CPU_INTEL);
    p = cpuid_pv_default;
    cpuid_set_feature(&p, F(XSAVE), false);
    cpuid_set_feature(&p, F(IBRSB), false);
    cpuid_policy_sanitise(&p);
    assert_false(cpuid_has(&p, F(AVX)));
    assert_false(cpuid_has(&p, F(AVX512F)));
    assert_false(cpuid_has(&p, F(FMA)));
    assert_false(cpuid_has(&p, F(XSAVEC)));
    assert_false(cpuid_has(&p, F(SSBD)));
    assert_int_equal(p.xstate[0].a, 0);
    assert_int_equal(cpuid_xcr0_mask(&p), 0);
    cpuid_set_feature(&p, F(ARCH_CAPS), false);
    cpuid_policy_sanitise(&p);
    assert_int_equal(p.arch_caps, 0);
}

static void test_system_domains_have_none(void **state)
{
    struct domain idle = { .is_system = true };

    start(HOST_CPU_AMD);
    assert_int_equal(pv_cpuid_domain_init(&idle), 0);
    assert_null(idle.pv.cpuid);
    pv_cpuid_domain_free(&idle);
}

/* --- what a vCPU sees --- */

static void test_dynamic_leaves(void **state)
{
    struct cpuid_regs r;

    start(HOST_CPU_INTEL);
    pv_cpuid(&vcpu, 1, 0, &r);
    assert_int_equal(r.b >> 24, 3); /* the vCPU's number, not the CPU's APIC ID */
    assert_true(shows(1, 0, 2, 27)); /* OSXSAVE */
    pv_cpuid(&vcpu, 0xd, 0, &r);
    assert_int_equal(r.a, 0xe7);
    assert_int_equal(r.b, 576);
    assert_int_equal(r.c, 0xa80);
    vcpu.pv.xcr0 = 7;
    pv_cpuid(&vcpu, 0xd, 0, &r);
    assert_int_equal(r.b, 0x340);
    pv_cpuid(&vcpu, 0xd, 1, &r);
    assert_int_equal(r.b, 0x340);
    vcpu.pv.xcr0 = 0xe7;
    pv_cpuid(&vcpu, 0xd, 1, &r);
    assert_int_equal(r.b, 0x340 + 0x40 + 0x200 + 0x400);
    pv_cpuid(&vcpu, 0xb, 1, &r);
    assert_int_equal(r.a | r.b, 0);
    assert_int_equal(r.c, 1);
    assert_int_equal(r.d, 3);
}

static void test_leaves_that_are_not_there(void **state)
{
    static const u32 leaves[][2] = {
        { 0xe, 0 }, { 0x14, 0 }, { 0x3fffffff, 0 }, { 0x40000006, 0 }, { 0x40000100, 0 }, { 0x7fffffff, 0 },
        { 0x80000022, 0 }, { 0xffffffff, 0 }, { 4, 6 }, { 4, 0xffffffff }, { 7, 2 }, { 7, 3 }, { 0xd, 63 },
        { 0xd, 0xffffffff }, { 0xd, 8 }, { 0xd, 9 }, { 5, 0 }, { 6, 0 }, { 0xa, 0 }, { 0x40000003, 3 },
    };
    struct cpuid_regs r;

    start(HOST_CPU_INTEL);
    for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
        pv_cpuid(&vcpu, leaves[i][0], leaves[i][1], &r);
        if (r.a | r.b | r.c | r.d)
            fail_msg("leaf %x.%x", leaves[i][0], leaves[i][1]);
    }
}

static void test_hypervisor_leaves(void **state)
{
    struct cpuid_regs r;

    start(HOST_CPU_AMD);
    pv_cpuid(&vcpu, 0x40000000, 0, &r);
    assert_int_equal(r.a, 0x40000005);
    assert_memory_equal(&r.b, "XenVMMXenVMM", 12);
    pv_cpuid(&vcpu, 0x40000001, 0, &r);
    assert_int_equal(r.a, 4 << 16 | 17);
    pv_cpuid(&vcpu, 0x40000002, 0, &r);
    assert_int_equal(r.a, 1);
    assert_int_equal(r.b, 0x40000000);
    pv_cpuid(&vcpu, 0x40000003, 0, &r);
    assert_int_equal(r.c, arch_tsc_khz());
    pv_cpuid(&vcpu, 0x40000003, 1, &r);
    assert_int_equal(r.c, 0x80000000);
    assert_int_equal(r.d, 1);
    pv_cpuid(&vcpu, 0x40000005, 0, &r);
    assert_int_equal(r.b, arch_phys_addr_bits());
    dom.pv.cpuid->hv_limit = 0x40000001;
    pv_cpuid(&vcpu, 0x40000000, 0, &r);
    assert_int_equal(r.a, 0x40000001);
    pv_cpuid(&vcpu, 0x40000002, 0, &r);
    assert_int_equal(r.a, 0);
}

static void test_xcr0(void **state)
{
    static const u64 good[] = { 1, 3, 7, 0xe7 }, bad[] = { 0, 2, 5, 0x27, 0xe3, 0x207, 0x1f, 1ULL << 63 | 1 };

    start(HOST_CPU_INTEL);
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(pv_xcr0_valid(&dom, good[i]));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(pv_xcr0_valid(&dom, bad[i]));
}

/* --- the tools' operations --- */

static xen_cpuid_leaf_t leaves[CPUID_SERIALISED_MAX + 1];
static xen_msr_entry_t msrs[4];

static int domctl(u32 cmd, u32 *nr_leaves, u32 *nr_msrs, struct xen_domctl_cpu_policy *out)
{
    struct xen_domctl op = { .cmd = cmd };
    int rc;

    op.u.cpu_policy.nr_leaves = *nr_leaves;
    op.u.cpu_policy.nr_msrs = *nr_msrs;
    op.u.cpu_policy.leaves.p = leaves;
    op.u.cpu_policy.msrs.p = msrs;
    rc = pv_domctl_cpu_policy(&dom, &op);
    *nr_leaves = op.u.cpu_policy.nr_leaves;
    *nr_msrs = op.u.cpu_policy.nr_msrs;
    if (out)
        *out = op.u.cpu_policy;
    return rc;
}

static int get_domain(u32 *n, u32 *m) { return domctl(XEN_DOMCTL_get_cpu_policy, n, m, NULL); }

static int set_domain(u32 n, u32 m, struct xen_domctl_cpu_policy *out)
{
    return domctl(XEN_DOMCTL_set_cpu_policy, &n, &m, out);
}

static xen_cpuid_leaf_t *find(u32 n, u32 leaf, u32 subleaf)
{
    for (u32 i = 0; i < n; i++)
        if (leaves[i].leaf == leaf && leaves[i].subleaf == subleaf)
            return &leaves[i];
    fail_msg("leaf %x.%x is not there", leaf, subleaf);
    return NULL;
}

static void test_get_and_set_round_trip(void **state)
{
    struct cpuid_policy before;
    u32 n, m;

    for (int model = 0; model < 2; model++) {
        start(model);
        n = CPUID_SERIALISED_MAX;
        m = CPUID_SERIALISED_MSRS;
        assert_int_equal(get_domain(&n, &m), 0);
        assert_in_range(n, 30, CPUID_SERIALISED_MAX);
        assert_int_equal(m, 2);
        for (u32 i = 1; i < n; i++)
            assert_true(leaves[i].leaf > leaves[i - 1].leaf ||
                        (leaves[i].leaf == leaves[i - 1].leaf && leaves[i].subleaf > leaves[i - 1].subleaf));
        before = *dom.pv.cpuid;
        assert_int_equal(set_domain(n, m, NULL), 0);
        assert_memory_equal(&before, dom.pv.cpuid, sizeof(before));
    }
}

static void test_size_negotiation(void **state)
{
    u32 n, m, full;

    start(HOST_CPU_INTEL);
    n = CPUID_SERIALISED_MAX, m = 2;
    assert_int_equal(get_domain(&n, &m), 0);
    full = n;
    n = full - 1, m = 2;
    assert_int_equal(get_domain(&n, &m), -ENOBUFS);
    assert_int_equal(n, full);
    n = full, m = 1;
    assert_int_equal(get_domain(&n, &m), -ENOBUFS);
    assert_int_equal(m, 2);
}

static void test_host_policies(void **state)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_get_cpu_policy };
    struct xen_sysctl_cpu_policy *p = &op.u.cpu_policy;

    start(HOST_CPU_INTEL);
    p->index = XEN_SYSCTL_cpu_policy_pv_default;
    assert_int_equal(pv_sysctl_cpu_policy(&op), 0);
    assert_int_equal(p->nr_leaves, CPUID_SERIALISED_MAX);
    assert_int_equal(p->nr_msrs, CPUID_SERIALISED_MSRS);
    /* The tools ask for the leaves alone, too. */
    p->leaves.p = leaves;
    p->nr_msrs = 0;
    assert_int_equal(pv_sysctl_cpu_policy(&op), 0);
    p->index = XEN_SYSCTL_cpu_policy_hvm_default;
    assert_int_equal(pv_sysctl_cpu_policy(&op), -EOPNOTSUPP);
    p->index = 6;
    assert_int_equal(pv_sysctl_cpu_policy(&op), -EINVAL);
    p->index = XEN_SYSCTL_cpu_policy_raw;
    p->_rsvd = 1;
    assert_int_equal(pv_sysctl_cpu_policy(&op), -EINVAL);
    p->_rsvd = 0;
    p->nr_leaves = CPUID_SERIALISED_MAX;
    host_guest_fault(leaves, sizeof(leaves));
    assert_int_equal(pv_sysctl_cpu_policy(&op), -EFAULT);
    host_guest_heal();
}

static void test_featuresets(void **state)
{
    u32 set[FEATURESET_WORDS + 1], host[FEATURESET_WORDS];
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_get_cpu_featureset };
    struct xen_sysctl_cpu_featureset *f = &op.u.cpu_featureset;

    start(HOST_CPU_INTEL);
    f->index = XEN_SYSCTL_cpu_featureset_host;
    assert_int_equal(pv_sysctl_cpu_policy(&op), 0);
    assert_int_equal(f->nr_features, FEATURESET_WORDS);
    f->features.p = host;
    assert_int_equal(pv_sysctl_cpu_policy(&op), 0);
    f->index = XEN_SYSCTL_cpu_featureset_pv_max;
    f->features.p = set;
    f->nr_features = FEATURESET_WORDS + 1;
    assert_int_equal(pv_sysctl_cpu_policy(&op), 0);
    assert_int_equal(f->nr_features, FEATURESET_WORDS);
    for (unsigned w = 0; w < FEATURESET_WORDS; w++)
        assert_int_equal(set[w] & ~host[w] & ~(w == 1 ? 1u << 31 : 0), 0); /* HYPERVISOR alone is made up */
    f->nr_features = 2;
    set[2] = 0x12345678;
    assert_int_equal(pv_sysctl_cpu_policy(&op), -ENOBUFS);
    assert_int_equal(set[2], 0x12345678);
    f->index = XEN_SYSCTL_cpu_featureset_hvm;
    assert_int_equal(pv_sysctl_cpu_policy(&op), -EOPNOTSUPP);
    op.cmd = XEN_SYSCTL_get_cpu_levelling_caps;
    assert_int_equal(pv_sysctl_cpu_policy(&op), 0);
    assert_int_equal(op.u.cpu_levelling_caps.caps, XEN_SYSCTL_CPU_LEVELCAP_faulting);
}

static void test_every_featureset(void **state)
{
    static const struct { u32 index; const struct cpuid_policy *policy; } sets[] = {
        { XEN_SYSCTL_cpu_featureset_raw, &cpuid_raw_policy },
        { XEN_SYSCTL_cpu_featureset_host, &cpuid_host_policy },
        { XEN_SYSCTL_cpu_featureset_pv, &cpuid_pv_default },
        { XEN_SYSCTL_cpu_featureset_pv_max, &cpuid_pv_max },
    };
    u32 set[FEATURESET_WORDS];
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_get_cpu_featureset };

    start(HOST_CPU_INTEL);
    op.u.cpu_featureset.features.p = set;
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
        op.u.cpu_featureset.index = sets[i].index;
        op.u.cpu_featureset.nr_features = FEATURESET_WORDS;
        assert_int_equal(pv_sysctl_cpu_policy(&op), 0);
        assert_int_equal(set[0], sets[i].policy->basic[1].d);
        assert_int_equal(set[5], sets[i].policy->feat[0].b);
    }
    op.u.cpu_featureset.features.p = (u32 *)8;
    assert_int_equal(pv_sysctl_cpu_policy(&op), -EFAULT);
    op.u.cpu_featureset.index = 99;
    assert_int_equal(pv_sysctl_cpu_policy(&op), -EINVAL);
    op.cmd = XEN_SYSCTL_physinfo;
    assert_int_equal(pv_sysctl_cpu_policy(&op), -EOPNOTSUPP);
}

/* A policy with fewer leaves than the host has no features in those that are gone. */
static void test_set_fewer_leaves(void **state)
{
    u32 n = CPUID_SERIALISED_MAX, m = 2;

    start(HOST_CPU_INTEL);
    assert_int_equal(get_domain(&n, &m), 0);
    find(n, 0, ~0u)->a = 3;
    find(n, 0x80000000, ~0u)->a = 0;
    assert_int_equal(set_domain(n, m, NULL), 0);
    assert_false(cpuid_has(dom.pv.cpuid, F(FSGSBASE))); /* of leaf 7 */
    assert_false(shows(1, 0, 2, 26));   /* XSAVE, for its leaf is not there */
    assert_false(shows(1, 0, 2, 28));   /* nor AVX */
    assert_false(shows(0x80000001, 0, 3, 29));
    n = CPUID_SERIALISED_MAX, m = 2;
    assert_int_equal(get_domain(&n, &m), 0);
    assert_int_equal(find(n, 0, ~0u)->a, 3);
    assert_int_equal(find(n, 0x80000000, ~0u)->a, 0x80000000);
}

static void test_policies_not_readable(void **state)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_set_cpu_policy };

    start(HOST_CPU_INTEL);
    op.u.cpu_policy.nr_leaves = 1;
    op.u.cpu_policy.leaves.p = (xen_cpuid_leaf_t *)8;
    assert_int_equal(pv_domctl_cpu_policy(&dom, &op), -EFAULT);
    op.u.cpu_policy.nr_leaves = 0;
    op.u.cpu_policy.nr_msrs = 1;
    op.u.cpu_policy.msrs.p = (xen_msr_entry_t *)8;
    assert_int_equal(pv_domctl_cpu_policy(&dom, &op), -EFAULT);
}

static void test_set_levels_down(void **state)
{
    u32 n = CPUID_SERIALISED_MAX, m = 2;

    start(HOST_CPU_INTEL);
    assert_int_equal(get_domain(&n, &m), 0);
    find(n, 1, ~0u)->c &= ~(1u << 28);  /* AVX */
    find(n, 1, ~0u)->c |= 1u << 5;      /* VMX: the host has it, PV has not */
    find(n, 0x80000007, ~0u)->d |= 1u << 8; /* ITSC */
    assert_int_equal(set_domain(n, m, NULL), 0);
    assert_false(shows(1, 0, 2, 28));
    assert_false(shows(1, 0, 2, 5));
    assert_false(shows(7, 0, 1, 5));  /* AVX2 went with it */
    assert_false(shows(0xd, 0, 0, 2));
    assert_true(shows(0x80000007, 0, 3, 8));
}

static void expect_refused(u32 n, u32 m, int rc, u32 leaf, u32 subleaf, u32 msr)
{
    struct xen_domctl_cpu_policy out;
    struct cpuid_policy before = *dom.pv.cpuid;

    assert_int_equal(set_domain(n, m, &out), rc);
    assert_int_equal(out.err_leaf, leaf);
    assert_int_equal(out.err_subleaf, subleaf);
    assert_int_equal(out.err_msr, msr);
    assert_memory_equal(&before, dom.pv.cpuid, sizeof(before));
}

static void test_set_refuses(void **state)
{
    u32 n = CPUID_SERIALISED_MAX, m = 2;

    start(HOST_CPU_INTEL);
    assert_int_equal(get_domain(&n, &m), 0);
    leaves[0] = (xen_cpuid_leaf_t){ 0x14, 0, 0, 0, 0, 0 };
    expect_refused(1, 0, -ERANGE, 0x14, 0, ~0u);
    leaves[0] = (xen_cpuid_leaf_t){ 1, 0, 0, 0, 0, 0 };
    expect_refused(1, 0, -ERANGE, 1, 0, ~0u);
    leaves[0] = (xen_cpuid_leaf_t){ 0, ~0u, 0x16, 0x756e6547, 0x6c65746e, 0x49656e69 };
    expect_refused(1, 0, -EINVAL, 0, ~0u, ~0u);
    leaves[0] = (xen_cpuid_leaf_t){ 0, ~0u, 0xd, 0x68747541, 0x444d4163, 0x69746e65 };
    expect_refused(1, 0, -EINVAL, 0, ~0u, ~0u);
    leaves[0] = (xen_cpuid_leaf_t){ 7, 0, 2, 0, 0, 0 };
    expect_refused(1, 0, -EINVAL, 7, 0, ~0u);
    leaves[0] = (xen_cpuid_leaf_t){ 7, 0, 1, 1u << 29, 0, 0 }; /* SHA: not on this host */
    expect_refused(1, 0, -EINVAL, 7, 0, ~0u);
    leaves[0] = (xen_cpuid_leaf_t){ 0x80000000, ~0u, 0x80000021, 0, 0, 0 };
    expect_refused(1, 0, -EINVAL, 0x80000000, ~0u, ~0u);
    msrs[0] = (xen_msr_entry_t){ 0x10a, 0, 1u << 8 };
    expect_refused(0, 1, -EINVAL, ~0u, ~0u, 0x10a);
    msrs[0] = (xen_msr_entry_t){ 0xce, 0, 1 };
    expect_refused(0, 1, -EINVAL, ~0u, ~0u, 0xce);
    msrs[0] = (xen_msr_entry_t){ 0xce, 1, 0 };
    expect_refused(0, 1, -EINVAL, ~0u, ~0u, 0xce);
    msrs[0] = (xen_msr_entry_t){ 0x48, 0, 0 };
    expect_refused(0, 1, -ERANGE, ~0u, ~0u, 0x48);
    assert_int_equal(set_domain(CPUID_SERIALISED_MAX + 1, 0, NULL), -E2BIG);
    dom.creation_finished = true;
    assert_int_equal(set_domain(0, 0, NULL), -EEXIST);
}

/* --- extended state --- */

static void test_extstate(void **state)
{
    struct { u64 xcr0, accum; u8 image[0x340]; } rec;
    struct xen_domctl_vcpuextstate op = { 0 };

    start(HOST_CPU_INTEL);
    vcpu.pv.xcr0 = vcpu.pv.xcr0_accum = 7;
    fpu[24] = 0x80, fpu[25] = 0x1f;
    fpu[512] = 7;
    fpu[576] = 0xab;
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, false), 0);
    assert_int_equal(op.size, sizeof(rec));
    assert_int_equal(op.xfeature_mask, 0xe7);
    op.buffer.p = (void *)&rec;
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, false), 0);
    assert_int_equal(rec.accum, 7);
    assert_int_equal(rec.image[576], 0xab);
    rec.image[576] = 0xcd;
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, true), 0);
    assert_int_equal(fpu[576], 0xcd);

    rec.image[26] = 1; /* a reserved MXCSR bit */
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, true), -EINVAL);
    rec.image[26] = 0;
    rec.image[512] = 0xe7; /* state that the record does not hold */
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, true), -EINVAL);
    rec.image[512] = 7;
    rec.image[527] = 0x80; /* compacted */
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, true), -EINVAL);
    rec.image[527] = 0;
    rec.xcr0 = 0x207;
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, true), -EINVAL);
    rec.xcr0 = 7;
    rec.accum = 3;
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, true), -EINVAL);
    rec.accum = 7;
    op.size--;
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, true), -EINVAL);
    op.size = 8;
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, true), -EINVAL);
    op.size = sizeof(rec);
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, true), 0);
}

/* What was used is loaded into XCR0 too, and the CPU refuses some sets. */
static void test_extstate_not_accessible(void **state)
{
    struct { u64 xcr0, accum; u8 image[0x340]; } rec = { .xcr0 = 7, .accum = 7 };
    struct xen_domctl_vcpuextstate op = { 0 };

    start(HOST_CPU_INTEL);
    vcpu.pv.xcr0 = vcpu.pv.xcr0_accum = 7;
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, false), 0);
    op.buffer.p = (void *)8;
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, false), -EFAULT);
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, true), -EFAULT);
    op.buffer.p = (void *)&rec;
    op.size--;
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, false), -EINVAL);
    op.size++;
    op.xfeature_mask ^= 4;
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, false), -EINVAL); /* saved for another CPU */
    host_guest_fault(rec.image + 100, 1); /* the head can be read, the image not */
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, true), -EFAULT);
    host_guest_heal();
    cpuid_set_feature(dom.pv.cpuid, F(MISALIGNSSE), true);
    rec.image[26] = 2; /* MXCSR.MM, which goes with it */
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, true), 0);
    cpuid_set_feature(dom.pv.cpuid, F(MISALIGNSSE), false);
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, true), -EINVAL);
}

static void test_extstate_used_must_be_a_valid_set(void **state)
{
    static const u64 bad[] = { 0x5, 0x27, 0xe3, 0 };
    struct { u64 xcr0, accum; u8 image[4096]; } rec = { .xcr0 = 1 };
    struct xen_domctl_vcpuextstate op = { 0 };

    start(HOST_CPU_INTEL);
    op.buffer.p = (void *)&rec;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        rec.accum = bad[i];
        op.size = 16 + cpuid_xsave_size(dom.pv.cpuid, rec.accum);
        assert_int_equal(pv_vcpu_extstate(&vcpu, &op, true), -EINVAL);
        assert_int_equal(vcpu.pv.xcr0_accum, 1);
    }
    rec.accum = 0xe7;
    op.size = 16 + cpuid_xsave_size(dom.pv.cpuid, rec.accum);
    assert_int_equal(pv_vcpu_extstate(&vcpu, &op, true), 0);
    assert_int_equal(vcpu.pv.xcr0_accum, 0xe7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pv_policy_amd),
        cmocka_unit_test(test_pv_policy_intel),
        cmocka_unit_test(test_dependents_go_with_what_they_need),
        cmocka_unit_test(test_system_domains_have_none),
        cmocka_unit_test(test_dynamic_leaves),
        cmocka_unit_test(test_leaves_that_are_not_there),
        cmocka_unit_test(test_hypervisor_leaves),
        cmocka_unit_test(test_xcr0),
        cmocka_unit_test(test_get_and_set_round_trip),
        cmocka_unit_test(test_size_negotiation),
        cmocka_unit_test(test_host_policies),
        cmocka_unit_test(test_featuresets),
        cmocka_unit_test(test_every_featureset),
        cmocka_unit_test(test_set_fewer_leaves),
        cmocka_unit_test(test_policies_not_readable),
        cmocka_unit_test(test_set_levels_down),
        cmocka_unit_test(test_set_refuses),
        cmocka_unit_test(test_extstate),
        cmocka_unit_test(test_extstate_not_accessible),
        cmocka_unit_test(test_extstate_used_must_be_a_valid_set),
    };

    return cmocka_run_group_tests(tests, host_group_setup, NULL);
}
