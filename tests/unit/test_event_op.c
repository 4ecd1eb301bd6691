/* SPDX-License-Identifier: MIT */
/* core/event_op.c and what it leads to: structures that cannot be read or answered, FIFO frames in log-dirty mode. */
#include "control_fixture.h"

#include "core/event_fifo.h"

#include <zelo/softirq.h>

#include <xen/event_channel.h>

static unsigned bound, unbound, noted;
static int pirq_result;
static u32 pirq_port;

int pirq_bind(struct domain *d, u32 nr, u32 port, struct vcpu *target, bool share)
{
    bound++;
    pirq_port = port;
    return pirq_result;
}
void pirq_unbind(struct domain *d, u32 nr) { unbound++; }
u32 pirq_bound_port(struct domain *d, u32 nr) { return pirq_port; }
void pv_mark_page_dirty(struct page *p) { noted++; }

static int begin(void **state)
{
    guest = host_domain_create(5, false, 2, 100);
    host_set_current(guest->vcpu[0]);
    bound = unbound = noted = 0;
    pirq_result = 0;
    return 0;
}

static long op(unsigned cmd, const void *arg)
{
    return call_through(do_event_channel_op, (struct hypercall_args){ { cmd, (unsigned long)arg } });
}

static void test_not_readable(void **state)
{
    for (unsigned cmd = EVTCHNOP_bind_interdomain; cmd <= EVTCHNOP_set_priority; cmd++)
        assert_int_equal(op(cmd, BAD_POINTER), -EFAULT);
    assert_int_equal(op(EVTCHNOP_set_priority + 1, BAD_POINTER), -ENOSYS);
    assert_int_equal(do_event_channel_op_compat(&(struct hypercall_args){ { (unsigned long)BAD_POINTER } }), -EFAULT);
    assert_int_equal(guest->evt.active, 0);
}

/* The port is bound all the same: the caller finds it with EVTCHNOP_status, or resets. */
static void test_answer_not_writable(void **state)
{
    struct evtchn_bind_ipi ipi = { .vcpu = 1 };
    struct evtchn_status status = { .dom = DOMID_SELF, .port = 1 };

    assert_int_equal(op(EVTCHNOP_bind_ipi, read_only(&ipi, sizeof(ipi))), -EFAULT);
    assert_int_equal(op(EVTCHNOP_status, &status), 0);
    assert_int_equal(status.status, EVTCHNSTAT_ipi);
    assert_int_equal(status.vcpu, 1);
}

static void test_send_by_the_old_call(void **state)
{
    struct evtchn_op old = { .cmd = EVTCHNOP_send, .u.send.port = 1 };
    struct evtchn_bind_ipi ipi = { .vcpu = 1 };

    assert_int_equal(do_event_channel_op_compat(&(struct hypercall_args){ { (unsigned long)&old } }), -EINVAL);
    assert_int_equal(op(EVTCHNOP_bind_ipi, &ipi), 0);
    old.u.send.port = ipi.port;
    assert_int_equal(do_event_channel_op_compat(&(struct hypercall_args){ { (unsigned long)&old } }), 0);
    assert_true(guest->shared_info->evtchn_pending[0] >> ipi.port & 1);
    old.cmd = EVTCHNOP_reset; /* younger than that call */
    assert_int_equal(do_event_channel_op_compat(&(struct hypercall_args){ { (unsigned long)&old } }), -ENOSYS);
}

static void test_ports_that_are_none(void **state)
{
    struct evtchn_unmask unmask = { .port = 1 };
    struct evtchn_bind_vcpu vcpu = { .port = 1, .vcpu = 0 };
    struct evtchn_close close = { .port = 1 };
    struct evtchn_bind_ipi ipi = { .vcpu = 0 };

    assert_int_equal(op(EVTCHNOP_unmask, &unmask), -EINVAL); /* no channels at all */
    assert_int_equal(op(EVTCHNOP_bind_vcpu, &vcpu), -EINVAL);
    assert_int_equal(op(EVTCHNOP_close, &close), -EINVAL);
    assert_int_equal(op(EVTCHNOP_bind_ipi, &ipi), 0);
    unmask.port = vcpu.port = close.port = ipi.port + 1; /* closed ones */
    assert_int_equal(op(EVTCHNOP_unmask, &unmask), -EINVAL);
    assert_int_equal(op(EVTCHNOP_bind_vcpu, &vcpu), -EINVAL);
    assert_int_equal(op(EVTCHNOP_close, &close), -EINVAL);
    unmask.port = vcpu.port = close.port = 0xffffffff;
    assert_int_equal(op(EVTCHNOP_unmask, &unmask), -EINVAL);
    assert_int_equal(op(EVTCHNOP_bind_vcpu, &vcpu), -EINVAL);
    assert_int_equal(op(EVTCHNOP_close, &close), -EINVAL);
}

