/* SPDX-License-Identifier: MIT */
/*
 * The scheduler on four simulated CPUs.  Most tests run them in turn on one
 * thread, with time going from one timer to the next, so that what comes out
 * is exact and the same each time; the last ones run them as threads.
 */
#include "sched_fixture.h"

/* --- running and waiting --- */

static void test_one_runs_at_once(void **state)
{
    struct domain *d = make_domain(1);

    settle();
    assert_true(d->vcpu[0]->is_running);
    assert_ptr_equal(on_cpu[d->vcpu[0]->processor], d->vcpu[0]);
    run_for(MILLISECS(50));
    assert_int_equal(ran_ms(d->vcpu[0]), 50);
}

/* A vCPU alone on its CPU needs no timer and is never interrupted. */
static void test_one_is_left_alone(void **state)
{
    struct domain *d = make_domain(1);
    u64 before;

    run_for(MILLISECS(200));
    before = switches;
    run_for(MILLISECS(1000));
    assert_int_equal(switches, before);
    assert_int_equal(per_cpu(sched_cpu, d->vcpu[0]->processor).timer_at, 0);
}

static void test_vcpus_spread_over_idle_cpus(void **state)
{
    struct domain *d = make_domain(4);

    run_for(MILLISECS(10));
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(ran_ms(d->vcpu[i]), 10);
}

static void test_weights(void **state)
{
    struct domain *a = make_domain(1), *b = make_domain(1), *c = make_domain(1);

    pin(a->vcpu[0], 1);
    pin(b->vcpu[0], 1);
    pin(c->vcpu[0], 1);
    set_params(a, 256, 0);
    set_params(b, 512, 0);
    set_params(c, 1024, 0);
    run_for(MILLISECS(7000));
    assert_near(ran_ms(a->vcpu[0]), 1000, 4);
    assert_near(ran_ms(b->vcpu[0]), 2000, 4);
    assert_near(ran_ms(c->vcpu[0]), 4000, 4);
}

static void test_extreme_weights(void **state)
{
    struct domain *a = make_domain(1), *b = make_domain(1);

    pin(a->vcpu[0], 2);
    pin(b->vcpu[0], 2);
    set_params(a, 65535, 0);
    set_params(b, 256, 0);
    run_for(MILLISECS(257000));
    assert_near(ran_ms(b->vcpu[0]), 1000, 10);
    assert_near(ran_ms(a->vcpu[0]), 256000, 1);
}

/* Few enough switches between two that both want all the time. */
static void test_slices(void **state)
{
    struct domain *a = make_domain(1), *b = make_domain(1);
    u64 before;

    pin(a->vcpu[0], 1);
    pin(b->vcpu[0], 1);
    run_for(MILLISECS(100));
    before = switches;
    run_for(MILLISECS(1000));
    assert_in_range(switches - before, 50, 400);
    assert_near(ran_ms(a->vcpu[0]), 550, 3);
}

static void test_three_share_two_cpus(void **state)
{
    struct domain *d[3];
    cpumask_t m = { { 3 } };

    for (int i = 0; i < 3; i++) {
        d[i] = make_domain(1);
        assert_int_equal(vcpu_set_hard_affinity(d[i]->vcpu[0], &m), 0);
    }
    run_for(MILLISECS(9000));
    for (int i = 0; i < 3; i++)
        assert_near(ran_ms(d[i]->vcpu[0]), 6000, 3);
}

static void test_five_share_four_cpus(void **state)
{
    struct domain *d = make_domain(5);

    run_for(MILLISECS(10000));
    for (int i = 0; i < 5; i++)
        assert_near(ran_ms(d->vcpu[i]), 8000, 3);
}

static void test_cap(void **state)
{
    struct domain *a = make_domain(1), *b = make_domain(2);

    set_params(a, 256, 30);
    set_params(b, 256, 150);
    run_for(MILLISECS(2000));
    assert_near(ran_ms(a->vcpu[0]), 600, 3);
    assert_near(ran_ms(b->vcpu[0]) + ran_ms(b->vcpu[1]), 3000, 3);
    set_params(a, 0, 0); /* weight 0: as it is */
    assert_int_equal(a->sched.weight, 256);
    run_for(MILLISECS(1000));
    assert_near(ran_ms(a->vcpu[0]), 1600, 3);
    set_params(b, 256, 1); /* less than a piece of budget */
    run_for(MILLISECS(10)); /* what it has already */
    s64 before = ran_ms(b->vcpu[0]) + ran_ms(b->vcpu[1]);
    run_for(MILLISECS(10000));
    assert_near(ran_ms(b->vcpu[0]) + ran_ms(b->vcpu[1]) - before, 100, 10);
}

/* Timers that come late, by up to a period, cost a capped domain nothing and give it nothing. */
static void test_cap_with_late_timers(void **state)
{
    static const ns_t late[] = { MICROSECS(700), MILLISECS(4), MILLISECS(9) };

    for (size_t i = 0; i < ARRAY_SIZE(late); i++) {
        struct domain *d = make_domain(1);
        ns_t start = host_time;

        set_params(d, 256, 50);
        run_late(MILLISECS(5000), late[i]);
        assert_near(ran_ms(d->vcpu[0]), (host_time - start) / 2000000, 2);
        set_params(d, 256, 0);
        domain_pause_nosync(d);
        settle();
    }
}

