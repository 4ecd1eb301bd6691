/* SPDX-License-Identifier: MIT */
/*
 * core/event*.c over the 2-level ABI: what each operation answers, who may
 * act for whom, what a close leaves behind, and that an event neither gets
 * lost nor reaches anybody else.
 */
#include "unit.h"

#include "core/event_private.h"

#include <zelo/hypercall.h>
#include <zelo/softirq.h>

#include <xen/domctl.h>

/* --- the rooms around: a PV machine that does nothing --- */

int pv_domain_init(struct domain *d) { return 0; }
void pv_domain_free(struct domain *d) { }
int pv_domain_relinquish(struct domain *d) { return 0; }
int pv_vcpu_init(struct vcpu *v) { return 0; }
void pv_vcpu_free(struct vcpu *v) { }
int grant_domain_init(struct domain *d, u32 f, u32 m, u32 v) { return 0; }
int grant_domain_release_mappings(struct domain *d) { return 0; }
void grant_domain_free(struct domain *d) { }

static bool preempt;
static unsigned continued;
bool hypercall_should_preempt(void) { return preempt; }
long hypercall_continue(unsigned nr, const struct hypercall_args *next)
{
    continued++;
    return -E_PREEMPTED;
}

/* PIRQs: what was asked of x86/pirq.c. */
static u32 pirq_port, pirq_unbound, pirq_target;
int pirq_bind(struct domain *d, u32 nr, u32 port, struct vcpu *target, bool share)
{
    if (nr >= 100)
        return -EINVAL;
    pirq_port = port;
    return 0;
}
void pirq_unbind(struct domain *d, u32 nr) { pirq_unbound = nr; }
void pv_check(struct domain *d) {}
u32 pirq_bound_port(struct domain *d, u32 nr) { return pirq_port; }
void pirq_set_target(struct domain *d, u32 nr, struct vcpu *target) { pirq_target = target->id; }

/* --- helpers --- */

static struct domain *d0, *d1, *d2;

static int setup(void **state)
{
    host_init(4);
    host_sched_start();
    d0 = host_domain_create(0, true, 2, 1000);
    d1 = host_domain_create(1, false, 4, 1000);
    d2 = host_domain_create(2, false, 1, 1000);
    return 0;
}

/* Every test starts with no channel. */
static int each(void **state)
{
    struct domain *all[] = { d0, d1, d2 };

    preempt = false;
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        host_set_current(all[i]->vcpu[0]);
        assert_int_equal(event_reset(all[i]), 0);
        assert_int_equal(all[i]->evt.active, 0);
        memset(all[i]->shared_info, 0, sizeof(*all[i]->shared_info));
    }
    host_set_current(d1->vcpu[0]);
    return 0;
}

static long op(struct domain *d, unsigned cmd, void *arg)
{
    struct hypercall_args a = { { cmd, (unsigned long)arg } };
    long rc;

    host_set_current(d->vcpu[0]);
    rc = do_event_channel_op(&a);
    assert_int_equal(host_locks_held(), 0);
    return rc;
}

static u32 alloc_unbound(struct domain *d, domid_t remote)
{
    struct evtchn_alloc_unbound a = { DOMID_SELF, remote, 0 };

    assert_int_equal(op(d, EVTCHNOP_alloc_unbound, &a), 0);
    return a.port;
}

static u32 bind_interdomain(struct domain *d, domid_t remote, u32 port)
{
    struct evtchn_bind_interdomain b = { remote, port, 0 };

    assert_int_equal(op(d, EVTCHNOP_bind_interdomain, &b), 0);
    return b.local_port;
}

static long close_port(struct domain *d, u32 port)
{
    struct evtchn_close c = { port };

    return op(d, EVTCHNOP_close, &c);
}

static long send_port(struct domain *d, u32 port)
{
    struct evtchn_send s = { port };

    return op(d, EVTCHNOP_send, &s);
}

static struct evtchn_status status(struct domain *d, u32 port)
{
    struct evtchn_status s = { .dom = DOMID_SELF, .port = port };

    assert_int_equal(op(d, EVTCHNOP_status, &s), 0);
    return s;
}

