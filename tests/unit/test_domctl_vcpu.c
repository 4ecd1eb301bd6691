/* SPDX-License-Identifier: MIT */
/* core/domctl_vcpu.c: vCPUs as the tools make, load, save and place them. */
#include "control_fixture.h"

#include "core/xenctl.h"

#include <zelo/lib.h>

static struct vcpu *v; /* the guest's second */

static int begin(void **state)
{
    v = guest->vcpu[1];
    preempt_every = 0;
    return 0;
}

static int end(void **state)
{
    preempt_every = 0;
    host_guest_heal();
    assert_int_equal(v->pause_count, 0); /* whatever paused it has let it go */
    return 0;
}

/* --- making them --- */

static struct domain *domain_of_three(void)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_createdomain, &(struct domain){ .id = 0 });

    op.u.createdomain.max_vcpus = 3;
    op.u.createdomain.max_evtchn_port = 1023;
    op.u.createdomain.max_grant_frames = op.u.createdomain.max_maptrack_frames = 1;
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    assert_int_equal(domctl(&op), 0);
    return domain_get(op.domain);
}

static void test_all_vcpus_are_made(void **state)
{
    struct domain *d = domain_of_three();
    struct xen_domctl op = domctl_op(XEN_DOMCTL_max_vcpus, d);

    assert_non_null(d);
    op.u.max_vcpus.max = 2;
    assert_int_equal(domctl(&op), -EINVAL);
    op.u.max_vcpus.max = 3;
    preempt_every = 1;
    continuations = 0;
    assert_int_equal(domctl(&op), 0);
    assert_int_equal(continuations, 2);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(d->vcpu[i]->id, i);
    assert_int_equal(domctl(&op), 0); /* nothing left to do */
    domain_put(d);
    assert_true(host_domain_destroy(d));
}

static void test_no_vcpus_for_oneself(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_max_vcpus, control);

    op.u.max_vcpus.max = control->max_vcpus;
    assert_int_equal(domctl(&op), -EINVAL);
}

/* --- register state --- */

static vcpu_guest_context_t context, got;

static struct xen_domctl context_op(u32 cmd, const struct domain *d, u32 id, vcpu_guest_context_t *c)
{
    struct xen_domctl op = domctl_op(cmd, d);

    op.u.vcpucontext.vcpu = id;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, c);
    return op;
}

static long set_context(void)
{
    struct xen_domctl op = context_op(XEN_DOMCTL_setvcpucontext, guest, 1, &context);

    return domctl(&op);
}

static long get_context(void)
{
    struct xen_domctl op = context_op(XEN_DOMCTL_getvcpucontext, guest, 1, &got);

    return domctl(&op);
}

static void make_context(struct page *root)
{
    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel | VGCF_online;
    context.user_regs.rip = 0xffffffff81000000;
    context.user_regs.rsp = 0xffffffff82000000;
    context.kernel_sp = 0xffffffff83000000;
    context.event_callback_eip = 0xffffffff81001000;
    context.trap_ctxt[14] = (struct trap_info){ .vector = 14, .cs = FLAT_KERNEL_CS, .address = 0xffffffff81002000 };
    context.fs_base = 0x7f0000001000;
    context.ctrlreg[3] = xen_pfn_to_cr3(page_to_mfn(root).n);
}

static void check_context(void)
{
    assert_int_equal(got.flags & (VGCF_in_kernel | VGCF_online), VGCF_in_kernel | VGCF_online);
    assert_true(got.user_regs.rip == context.user_regs.rip);
    assert_true(got.user_regs.rsp == context.user_regs.rsp);
    assert_true(got.kernel_sp == context.kernel_sp);
    assert_true(got.event_callback_eip == context.event_callback_eip);
    assert_true(got.trap_ctxt[14].address == context.trap_ctxt[14].address);
    assert_true(got.fs_base == context.fs_base);
    assert_true(got.ctrlreg[3] == context.ctrlreg[3]);
    assert_int_equal(got.ctrlreg[1], 0);
}