/* A machine that stood still does not give the domain all that time at once. */
static void test_cap_after_a_standstill(void **state)
{
    struct domain *d = make_domain(1);
    s64 before;

    set_params(d, 256, 10);
    run_for(MILLISECS(95));
    assert_true(d->vcpu[0]->sched.parked);
    host_time += MILLISECS(60000);
    run_for(MILLISECS(1));
    before = ran_ms(d->vcpu[0]);
    run_for(MILLISECS(1000));
    assert_in_range(ran_ms(d->vcpu[0]) - before, 95, 112);
}

/* Whoever saw a cap that is just being taken away is not parked: nobody would fetch him. */
static void test_cap_taken_away(void **state)
{
    struct domain *d = make_domain(1);

    settle();
    set_params(d, 256, 10);
    run_for(MILLISECS(5));
    assert_true(d->vcpu[0]->sched.parked);
    set_params(d, 256, 0);
    assert_true(sched_budget_take(d->vcpu[0]));
    assert_int_equal(d->vcpu[0]->sched.budget, 0);
    settle();
    assert_true(d->vcpu[0]->is_running);
}

/* A domain that dies while capped: its timer is gone before its vCPUs are. */
static unsigned freed_with_timer;
static const struct domain *dying;

static void count_freed(const struct vcpu *v)
{
    freed_with_timer += v->domain == dying && !v->domain->sched.replenish.killed;
}

static void test_capped_domain_dies(void **state)
{
    struct domain *d = make_domain(1);

    settle();
    set_params(d, 256, 10);
    domain_pause_nosync(d);
    settle();
    assert_true(d->sched.replenish.queued);
    for (size_t i = 0; i < ARRAY_SIZE(made); i++)
        if (made[i] == d)
            made[i] = NULL;
    dying = d;
    vcpu_is_freed = count_freed;
    freed_with_timer = 0;
    assert_true(host_domain_destroy(d));
    vcpu_is_freed = NULL;
    assert_int_equal(freed_with_timer, 0);
}

/* --- having nothing to do --- */

static jmp_buf idled;
static u64 halts_seen;
static ns_t halted_seen[2];

/* Halts for 5 ms, somebody looking on half-way; the second time it is over. */
void arch_idle_wait(void)
{
    if (halts_seen)
        longjmp(idled, 1);
    host_time += MILLISECS(2);
    cpu_halt_stats(1, &halts_seen, &halted_seen[0]);
    host_time += MILLISECS(3);
    arch_irq_enable();
}

static void test_halts(void **state)
{
    u64 halts;

    on(1);
    host_time = MAX(host_time, MILLISECS(1));
    if (!setjmp(idled))
        idle_loop();
    cpu_halt_stats(1, &halts, &halted_seen[1]); /* in the second one by now, for no time yet */
    assert_int_equal(halts_seen, 1);
    assert_int_equal(halted_seen[0], MILLISECS(2));
    assert_int_equal(halts, 2);
    assert_int_equal(halted_seen[1], MILLISECS(5));
    arch_irq_enable();
}

/* --- waking --- */

static void block(struct vcpu *v)
{
    on(v->processor);
    assert_ptr_equal(current, v);
    vcpu_block();
    settle();
}

static void test_block_and_kick(void **state)
{
    struct domain *d = make_domain(1);
    struct vcpu *v = d->vcpu[0];

    settle();
    v->info->evtchn_upcall_mask = 1;
    block(v);
    assert_false(v->is_running);
    assert_int_equal(v->info->evtchn_upcall_mask, 0);
    assert_int_equal(v->pause_flags, VPF_BLOCKED);
    run_for(MILLISECS(5));
    v->info->evtchn_upcall_pending = 1;
    vcpu_kick(v);
    assert_int_equal(v->pause_flags, 0);
    settle();
    assert_true(v->is_running);
}

static void test_block_with_an_event_pending(void **state)
{
    struct domain *d = make_domain(1);
    struct vcpu *v = d->vcpu[0];

    settle();
    v->info->evtchn_upcall_pending = 1;
    v->info->evtchn_upcall_mask = 1;
    block(v);
    assert_true(v->is_running);
    assert_int_equal(v->pause_flags, 0);
    v->info->evtchn_upcall_pending = 0;
    v->pv.nmi_pending = 1;
    v->pv.nmi_callback = 0x1000;
    block(v);
    assert_true(v->is_running);
    v->pv.nmi_callback = 0; /* nobody would take it */
    block(v);
    assert_false(v->is_running);
    v->pv.flags = 0;
}

/* The kick comes between the block and the switch. */
static void test_kick_before_the_switch(void **state)
{
    struct domain *d = make_domain(1);
    struct vcpu *v = d->vcpu[0];

    settle();
    on(v->processor);
    vcpu_block();
    assert_int_equal(v->pause_flags, VPF_BLOCKED);
    on((v->processor + 1) % CPUS);
    vcpu_kick(v);
    settle();
    assert_true(v->is_running);
}

static void test_kick_of_a_running_one(void **state)
{
    struct domain *d = make_domain(1);
    struct vcpu *v = d->vcpu[0];
    u64 kicks;

    settle();
    on((v->processor + 1) % CPUS);
    kicks = host_kicks[v->processor];
    vcpu_kick(v);
    assert_int_equal(host_kicks[v->processor], kicks + 1);
    on(v->processor);
    vcpu_kick(v); /* itself: it looks on its way out anyway */
    assert_int_equal(host_kicks[v->processor], kicks + 1);
}

