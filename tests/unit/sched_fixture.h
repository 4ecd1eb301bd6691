/* SPDX-License-Identifier: MIT */
/* Four CPUs that schedule in turn on one thread, time that goes from timer to timer, and domains to run. */
#ifndef TESTS_SCHED_FIXTURE_H
#define TESTS_SCHED_FIXTURE_H

#include "unit.h"

#include "core/sched_private.h"
#include "core/xenctl.h"

#include <zelo/hypercall.h>
#include <zelo/log.h>
#include <zelo/softirq.h>

#include <xen/domctl.h>
#include <xen/sched.h>

int pv_domain_init(struct domain *d) { return 0; }
void pv_domain_free(struct domain *d) { }
int pv_domain_relinquish(struct domain *d) { return 0; }
int pv_vcpu_init(struct vcpu *v) { return 0; }
static void (*vcpu_is_freed)(const struct vcpu *v); /* told if set */
void pv_vcpu_free(struct vcpu *v)
{
    if (vcpu_is_freed)
        vcpu_is_freed(v);
}
int grant_domain_init(struct domain *d, u32 f, u32 m, u32 v) { return 0; }
int grant_domain_release_mappings(struct domain *d) { return 0; }
void grant_domain_free(struct domain *d) { }
bool hypercall_should_preempt(void) { return false; }
long hypercall_continue(unsigned nr, const struct hypercall_args *next) { return -E_PREEMPTED; }
void pv_raise_nmi(struct vcpu *v) { }
u64 arch_cpu_physid(unsigned cpu) { return cpu * 2; }
int pv_set_context(struct vcpu *v, const vcpu_guest_context_t *c)
{
    if (c->user_regs.rip != 0x1234)
        return -EINVAL;
    v->is_initialised = true;
    return 0;
}

/* --- the machine: CPUs in turn --- */

#define CPUS 4
static struct vcpu *on_cpu[CPUS];
static unused_arg u64 switches;
static _Thread_local jmp_buf switched;

void context_switch(struct vcpu *prev, struct vcpu *next)
{
    assert_false(arch_irq_enabled());
    assert_int_equal(host_locks_held(), 0);
    assert_true(next->is_running);
    assert_int_equal(next->processor, this_cpu());
    on_cpu[this_cpu()] = next;
    host_set_current(next);
    sched_context_saved(prev);
    atomic_add(&switches, 1);
    arch_irq_enable();
    longjmp(switched, 1);
}

/* The CPU's way out of the hypervisor, until nothing is left to do. */
static unused_arg void cpu_exit_path(void)
{
    unsigned cpu = this_cpu();

    (void)setjmp(switched);
    while (host_softirq_pending(cpu))
        softirq_run();
}

static unused_arg void on(unsigned cpu)
{
    host_set_cpu(cpu);
    host_set_current(on_cpu[cpu]);
}

/* All CPUs do what they were told to. */
static unused_arg void settle(void)
{
    bool any;

    do {
        any = false;
        for (unsigned cpu = 0; cpu < CPUS; cpu++) {
            if (!host_softirq_pending(cpu))
                continue;
            any = true;
            on(cpu);
            cpu_exit_path();
        }
    } while (any);
    on(0);
}

/* Every timer interrupt comes late by so much. */
static unused_arg void run_late(ns_t ns, ns_t late)
{
    ns_t end = host_time + ns;

    settle();
    while (host_time < end) {
        ns_t next = end;

        for (unsigned cpu = 0; cpu < CPUS; cpu++)
            if (host_timer_deadline[cpu] > 0)
                next = MIN(next, host_timer_deadline[cpu]);
        host_time = MAX(next + late, host_time);
        for (unsigned cpu = 0; cpu < CPUS; cpu++) {
            if (host_timer_deadline[cpu] <= 0 || host_timer_deadline[cpu] > host_time)
                continue;
            host_timer_deadline[cpu] = 0;
            on(cpu);
            timer_interrupt();
        }
        settle();
    }
}

static unused_arg void run_for(ns_t ns) { run_late(ns, 0); }

/* --- domains of the tests --- */

static struct domain *made[8];
static domid_t next_id = 10;

static unused_arg struct domain *make_domain(unsigned vcpus)
{
    struct domain *d = host_domain_create(next_id++, false, vcpus, 100);
    struct vcpu *v;
    unsigned i = 0;

    while (made[i])
        i++;
    made[i] = d;
    for_each_vcpu(d, v) {
        v->is_initialised = true;
        v->period = 0;
        v->pause_flags = 0;
        v->info->evtchn_upcall_mask = 0;
    }
    assert_int_equal(domain_unpause_by_tools(d), 0);
    return d;
}

static unused_arg void pin(struct vcpu *v, unsigned cpu)
{
    cpumask_t m = { 0 };

    cpumask_set(&m, cpu);
    assert_int_equal(vcpu_set_hard_affinity(v, &m), 0);
}

static unused_arg int setup(void **state)
{
    host_init(CPUS);
    host_sched_start();
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        on_cpu[cpu] = idle_vcpu[cpu];
    return 0;
}

static unused_arg int each_end(void **state)
{
    on(0);
    for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
        struct vcpu *v;

        if (!made[i])
            continue;
        domain_pause_nosync(made[i]);
        settle();
        for_each_vcpu(made[i], v)
            assert_false(v->is_running || v->sched.queued);
        assert_true(host_domain_destroy(made[i]));
        made[i] = NULL;
    }
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        assert_ptr_equal(on_cpu[cpu], idle_vcpu[cpu]);
        assert_int_equal(per_cpu(sched_cpu, cpu).queued, 0);
        assert_int_equal(per_cpu(sched_cpu, cpu).load, 0);
        assert_true(cpumask_test(&sched_idle, cpu));
    }
    return 0;
}

static unused_arg s64 ran_ms(struct vcpu *v) { return vcpu_cpu_time(v) / 1000000; }

static unused_arg void set_params(struct domain *d, u16 weight, u16 cap)
{
    struct xen_domctl_scheduler_op op = {
        .sched_id = XEN_SCHEDULER_CREDIT2, .cmd = XEN_DOMCTL_SCHEDOP_putinfo, .u.credit2 = { weight, cap },
    };

    assert_int_equal(sched_domctl(d, &op), 0);
}

#define assert_near(got, want, percent)                                                      \
    do {                                                                                     \
        s64 g_ = (got), w_ = (want);                                                         \
        if (g_ * 100 < w_ * (100 - (percent)) || g_ * 100 > w_ * (100 + (percent)))          \
            fail_msg("%s is %ld, not within %d %% of %ld", #got, (long)g_, (percent), (long)w_); \
    } while (0)

#endif