static void test_dying_domain_gets_no_ports(void **state)
{
    struct evtchn_bind_ipi ipi = { .vcpu = 1 };
    struct evtchn_alloc_unbound alloc = { .dom = guest->id, .remote_dom = 0 };

    event_domain_destroy(guest);
    assert_int_equal(op(EVTCHNOP_bind_ipi, &ipi), -ESRCH);
    host_set_current(control->vcpu[0]);
    assert_int_equal(op(EVTCHNOP_alloc_unbound, &alloc), -ESRCH);
}

static void test_pirqs(void **state)
{
    struct evtchn_bind_pirq pirq = { .pirq = 9, .flags = ~0u };

    assert_int_equal(op(EVTCHNOP_bind_pirq, &pirq), -EINVAL);
    pirq.flags = BIND_PIRQ__WILL_SHARE;
    pirq_result = -EBUSY;
    assert_int_equal(op(EVTCHNOP_bind_pirq, &pirq), -EBUSY);
    assert_int_equal(guest->evt.active, 0); /* its port went back */
    pirq_result = 0;
    assert_int_equal(op(EVTCHNOP_bind_pirq, &pirq), 0);
    assert_int_equal(guest->evt.active, 1);
    assert_int_equal(bound, 2);
}

/* --- FIFO --- */

static u64 block_frame, words_frame;

static void use_fifo(void)
{
    struct page *block = domain_alloc_pages(guest, 0, 0), *words = domain_alloc_pages(guest, 0, 0);
    struct evtchn_init_control control_block = { .control_gfn = page_to_mfn(block).n };
    struct evtchn_expand_array array = { .array_gfn = page_to_mfn(words).n };

    block_frame = control_block.control_gfn;
    words_frame = array.array_gfn;
    assert_int_equal(op(EVTCHNOP_expand_array, &array), -EOPNOTSUPP); /* not before there is a control block */
    assert_int_equal(op(EVTCHNOP_init_control, &control_block), 0);
    array.array_gfn = HOST_FRAMES;
    assert_int_equal(op(EVTCHNOP_expand_array, &array), -EINVAL);
    array.array_gfn = virt_to_mfn(control->shared_info).n;
    assert_int_equal(op(EVTCHNOP_expand_array, &array), -EINVAL);
    array.array_gfn = words_frame;
    assert_int_equal(op(EVTCHNOP_expand_array, &array), 0);
}

/* Senders write to these frames without a fault, so all count as written. */
static void test_fifo_frames_are_noted(void **state)
{
    event_mark_dirty(guest);
    assert_int_equal(noted, 0);
    use_fifo();
    noted = 0;
    event_mark_dirty(guest);
    assert_int_equal(noted, 2);
    assert_int_equal(host_locks_held(), 0);
}

static void test_fifo_is_dumped(void **state)
{
    struct evtchn_bind_ipi ipi = { .vcpu = 0 };
    struct evtchn_send send;
    event_word_t *words;

    use_fifo();
    words = mfn_to_virt(MFN(words_frame));
    assert_int_equal(op(EVTCHNOP_bind_ipi, &ipi), 0);
    event_dump(guest);
    assert_null(strstr(host_log, "pending"));
    assert_null(strstr(host_log, "masked"));
    words[ipi.port] |= 1u << EVTCHN_FIFO_MASKED;
    send.port = ipi.port;
    assert_int_equal(op(EVTCHNOP_send, &send), 0);
    event_dump(guest);
    assert_non_null(strstr(host_log, "ipi v0"));
    assert_non_null(strstr(host_log, " pending masked"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, guest_end)
    const struct CMUnitTest tests[] = {
        T(test_not_readable), T(test_answer_not_writable), T(test_send_by_the_old_call), T(test_ports_that_are_none),
        T(test_dying_domain_gets_no_ports), T(test_pirqs), T(test_fifo_frames_are_noted), T(test_fifo_is_dumped),
    };

    return cmocka_run_group_tests(tests, control_setup, invariants_hold);
}
