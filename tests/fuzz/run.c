/* SPDX-License-Identifier: MIT */
/*
 * Carries out an input: each step in its turn, the invariants after each, and
 * at the end the death of all domains, which leaves the heap as it was.
 */
#include "fuzz.h"

#include <zelo/check.h>
#include <zelo/log.h>
#include <zelo/softirq.h>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#define CONTINUATIONS_MAX 64     /* then it is disturbed no more */
#define CONTINUATIONS_END 4096   /* and this many it does not take */
#define CPU_NESTED 1

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

bool run_over;
static jmp_buf the_end;
static const struct step *steps;
static unsigned step_count, step_next;
static struct act outer;         /* of the step under way that is not nested */
static bool in_between;

/* --- what went wrong --- */

void run_fail(const char *what)
{
    log_kept();
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

void arch_host_shutdown(int reason)
{
    run_over = true;
    host_panic_catch = &the_end; /* which also forgets the locks held */
    panic("domain 0 ends the machine: %d", reason);
}

bool run_shows(void)
{
    static int wanted = -1;

    if (wanted < 0)
        wanted = getenv("FUZZ_SHOW") != NULL;
    return wanted;
}

static void serve_softirqs(unsigned cpu)
{
    host_set_cpu(cpu);
    host_set_current(idle_vcpu[cpu]);
    softirq_run_no_schedule();
}

void run_softirqs(void)
{
    struct cpu_info was = host_cpu_info;
    unsigned cpu;

    for_each_online_cpu(cpu)
        serve_softirqs(cpu);
    host_cpu_info = was;
}

/* What a domain that dies leaves to a tasklet is done first, as on any way out of the hypervisor. */
static void invariants(void)
{
    run_softirqs();
    if (host_locks_held())
        run_fail("a lock is held after a step");
    if (!arch_irq_enabled())
        run_fail("interrupts are off after a step");
    if (invariants_check())
        run_fail("the invariants do not hold");
}

/* --- calls --- */

static long result_signed(const struct cpu_user_regs *regs) { return (long)regs->rax; }

static void regs_set(const struct vcpu *v, const struct call *c)
{
    struct cpu_user_regs *r = guest_regs();

    *r = (struct cpu_user_regs){
        .rax = c->nr, .rdi = c->a.arg[0], .rsi = c->a.arg[1], .rdx = c->a.arg[2], .r10 = c->a.arg[3],
        .r8 = c->a.arg[4], .r9 = c->a.arg[5], .rip = 0x2002, .cs = SEL_RING3_CS64, .ss = SEL_RING3_DS,
        .rflags = 0x202, .rsp = c->nr == __HYPERVISOR_iret ? c->a.arg[0] : v->pv.kernel_sp,
    };
}

/* True if it wants to be issued again. */
static bool dispatch(void)
{
    race_call_begins();
    hypercall_dispatch(guest_regs());
    return hypercall_state()->continued;
}

long guest_call(struct vcpu *v, unsigned long nr, const struct hypercall_args *args)
{
    struct call c = { nr, *args };

    race_end();
    host_set_current(v);
    regs_set(v, &c);
    while (dispatch())
        ;
    return result_signed(guest_regs());
}

static struct vcpu *vcpu_of(unsigned domain, unsigned id)
{
    struct domain *d = world_domain(domain);
    struct vcpu *v = d ? domain_vcpu(d, id) : NULL;

    return v && world_can_run(v) ? v : NULL;
}

/* The continuation of a step: false if the guest does not come back to it. */
static bool go_on(const struct act *a, unsigned times)
{
    unsigned then = (a->s->flow >> 3) & 3, domain = a->d->id, vcpu = a->v->id;

    invariants();
    if (then == 2)
        return false;
    if (times == CONTINUATIONS_MAX)
        race_end();
    if (times == CONTINUATIONS_END)
        run_fail("a call that nobody disturbs does not end");
    if (then == 3 && !in_between && times < CONTINUATIONS_MAX) {
        struct cpu_info cpu = host_cpu_info;
        struct act whose = outer;

        in_between = true;
        run_nested();
        in_between = false;
        outer = whose;
        host_cpu_info = cpu;
        race_begin(a->s);
        race_left = 0;
        invariants();
    }
    return vcpu_of(domain, vcpu) == a->v; /* it may be gone */
}

static long call_issue(const struct act *a, const struct call *c)
{
    regs_set(a->v, c);
    for (unsigned times = 0; dispatch(); times++)
        if (!go_on(a, times))
            return -E_PREEMPTED;
    return result_signed(guest_regs());
}

/* --- steps --- */

static const struct step_kind *kind_of(const struct step *s) { return &step_kinds[s->kind % step_kind_count]; }

/* The vCPU that the step means, or else another that can run. */
static struct vcpu *actor(const struct step *s, const struct vcpu *not)
{
    unsigned domain = s->who & 3, id = s->who >> 2 & 1;

    if ((kind_of(s)->flags & STEP_PRIVILEGED) && !(s->who & 8))
        domain = 0;
    for (unsigned i = 0; i < DOMAINS * VCPUS; i++) {
        struct vcpu *v = vcpu_of((domain + i / VCPUS) % DOMAINS, (id + i) % VCPUS);

        if (v && v != not)
            return v;
    }
    return NULL;
}

/* The vCPU comes to run on this CPU. */
static void act_begin(struct act *a, const struct step *s, struct vcpu *v)
{
    *a = (struct act){ .s = s, .v = v, .d = v->domain, .busy = DOMID_INVALID };
    if (v->pause_flags & VPF_BLOCKED) {
        (void)atomic_fetch_and(&v->pause_flags, ~(VPF_BLOCKED | VPF_POLL));
        vcpu_wake(v);
    }
    host_set_current(v);
    v->pv.flags |= PVF_KERNEL; /* a system call has brought it there */
    cpumask_set(&v->domain->pv.dirty_cpus, this_cpu());
    pv_load_cr3(v);
}

static void step_show(const struct act *a, const char *how, long result)
{
    if (!run_shows())
        return;
    fprintf(stderr, "%sd%uv%u %s", how, a->d->id, a->v->id, kind_of(a->s)->name);
    for (unsigned i = 0; i < STEP_PARAMS; i++)
        fprintf(stderr, " %02x", a->s->param[i]);
    fprintf(stderr, " flow %02x race %02x = %ld\n", a->s->flow, a->s->race, result);
}

static void step_run(struct act *a, const char *how)
{
    const struct step_kind *k = kind_of(a->s);
    struct call c = { 0 };
    long result = 0;

    if (run_shows())
        step_show(a, how, -9999);
    regs_set(a->v, &c);
    if (k->fn(a, &c)) {
        result = call_issue(a, &c);
        if (k->after)
            k->after(a, &c, result);
    }
    step_show(a, "  done: ", result);
}

static const struct step *step_take(void)
{
    return step_next < step_count ? &steps[step_next++] : NULL;
}

/* As a CPU that holds nothing: what waits for the outer call's end is left out. */
static void nested_run(const struct step *s, struct vcpu *v)
{
    struct cpu_info cpu = host_cpu_info;
    struct hypercall_state *state;
    struct act a;

    host_set_cpu(CPU_NESTED);
    state = hypercall_state();
    *state = (struct hypercall_state){ 0 };
    act_begin(&a, s, v);
    if (!in_between)
        a.busy = outer.d->id;
    if (in_between) {
        race_begin(s);
        race_left = 0;
    }
    {
        const struct step_kind *k = kind_of(s);
        struct call c = { 0 };

        step_show(&a, "    nested: ", -9999);
        regs_set(v, &c);
        if (k->fn(&a, &c)) {
            regs_set(v, &c);
            if (!dispatch() && k->after)
                k->after(&a, &c, result_signed(guest_regs()));
        }
    }
    host_cpu_info = cpu;
}

void run_nested(void)
{
    const struct step *s = step_take();
    struct vcpu *v = s ? actor(s, outer.v) : NULL;
    const struct step_kind *k = s ? kind_of(s) : NULL;

    if (!v || (k->flags & STEP_WHOLE))
        return;
    /* Another CPU would wait for the lock. */
    if ((host_locks_held() || !arch_irq_enabled()) && !(k->flags & STEP_MEMORY))
        return;
    nested_run(s, v);
    if (s->flow & 0x80)
        race_left = s->race & 31;
}

static void one(const struct step *s)
{
    struct vcpu *v;

    host_set_cpu(0);
    v = actor(s, NULL);
    if (!v)
        return;
    act_begin(&outer, s, v);
    race_begin(s);
    step_run(&outer, "");
    race_end();
    invariants();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    world_make();
    snapshot_take();
    return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    snapshot_restore();
    run_over = in_between = false;
    host_panic_catch = NULL;
    steps = (const struct step *)(const void *)data;
    step_count = (unsigned)MIN(size / sizeof(struct step), (size_t)STEPS_MAX);
    step_next = 0;
    if (!setjmp(the_end)) {
        const struct step *s;

        while ((s = step_take()))
            one(s);
        race_end();
        invariants();
        world_end();
    }
    return 0;
}
