/* SPDX-License-Identifier: MIT */
/* core/domain.c, domain_shutdown.c: who finds a domain and how long, how it stops, how it dies. */
#include "control_fixture.h"

#include "core/xenctl.h"

#include <zelo/memory.h>

#include <xen/event_channel.h>
#include <xen/memory.h>
#include <xen/sched.h>

#define ID 20

static unsigned dumps;
static unsigned virqs;

void pv_dump_guest(struct vcpu *v) { dumps++; }
void event_send_host_virq(u32 virq) { atomic_add(&virqs, virq == VIRQ_DOM_EXC); }

static struct domain *d;

static int begin(void **state)
{
    d = host_domain_create(ID, false, 2, 100);
    host_set_current(control->vcpu[0]);
    dumps = virqs = 0;
    return 0;
}

static int end(void **state)
{
    host_set_current(control->vcpu[0]);
    assert_true(host_domain_destroy(d));
    return 0;
}

/* --- finding --- */

static void test_lookup(void **state)
{
    u64 refs = d->refs;

    assert_ptr_equal(domain_get(ID), d);
    assert_int_equal(d->refs, refs + 1);
    domain_put(d);
    assert_null(domain_get(ID + 1));
    assert_null(domain_get(0x5000)); /* where no table was ever made */
    assert_null(domain_get(DOMID_XEN));
    host_set_current(d->vcpu[0]);
    assert_ptr_equal(domain_get(DOMID_SELF), d);
    domain_put(d);
}

static void test_walk(void **state)
{
    struct domain *next = domain_next(ID);

    assert_ptr_equal(next, d);
    domain_put(next);
    assert_null(domain_next(ID + 1));
    assert_null(domain_next(DOMID_FIRST_RESERVED));
}

/* At its end nobody finds it, though its structure is still there. */
static void test_end_of_references(void **state)
{
    struct domain *last = host_domain_create(ID + 1, false, 1, 100);

    assert_int_equal(domain_kill(last), 0);
    assert_null(domain_get(ID + 1));
    assert_false(domain_hold_unless_dead(last));
    assert_true(HOST_PANICS(domain_hold(last)));
    last->refs = 0; /* as it was */
    softirq_run_no_schedule();
    assert_null(domain_get(ID + 1));
}

/* --- stopping --- */

static void test_shutdown(void **state)
{
    domain_shutdown(d, SHUTDOWN_reboot);
    assert_true(d->is_shut_down);
    assert_int_equal(d->shutdown_code, SHUTDOWN_reboot);
    assert_int_equal(d->vcpu[0]->pause_count, 1);
    assert_int_equal(d->vcpu[1]->pause_count, 1);
    assert_int_equal(virqs, 1);
    domain_shutdown(d, SHUTDOWN_poweroff); /* a second one changes nothing */
    assert_int_equal(d->shutdown_code, SHUTDOWN_reboot);
    assert_int_equal(d->vcpu[0]->pause_count, 1);
    assert_int_equal(virqs, 1);
    assert_int_equal(host_locks_held(), 0);
    domain_resume(d);
    assert_false(d->is_shut_down);
    assert_int_equal(d->shutdown_code, -1);
    assert_int_equal(d->vcpu[0]->pause_count, 0);
}

/* XEN_DOMCTL_subscribe: a suspend is told on the domain's channel in place of VIRQ_DOM_EXC. */
static void test_subscribed_suspend(void **state)
{
    struct evtchn_alloc_unbound port = { .dom = ID, .remote_dom = 0 };
    struct evtchn_bind_interdomain bind = { .remote_dom = ID };
    struct xen_domctl op = domctl_op(XEN_DOMCTL_subscribe, d);

    assert_int_equal(do_event_channel_op(&(struct hypercall_args){ { EVTCHNOP_alloc_unbound, (unsigned long)&port } }), 0);
    bind.remote_port = port.port;
    assert_int_equal(do_event_channel_op(&(struct hypercall_args){ { EVTCHNOP_bind_interdomain, (unsigned long)&bind } }),
                     0);
    op.u.subscribe.port = port.port;
    assert_int_equal(domctl(&op), 0);
    memset(control->shared_info->evtchn_pending, 0, sizeof(control->shared_info->evtchn_pending));
    domain_shutdown(d, SHUTDOWN_suspend);
    assert_int_equal(virqs, 0);
    assert_true(control->shared_info->evtchn_pending[bind.local_port / 64] >> bind.local_port % 64 & 1);
    domain_resume(d);
    domain_shutdown(d, SHUTDOWN_crash); /* anything else the usual way */
    assert_int_equal(virqs, 1);
}