/* One that sleeps mostly runs soon after it wakes, beside one that never sleeps. */
static void test_sleeper_beside_a_hog(void **state)
{
    struct domain *hog = make_domain(1), *d = make_domain(1);
    struct vcpu *v = d->vcpu[0];

    pin(hog->vcpu[0], 1);
    pin(v, 1);
    for (int i = 0; i < 100; i++) {
        ns_t asked, waited = 0;

        while (!v->is_running)
            run_for(MICROSECS(100));
        run_for(MICROSECS(200));
        if (!v->is_running)
            continue;
        block(v);
        run_for(MILLISECS(9));
        on(2);
        asked = host_time;
        vcpu_kick(v);
        settle();
        while (!v->is_running) {
            run_for(MICROSECS(50));
            waited = host_time - asked;
            assert_true(waited <= MICROSECS(1100));
        }
    }
}

static void test_wake_goes_to_an_idle_cpu(void **state)
{
    struct domain *a = make_domain(1), *b = make_domain(1);
    struct vcpu *v = b->vcpu[0];

    pin(a->vcpu[0], 1);
    pin(v, 1);
    run_for(MILLISECS(100));
    cpumask_t all;
    cpumask_fill(&all);
    assert_int_equal(vcpu_set_hard_affinity(v, &all), 0);
    if (v->is_running)
        block(v);
    else
        vcpu_pause(v);
    if (v->pause_count)
        vcpu_unpause(v);
    else
        vcpu_kick(v);
    settle();
    assert_true(v->is_running && a->vcpu[0]->is_running);
    assert_int_not_equal(v->processor, a->vcpu[0]->processor);
}

/* A CPU that becomes idle takes one that waits elsewhere. */
static void test_steal(void **state)
{
    struct domain *d = make_domain(3);
    cpumask_t m = { { 3 } };

    for (int i = 0; i < 3; i++)
        assert_int_equal(vcpu_set_hard_affinity(d->vcpu[i], &m), 0);
    run_for(MILLISECS(1));
    for (int i = 0; i < 3; i++) {
        if (!d->vcpu[i]->is_running)
            continue;
        vcpu_pause_nosync(d->vcpu[i]);
        settle();
        break;
    }
    assert_int_equal(d->vcpu[0]->is_running + d->vcpu[1]->is_running + d->vcpu[2]->is_running, 2);
}

static void test_yield(void **state)
{
    struct domain *a = make_domain(1), *b = make_domain(1);
    struct hypercall_args yield = { { SCHEDOP_yield } };
    struct vcpu *first;

    pin(a->vcpu[0], 3);
    pin(b->vcpu[0], 3);
    settle();
    first = on_cpu[3];
    on(3);
    assert_int_equal(do_sched_op(&yield), 0);
    settle();
    assert_ptr_not_equal(on_cpu[3], first);
    on(3);
    assert_int_equal(do_sched_op(&yield), 0);
    settle();
    assert_ptr_equal(on_cpu[3], first);
}

/* --- pausing --- */

static void test_pause(void **state)
{
    struct domain *d = make_domain(2);

    settle();
    domain_pause_nosync(d);
    settle();
    assert_false(d->vcpu[0]->is_running || d->vcpu[1]->is_running);
    assert_int_equal(domain_pause_by_tools(d), 0);
    domain_unpause(d);
    settle();
    assert_false(d->vcpu[0]->is_running);
    vcpu_pause(d->vcpu[1]);
    assert_int_equal(domain_unpause_by_tools(d), 0);
    assert_int_equal(domain_unpause_by_tools(d), -EINVAL);
    settle();
    assert_true(d->vcpu[0]->is_running);
    assert_false(d->vcpu[1]->is_running);
    vcpu_unpause(d->vcpu[1]);
    settle();
    assert_true(d->vcpu[1]->is_running);
}

static void test_runstates_add_up(void **state)
{
    struct domain *d = make_domain(1), *hog = make_domain(1);
    struct vcpu *v = d->vcpu[0];
    ns_t born = v->sched.runstate.state_entry_time - v->sched.runstate.time[RUNSTATE_offline];
    struct vcpu_runstate_info r;
    u64 sum = 0;

    pin(v, 1);
    pin(hog->vcpu[0], 1);
    run_for(MILLISECS(100));
    while (!v->is_running)
        run_for(MILLISECS(1));
    block(v);
    run_for(MILLISECS(30));
    vcpu_runstate_get(v, &r);
    assert_int_equal(r.state, RUNSTATE_blocked);
    assert_int_equal(r.time[RUNSTATE_blocked], MILLISECS(30));
    vcpu_pause(v);
    vcpu_kick(v);
    run_for(MILLISECS(20));
    vcpu_runstate_get(v, &r);
    assert_int_equal(r.state, RUNSTATE_offline);
    vcpu_unpause(v);
    run_for(MILLISECS(50));
    vcpu_runstate_get(v, &r);
    assert_true(r.time[RUNSTATE_offline] >= (u64)MILLISECS(20));
    assert_true(r.time[RUNSTATE_runnable] > (u64)MILLISECS(20));
    for (int i = 0; i < 4; i++)
        sum += r.time[i];
    assert_int_equal(sum, host_time - born);
    assert_int_equal(cpu_idle_time(3) > 0, 1);
}

/* --- affinity and pools --- */

