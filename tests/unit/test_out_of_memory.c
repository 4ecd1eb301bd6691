/* SPDX-License-Identifier: MIT */
/* Whatever needs memory fails cleanly at each point where there is none: nothing is kept, and it works once there is. */
#include "control_fixture.h"

#include "scarce_memory.h"

#include "core/grant_private.h"
#include "core/xenctl.h"

#include <zelo/memory.h>

#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>

#define ID 50

static struct domain *made; /* by what is tried */

static long as_guest(hypercall_fn *fn, unsigned long a0, void *a1, unsigned long a2)
{
    host_set_current(guest->vcpu[0]);
    return call_through(fn, (struct hypercall_args){ { a0, (unsigned long)a1, a2 } });
}

static int begin(void **state)
{
    made = NULL;
    return 0;
}

static int end(void **state)
{
    host_set_current(control->vcpu[0]);
    if (made)
        assert_true(host_domain_destroy(made));
    memory_give_all(); /* if a check failed on the way */
    assert_invariants();
    return 0;
}

/* --- domains and vCPUs --- */

static int try_domain(void)
{
    return create_domain(ID, 600, &made); /* a table of vCPUs of more than a page */
}

static void test_domain(void **state)
{
    assert_true(try_with_little_memory(try_domain) > 10);
    assert_int_equal(made->id, ID);
}

static int try_vcpu(void)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_max_vcpus, made);

    op.u.max_vcpus.max = made->max_vcpus;
    return (int)domctl(&op);
}

static void test_vcpu(void **state)
{
    assert_int_equal(try_domain(), 0);
    host_domain_destroy(made);
    made = host_domain_create(ID, false, 1, 100);
    vcpu_free(made->vcpu[0]);
    made->vcpu[0] = NULL;
    assert_true(try_with_little_memory(try_vcpu) > 0);
    assert_int_equal(made->vcpu[0]->id, 0);
}

/* --- vCPU contexts --- */

static vcpu_guest_context_t context;

static int try_read_context(void)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_getvcpucontext, guest);

    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    return (int)domctl(&op);
}

static int try_write_context(void)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_setvcpucontext, guest);

    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    return domctl(&op) == -ENOMEM ? -ENOMEM : 0; /* an empty context is refused when there is room to read it */
}

static int try_initialise(void)
{
    vcpu_guest_context_t empty = { .flags = 0 };
    long rc;

    host_set_current(guest->vcpu[0]);
    rc = do_vcpu_op(&(struct hypercall_args){ { VCPUOP_initialise, 1, (unsigned long)&empty } });
    return rc == -ENOMEM ? -ENOMEM : 0;
}

static void test_contexts(void **state)
{
    guest->vcpu[0]->is_initialised = true;
    assert_true(try_with_little_memory(try_read_context) > 0);
    assert_true(try_with_little_memory(try_write_context) > 0);
    assert_true(try_with_little_memory(try_initialise) > 0);
}

/* --- events --- */

static int try_channel(void)
{
    struct evtchn_alloc_unbound op = { .dom = DOMID_SELF, .remote_dom = 0 };

    return (int)as_guest(do_event_channel_op, EVTCHNOP_alloc_unbound, &op, 0);
}

static int try_fifo(void)
{
    static struct page *control_block;
    struct evtchn_init_control op;

    if (!control_block)
        control_block = domain_alloc_pages(guest, 0, 0);
    if (!control_block)
        return -ENOMEM;
    op = (struct evtchn_init_control){ .control_gfn = page_to_mfn(control_block).n };
    return (int)as_guest(do_event_channel_op, EVTCHNOP_init_control, &op, 0);
}

static void test_events(void **state)
{
    assert_true(try_with_little_memory(try_channel) > 0);
    guest->max_pages = 1000;
    assert_int_equal(try_fifo(), 0);
    event_domain_destroy(guest);
    event_domain_free(guest);
    assert_int_equal(event_domain_init(guest, 1023), 0);
}

