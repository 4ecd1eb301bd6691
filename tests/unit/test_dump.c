/* SPDX-License-Identifier: MIT */
/* Debug keys q, e, g and r: what is there is in the log, whatever state it is in. */
#include "control_fixture.h"

#include "core/console_private.h"
#include "core/grant_private.h"
#include "core/sched_private.h"

#include <zelo/console.h>
#include <zelo/log.h>

#include <xen/event_channel.h>
#include <xen/sched.h>

static char said[65536];

void log_msg(enum log_level level, const char *fmt, ...)
{
    size_t n = strlen(said);
    va_list ap;

    va_start(ap, fmt);
    assert_true(n + (size_t)vsnprintf(said + n, sizeof(said) - n, fmt, ap) < sizeof(said) - 1);
    va_end(ap);
}

static void press(u8 key)
{
    said[0] = 0;
    debug_key(key);
    softirq_run_no_schedule();
    assert_int_equal(host_locks_held(), 0);
}

static void expect(const char *text)
{
    if (!strstr(said, text))
        fail_msg("\"%s\" is not in:\n%s", text, said);
}

static void expect_not(const char *text)
{
    if (strstr(said, text))
        fail_msg("\"%s\" is in:\n%s", text, said);
}

static int setup(void **state)
{
    control_setup(state);
    debug_keys_init();
    domain_dump_init();
    debug_key_register('r', "run queues", sched_dump);
    return 0;
}

static void test_domains(void **state)
{
    guest->vcpu[1]->info->evtchn_upcall_pending = 1;
    guest->vcpu[1]->info->evtchn_upcall_mask = 0;
    guest->max_pages = 4321;
    domain_shutdown(stub, SHUTDOWN_poweroff);
    press('q');
    expect("d0: ");
    expect("d1: 0 of at most 4321 pages");
    expect("v1 on CPU");
    expect("upcall pending\n");
    expect("upcall none (masked)");
    expect("shut down");
    domain_resume(stub);
}

static long event_op(unsigned cmd, void *arg)
{
    host_set_current(guest->vcpu[0]);
    return do_event_channel_op(&(struct hypercall_args){ { cmd, (unsigned long)arg } });
}

static void test_event_channels(void **state)
{
    struct evtchn_alloc_unbound unbound = { .dom = DOMID_SELF, .remote_dom = 0 };
    struct evtchn_bind_ipi ipi = { .vcpu = 1 };
    struct evtchn_bind_virq virq = { .virq = VIRQ_TIMER, .vcpu = 1 };

    assert_int_equal(event_op(EVTCHNOP_alloc_unbound, &unbound), 0);
    assert_int_equal(event_op(EVTCHNOP_bind_ipi, &ipi), 0);
    assert_int_equal(event_op(EVTCHNOP_bind_virq, &virq), 0);
    assert_int_equal(unbound.port + 2, virq.port);
    guest->shared_info->evtchn_pending[0] = 1UL << ipi.port;
    guest->shared_info->evtchn_mask[0] = 1UL << virq.port;
    press('e');
    expect("d1: 3 event channels, 2-level");
    expect("d2: 0 event channels");
    expect("unbound v0");
    expect("ipi v1 prio 7 pending");
    expect("virq v1 prio 7 masked");
    guest->shared_info->evtchn_pending[0] = guest->shared_info->evtchn_mask[0] = 0;
}

static void test_grants(void **state)
{
    struct gnttab_dump_table dump = { .dom = 1 };
    struct hypercall_args a = { { GNTTABOP_dump_table, (unsigned long)&dump, 1 } };

    spin_lock(&guest->grants->lock);
    assert_int_equal(grant_grow(guest, 1), 0);
    spin_unlock(&guest->grants->lock);
    grant_active(guest->grants, 9)->readers = 2;
    guest->grants->pinned = 1;
    press('g');
    expect("d1: grants version 1, 1 of");
    expect("[9] 2 readers, 0 writers");
    expect("d2: grants version 1, 0 of");
    said[0] = 0;
    host_set_current(control->vcpu[0]);
    assert_int_equal(do_grant_table_op(&a), 0);
    assert_int_equal(dump.status, GNTST_okay);
    expect("[9] 2 readers");
    expect_not("d2:");
    grant_active(guest->grants, 9)->readers = 0;
    guest->grants->pinned = 0;
}

/* The log is the host's: no guest may fill it, not even with what is its own. */
static void test_guests_do_not_dump(void **state)
{
    struct gnttab_dump_table dump = { .dom = DOMID_SELF };
    struct hypercall_args a = { { GNTTABOP_dump_table, (unsigned long)&dump, 1 } };

    said[0] = 0;
    host_set_current(guest->vcpu[0]);
    assert_int_equal(do_grant_table_op(&a), 0);
    assert_int_equal(dump.status, GNTST_permission_denied);
    expect_not("grants");
    dump.dom = 77;
    assert_int_equal(do_grant_table_op(&a), 0);
    assert_int_equal(dump.status, GNTST_bad_domain);
    a.arg[1] = (unsigned long)BAD_POINTER;
    assert_int_equal(do_grant_table_op(&a), -EFAULT);
}

static void test_run_queues(void **state)
{
    struct vcpu *v = guest->vcpu[0];

    host_set_current(control->vcpu[0]);
    v->is_initialised = true;
    v->pause_flags = 0;
    assert_int_equal(domain_unpause_by_tools(guest), 0);
    press('r');
    expect("CPU 3: ");
    expect("waits d1v0");
    expect("d1v1: CPU ");
    expect_not("runs  d"); /* all CPUs are idle */
    assert_int_equal(domain_pause_by_tools(guest), 0);
    press('r');
    expect_not("waits d1v0");
}

static void test_crash_key(void **state)
{
    debug_key('C');
    assert_true(HOST_PANICS(softirq_run_no_schedule()));
    assert_non_null(strstr(host_panic_message, "'C'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_domains), cmocka_unit_test(test_event_channels), cmocka_unit_test(test_grants),
        cmocka_unit_test(test_guests_do_not_dump), cmocka_unit_test(test_run_queues), cmocka_unit_test(test_crash_key),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