static void test_affinity_moves(void **state)
{
    struct domain *a = make_domain(1), *b = make_domain(1);
    cpumask_t none = { 0 };

    pin(a->vcpu[0], 1);
    pin(b->vcpu[0], 1);
    settle();
    pin(a->vcpu[0], 2); /* running or queued: both cases over the two */
    pin(b->vcpu[0], 3);
    settle();
    assert_int_equal(a->vcpu[0]->processor, 2);
    assert_int_equal(b->vcpu[0]->processor, 3);
    assert_true(a->vcpu[0]->is_running && b->vcpu[0]->is_running);
    assert_int_equal(vcpu_set_hard_affinity(a->vcpu[0], &none), -EINVAL);
    cpumask_set(&none, 200); /* no such CPU */
    assert_int_equal(vcpu_set_hard_affinity(a->vcpu[0], &none), -EINVAL);
}

static void test_soft_affinity(void **state)
{
    struct domain *d = make_domain(1);
    struct vcpu *v = d->vcpu[0];
    cpumask_t m = { 0 };

    cpumask_set(&m, 2);
    settle();
    assert_int_equal(vcpu_set_soft_affinity(v, &m), 0);
    block(v);
    vcpu_kick(v);
    settle();
    assert_int_equal(v->processor, 2);
}

static struct xen_sysctl_cpupool_op pool_op(u32 op, u32 id)
{
    return (struct xen_sysctl_cpupool_op){ .op = op, .cpupool_id = id, .sched_id = XEN_SCHEDULER_CREDIT2 };
}

static int pool_cpu(u32 op, u32 id, u32 cpu)
{
    struct xen_sysctl_cpupool_op o = pool_op(op, id);
    int rc;

    o.cpu = cpu;
    rc = cpupool_sysctl(&o);
    settle();
    return rc;
}

static u64 pool_map(u32 op, u32 id, struct xen_sysctl_cpupool_op *o)
{
    u64 bits = 0;

    *o = pool_op(op, id);
    o->cpumap.bitmap.p = (void *)&bits;
    o->cpumap.nr_bits = 64;
    assert_int_equal(cpupool_sysctl(o), 0);
    return bits;
}

static void test_pools(void **state)
{
    struct xen_sysctl_cpupool_op o = pool_op(XEN_SYSCTL_CPUPOOL_OP_CREATE, XEN_SYSCTL_CPUPOOL_PAR_ANY);
    struct domain *d = make_domain(4);

    assert_int_equal(pool_map(XEN_SYSCTL_CPUPOOL_OP_INFO, 0, &o), 15);
    assert_int_equal(o.n_dom, 1);
    o = pool_op(XEN_SYSCTL_CPUPOOL_OP_CREATE, 0);
    assert_int_equal(cpupool_sysctl(&o), -EEXIST);
    o.sched_id = XEN_SCHEDULER_RTDS;
    assert_int_equal(cpupool_sysctl(&o), -EINVAL);
    o = pool_op(XEN_SYSCTL_CPUPOOL_OP_CREATE, XEN_SYSCTL_CPUPOOL_PAR_ANY);
    assert_int_equal(cpupool_sysctl(&o), 0);
    assert_int_equal(o.cpupool_id, 1);

    run_for(MILLISECS(20));
    assert_int_equal(pool_cpu(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 1, 3), -ENODEV); /* not free */
    assert_int_equal(pool_cpu(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 0, 9), -EINVAL);
    assert_int_equal(pool_cpu(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 7, 3), -ENOENT);
    assert_int_equal(pool_cpu(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 0, 3), 0);
    assert_ptr_equal(on_cpu[3], idle_vcpu[3]);
    assert_int_equal(pool_map(XEN_SYSCTL_CPUPOOL_OP_FREEINFO, 0, &o), 8);
    o = pool_op(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 1);
    o.domid = d->id;
    assert_int_equal(cpupool_sysctl(&o), -ENODEV); /* no CPU there */
    assert_int_equal(pool_cpu(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 1, XEN_SYSCTL_CPUPOOL_PAR_ANY), 0);
    run_for(MILLISECS(100));
    assert_ptr_equal(on_cpu[3], idle_vcpu[3]); /* nobody of Pool-0 comes */
    o = pool_op(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 1);
    o.domid = 999;
    assert_int_equal(cpupool_sysctl(&o), -EINVAL);
    o.domid = d->id;
    /* Its pausing waits for other CPUs, which do nothing here meanwhile: */
    domain_pause_nosync(d);
    settle();
    assert_int_equal(cpupool_sysctl(&o), 0);
    domain_unpause(d);
    run_for(MILLISECS(100));
    assert_ptr_not_equal(on_cpu[3], idle_vcpu[3]);
    assert_ptr_equal(on_cpu[0], idle_vcpu[0]);
    assert_int_equal(domain_poolid(d), 1);
    o = pool_op(XEN_SYSCTL_CPUPOOL_OP_DESTROY, 1);
    assert_int_equal(cpupool_sysctl(&o), -EBUSY);
    assert_int_equal(pool_cpu(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 1, 3), -EBUSY); /* the last with a domain */
    assert_int_equal(pool_cpu(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 0, XEN_SYSCTL_CPUPOOL_PAR_ANY), 0);
    assert_int_equal(pool_cpu(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 1, 0), 0);
    run_for(MILLISECS(100));
    assert_ptr_not_equal(on_cpu[0], idle_vcpu[0]);

    each_end(state);
    assert_int_equal(pool_cpu(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 1, 0), 0);
    assert_int_equal(pool_cpu(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 1, 3), 0);
    o = pool_op(XEN_SYSCTL_CPUPOOL_OP_DESTROY, 1);
    assert_int_equal(cpupool_sysctl(&o), 0);
    assert_int_equal(cpupool_sysctl(&o), -ENOENT);
    assert_int_equal(pool_cpu(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 0, 0), 0);
    assert_int_equal(pool_cpu(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 0, 3), 0);
    o = pool_op(XEN_SYSCTL_CPUPOOL_OP_INFO, 1);
    assert_int_equal(cpupool_sysctl(&o), -ENOENT);
}