static bool pending(struct domain *d, u32 port)
{
    return d->shared_info->evtchn_pending[port / 64] >> (port % 64) & 1;
}

static void consume(struct domain *d, u32 port)
{
    atomic_clear_bit(d->shared_info->evtchn_pending, port);
    for (unsigned i = 0; i < 4; i++) {
        d->shared_info->vcpu_info[i].evtchn_upcall_pending = 0;
        d->shared_info->vcpu_info[i].evtchn_pending_sel = 0;
    }
}

static bool upcall(struct domain *d, unsigned vcpu)
{
    return d->vcpu[vcpu]->info->evtchn_upcall_pending;
}

/* --- ports --- */

static void test_ports_are_the_lowest_free_and_never_0(void **state)
{
    assert_int_equal(alloc_unbound(d1, 0), 1);
    assert_int_equal(alloc_unbound(d1, 0), 2);
    assert_int_equal(alloc_unbound(d1, 0), 3);
    assert_int_equal(close_port(d1, 2), 0);
    assert_int_equal(alloc_unbound(d1, 0), 2);
    assert_int_equal(alloc_unbound(d1, 0), 4);
    assert_int_equal(close_port(d1, 0), -EINVAL);
    assert_int_equal(status(d1, 0).status, EVTCHNSTAT_closed);
}

static void test_port_limit(void **state)
{
    struct evtchn_alloc_unbound a = { DOMID_SELF, 0, 0 };

    for (u32 port = 1; port <= 1023; port++)
        assert_int_equal(alloc_unbound(d1, 0), port);
    assert_int_equal(op(d1, EVTCHNOP_alloc_unbound, &a), -ENOSPC);
    assert_int_equal(close_port(d1, 1024), -EINVAL);
    assert_int_equal(close_port(d1, ~0u), -EINVAL);
    assert_int_equal(send_port(d1, 1u << 17), -EINVAL);
}

/* The tools make a domain first and its vCPUs later: until then there is nobody to be told. */
static void test_domain_without_vcpus(void **state)
{
    struct xen_domctl_createdomain cfg = {
        .max_vcpus = 2, .max_evtchn_port = 1023, .max_grant_frames = -1, .max_maptrack_frames = -1,
        .grant_opts = XEN_DOMCTL_GRANT_version(2),
    };
    struct evtchn_alloc_unbound a = { 4, 0, 0 };
    struct domain *d;
    int err;

    d = domain_create(4, &cfg, false, &err);
    assert_non_null(d);
    assert_int_equal(op(d0, EVTCHNOP_alloc_unbound, &a), -ENOENT);
    assert_int_equal(d->evt.active, 0);
    assert_non_null(vcpu_create(d, 0));
    assert_int_equal(op(d0, EVTCHNOP_alloc_unbound, &a), 0);
    assert_int_equal(send_port(d0, bind_interdomain(d0, 4, a.port)), 0);
    assert_true(pending(d, a.port));
    assert_true(host_domain_destroy(d));
}

static void test_unknown_operations(void **state)
{
    struct evtchn_expand_array e = { 1 };
    struct evtchn_set_priority p = { 1, 3 };

    assert_int_equal(op(d1, 14, &e), -ENOSYS);
    assert_int_equal(op(d1, 1000, &e), -ENOSYS);
    assert_int_equal(op(d1, EVTCHNOP_expand_array, &e), -EOPNOTSUPP);
    assert_int_equal(op(d1, EVTCHNOP_set_priority, &p), -ENOSYS);
}

static void test_faults(void **state)
{
    for (unsigned cmd = 0; cmd < 14; cmd++)
        assert_int_equal(op(d1, cmd, NULL), -EFAULT);
}

/* --- interdomain --- */