/* What is saved is what was loaded; VGCF_online brings the vCPU up or leaves it down. */
static void test_context(void **state)
{
    struct page *root = domain_alloc_pages(guest, 0, 0);

    assert_int_equal(get_context(), -ENODATA);
    make_context(root);
    assert_int_equal(set_context(), 0);
    assert_false(v->pause_flags & VPF_DOWN);
    assert_int_equal(get_context(), 0);
    check_context();
    context.flags &= ~VGCF_online;
    assert_int_equal(set_context(), 0);
    assert_true(v->pause_flags & VPF_DOWN);
    assert_int_equal(get_context(), 0);
    assert_false(got.flags & VGCF_online);
    context.ctrlreg[3] = xen_pfn_to_cr3(HOST_FRAMES);
    assert_int_equal(set_context(), -EINVAL);
    assert_int_equal(get_context(), -ENODATA);
    make_context(root);
    assert_int_equal(set_context(), 0);
    host_guest_fault(&got, sizeof(got));
    assert_int_equal(get_context(), -EFAULT);
}

static void test_context_refused(void **state)
{
    static const u32 both[] = { XEN_DOMCTL_setvcpucontext, XEN_DOMCTL_getvcpucontext };
    struct xen_domctl op;

    for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
        op = context_op(both[i], guest, NO_VCPU, &context);
        assert_int_equal(domctl(&op), -ESRCH);
        op = context_op(both[i], control, 0, &context);
        assert_int_equal(domctl(&op), -EINVAL);
    }
    op = context_op(XEN_DOMCTL_setvcpucontext, guest, 1, NULL);
    assert_int_equal(domctl(&op), -EOPNOTSUPP);
    op = context_op(XEN_DOMCTL_setvcpucontext, guest, 1, BAD_POINTER);
    assert_int_equal(domctl(&op), -EFAULT);
}

static struct xen_domctl ext_op(u32 cmd, const struct domain *d, u32 id)
{
    struct xen_domctl op = domctl_op(cmd, d);

    op.u.ext_vcpucontext.vcpu = id;
    op.u.ext_vcpucontext.size = sizeof(op.u.ext_vcpucontext);
    return op;
}

static void test_ext_context(void **state)
{
    struct xen_domctl op = ext_op(XEN_DOMCTL_set_ext_vcpucontext, guest, 1);

    op.u.ext_vcpucontext.syscall32_callback_eip = 0xffffffff81003000;
    op.u.ext_vcpucontext.syscall32_disables_events = 1;
    op.u.ext_vcpucontext.sysenter_callback_eip = 0xffffffff81004000;
    assert_int_equal(domctl(&op), 0);
    op = ext_op(XEN_DOMCTL_get_ext_vcpucontext, guest, 1);
    assert_int_equal(domctl(&op), 0);
    assert_int_equal(op.u.ext_vcpucontext.vcpu, 1);
    assert_in_range(op.u.ext_vcpucontext.size, 1, 128);
    assert_true(op.u.ext_vcpucontext.syscall32_callback_eip == 0xffffffff81003000);
    assert_true(op.u.ext_vcpucontext.sysenter_callback_eip == 0xffffffff81004000);
    assert_int_equal(op.u.ext_vcpucontext.syscall32_disables_events, 1);
    assert_int_equal(op.u.ext_vcpucontext.sysenter_disables_events, 0);
}

static void test_ext_context_refused(void **state)
{
    static const u32 both[] = { XEN_DOMCTL_set_ext_vcpucontext, XEN_DOMCTL_get_ext_vcpucontext };
    struct xen_domctl op;

    for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
        op = ext_op(both[i], guest, NO_VCPU);
        assert_int_equal(domctl(&op), -ESRCH);
        op = ext_op(both[i], control, 0);
        assert_int_equal(domctl(&op), -EINVAL);
    }
    op = ext_op(XEN_DOMCTL_set_ext_vcpucontext, guest, 1);
    op.u.ext_vcpucontext.size = 8;
    assert_int_equal(domctl(&op), -EINVAL);
    op = ext_op(XEN_DOMCTL_set_ext_vcpucontext, guest, 1);
    op.u.ext_vcpucontext.sysenter_callback_eip = 1UL << 60;
    assert_int_equal(domctl(&op), -EINVAL);
}

static struct xen_domctl state_op(u32 cmd, const struct domain *d, u32 id)
{
    struct xen_domctl op = domctl_op(cmd, d);

    if (cmd == XEN_DOMCTL_get_vcpu_msrs || cmd == XEN_DOMCTL_set_vcpu_msrs)
        op.u.vcpu_msrs.vcpu = id;
    else
        op.u.vcpuextstate.vcpu = id;
    return op;
}