/* --- SCHEDOP_poll --- */

static long poll_on(struct vcpu *v, evtchn_port_t *ports, u32 n, ns_t timeout)
{
    struct sched_poll p = { .nr_ports = n, .timeout = (u64)timeout };
    struct hypercall_args a = { { SCHEDOP_poll, (unsigned long)&p } };
    long rc;

    p.ports.p = ports;
    on(v->processor);
    assert_ptr_equal(current, v);
    rc = do_sched_op(&a);
    settle();
    return rc;
}

static void test_poll(void **state)
{
    struct domain *d = make_domain(2);
    struct vcpu *v = d->vcpu[0];
    evtchn_port_t ports[2];

    settle();
    for (int i = 0; i < 2; i++) {
        struct evtchn_bind_ipi b = { 0, 0 };
        struct hypercall_args a = { { EVTCHNOP_bind_ipi, (unsigned long)&b } };

        on(v->processor);
        assert_int_equal(do_event_channel_op(&a), 0);
        ports[i] = b.port;
        atomic_set_bit(d->shared_info->evtchn_mask, b.port); /* masked, as guests do */
    }
    v->info->evtchn_upcall_mask = 1;
    assert_int_equal(poll_on(v, ports, 1, 0), 0);
    assert_false(v->is_running);
    event_send_hypervisor(d, ports[1]); /* not the one */
    settle();
    assert_false(v->is_running);
    event_send_hypervisor(d, ports[0]);
    settle();
    assert_true(v->is_running);
    assert_int_equal(v->pause_flags, 0);
    assert_int_equal(poll_on(v, ports, 2, 0), 0); /* pending: at once */
    assert_true(v->is_running);
    d->shared_info->evtchn_pending[0] = 0;
    assert_int_equal(poll_on(v, ports, 2, host_time + MILLISECS(5)), 0);
    assert_false(v->is_running);
    run_for(MILLISECS(4));
    assert_false(v->is_running);
    run_for(MILLISECS(2));
    assert_true(v->is_running);
    ports[0] = 5000;
    assert_int_equal(poll_on(v, ports, 1, 0), -EINVAL);
    assert_int_equal(poll_on(v, ports, 129, 0), -EINVAL);
    assert_int_equal(poll_on(v, NULL, 1, 0), -EFAULT);
    assert_true(v->is_running);
    assert_int_equal(d->sched.pollers[0], 0);
    host_time += 1; /* a poll that is over leaves no timer that ends the next */
    ports[0] = ports[1];
    assert_int_equal(poll_on(v, ports, 1, host_time + MILLISECS(5)), 0);
    vcpu_kick(v);
    settle();
    assert_true(v->is_running);
    assert_int_equal(poll_on(v, ports, 1, 0), 0);
    run_for(MILLISECS(20));
    assert_false(v->is_running);
}

/* What a race of two wakers leaves in the set wakes nobody who does not poll. */
static void test_poll_bit_left_over(void **state)
{
    struct domain *d = make_domain(1);
    struct vcpu *v = d->vcpu[0];

    settle();
    v->info->evtchn_upcall_mask = 1;
    v->poll_port = 0;
    block(v);
    atomic_set_bit(d->sched.pollers, v->id);
    sched_poll_wake(d, 1);
    settle();
    assert_false(v->is_running);
    assert_int_equal(v->pause_flags, VPF_BLOCKED);
}

/* --- hypercalls --- */

static long vcpu_op(struct vcpu *v, unsigned cmd, unsigned id, void *arg)
{
    struct hypercall_args a = { { cmd, id, (unsigned long)arg } };
    long rc;

    on(v->processor);
    assert_ptr_equal(current, v);
    rc = do_vcpu_op(&a);
    settle();
    assert_int_equal(host_locks_held(), 0);
    return rc;
}

static void test_vcpu_up_and_down(void **state)
{
    struct domain *d = make_domain(3);
    struct vcpu *v = d->vcpu[0];
    static vcpu_guest_context_t ctxt;

    settle();
    assert_int_equal(vcpu_op(v, VCPUOP_is_up, 3, NULL), -ENOENT);
    assert_int_equal(vcpu_op(v, 14, 0, NULL), -ENOSYS);
    assert_int_equal(vcpu_op(v, VCPUOP_is_up, 1, NULL), 1);
    assert_int_equal(vcpu_op(v, VCPUOP_down, 1, NULL), 0);
    assert_int_equal(vcpu_op(v, VCPUOP_down, 2, NULL), 0);
    assert_int_equal(vcpu_op(v, VCPUOP_is_up, 1, NULL), 0);
    assert_false(d->vcpu[1]->is_running);
    assert_int_equal(vcpu_op(v, VCPUOP_initialise, 1, &ctxt), -EEXIST);
    d->vcpu[1]->is_initialised = false;
    assert_int_equal(vcpu_op(v, VCPUOP_up, 1, NULL), -EINVAL);
    assert_int_equal(vcpu_op(v, VCPUOP_initialise, 1, NULL), -EFAULT);
    assert_int_equal(vcpu_op(v, VCPUOP_initialise, 1, &ctxt), -EINVAL);
    ctxt.user_regs.rip = 0x1234;
    assert_int_equal(vcpu_op(v, VCPUOP_initialise, 1, &ctxt), 0);
    assert_int_equal(vcpu_op(v, VCPUOP_up, 1, NULL), 0);
    assert_true(d->vcpu[1]->is_running);
    assert_int_equal(vcpu_op(v, VCPUOP_down, 1, NULL), 0);
    assert_int_equal(vcpu_op(v, VCPUOP_down, 0, NULL), 0); /* the last: a power-off */
    assert_true(d->is_shut_down);
    assert_int_equal(d->shutdown_code, SHUTDOWN_poweroff);
    assert_false(v->is_running);
}