static void test_interdomain_both_ways(void **state)
{
    u32 far = alloc_unbound(d1, 0), near;

    assert_int_equal(status(d1, far).status, EVTCHNSTAT_unbound);
    assert_int_equal(status(d1, far).u.unbound.dom, 0);
    assert_int_equal(send_port(d1, far), 0); /* nobody there yet: no error */
    near = bind_interdomain(d0, 1, far);
    assert_int_equal(status(d0, near).status, EVTCHNSTAT_interdomain);
    assert_int_equal(status(d0, near).u.interdomain.dom, 1);
    assert_int_equal(status(d0, near).u.interdomain.port, far);
    assert_int_equal(status(d1, far).u.interdomain.port, near);
    assert_true(pending(d0, near)); /* the binder is told in any case */
    assert_true(upcall(d0, 0));
    assert_false(pending(d1, far));

    consume(d0, near);
    assert_int_equal(send_port(d0, near), 0);
    assert_true(pending(d1, far));
    assert_true(upcall(d1, 0));
    assert_false(pending(d0, near));
    assert_int_equal(send_port(d1, far), 0);
    assert_true(pending(d0, near));
}

static void test_bind_interdomain_refuses(void **state)
{
    u32 far = alloc_unbound(d1, 0);
    struct evtchn_bind_interdomain b = { 1, far, 0 };
    struct evtchn_bind_interdomain nobody = { 77, far, 0 }, wrong = { 1, far + 1, 0 };

    assert_int_equal(op(d2, EVTCHNOP_bind_interdomain, &b), -EINVAL); /* it waits for domain 0 */
    assert_int_equal(op(d0, EVTCHNOP_bind_interdomain, &nobody), -ESRCH);
    assert_int_equal(op(d0, EVTCHNOP_bind_interdomain, &wrong), -EINVAL);
    assert_int_equal(op(d0, EVTCHNOP_bind_interdomain, &b), 0);
    assert_int_equal(op(d0, EVTCHNOP_bind_interdomain, &b), -EINVAL); /* taken */
}

static void test_loopback(void **state)
{
    u32 a = alloc_unbound(d1, DOMID_SELF), b;

    assert_int_equal(status(d1, a).u.unbound.dom, 1);
    b = bind_interdomain(d1, DOMID_SELF, a);
    consume(d1, b);
    assert_int_equal(send_port(d1, b), 0);
    assert_true(pending(d1, a));
    assert_false(pending(d1, b));
    assert_int_equal(close_port(d1, b), 0);
    assert_int_equal(status(d1, a).status, EVTCHNSTAT_unbound);
    assert_int_equal(status(d1, b).status, EVTCHNSTAT_closed);
}

static void test_close_leaves_the_far_end_waiting(void **state)
{
    u32 far = alloc_unbound(d1, 0), near = bind_interdomain(d0, 1, far);

    assert_int_equal(send_port(d1, far), 0);
    assert_int_equal(close_port(d0, near), 0);
    assert_false(pending(d0, near)); /* the next user of the port finds it clean */
    assert_int_equal(status(d1, far).status, EVTCHNSTAT_unbound);
    assert_int_equal(status(d1, far).u.unbound.dom, 0);
    assert_int_equal(send_port(d0, near), -EINVAL);
    assert_int_equal(close_port(d0, near), -EINVAL);
    near = bind_interdomain(d0, 1, far);
    assert_int_equal(close_port(d1, far), 0);
    assert_int_equal(status(d0, near).status, EVTCHNSTAT_unbound);
    assert_int_equal(status(d0, near).u.unbound.dom, 1);
}

/* --- acting for others --- */

static void test_only_the_controller_acts_for_others(void **state)
{
    struct evtchn_alloc_unbound a = { 1, 0, 0 };
    struct evtchn_status s = { .dom = 1 };
    struct evtchn_reset r = { 1 };

    assert_int_equal(op(d2, EVTCHNOP_alloc_unbound, &a), -EPERM);
    assert_int_equal(op(d0, EVTCHNOP_alloc_unbound, &a), 0);
    assert_int_equal(status(d1, a.port).u.unbound.dom, 0);
    s.port = a.port;
    assert_int_equal(op(d2, EVTCHNOP_status, &s), -EPERM);
    assert_int_equal(op(d0, EVTCHNOP_status, &s), 0);
    assert_int_equal(s.status, EVTCHNSTAT_unbound);
    assert_int_equal(op(d2, EVTCHNOP_reset, &r), -EPERM);
    assert_int_equal(op(d0, EVTCHNOP_reset, &r), 0);
    assert_int_equal(d1->evt.active, 0);
    a.dom = 77;
    assert_int_equal(op(d0, EVTCHNOP_alloc_unbound, &a), -ESRCH);
    a.dom = DOMID_IO;
    assert_int_equal(op(d0, EVTCHNOP_alloc_unbound, &a), -ESRCH);
    a = (struct evtchn_alloc_unbound){ 1, DOMID_SELF, 0 }; /* the caller, not the one acted for */
    assert_int_equal(op(d0, EVTCHNOP_alloc_unbound, &a), 0);
    assert_int_equal(status(d1, a.port).u.unbound.dom, 0);
}