/* The tools ask first how much there is. What is in it is pv/'s (test_cpuid.c, test_msr.c). */
static void test_sizes_of_msrs_and_extended_state(void **state)
{
    struct xen_domctl op = state_op(XEN_DOMCTL_get_vcpu_msrs, guest, 1);

    assert_int_equal(domctl(&op), 0);
    assert_true(op.u.vcpu_msrs.msr_count > 0);
    op = state_op(XEN_DOMCTL_getvcpuextstate, guest, 1);
    assert_int_equal(domctl(&op), 0);
    assert_int_equal(op.u.vcpuextstate.xfeature_mask, pv_xcr0_allowed(guest));
    op = state_op(XEN_DOMCTL_set_vcpu_msrs, guest, 1);
    assert_int_equal(domctl(&op), 0); /* of none */
    op = state_op(XEN_DOMCTL_setvcpuextstate, guest, 1);
    assert_int_equal(domctl(&op), -EINVAL); /* there is always a head */
}

static void test_state_refused(void **state)
{
    static const u32 ops[] = {
        XEN_DOMCTL_get_vcpu_msrs, XEN_DOMCTL_set_vcpu_msrs, XEN_DOMCTL_getvcpuextstate, XEN_DOMCTL_setvcpuextstate,
    };

    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        struct xen_domctl op = state_op(ops[i], control, 0);

        assert_int_equal(domctl(&op), -EINVAL); /* the caller's own */
        op = state_op(ops[i], guest, NO_VCPU);
        assert_int_equal(domctl(&op), -ESRCH);
    }
}

static void test_cpu_policy(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_get_cpu_policy, guest);

    assert_int_equal(domctl(&op), 0);
    assert_true(op.u.cpu_policy.nr_leaves > 0);
    op = domctl_op(XEN_DOMCTL_set_cpu_policy, control);
    assert_int_equal(domctl(&op), -EINVAL);
}

/* --- scheduling --- */

static void test_vcpu_info(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_getvcpuinfo, guest);

    op.u.getvcpuinfo.vcpu = 1;
    v->pause_flags = VPF_DOWN;
    assert_int_equal(domctl(&op), 0);
    assert_int_equal(op.u.getvcpuinfo.online, 0);
    assert_int_equal(op.u.getvcpuinfo.blocked, 0);
    assert_int_equal(op.u.getvcpuinfo.running, 0);
    assert_int_equal(op.u.getvcpuinfo.cpu_time, 0);
    assert_int_equal(op.u.getvcpuinfo.cpu, v->processor);
    v->pause_flags = VPF_BLOCKED;
    assert_int_equal(domctl(&op), 0);
    assert_int_equal(op.u.getvcpuinfo.online, 1);
    assert_int_equal(op.u.getvcpuinfo.blocked, 1);
    v->pause_flags = VPF_DOWN;
    op.u.getvcpuinfo.vcpu = NO_VCPU;
    assert_int_equal(domctl(&op), -ESRCH);
}

static u8 hard[8], soft[8];

static struct xen_domctl affinity_op(u32 cmd, u32 flags, u32 bits)
{
    struct xen_domctl op = domctl_op(cmd, guest);

    op.u.vcpuaffinity.vcpu = 1;
    op.u.vcpuaffinity.flags = flags;
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, hard);
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_soft.bitmap, soft);
    op.u.vcpuaffinity.cpumap_hard.nr_bits = op.u.vcpuaffinity.cpumap_soft.nr_bits = bits;
    return op;
}

#define BOTH (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)

static long set_affinity(u8 h, u8 s, u32 flags)
{
    struct xen_domctl op = affinity_op(XEN_DOMCTL_setvcpuaffinity, flags, 64);

    memset(hard, 0, sizeof(hard));
    memset(soft, 0, sizeof(soft));
    hard[0] = h;
    soft[0] = s;
    return domctl(&op);
}

static void get_affinity(u32 flags, u32 bits)
{
    struct xen_domctl op = affinity_op(XEN_DOMCTL_getvcpuaffinity, flags, bits);

    memset(hard, 0x55, sizeof(hard));
    memset(soft, 0x55, sizeof(soft));
    assert_int_equal(domctl(&op), 0);
}

/* Setting answers with what takes effect on the CPUs that are online (four); getting with what was asked for. */
static void test_affinity(void **state)
{
    assert_int_equal(set_affinity(0xf6, 0xff, BOTH), 0);
    assert_int_equal(hard[0], 0x06);
    assert_int_equal(soft[0], 0x06);
    get_affinity(BOTH, 64);
    assert_int_equal(hard[0], 0xf6);
    assert_int_equal(hard[1], 0);
    assert_int_equal(soft[0], 0xff);
    assert_int_equal(set_affinity(0x0f, 0x01, XEN_VCPUAFFINITY_SOFT), 0);
    get_affinity(BOTH, 64);
    assert_int_equal(hard[0], 0xf6);
    assert_int_equal(soft[0], 0x01);
}