static void test_crash(void **state)
{
    host_set_current(d->vcpu[0]);
    domain_crash(d, "reason %d", 5);
    assert_int_equal(d->shutdown_code, SHUTDOWN_crash);
    assert_int_equal(dumps, 1); /* its registers, for they are at hand */
    domain_crash(d, "again");
    assert_int_equal(dumps, 1);
    domain_resume(d);
    host_set_current(control->vcpu[0]);
    domain_crash(d, "from outside");
    assert_true(d->is_shut_down);
    assert_int_equal(dumps, 1);
}

/* Domain 0 takes the machine with it. */
static void test_shutdown_of_domain_0(void **state)
{
    assert_true(HOST_PANICS(domain_shutdown(control, SHUTDOWN_reboot)));
    assert_string_equal(host_panic_message, "host shutdown, reason 1\n");
}

static void test_unknown_reason(void **state)
{
    domain_shutdown(d, 77);
    assert_int_equal(d->shutdown_code, 77);
    assert_non_null(strstr(host_log, "unknown"));
}

/* --- dying --- */

static void test_who_cannot_be_killed(void **state)
{
    assert_int_equal(domain_kill(control), -EINVAL);
    assert_int_equal(domain_kill(dom_io), -EINVAL);
    host_set_current(d->vcpu[0]);
    assert_int_equal(domain_kill(d), -EINVAL);
}

/* In parts, from wherever it was stopped; dead once. */
static void test_death_in_parts(void **state)
{
    struct domain *big = host_domain_create(ID + 1, false, 1, 2000);
    unsigned parts = 0;
    int rc;

    domain_hold(big);
    for (unsigned i = 0; i < 1500; i++)
        assert_non_null(domain_alloc_pages(big, 0, 0));
    preempt_every = 1;
    while ((rc = domain_kill(big)) == -E_PREEMPTED)
        parts++;
    preempt_every = 0;
    assert_int_equal(rc, 0);
    assert_true(parts > 1);
    assert_int_equal(big->tot_pages, 0);
    assert_int_equal(big->dying, DOMAIN_DEAD);
    assert_int_equal(domain_kill(big), 0);
    domain_put(big);
    softirq_run_no_schedule();
    assert_null(domain_get(ID + 1));
}

/* Tables of both kinds, a memory map, rights to devices, a vCPU's frames: all that a domain can make the host give. */
static void use_everything(struct domain *x)
{
    struct gnttab_setup_table table = { .dom = DOMID_SELF, .nr_frames = 3 };
    struct gnttab_set_version version = { .version = 2 };
    struct evtchn_bind_ipi ipi = { .vcpu = 0 };
    struct xen_foreign_memory_map map = { .domid = x->id, .map.nr_entries = 200 };
    static u8 entries[200 * 20];
    u64 frames[3];

    map.map.buffer.p = entries;
    host_set_current(control->vcpu[0]);
    assert_int_equal(do_memory_op(&(struct hypercall_args){ { XENMEM_set_memory_map, (unsigned long)&map } }), 0);
    set_xen_guest_handle(table.frame_list, (xen_pfn_t *)frames);
    host_set_current(x->vcpu[0]);
    assert_int_equal(do_grant_table_op(&(struct hypercall_args){ { GNTTABOP_set_version, (unsigned long)&version, 1 } }),
                     0);
    assert_int_equal(do_grant_table_op(&(struct hypercall_args){ { GNTTABOP_setup_table, (unsigned long)&table, 1 } }),
                     0);
    assert_int_equal(table.status, GNTST_okay);
    for (unsigned i = 0; i < 400; i++)
        assert_int_equal(do_event_channel_op(&(struct hypercall_args){ { EVTCHNOP_bind_ipi, (unsigned long)&ipi } }), 0);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(rangeset_add(&x->io_ports, i * 4, i * 4 + 1), 0);
    for (unsigned i = 0; i < 50; i++)
        assert_non_null(domain_alloc_pages(x, 0, 0));
    host_set_current(control->vcpu[0]);
}

static void test_death_returns_everything(void **state)
{
    u64 before = 0;

    for (unsigned round = 0; round < 3; round++) {
        struct domain *x = host_domain_create(ID + 1, false, 2, 100);

        use_everything(x);
        assert_true(host_domain_destroy(x));
        if (!round) /* what was made on demand for all */
            before = heap_free_page_count();
    }
    assert_int_equal(heap_free_page_count(), before);
}