/* --- VIRQs --- */

static long bind_virq(struct domain *d, u32 virq, u32 vcpu, u32 *port)
{
    struct evtchn_bind_virq b = { virq, vcpu, 0 };
    long rc = op(d, EVTCHNOP_bind_virq, &b);

    *port = b.port;
    return rc;
}

static void test_virq_per_vcpu(void **state)
{
    u32 p0, p3, x;

    assert_int_equal(bind_virq(d1, VIRQ_TIMER, 0, &p0), 0);
    assert_int_equal(bind_virq(d1, VIRQ_TIMER, 3, &p3), 0);
    assert_int_equal(bind_virq(d1, VIRQ_TIMER, 3, &x), -EEXIST);
    assert_int_equal(bind_virq(d1, VIRQ_TIMER, 4, &x), -ENOENT);
    assert_int_equal(bind_virq(d1, NR_VIRQS, 0, &x), -EINVAL);
    assert_int_equal(status(d1, p3).u.virq, VIRQ_TIMER);
    assert_int_equal(status(d1, p3).vcpu, 3);
    event_send_vcpu_virq(d1->vcpu[3], VIRQ_TIMER);
    assert_true(pending(d1, p3));
    assert_true(upcall(d1, 3));
    assert_false(upcall(d1, 0));
    event_send_vcpu_virq(d1->vcpu[1], VIRQ_TIMER); /* not bound: nothing */
    assert_int_equal(close_port(d1, p3), 0);
    event_send_vcpu_virq(d1->vcpu[3], VIRQ_TIMER);
    assert_false(pending(d1, p3));
    assert_int_equal(bind_virq(d1, VIRQ_TIMER, 3, &p3), 0);
    assert_int_equal(send_port(d1, p0), -EINVAL); /* not the guest's to send */
}

static void test_virq_global(void **state)
{
    struct evtchn_bind_vcpu b;
    u32 port, x;

    assert_int_equal(bind_virq(d0, VIRQ_DOM_EXC, 1, &x), -EINVAL);
    assert_int_equal(bind_virq(d0, VIRQ_DOM_EXC, 0, &port), 0);
    assert_int_equal(bind_virq(d0, VIRQ_DOM_EXC, 0, &x), -EEXIST);
    b = (struct evtchn_bind_vcpu){ port, 1 };
    assert_int_equal(op(d0, EVTCHNOP_bind_vcpu, &b), 0);
    event_send_host_virq(VIRQ_DOM_EXC);
    assert_true(pending(d0, port));
    assert_true(upcall(d0, 1));
    assert_false(upcall(d0, 0));
    assert_int_equal(close_port(d0, port), 0);
    assert_int_equal(bind_virq(d0, VIRQ_DOM_EXC, 0, &port), 0);
    assert_int_equal(status(d0, port).vcpu, 0);
}

static void test_ipi(void **state)
{
    struct evtchn_bind_ipi b = { 2, 0 }, bad = { 4, 0 };
    struct evtchn_bind_vcpu move;

    assert_int_equal(op(d1, EVTCHNOP_bind_ipi, &bad), -ENOENT);
    assert_int_equal(op(d1, EVTCHNOP_bind_ipi, &b), 0);
    move = (struct evtchn_bind_vcpu){ b.port, 1 };
    assert_int_equal(op(d1, EVTCHNOP_bind_vcpu, &move), -EINVAL);
    assert_int_equal(send_port(d1, b.port), 0);
    assert_true(pending(d1, b.port));
    assert_true(upcall(d1, 2));
}