/* --- grants: a status of each operation, not an error of the call --- */

static u64 list[64];

static int try_table(void)
{
    struct gnttab_setup_table op = { .dom = DOMID_SELF, .nr_frames = 1 };

    set_xen_guest_handle(op.frame_list, (xen_pfn_t *)list);
    assert_int_equal(as_guest(do_grant_table_op, GNTTABOP_setup_table, &op, 1), 0);
    if (!op.status)
        return 0;
    assert_int_equal(op.status, GNTST_general_error);
    return -ENOMEM;
}

static int try_version_2(void)
{
    struct gnttab_set_version op = { .version = 2 };

    return (int)as_guest(do_grant_table_op, GNTTABOP_set_version, &op, 1);
}

static void test_grants(void **state)
{
    assert_int_equal(try_with_little_memory(try_table), 2); /* its frame, and the record of who uses it */
    assert_int_equal(guest->grants->frames, 1);
    assert_int_equal(try_with_little_memory(try_version_2), 1);
    assert_int_equal(guest->grants->version, 2);
}

/* --- memory --- */

static int try_memory_map(void)
{
    static u8 entries[20 * 20];
    struct xen_foreign_memory_map op = { .domid = 1, .map = { .nr_entries = 20 } };

    op.map.buffer.p = entries;
    host_set_current(control->vcpu[0]);
    return (int)do_memory_op(&(struct hypercall_args){ { XENMEM_set_memory_map, (unsigned long)&op } });
}

static void test_memory_map(void **state)
{
    assert_true(try_with_little_memory(try_memory_map) > 0);
    assert_int_equal(guest->memory_map_count, 20);
}

/* --- the host's --- */

static int try_pool(void)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_cpupool_op };

    op.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_CREATE;
    op.u.cpupool_op.cpupool_id = 7;
    op.u.cpupool_op.sched_id = sched_id();
    return (int)sysctl(&op);
}

static int try_trace(void)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_tbuf_op };

    op.u.tbuf_op.cmd = XEN_SYSCTL_TBUFOP_set_size;
    op.u.tbuf_op.size = 3;
    return (int)sysctl(&op);
}

static int try_policy(void)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_set_cpu_policy, guest);

    return (int)domctl(&op);
}

static int try_leaves(void)
{
    static xen_cpuid_leaf_t leaves[256];
    struct xen_domctl op = domctl_op(XEN_DOMCTL_get_cpu_policy, guest);

    op.u.cpu_policy.nr_leaves = ARRAY_SIZE(leaves);
    set_xen_guest_handle(op.u.cpu_policy.leaves, leaves);
    return (int)domctl(&op);
}

static void test_control(void **state)
{
    assert_true(try_with_little_memory(try_pool) > 0);
    assert_true(try_with_little_memory(try_trace) > 10);
    assert_true(try_with_little_memory(try_policy) > 0);
    assert_true(try_with_little_memory(try_leaves) > 0);
}

/* Once made, the record of what is dirty stays: it may be looked at any time. The shadows are what can be missing. */
static int try_log_dirty(void)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_shadow_op, guest);

    op.u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY;
    return (int)domctl(&op);
}

static void test_log_dirty(void **state)
{
    struct xen_domctl off = domctl_op(XEN_DOMCTL_shadow_op, guest);

    off.u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_OFF;
    assert_int_equal(try_log_dirty(), 0);
    assert_int_equal(domctl(&off), 0);
    assert_true(try_with_little_memory(try_log_dirty) > 0);
    assert_non_null(guest->pv.shadow);
    assert_int_equal(domctl(&off), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(test_domain), T(test_vcpu), T(test_contexts), T(test_events), T(test_grants), T(test_memory_map),
        T(test_control), T(test_log_dirty),
    };

    return cmocka_run_group_tests(tests, control_setup, invariants_hold);
}