static u32 timer_port(struct vcpu *v)
{
    struct evtchn_bind_virq b = { VIRQ_TIMER, v->id, 0 };
    struct hypercall_args a = { { EVTCHNOP_bind_virq, (unsigned long)&b } };

    on(v->processor);
    assert_int_equal(do_event_channel_op(&a), 0);
    return b.port;
}

static bool tick(struct domain *d, u32 port)
{
    d->vcpu[0]->info->evtchn_upcall_pending = 0;
    d->vcpu[0]->info->evtchn_pending_sel = 0;
    return atomic_test_clear_bit(d->shared_info->evtchn_pending, port);
}

static void test_timers(void **state)
{
    struct domain *d = make_domain(2);
    struct vcpu *v = d->vcpu[0];
    struct vcpu_set_singleshot_timer ss = { .timeout_abs_ns = 1, .flags = VCPU_SSHOTTMR_future };
    struct vcpu_set_periodic_timer per = { 999999 };
    struct hypercall_args set = { { 0 } };
    u32 port;

    settle();
    port = timer_port(v);
    assert_int_equal(vcpu_op(v, VCPUOP_set_singleshot_timer, 0, &ss), -ETIME);
    ss.flags = 0;
    assert_int_equal(vcpu_op(v, VCPUOP_set_singleshot_timer, 0, &ss), 0);
    assert_true(tick(d, port)); /* the past: at once */
    assert_int_equal(vcpu_op(v, VCPUOP_set_singleshot_timer, 1, &ss), -EINVAL);
    ss.timeout_abs_ns = (u64)host_time + MILLISECS(3);
    ss.flags = VCPU_SSHOTTMR_future;
    assert_int_equal(vcpu_op(v, VCPUOP_set_singleshot_timer, 0, &ss), 0);
    block(v);
    assert_false(v->is_running);
    run_for(MILLISECS(3));
    assert_true(v->is_running);
    assert_true(tick(d, port));
    ss.timeout_abs_ns = (u64)host_time + MILLISECS(3);
    assert_int_equal(vcpu_op(v, VCPUOP_set_singleshot_timer, 0, &ss), 0);
    assert_int_equal(vcpu_op(v, VCPUOP_stop_singleshot_timer, 0, NULL), 0);
    set.arg[0] = ~0UL; /* never */
    on(v->processor);
    assert_int_equal(do_set_timer_op(&set), 0);
    run_for(MILLISECS(10));
    assert_false(tick(d, port));
    set.arg[0] = (unsigned long)host_time + 1000;
    on(v->processor);
    assert_int_equal(do_set_timer_op(&set), 0);
    run_for(MICROSECS(2));
    assert_true(tick(d, port));

    assert_int_equal(vcpu_op(v, VCPUOP_set_periodic_timer, 0, &per), -EINVAL);
    per.period_ns = (u64)MILLISECS(2);
    assert_int_equal(vcpu_op(v, VCPUOP_set_periodic_timer, 0, &per), 0);
    for (int i = 0; i < 10; i++) {
        run_for(MILLISECS(2));
        assert_true(tick(d, port));
    }
    vcpu_pause_nosync(v);
    run_for(MILLISECS(11));
    assert_false(tick(d, port)); /* only while it runs */
    vcpu_unpause(v);
    settle();
    assert_true(tick(d, port));
    assert_int_equal(vcpu_op(v, VCPUOP_stop_periodic_timer, 0, NULL), 0);
    tick(d, port);
    run_for(MILLISECS(11));
    assert_false(tick(d, port));
}

static void test_areas(void **state)
{
    struct domain *d = make_domain(2);
    struct vcpu *v = d->vcpu[0];
    struct vcpu_runstate_info r = { 0 }, got;
    struct vcpu_register_runstate_memory_area area = { .addr.v = &r };

    run_for(MILLISECS(3));
    assert_int_equal(vcpu_op(v, VCPUOP_get_runstate_info, 1, &got), 0);
    assert_int_equal(got.time[RUNSTATE_running], MILLISECS(3));
    assert_int_equal(vcpu_op(v, VCPUOP_register_runstate_memory_area, 0, &area), 0);
    assert_int_equal(r.state, RUNSTATE_running);
    assert_int_equal(v->runstate_area, (vaddr_t)&r);
    area.addr.p = HYPERVISOR_VIRT_START + 4096;
    assert_int_equal(vcpu_op(v, VCPUOP_register_runstate_memory_area, 0, &area), -EFAULT);
    assert_int_equal(vcpu_op(v, VCPUOP_register_vcpu_time_memory_area, 0, &area), -EFAULT);
    assert_int_equal(v->runstate_area, (vaddr_t)&r);
}

static long watchdog(struct vcpu *v, u32 id, u32 timeout)
{
    struct sched_watchdog w = { id, timeout };
    struct hypercall_args a = { { SCHEDOP_watchdog, (unsigned long)&w } };

    on(v->processor);
    return do_sched_op(&a);
}