static void test_pirq(void **state)
{
    struct evtchn_bind_pirq b = { 9, 0, 0 }, bad = { 100, 0, 0 }, flags = { 9, 2, 0 };
    struct evtchn_bind_vcpu move;

    assert_int_equal(op(d0, EVTCHNOP_bind_pirq, &bad), -EINVAL);
    assert_int_equal(op(d0, EVTCHNOP_bind_pirq, &flags), -EINVAL);
    assert_int_equal(d0->evt.active, 0);
    assert_int_equal(op(d0, EVTCHNOP_bind_pirq, &b), 0);
    assert_int_equal(pirq_port, b.port);
    assert_int_equal(status(d0, b.port).u.pirq, 9);
    event_send_pirq(d0, b.port);
    assert_true(pending(d0, b.port));
    move = (struct evtchn_bind_vcpu){ b.port, 1 };
    assert_int_equal(op(d0, EVTCHNOP_bind_vcpu, &move), 0);
    assert_int_equal(pirq_target, 1);
    assert_int_equal(d0->vcpu[0]->evt.pirqs, 0);
    assert_int_equal(d0->vcpu[1]->evt.pirqs, 1);
    pirq_target = 77;
    event_vcpu_move(d0->vcpu[0]); /* has none */
    event_vcpu_move(d0->vcpu[1]);
    softirq_run_no_schedule();
    assert_int_equal(pirq_target, 1);
    assert_int_equal(close_port(d0, b.port), 0);
    assert_int_equal(pirq_unbound, 9);
    assert_int_equal(d0->vcpu[1]->evt.pirqs, 0);
    event_send_pirq(d0, b.port);
    assert_false(pending(d0, b.port));
}

/* --- masks and vCPUs --- */

static void test_mask_and_unmask(void **state)
{
    u32 a = alloc_unbound(d1, DOMID_SELF), b = bind_interdomain(d1, DOMID_SELF, a);
    struct evtchn_unmask u = { a };

    consume(d1, b);
    atomic_set_bit(d1->shared_info->evtchn_mask, a);
    assert_int_equal(send_port(d1, b), 0);
    assert_true(pending(d1, a));
    assert_false(upcall(d1, 0));
    assert_int_equal(event_port_pending(d1, a), 1);
    assert_int_equal(op(d1, EVTCHNOP_unmask, &u), 0);
    assert_true(upcall(d1, 0));
    assert_false(atomic_test_bit(d1->shared_info->evtchn_mask, a));
    consume(d1, a);
    assert_int_equal(op(d1, EVTCHNOP_unmask, &u), 0); /* nothing pending: nothing told */
    assert_false(upcall(d1, 0));
    u.port = 999;
    assert_int_equal(op(d1, EVTCHNOP_unmask, &u), -EINVAL);
    assert_int_equal(event_port_pending(d1, 5000), -EINVAL);
}

static void test_bind_vcpu(void **state)
{
    u32 far = alloc_unbound(d1, 0), near = bind_interdomain(d0, 1, far), timer;
    struct evtchn_bind_vcpu b = { far, 3 };

    assert_int_equal(op(d1, EVTCHNOP_bind_vcpu, &b), 0);
    assert_int_equal(send_port(d0, near), 0);
    assert_true(upcall(d1, 3));
    assert_false(upcall(d1, 0));
    b.vcpu = 4;
    assert_int_equal(op(d1, EVTCHNOP_bind_vcpu, &b), -ENOENT);
    b = (struct evtchn_bind_vcpu){ 500, 0 };
    assert_int_equal(op(d1, EVTCHNOP_bind_vcpu, &b), -EINVAL);
    assert_int_equal(bind_virq(d1, VIRQ_TIMER, 2, &timer), 0);
    b = (struct evtchn_bind_vcpu){ timer, 0 };
    assert_int_equal(op(d1, EVTCHNOP_bind_vcpu, &b), -EINVAL);
    assert_int_equal(close_port(d1, far), 0);
    assert_int_equal(alloc_unbound(d1, 0), far);
    assert_int_equal(status(d1, far).vcpu, 0); /* a reused port tells vCPU 0 again */
}