/* The domain acted for lives at least as long as who acts for it. */
static void test_target_is_let_go(void **state)
{
    struct domain *helper = host_domain_create(ID + 1, false, 1, 100);
    struct xen_domctl op = domctl_op(XEN_DOMCTL_set_target, helper);
    u64 refs = d->refs;

    op.u.set_target.target = ID;
    assert_int_equal(domctl(&op), 0);
    assert_int_equal(d->refs, refs + 1);
    assert_true(host_domain_destroy(helper));
    assert_int_equal(d->refs, refs);
}

/* Two that act for each other do not keep each other for ever; nobody begins to act once it dies. */
static void test_targets_of_each_other(void **state)
{
    struct domain *one = host_domain_create(ID + 1, false, 1, 100), *other = host_domain_create(ID + 2, false, 1, 100);
    struct xen_domctl op = domctl_op(XEN_DOMCTL_set_target, one);

    op.u.set_target.target = ID + 2;
    assert_int_equal(domctl(&op), 0);
    op = domctl_op(XEN_DOMCTL_set_target, other);
    op.u.set_target.target = ID + 1;
    assert_int_equal(domctl(&op), 0);
    assert_int_equal(domain_kill(one), 0);
    assert_null(one->target);
    op = domctl_op(XEN_DOMCTL_set_target, one);
    op.u.set_target.target = ID + 2;
    assert_int_equal(domctl(&op), -EINVAL);
    assert_true(host_domain_destroy(other));
    assert_null(domain_get(ID + 1));
}

/* --- looked up while it dies --- */

#define RACE_LIVES 150
static u32 race_on;

static struct domain *race_create(void)
{
    struct xen_domctl_createdomain cfg = { .max_vcpus = 2, .max_evtchn_port = 1023, .max_grant_frames = 4,
                                           .max_maptrack_frames = 4, .grant_opts = XEN_DOMCTL_GRANT_version(1) };
    struct domain *new;
    int err;

    while (!(new = domain_create(ID + 1, &cfg, false, &err))) { /* the last one may not be gone yet */
        assert_int_equal(err, -EEXIST);
        softirq_run_no_schedule();
        cpu_relax();
    }
    WRITE_ONCE(new->max_pages, 10);
    assert_non_null(vcpu_create(new, 0));
    assert_non_null(vcpu_create(new, 1));
    return new;
}

static void race_live(void)
{
    struct domain *new = race_create();
    int rc;

    for (unsigned i = 0; i < 3; i++)
        assert_non_null(domain_alloc_pages(new, 0, 0));
    do
        rc = domain_kill(new);
    while (rc == -E_PREEMPTED);
    assert_int_equal(rc, 0);
}

/* Anything another domain's hypercall does to one that it has found. */
static void race_visit(struct domain *found, unsigned i)
{
    struct page *p;

    assert_in_range(found->id, 0, ID + 1);
    if (found->id == ID + 1) {
        struct vcpu *v = domain_vcpu(found, i % 2);

        domain_pause_nosync(found);
        if (v)
            vcpu_kick(v);
        p = domain_alloc_pages(found, 0, 0);
        if (p)
            (void)!domain_release_page(found, p);
        if (page_get(virt_to_page(found->shared_info), found)) /* holds it too */
            page_put(virt_to_page(found->shared_info));
        domain_unpause(found);
    }
    domain_put(found);
}

static void race_cpu(void *arg)
{
    host_set_current(control->vcpu[0]);
    if (!this_cpu()) {
        for (unsigned i = 0; i < RACE_LIVES; i++)
            race_live();
        atomic_set(&race_on, 0);
    }
    for (unsigned i = 0; atomic_read(&race_on); i++) {
        struct domain *found = i % 4 ? domain_get(ID + 1) : domain_next(ID);

        if (found)
            race_visit(found, i);
        softirq_run_no_schedule();
        cpu_relax();
    }
    softirq_run_no_schedule();
}

static void test_race_of_lookups(void **state)
{
    race_on = 1;
    host_run_cpus(3, race_cpu, NULL);
    host_set_current(control->vcpu[0]);
    softirq_run_no_schedule();
    assert_null(domain_get(ID + 1));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(test_lookup), T(test_walk), T(test_end_of_references), T(test_shutdown), T(test_subscribed_suspend),
        T(test_crash), T(test_shutdown_of_domain_0), T(test_unknown_reason), T(test_who_cannot_be_killed),
        T(test_death_in_parts), T(test_death_returns_everything), T(test_target_is_let_go), T(test_targets_of_each_other),
        T(test_race_of_lookups),
    };

    return cmocka_run_group_tests(tests, control_setup, invariants_hold);
}
