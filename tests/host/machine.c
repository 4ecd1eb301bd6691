/* SPDX-License-Identifier: MIT */
/*
 * The machine of the host build: CPUs, time, and the parts of x86/ that core/
 * and pv/ call, recorded or done in the simplest true way.  All of them are
 * weak in effect: a test that defines a function of the same name replaces it.
 */
#include "host.h"

#include <zelo/irq.h>
#include <zelo/log.h>
#include <zelo/memory.h>
#include <zelo/pv.h>

#include <xen/sysctl.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

_Thread_local struct cpu_info host_cpu_info;
ns_t host_time = 1000000000;
ns_t host_timer_deadline[HOST_CPUS];
u64 host_kicks[HOST_CPUS];
struct host_tlb host_tlb;
struct host_mode host_mode;
vaddr_t host_fault_address;
unsigned long host_softirqs[HOST_CPUS];
static arch_spinlock_t tlb_lock; /* several CPUs flush at a time */

cpumask_t cpu_online, cpu_possible;
u32 nr_gsis = 24;

struct e820_range e820_map[8] = {
    { 0, 0x9f000, E820_RAM },
    { 0xf0000, 0x10000, E820_RESERVED },
    { HOST_FIRST_RAM << PAGE_SHIFT, (HOST_FRAMES - HOST_FIRST_RAM) << PAGE_SHIFT, E820_RAM },
};
unsigned e820_count = 3;

/* AddressSanitizer asks: tests may replace any global of the rooms; there is no malloc to leak. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_odr_violation=0:detect_leaks=0"; }

void host_init(unsigned cpus)
{
    static bool done;

    if (done)
        return;
    done = true;
    host_arena_init();
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        cpumask_set(&cpu_online, cpu);
        cpumask_set(&cpu_possible, cpu);
    }
}

int host_group_setup(void **state)
{
    (void)state;
    host_init(4);
    return 0;
}

void host_set_cpu(unsigned cpu) { host_cpu_info.cpu = cpu; }
void host_set_current(struct vcpu *v) { host_cpu_info.vcpu = v; }

struct cpu_thread { pthread_t thread; unsigned cpu; void (*fn)(void *); void *arg; unsigned *absent; };

static void *cpu_thread_main(void *data)
{
    struct cpu_thread *t = data;

    host_set_cpu(t->cpu);
    atomic_sub(t->absent, 1);
    while (atomic_read(t->absent)) /* short races begin together */
        cpu_relax();
    t->fn(t->arg);
    return NULL;
}

void host_run_cpus(unsigned n, void (*fn)(void *), void *arg)
{
    struct cpu_thread t[HOST_CPUS];
    unsigned absent = n;

    for (unsigned i = 0; i < n; i++) {
        t[i] = (struct cpu_thread){ .cpu = i, .fn = fn, .arg = arg, .absent = &absent };
        if (pthread_create(&t[i].thread, NULL, cpu_thread_main, &t[i]))
            abort();
    }
    for (unsigned i = 0; i < n; i++)
        pthread_join(t[i].thread, NULL);
}

void cpu_relax(void) { sched_yield(); }
void arch_idle_wait(void) { arch_irq_enable(); sched_yield(); }

ns_t time_now(void) { return atomic_read(&host_time); }
u64 arch_cycles(void) { return (u64)time_now(); }
void arch_timer_program(ns_t deadline) { host_timer_deadline[this_cpu()] = deadline; }
void cpu_kick(unsigned cpu) { atomic_add(&host_kicks[cpu], 1); }

void arch_host_shutdown(int reason) { panic("host shutdown, reason %d\n", reason); }
unsigned arch_phys_addr_bits(void) { return 40; }
u32 arch_tsc_khz(void) { return 1000000; }
void arch_physinfo(struct xen_sysctl_physinfo *pi) { pi->threads_per_core = pi->cores_per_socket = 1; }
void arch_cputopo(unsigned cpu, struct xen_sysctl_cputopo *t) { t->core = t->socket = cpu; }

void tlb_flush_local(unsigned what, vaddr_t va)
{
    arch_spin_lock(&tlb_lock);
    host_tlb.local++;
    host_tlb.what = what;
    host_tlb.va = va;
    arch_spin_unlock(&tlb_lock);
}

void tlb_flush_mask(const void *cpumask, unsigned what, vaddr_t va)
{
    arch_spin_lock(&tlb_lock);
    host_tlb.masked++;
    host_tlb.what = what;
    host_tlb.va = va;
    cpumask_copy(&host_tlb.mask, cpumask);
    arch_spin_unlock(&tlb_lock);
}

/* --- x86/ and platform/ as seen from core/ and pv/ --- */
int pirq_domain_init(struct domain *d, u32 nr_max)
{
    d->pirqs.nr_max = nr_max;
    spin_lock_init(&d->pirqs.lock, LOCK_IRQ_TABLE);
    return 0;
}
void pirq_domain_free(struct domain *d) { (void)d; }
void pvclock_update(struct vcpu *v) { (void)v; }
void pvclock_wallclock_update(struct domain *d) { (void)d; }
void pv_runstate_update(struct vcpu *v) { (void)v; }