static void test_deliverable(void **state)
{
    struct vcpu *v = d1->vcpu[0];

    assert_false(vcpu_event_deliverable(v));
    v->info->evtchn_upcall_pending = 1;
    assert_true(vcpu_event_deliverable(v));
    v->info->evtchn_upcall_mask = 1;
    assert_false(vcpu_event_deliverable(v));
}

/* A vcpu_info that moves: the guest is made to look at everything. */
static void test_info_moved(void **state)
{
    struct vcpu *v = d1->vcpu[1];
    static vcpu_info_t elsewhere;
    vcpu_info_t *before = v->info;

    v->info = &elsewhere;
    event_vcpu_info_moved(v);
    assert_int_equal(elsewhere.evtchn_upcall_pending, 1);
    assert_true(elsewhere.evtchn_pending_sel == ~0UL);
    v->info = before;
}

/* --- the old hypercall --- */

static void test_compat(void **state)
{
    struct evtchn_op c = { .cmd = EVTCHNOP_alloc_unbound, .u.alloc_unbound = { DOMID_SELF, 0, 0 } };
    struct hypercall_args a = { { (unsigned long)&c } };

    host_set_current(d1->vcpu[0]);
    assert_int_equal(do_event_channel_op_compat(&a), 0);
    assert_int_equal(c.u.alloc_unbound.port, 1);
    c.cmd = EVTCHNOP_init_control;
    assert_int_equal(do_event_channel_op_compat(&a), -ENOSYS);
}

/* --- the end --- */

static void test_reset_can_be_preempted(void **state)
{
    struct evtchn_reset r = { DOMID_SELF };
    u32 timer;

    alloc_unbound(d1, 0);
    alloc_unbound(d1, 0);
    assert_int_equal(bind_virq(d1, VIRQ_TIMER, 1, &timer), 0);
    preempt = true;
    continued = 0;
    assert_int_equal(op(d1, EVTCHNOP_reset, &r), -E_PREEMPTED);
    assert_int_equal(continued, 1);
    assert_int_equal(d1->evt.active, 2);
    preempt = false;
    assert_int_equal(op(d1, EVTCHNOP_reset, &r), 0);
    assert_int_equal(d1->evt.active, 0);
    assert_int_equal(d1->vcpu[1]->evt.virq_port[VIRQ_TIMER], 0);
}

static void test_death(void **state)
{
    struct domain *d3 = host_domain_create(3, false, 2, 100);
    u64 free_before = heap_free_page_count();
    u32 far = alloc_unbound(d3, 0), near = bind_interdomain(d0, 3, far), mine = alloc_unbound(d0, 3), timer;

    bind_interdomain(d3, 0, mine);
    assert_int_equal(bind_virq(d3, VIRQ_TIMER, 1, &timer), 0);
    host_set_current(d0->vcpu[0]);
    assert_true(host_domain_destroy(d3));
    assert_int_equal(status(d0, near).status, EVTCHNSTAT_unbound);
    assert_int_equal(status(d0, near).u.unbound.dom, 3);
    assert_int_equal(status(d0, mine).status, EVTCHNSTAT_unbound);
    assert_int_equal(send_port(d0, near), 0);
    assert_true(heap_free_page_count() > free_before);
}

/* --- many at once --- */

#define ROUNDS 4000
static u32 race_far, race_near;

static void race_sender(struct domain *d, u32 port)
{
    for (unsigned i = 0; i < ROUNDS; i++)
        (void)event_send(d, port);
}

static void race_binder(void)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        u32 port;

        if (event_bind_interdomain(d0, 1, race_far, &port) == 0)
            assert_int_equal(event_close(d0, port), 0);
    }
}

static void race_cpu(void *arg)
{
    host_set_current(this_cpu() ? d1->vcpu[0] : d0->vcpu[0]);
    switch (this_cpu()) {
    case 0:
        race_binder();
        break;
    case 1:
        race_sender(d1, race_far);
        break;
    case 2:
        race_sender(d0, race_near);
        break;
    default:
        for (unsigned i = 0; i < ROUNDS; i++)
            (void)event_bind_vcpu(d1, race_far, i % 4);
    }
}

