/* SPDX-License-Identifier: MIT */
/* core/domctl.c: who may call what; how a domain is described. */
#include "unit.h"

#include "core/xenctl.h"

#include <xen/domctl.h>

static struct domain *control, *guest, *stub;

bool hypercall_should_preempt(void) { return false; }

static int setup(void **state)
{
    host_boot(4);
    control = host_domain_create(0, true, 1, 100);
    guest = host_domain_create(1, false, 1, 100);
    stub = host_domain_create(2, false, 1, 100);
    domain_hold(guest);
    stub->target = guest;
    return 0;
}

static long call(struct domain *by, u32 cmd, domid_t id)
{
    struct xen_domctl op = { .cmd = cmd, .interface_version = XEN_DOMCTL_INTERFACE_VERSION, .domain = id };
    struct hypercall_args a = { { (unsigned long)&op } };
    long rc;

    host_set_current(by->vcpu[0]);
    rc = do_domctl(&a);
    assert_int_equal(host_locks_held(), 0);
    return rc;
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
        cmocka_unit_test(test_a_stub_domain_gives_nothing_away),
        cmocka_unit_test(test_a_stub_domain_controls_its_target),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