/* Nothing is read or written beyond the caller's bits, nor written for a map it did not ask for. */
static void test_affinity_in_a_short_map(void **state)
{
    struct xen_domctl op = affinity_op(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_HARD, 3);

    memset(hard, 0xff, sizeof(hard));
    assert_int_equal(domctl(&op), 0);
    get_affinity(XEN_VCPUAFFINITY_HARD, 64);
    assert_int_equal(hard[0], 0x07);
    assert_int_equal(hard[1], 0);
    assert_int_equal(set_affinity(0xff, 0xff, BOTH), 0);
    get_affinity(BOTH, 3);
    assert_int_equal(hard[0], 0x07);
    assert_int_equal(hard[1], 0x55);
    get_affinity(XEN_VCPUAFFINITY_HARD, 64);
    assert_int_equal(soft[0], 0x55);
    get_affinity(BOTH, 0);
    assert_int_equal(hard[0], 0x55);
}

static void test_affinity_refused(void **state)
{
    struct xen_domctl op = affinity_op(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_HARD, 64);

    assert_int_equal(set_affinity(0xf0, 0, XEN_VCPUAFFINITY_HARD), -EINVAL); /* CPUs that are not there */
    assert_int_equal(set_affinity(0, 0, XEN_VCPUAFFINITY_HARD), -EINVAL);
    assert_int_equal(set_affinity(1, 1, 0), -EINVAL);
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, (u8 *)BAD_POINTER);
    assert_int_equal(domctl(&op), -EFAULT);
    op.cmd = XEN_DOMCTL_getvcpuaffinity;
    assert_int_equal(domctl(&op), -EFAULT);
    op = affinity_op(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_SOFT, 64);
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_soft.bitmap, (u8 *)BAD_POINTER);
    assert_int_equal(domctl(&op), -EFAULT);
    op.u.vcpuaffinity.vcpu = NO_VCPU;
    assert_int_equal(domctl(&op), -ESRCH);
    op.cmd = XEN_DOMCTL_getvcpuaffinity;
    assert_int_equal(domctl(&op), -ESRCH);
}

static long node_affinity(u32 cmd, u8 *map)
{
    struct xen_domctl op = domctl_op(cmd, guest);

    set_xen_guest_handle(op.u.nodeaffinity.nodemap.bitmap, map);
    op.u.nodeaffinity.nodemap.nr_bits = 8;
    return domctl(&op);
}

static void test_node_affinity(void **state)
{
    u8 map = 0xff;

    assert_int_equal(node_affinity(XEN_DOMCTL_getnodeaffinity, &map), 0);
    assert_int_equal(map, 1); /* all memory is one node */
    assert_int_equal(node_affinity(XEN_DOMCTL_setnodeaffinity, &map), 0);
    map = 2;
    assert_int_equal(node_affinity(XEN_DOMCTL_setnodeaffinity, &map), -EINVAL);
    assert_int_equal(node_affinity(XEN_DOMCTL_setnodeaffinity, BAD_POINTER), -EFAULT);
}

static void test_weight(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_scheduler_op, guest);

    op.u.scheduler_op.sched_id = sched_id();
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    op.u.scheduler_op.u.credit2.weight = 512;
    assert_int_equal(domctl(&op), 0);
    memset(&op.u.scheduler_op.u, 0, sizeof(op.u.scheduler_op.u));
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    assert_int_equal(domctl(&op), 0);
    assert_int_equal(op.u.scheduler_op.u.credit2.weight, 512);
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putvcpuinfo;
    assert_int_equal(domctl(&op), -EINVAL);
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    op.u.scheduler_op.sched_id = XEN_SCHEDULER_ARINC653;
    assert_int_equal(domctl(&op), -EINVAL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(test_all_vcpus_are_made), T(test_no_vcpus_for_oneself), T(test_context), T(test_context_refused),
        T(test_ext_context), T(test_ext_context_refused), T(test_sizes_of_msrs_and_extended_state),
        T(test_state_refused), T(test_cpu_policy), T(test_vcpu_info), T(test_affinity),
        T(test_affinity_in_a_short_map), T(test_affinity_refused), T(test_node_affinity), T(test_weight),
    };

    return cmocka_run_group_tests(tests, control_setup, invariants_hold);
}