static void test_senders_against_binders(void **state)
{
    race_far = alloc_unbound(d1, 0);
    race_near = 1;
    host_run_cpus(4, race_cpu, NULL);
    assert_int_equal(status(d1, race_far).status, EVTCHNSTAT_unbound);
    assert_int_equal(d0->evt.active, 0);
}

/* Two domains close the two ends of the same channels at the same time. */
static u32 both_a[64], both_b[64];

static void both_cpu(void *arg)
{
    host_set_current(this_cpu() ? d1->vcpu[0] : d2->vcpu[0]);
    for (size_t i = 0; i < ARRAY_SIZE(both_a); i++)
        assert_int_equal(this_cpu() ? event_close(d1, both_a[i]) : event_close(d2, both_b[i]), 0);
}

static void test_both_ends_close(void **state)
{
    for (unsigned round = 0; round < 20; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(both_a); i++) {
            both_a[i] = alloc_unbound(d1, 2);
            both_b[i] = bind_interdomain(d2, 1, both_a[i]);
        }
        host_run_cpus(2, both_cpu, NULL);
        assert_int_equal(d1->evt.active + d2->evt.active, 0);
    }
}

/* Virtual interrupts and IPIs come and go, and the whole domain is reset, while they are raised and asked about. */
static void pry(u32 port)
{
    struct evtchn_status st = { .port = port };

    (void)event_port_pending(d1, port);
    (void)event_unmask(d1, port);
    assert_int_equal(event_status(d1, &st), 0);
    (void)event_bind_vcpu(d1, port, port % 4);
}

static void bind_and_close(unsigned i)
{
    u32 port;

    if (i % 2 ? event_bind_virq(d1, VIRQ_DEBUG, 1, &port) : event_bind_ipi(d1, i % 4, &port))
        return;
    (void)event_send(d1, port);
    if (i % 64 == 0)
        (void)!event_reset(d1);
    else
        (void)event_close(d1, port); /* unless another reset did */
}

static void virq_cpu(void *arg)
{
    host_set_current(d1->vcpu[this_cpu()]);
    for (unsigned i = 0; i < ROUNDS; i++)
        switch (this_cpu()) {
        case 0:
        case 1:
            bind_and_close(i);
            break;
        case 2:
            event_send_vcpu_virq(d1->vcpu[1], VIRQ_DEBUG);
            event_send_global_virq(d1, VIRQ_DEBUG);
            break;
        default:
            pry(1 + i % 4);
        }
}

static void test_raised_while_closed(void **state)
{
    u32 port = alloc_unbound(d1, 0);

    assert_int_equal(event_close(d1, port), 0); /* the ports' structures are there */
    host_run_cpus(4, virq_cpu, NULL);
    host_set_current(d1->vcpu[0]);
    assert_int_equal(event_reset(d1), 0);
    assert_int_equal(d1->evt.active, 0);
    assert_int_equal(d1->vcpu[1]->evt.virq_port[VIRQ_DEBUG], 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, each, invariants_hold)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ports_are_the_lowest_free_and_never_0),
        TEST(test_port_limit),
        TEST(test_domain_without_vcpus),
        TEST(test_unknown_operations),
        TEST(test_faults),
        TEST(test_interdomain_both_ways),
        TEST(test_bind_interdomain_refuses),
        TEST(test_loopback),
        TEST(test_close_leaves_the_far_end_waiting),
        TEST(test_only_the_controller_acts_for_others),
        TEST(test_virq_per_vcpu),
        TEST(test_virq_global),
        TEST(test_ipi),
        TEST(test_pirq),
        TEST(test_mask_and_unmask),
        TEST(test_bind_vcpu),
        TEST(test_deliverable),
        TEST(test_info_moved),
        TEST(test_compat),
        TEST(test_reset_can_be_preempted),
        TEST(test_death),
        TEST(test_senders_against_binders),
        TEST(test_raised_while_closed),
        TEST(test_both_ends_close),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