static void test_watchdog(void **state)
{
    struct domain *d = make_domain(1);
    struct vcpu *v = d->vcpu[0];

    settle();
    assert_int_equal(watchdog(v, 0, 0), -EINVAL);
    assert_int_equal(watchdog(v, 1, 3), -EINVAL);
    assert_int_equal(watchdog(v, 0, 3), 1);
    assert_int_equal(watchdog(v, 0, 1), 2);
    assert_int_equal(watchdog(v, 0, 1), -ENOSPC);
    assert_int_equal(watchdog(v, 3, 1), -EINVAL);
    assert_int_equal(watchdog(v, 2, 0), 0);
    for (int i = 0; i < 3; i++) {
        run_for(MILLISECS(2500));
        assert_int_equal(watchdog(v, 1, 3), 0);
    }
    assert_false(d->is_shut_down);
    run_for(MILLISECS(3100));
    assert_true(d->is_shut_down);
    assert_int_equal(d->shutdown_code, SHUTDOWN_watchdog);
}

static long sched_op_reason(struct vcpu *v, unsigned cmd, u32 reason)
{
    struct sched_shutdown s = { reason };
    struct hypercall_args a = { { cmd, (unsigned long)&s } };

    on(v->processor);
    return do_sched_op(&a);
}

static void test_shutdown(void **state)
{
    struct domain *d = make_domain(2), *e = make_domain(1);
    struct sched_remote_shutdown remote = { e->id, SHUTDOWN_crash };
    struct hypercall_args r = { { SCHEDOP_remote_shutdown, (unsigned long)&remote } };
    struct hypercall_args bad = { { 8, 0 } }, compat = { { SCHEDOP_shutdown, SHUTDOWN_reboot } };

    settle();
    on(d->vcpu[0]->processor);
    assert_int_equal(do_sched_op(&bad), -ENOSYS);
    assert_int_equal(do_sched_op(&r), -EPERM);
    remote.domain_id = 4242;
    assert_int_equal(do_sched_op(&r), -ESRCH);
    d->is_privileged = true;
    remote.domain_id = e->id;
    assert_int_equal(do_sched_op(&r), 0);
    d->is_privileged = false;
    assert_int_equal(e->shutdown_code, SHUTDOWN_crash);
    assert_int_equal(sched_op_reason(d->vcpu[0], SCHEDOP_shutdown, SHUTDOWN_MAX + 1), -EINVAL);
    assert_int_equal(sched_op_reason(d->vcpu[0], SCHEDOP_shutdown_code, SHUTDOWN_suspend), 0);
    assert_false(d->is_shut_down);
    on(d->vcpu[0]->processor);
    assert_int_equal(do_sched_op_compat(&compat), 0);
    settle();
    assert_true(d->is_shut_down);
    assert_int_equal(d->shutdown_code, SHUTDOWN_suspend); /* as announced */
    assert_false(d->vcpu[0]->is_running || d->vcpu[1]->is_running);
}

static void test_pin_override(void **state)
{
    struct domain *d = make_domain(1);
    struct vcpu *v = d->vcpu[0];
    struct sched_pin_override p = { 2 };
    struct hypercall_args a = { { SCHEDOP_pin_override, (unsigned long)&p } };
    struct vcpu_get_physid id;
    cpumask_t m = { { 15 } };

    settle();
    on(v->processor);
    assert_int_equal(do_sched_op(&a), -EPERM);
    assert_int_equal(vcpu_op(v, VCPUOP_get_physid, 0, &id), -EINVAL);
    d->is_dom0 = true;
    on(v->processor);
    assert_int_equal(do_sched_op(&a), 0);
    settle();
    assert_int_equal(v->processor, 2);
    assert_true(v->is_running);
    assert_int_equal(vcpu_op(v, VCPUOP_get_physid, 0, &id), 0);
    assert_int_equal(id.phys_id, 4);
    on(2);
    assert_int_equal(do_sched_op(&a), -EBUSY);
    assert_int_equal(vcpu_set_hard_affinity(v, &m), -EBUSY);
    assert_int_equal(pool_cpu(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 0, 2), -EADDRINUSE);
    p.pcpu = -1;
    on(2);
    assert_int_equal(do_sched_op(&a), 0);
    assert_int_equal(do_sched_op(&a), -EINVAL);
    assert_int_equal(vcpu_set_hard_affinity(v, &m), 0);
    p.pcpu = 77;
    assert_int_equal(do_sched_op(&a), -EINVAL);
    d->is_dom0 = false;
}

static void test_control(void **state)
{
    struct domain *d = make_domain(1);
    struct xen_domctl_scheduler_op op = { .sched_id = XEN_SCHEDULER_CREDIT2, .cmd = XEN_DOMCTL_SCHEDOP_getinfo };
    struct xen_sysctl_scheduler_op s = { .sched_id = XEN_SCHEDULER_CREDIT2, .cmd = XEN_SYSCTL_SCHEDOP_getinfo };

    assert_int_equal(sched_domctl(d, &op), 0);
    assert_int_equal(op.u.credit2.weight, 256);
    assert_int_equal(op.u.credit2.cap, 0);
    op.cmd = XEN_DOMCTL_SCHEDOP_getvcpuinfo;
    assert_int_equal(sched_domctl(d, &op), -EINVAL);
    op.sched_id = XEN_SCHEDULER_CREDIT;
    op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    assert_int_equal(sched_domctl(d, &op), -EINVAL);
    assert_int_equal(sched_sysctl(&s), 0);
    assert_int_equal(s.u.sched_credit2.ratelimit_us, 1000);
    s.cmd = XEN_SYSCTL_SCHEDOP_putinfo;
    s.u.sched_credit2.ratelimit_us = 50;
    assert_int_equal(sched_sysctl(&s), -EINVAL);
    s.u.sched_credit2.ratelimit_us = 1000;
    assert_int_equal(sched_sysctl(&s), 0);
    s.cpupool_id = 9;
    assert_int_equal(sched_sysctl(&s), -ESRCH);
}

