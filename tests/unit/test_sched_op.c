/* SPDX-License-Identifier: MIT */
/* core/sched_op.c, sched_poll.c: the scheduler's hypercall as an interface; what it does to CPUs is test_sched.c's. */
#include "control_fixture.h"

#include <xen/sched.h>

static struct vcpu *self;

static int begin(void **state)
{
    guest = host_domain_create(5, false, 1, 100);
    self = guest->vcpu[0];
    self->is_initialised = true;
    self->pause_flags = 0;
    self->info->evtchn_upcall_mask = 0;
    host_set_current(self);
    return 0;
}

static long call(unsigned op, const void *arg) { return do_sched_op(&(struct hypercall_args){ { op, (unsigned long)arg } }); }

static long call_compat(unsigned op, unsigned long arg)
{
    return do_sched_op_compat(&(struct hypercall_args){ { op, arg } });
}

static void test_unknown_operations(void **state)
{
    assert_int_equal(call(SCHEDOP_pin_override + 1, NULL), -ENOSYS);
    assert_int_equal(do_sched_op(&(struct hypercall_args){ { 1UL << 32 } }), -ENOSYS);
    assert_int_equal(call_compat(SCHEDOP_poll, 0), -ENOSYS); /* younger than that call */
    assert_int_equal(call_compat(99, 0), -ENOSYS);
}

static void test_not_readable(void **state)
{
    static const unsigned ops[] = {
        SCHEDOP_shutdown, SCHEDOP_poll, SCHEDOP_remote_shutdown, SCHEDOP_shutdown_code, SCHEDOP_watchdog,
    };

    for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
        assert_int_equal(call(ops[i], BAD_POINTER), -EFAULT);
    assert_int_equal(call(SCHEDOP_pin_override, BAD_POINTER), -EPERM);
    host_set_current(control->vcpu[0]);
    assert_int_equal(call(SCHEDOP_pin_override, BAD_POINTER), -EFAULT);
    assert_false(guest->is_shut_down);
    assert_int_equal(guest->shutdown_code, -1);
}

/* --- yield and block, in both forms --- */

static void test_yield(void **state)
{
    assert_int_equal(call(SCHEDOP_yield, NULL), 0);
    assert_int_equal(call_compat(SCHEDOP_yield, 0), 0);
    assert_int_equal(self->pause_flags, 0);
}

static void test_block(void **state)
{
    assert_int_equal(call(SCHEDOP_block, NULL), 0);
    assert_int_equal(self->pause_flags, VPF_BLOCKED);
    self->pause_flags = 0;
    assert_int_equal(call_compat(SCHEDOP_block, 0), 0);
    assert_int_equal(self->pause_flags, VPF_BLOCKED);
}

/* Blocking lets events through, and none that is there already is slept over. */
static void test_block_with_an_event(void **state)
{
    self->info->evtchn_upcall_pending = 1;
    self->info->evtchn_upcall_mask = 1;
    assert_int_equal(call(SCHEDOP_block, NULL), 0);
    assert_int_equal(self->pause_flags, 0);
    assert_int_equal(self->info->evtchn_upcall_mask, 0);
}

/* --- shutdown --- */

static void test_shutdown(void **state)
{
    struct sched_shutdown op = { SHUTDOWN_MAX + 1 };

    assert_int_equal(call(SCHEDOP_shutdown, &op), -EINVAL);
    assert_int_equal(call_compat(SCHEDOP_shutdown, SHUTDOWN_MAX + 1), -EINVAL);
    assert_int_equal(call_compat(SCHEDOP_shutdown, 1UL << 32), -EINVAL);
    assert_false(guest->is_shut_down);
    op.reason = SHUTDOWN_suspend;
    assert_int_equal(call(SCHEDOP_shutdown, &op), 0);
    assert_true(guest->is_shut_down);
    assert_int_equal(guest->shutdown_code, SHUTDOWN_suspend);
}

static void test_shutdown_code(void **state)
{
    struct sched_shutdown op = { SHUTDOWN_MAX + 1 };

    assert_int_equal(call(SCHEDOP_shutdown_code, &op), -EINVAL);
    op.reason = SHUTDOWN_reboot;
    assert_int_equal(call(SCHEDOP_shutdown_code, &op), 0);
    op.reason = SHUTDOWN_crash; /* the first one stays */
    assert_int_equal(call(SCHEDOP_shutdown_code, &op), 0);
    assert_int_equal(guest->shutdown_code, SHUTDOWN_reboot);
    assert_false(guest->is_shut_down);
}

static void test_remote_shutdown(void **state)
{
    struct sched_remote_shutdown op = { .domain_id = guest->id, .reason = SHUTDOWN_MAX + 1 };

    host_set_current(control->vcpu[0]);
    assert_int_equal(call(SCHEDOP_remote_shutdown, &op), -EINVAL);
    op.reason = SHUTDOWN_crash;
    assert_int_equal(call(SCHEDOP_remote_shutdown, &op), 0);
    assert_int_equal(guest->shutdown_code, SHUTDOWN_crash);
    op.domain_id = control->id; /* there is SCHEDOP_shutdown for that */
    assert_int_equal(call(SCHEDOP_remote_shutdown, &op), -EPERM);
}

/* --- watchdogs --- */

static long watchdog(u32 id, u32 timeout)
{
    struct sched_watchdog op = { id, timeout };

    return call(SCHEDOP_watchdog, &op);
}

static void test_watchdogs(void **state)
{
    assert_int_equal(watchdog(0, 0), -EINVAL);
    assert_int_equal(watchdog(1, 10), -EINVAL); /* not made yet */
    assert_int_equal(watchdog(0, 10), 1);
    assert_int_equal(watchdog(0, 10), 2);
    assert_int_equal(watchdog(0, 10), -ENOSPC);
    assert_int_equal(watchdog(3, 10), -EINVAL);
    assert_int_equal(watchdog(0xffffffff, 0), -EINVAL);
    assert_int_equal(watchdog(1, 20), 0);
    assert_int_equal(watchdog(1, 0), 0);
    assert_int_equal(watchdog(1, 0), -EINVAL);
    assert_int_equal(watchdog(0, 10), 1); /* free again */
}

/* --- poll --- */

static long poll(u32 count, evtchn_port_t *ports)
{
    struct sched_poll op = { .nr_ports = count, .timeout = 0 };

    op.ports.p = ports;
    return call(SCHEDOP_poll, &op);
}

static void test_poll(void **state)
{
    evtchn_port_t none = 900;

    assert_int_equal(poll(1, BAD_POINTER), -EFAULT);
    assert_int_equal(poll(2, BAD_POINTER), -EFAULT);
    assert_int_equal(poll(0xffffffff, &none), -EINVAL);
    assert_int_equal(poll(1, &none), -EINVAL); /* no such channel */
    assert_int_equal(self->pause_flags, 0);
    assert_int_equal(poll(0, NULL), 0);
    assert_int_equal(self->pause_flags, VPF_BLOCKED | VPF_POLL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, guest_end)
    const struct CMUnitTest tests[] = {
        T(test_unknown_operations), T(test_not_readable), T(test_yield), T(test_block), T(test_block_with_an_event),
        T(test_shutdown), T(test_shutdown_code), T(test_remote_shutdown), T(test_watchdogs), T(test_poll),
    };

    return cmocka_run_group_tests(tests, control_setup, NULL);
}
