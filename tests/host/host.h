/* SPDX-License-Identifier: MIT */
/* What tests may do to the simulated machine and ask of it. */
#ifndef TESTS_HOST_H
#define TESTS_HOST_H

#include <zelo/cpumask.h>
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/page.h>

#include <setjmp.h>

/* --- the machine: arena.c, machine.c --- */
#ifndef HOST_FRAMES
#define HOST_FRAMES 65536ULL     /* 256 MiB of RAM */
#endif
#define HOST_FIRST_RAM 256ULL    /* frames below are not RAM: the first MiB */

/* Brings the machine up, once for each program: RAM in the heap, `cpus` CPUs online. */
void host_init(unsigned cpus);
void host_arena_init(void);
/* And the rooms that domains need: pseudo domains, timers, tasklets, scheduler, idle vCPUs. domain.c */
void host_boot(unsigned cpus);

/* cmocka group set-ups: host_init(4), host_boot(4). */
int host_group_setup(void **state);
int host_group_boot(void **state);

extern ns_t host_time;           /* what time_now() answers */
extern ns_t host_timer_deadline[HOST_CPUS]; /* last arch_timer_program of each CPU */
extern u64 host_kicks[HOST_CPUS];           /* cpu_kick calls */

/* TLB flushes asked for, last one in detail. */
struct host_tlb { u64 local, masked; unsigned what; vaddr_t va; cpumask_t mask; };
extern struct host_tlb host_tlb;

/* --- CPUs and the current vCPU: machine.c --- */
void host_set_cpu(unsigned cpu);        /* this thread is that CPU */
void host_set_current(struct vcpu *v);  /* hypercalls now come from v */
/* Runs fn(arg) in n threads as CPUs 0..n-1, and waits for all of them. */
void host_run_cpus(unsigned n, void (*fn)(void *arg), void *arg);

/* --- guest memory: guest.c --- */
/* Guest accesses to [va, va + n) fault until host_guest_heal(). */
void host_guest_fault(const void *va, size_t n);
void host_guest_heal(void);

/* --- panics: log.c --- */
/* True if the statement panicked (the message is in host_panic_message). */
#define HOST_PANICS(statement)                                                \
    ({                                                                        \
        jmp_buf jb_;                                                          \
        volatile bool panicked_ = true;                                       \
        host_panic_catch = &jb_;                                              \
        if (!setjmp(jb_)) {                                                   \
            statement;                                                        \
            panicked_ = false;                                                \
        }                                                                     \
        host_panic_catch = NULL;                                              \
        panicked_;                                                            \
    })
extern _Thread_local jmp_buf *host_panic_catch;
extern char host_panic_message[256];
extern char host_log[4096];             /* the latest of log_msg and log_guest */

/* How many locks this thread holds: 0 after every hypercall. */
unsigned host_locks_held(void);

/* --- domains: domain.c, sched.c --- */
/* Starts the scheduler on all online CPUs, once; the idle vCPU is current if none was. */
void host_sched_start(void);
/* A domain through domain_create, with vCPUs 0..vcpus-1 and max_pages set; stops the test if it cannot. */
struct domain *host_domain_create(domid_t id, bool privileged, unsigned vcpus, u64 max_pages);
/* Kills d and runs what its death left to do; true if its structure is gone. */
bool host_domain_destroy(struct domain *d);

#endif