/* --- CPUs as threads --- */

#define RACE_ROUNDS 3000
#define RACE_VCPUS 9
static struct domain *race_d;
static int owner[RACE_VCPUS]; /* CPU + 1 that runs it */
static u64 race_runs[RACE_VCPUS];
static u32 race_on;

static void race_note(struct vcpu *v, bool enter)
{
    int expect = enter ? 0 : (int)this_cpu() + 1;

    if (v->domain == race_d && !atomic_cas(&owner[v->id], &expect, enter ? (int)this_cpu() + 1 : 0))
        panic("v%u runs on two CPUs\n", v->id);
}

/* What a guest's vCPU, or another CPU's interrupt, may do next. */
static void race_step(unsigned r)
{
    struct vcpu *v = race_d->vcpu[r / 7 % RACE_VCPUS];
    cpumask_t m = { { r / 31 % 15 + 1 } };
    struct sched_poll p = { .nr_ports = 0 };
    struct hypercall_args poll = { { SCHEDOP_poll, (unsigned long)&p } };
    struct vcpu_runstate_info runstate;
    u64 halts;
    ns_t halted;

    switch (r % 9) {
    case 0:
        if (current->domain == race_d)
            (void)do_sched_op(&poll);
        break;
    case 1:
        if (current->domain == race_d && !READ_ONCE(current->info->evtchn_upcall_pending))
            vcpu_block();
        break;
    case 2:
        WRITE_ONCE(v->info->evtchn_upcall_pending, 1);
        vcpu_kick(v);
        break;
    case 3:
        if (current->domain == race_d)
            vcpu_yield();
        break;
    case 4:
        (void)vcpu_set_hard_affinity(v, &m);
        break;
    case 5:
        vcpu_pause_nosync(v);
        vcpu_unpause(v);
        break;
    case 6:
        sched_poll_wake(race_d, 1);
        break;
    case 7:
        vcpu_runstate_get(v, &runstate);
        cpu_halt_stats(r / 31 % CPUS, &halts, &halted);
        break;
    default:
        atomic_add(&host_time, MICROSECS(700));
        timer_interrupt();
    }
}

static void race_cpu(void *arg)
{
    unsigned r = this_cpu() * 7919 + 1;

    host_set_current(on_cpu[this_cpu()]);
    for (unsigned i = 0; i < RACE_ROUNDS; i++) {
        race_note(current, true);
        r = r * 1103515245 + 12345;
        if (current->domain == race_d) {
            race_runs[current->id]++;
            WRITE_ONCE(current->info->evtchn_upcall_pending, 0);
        }
        race_step(r >> 8);
        race_note(current, false);
        cpu_exit_path();
        cpu_relax();
    }
    atomic_sub(&race_on, 1);
    while (atomic_read(&race_on)) { /* others may still wait for this CPU */
        cpu_exit_path();
        cpu_relax();
    }
}

static void test_race(void **state)
{
    struct vcpu *v;
    unsigned running = 0;

    race_d = make_domain(RACE_VCPUS);
    settle();
    race_on = CPUS;
    host_run_cpus(CPUS, race_cpu, NULL);
    settle();
    for_each_vcpu(race_d, v) {
        cpumask_t all = { { 15 } };

        assert_true(race_runs[v->id] > 0);
        assert_int_equal(vcpu_set_hard_affinity(v, &all), 0);
        v->info->evtchn_upcall_pending = 1;
        vcpu_kick(v);
    }
    settle();
    for_each_vcpu(race_d, v) {
        assert_true(v->is_running || v->sched.queued);
        running += v->is_running;
    }
    assert_int_equal(running, CPUS);
}

#define TEST(f) cmocka_unit_test_teardown(f, each_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_runs_at_once),
        TEST(test_one_is_left_alone),
        TEST(test_vcpus_spread_over_idle_cpus),
        TEST(test_weights),
        TEST(test_extreme_weights),
        TEST(test_slices),
        TEST(test_three_share_two_cpus),
        TEST(test_five_share_four_cpus),
        TEST(test_cap),
        TEST(test_cap_with_late_timers),
        TEST(test_cap_after_a_standstill),
        TEST(test_cap_taken_away),
        TEST(test_capped_domain_dies),
        TEST(test_halts),
        TEST(test_block_and_kick),
        TEST(test_block_with_an_event_pending),
        TEST(test_kick_before_the_switch),
        TEST(test_kick_of_a_running_one),
        TEST(test_sleeper_beside_a_hog),
        TEST(test_wake_goes_to_an_idle_cpu),
        TEST(test_steal),
        TEST(test_yield),
        TEST(test_pause),
        TEST(test_runstates_add_up),
        TEST(test_affinity_moves),
        TEST(test_soft_affinity),
        TEST(test_pools),
        TEST(test_poll),
        TEST(test_poll_bit_left_over),
        TEST(test_vcpu_up_and_down),
        TEST(test_timers),
        TEST(test_areas),
        TEST(test_watchdog),
        TEST(test_shutdown),
        TEST(test_pin_override),
        TEST(test_control),
        TEST(test_race),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
