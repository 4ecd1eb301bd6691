/* SPDX-License-Identifier: MIT */
/*
 * Per-CPU data of the host build: a simulated CPU is a thread, its number and
 * its current vCPU are thread-local, and per-CPU variables are plain arrays.
 */
#ifndef ARCH_PERCPU_H
#define ARCH_PERCPU_H

#include <zelo/types.h>
#include <arch/layout.h>

#include <xen/xen.h>

#define HOST_CPUS 16 /* simulated CPUs: 0..HOST_CPUS-1 */

struct vcpu;

struct cpu_info {
    struct cpu_user_regs regs; /* guest registers of the current vCPU */
    unsigned cpu;
    struct vcpu *vcpu;         /* current */
    bool irqs_off;             /* the interrupt flag, inverted */
};

/* local-exec: the linker turns other models into an LEA, on whose flags the sanitizer's null check would branch. */
extern _Thread_local struct cpu_info host_cpu_info __attribute__((__tls_model__("local-exec")));

static inline struct cpu_info *cpu_info(void) { return &host_cpu_info; }
static inline struct cpu_user_regs *cpu_info_guest_regs(void) { return &cpu_info()->regs; }
static inline unsigned this_cpu(void) { return cpu_info()->cpu; }
#define current (cpu_info()->vcpu)

extern unsigned long host_softirqs[HOST_CPUS];
static inline unsigned long *cpu_softirqs(unsigned cpu) { return &host_softirqs[cpu]; }
static inline unsigned long *this_cpu_softirqs(void) { return cpu_softirqs(this_cpu()); }

#define DEFINE_PER_CPU(type, name) __typeof__(type) percpu__##name[HOST_CPUS]
#define DECLARE_PER_CPU(type, name) extern __typeof__(type) percpu__##name[HOST_CPUS]
#define per_cpu(name, cpu) (percpu__##name[cpu])
#define this_cpu_var(name) (percpu__##name[this_cpu()])

#endif
