/* SPDX-License-Identifier: MIT */
/* core/sysctl*.c: what the tools learn of the host. */
#include "control_fixture.h"

#include "core/sysctl.h"

static u64 halts;
static ns_t halted;

void cpu_halt_stats(unsigned cpu, u64 *n, ns_t *ns) { *n = halts, *ns = halted; }

static struct xen_sysctl pmstat(u32 type, u32 cpu)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_get_pmstat };

    op.u.get_pmstat.type = type;
    op.u.get_pmstat.cpuid = cpu;
    return op;
}

static void test_privilege(void **state)
{
    struct xen_sysctl op = pmstat(PMSTAT_get_max_cx, 0);

    assert_int_equal(sysctl_by(guest, &op), -EPERM);
    op.cmd = 1000;
    assert_int_equal(sysctl(&op), -EOPNOTSUPP);
}

static void test_idle_states(void **state)
{
    struct xen_sysctl op = pmstat(PMSTAT_get_max_cx, 1);
    u64 triggers[3] = { 9, 9, 9 }, residencies[3] = { 9, 9, 9 };

    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(op.u.get_pmstat.u.getcx.nr, 2);
    host_time = 5000;
    halts = 7;
    halted = 3000;
    op = pmstat(PMSTAT_get_cxstat, 1);
    op.u.get_pmstat.u.getcx.nr = 2;
    set_xen_guest_handle(op.u.get_pmstat.u.getcx.triggers, triggers);
    set_xen_guest_handle(op.u.get_pmstat.u.getcx.residencies, residencies);
    op.u.get_pmstat.u.getcx.nr_pc = op.u.get_pmstat.u.getcx.nr_cc = 10;
    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(triggers[1], 7);
    assert_int_equal(residencies[1], 3000);
    assert_int_equal(residencies[0] + residencies[1], 5000);
    assert_int_equal(triggers[2], 9);
    assert_int_equal(residencies[2], 9);
    assert_int_equal(op.u.get_pmstat.u.getcx.nr_pc, 0);
    assert_int_equal(op.u.get_pmstat.u.getcx.nr_cc, 0);
}

/* No more is written than there is room for; what cannot be written is an error. */
static void test_idle_states_with_little_room(void **state)
{
    struct xen_sysctl op = pmstat(PMSTAT_get_cxstat, 0);
    u64 triggers[2] = { 9, 9 };

    op.u.get_pmstat.u.getcx.nr = 1;
    set_xen_guest_handle(op.u.get_pmstat.u.getcx.triggers, triggers);
    set_xen_guest_handle(op.u.get_pmstat.u.getcx.residencies, triggers);
    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(op.u.get_pmstat.u.getcx.nr, 2);
    assert_int_equal(triggers[1], 9);
    set_xen_guest_handle(op.u.get_pmstat.u.getcx.residencies, (uint64_t *)BAD_POINTER);
    assert_int_equal(sysctl(&op), -EFAULT);
}

static void test_what_there_is_not(void **state)
{
    struct xen_sysctl op = pmstat(PMSTAT_get_max_cx, 4);

    assert_int_equal(sysctl(&op), -EINVAL);
    op = pmstat(PMSTAT_get_cxstat, ~0u);
    assert_int_equal(sysctl(&op), -EINVAL);
    op = pmstat(PMSTAT_get_max_px, 0);
    assert_int_equal(sysctl(&op), -ENODEV);
    op = pmstat(PMSTAT_reset_cxstat, 0);
    assert_int_equal(sysctl(&op), -EOPNOTSUPP);
}

static void test_max_cstate(void **state)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_pm_op };

    op.u.pm_op.cmd = XEN_SYSCTL_pm_op_get_max_cstate;
    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(op.u.pm_op.u.get_max_cstate, 1);
    op.u.pm_op.cpuid = 1;
    assert_int_equal(sysctl(&op), 0);
    assert_true(op.u.pm_op.u.get_max_cstate == XEN_SYSCTL_CX_UNLIMITED);
    op.u.pm_op.cpuid = 2;
    assert_int_equal(sysctl(&op), -EINVAL);
    op.u.pm_op.cmd = XEN_SYSCTL_pm_op_set_max_cstate;
    op.u.pm_op.cpuid = 0;
    assert_int_equal(sysctl(&op), -EOPNOTSUPP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_privilege),
        cmocka_unit_test(test_idle_states),
        cmocka_unit_test(test_idle_states_with_little_room),
        cmocka_unit_test(test_what_there_is_not),
        cmocka_unit_test(test_max_cstate),
    };

    return cmocka_run_group_tests(tests, control_setup, invariants_hold);
}
