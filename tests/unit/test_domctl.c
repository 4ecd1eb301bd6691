/* SPDX-License-Identifier: MIT */
/* core/domctl.c: who may call what; how a domain is described. */
#include "control_fixture.h"

#include "core/xenctl.h"

static long call(struct domain *by, u32 cmd, domid_t id)
{
    struct xen_domctl op = { .cmd = cmd, .interface_version = XEN_DOMCTL_INTERFACE_VERSION, .domain = id };

    return control_call(by, do_domctl, &op);
}

/* Who acts for a domain may not give it more of the machine, nor have it act for another. */
static void test_a_stub_domain_gives_nothing_away(void **state)
{
    static const u32 ops[] = {
        XEN_DOMCTL_set_target, XEN_DOMCTL_max_mem, XEN_DOMCTL_settscinfo,
        XEN_DOMCTL_irq_permission, XEN_DOMCTL_iomem_permission, XEN_DOMCTL_ioport_permission,
    };

    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        assert_int_equal(call(stub, ops[i], 1), -EPERM);
        assert_int_not_equal(call(control, ops[i], 1), -EPERM);
    }
    assert_int_equal(call(stub, XEN_DOMCTL_createdomain, 5), -EPERM);
}

static void test_a_stub_domain_controls_its_target(void **state)
{
    assert_int_equal(call(stub, XEN_DOMCTL_pausedomain, 1), 0);
    assert_int_equal(call(stub, XEN_DOMCTL_unpausedomain, 1), 0);
    assert_int_equal(call(stub, XEN_DOMCTL_pausedomain, 0), -EPERM);
    assert_int_equal(call(stub, XEN_DOMCTL_pausedomain, 9), -ESRCH);
    assert_int_equal(call(guest, XEN_DOMCTL_pausedomain, 1), -EPERM);
}

/* --- the call itself --- */

static void test_callers_without_anything_to_control(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_getdomaininfo, guest);

    assert_int_equal(control_call(guest, do_domctl, BAD_POINTER), -EPERM);
    assert_int_equal(control_call(stub, do_domctl, &op), -EPERM);
}

static void test_the_structure(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_getdomaininfo, guest);

    op.interface_version--;
    assert_int_equal(domctl(&op), -EACCES);
    op = domctl_op(XEN_DOMCTL_gdbsx_guestmemio, guest);
    assert_int_equal(domctl(&op), -EOPNOTSUPP);
    op.cmd = ~0u;
    assert_int_equal(domctl(&op), -EOPNOTSUPP);
    assert_int_equal(domctl(BAD_POINTER), -EFAULT);
}

/* The answer has to be given; a page that may only be read is a mistake of the caller's. */
static void test_an_answer_that_cannot_be_written(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_getdomaininfo, guest);

    assert_int_equal(domctl(read_only(&op, sizeof(op))), -EFAULT);
}

/* One at a time: who comes meanwhile issues the call again. */
static void test_busy(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_pausedomain, guest);
    struct xen_sysctl query = { .cmd = XEN_SYSCTL_sched_id, .interface_version = XEN_SYSCTL_INTERFACE_VERSION };

    host_set_current(control->vcpu[0]);
    assert_true(domctl_trylock());
    assert_int_equal(do_domctl(&(struct hypercall_args){ { (unsigned long)&op } }), -E_PREEMPTED);
    assert_int_equal(continued_nr, __HYPERVISOR_domctl);
    assert_int_equal(continued.arg[0], (unsigned long)&op);
    assert_int_equal(do_sysctl(&(struct hypercall_args){ { (unsigned long)&query } }), -E_PREEMPTED);
    assert_int_equal(continued_nr, __HYPERVISOR_sysctl);
    domctl_unlock();
    assert_int_equal(guest->tools_pause_count, 1); /* as it was made */
}

static u32 flags_of(struct domain *d)
{
    struct xen_domctl_getdomaininfo info;

    domain_describe(d, &info);
    return info.flags & (XEN_DOMINF_blocked | XEN_DOMINF_running);
}

/* A domain is blocked when all that could run waits; one that has nothing to run does not wait. */
static void test_blocked(void **state)
{
    struct vcpu *v = guest->vcpu[0];

    v->pause_flags = VPF_DOWN;
    assert_int_equal(flags_of(guest), 0);
    v->pause_flags = VPF_DOWN | VPF_BLOCKED;
    assert_int_equal(flags_of(guest), 0);
    v->pause_flags = VPF_BLOCKED;
    assert_int_equal(flags_of(guest), XEN_DOMINF_blocked);
    v->pause_flags = 0;
    assert_int_equal(flags_of(guest), 0);
    v->pause_flags = VPF_DOWN;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocked),
        cmocka_unit_test(test_callers_without_anything_to_control),
        cmocka_unit_test(test_the_structure),
        cmocka_unit_test(test_an_answer_that_cannot_be_written),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_a_stub_domain_gives_nothing_away),
        cmocka_unit_test(test_a_stub_domain_controls_its_target),
    };

    return cmocka_run_group_tests(tests, control_setup, invariants_hold);
}
