/* SPDX-License-Identifier: MIT */
/* Per-CPU data for the proofs: this CPU's. What other CPUs have does not matter to it. */
#ifndef ARCH_PERCPU_H
#define ARCH_PERCPU_H

#include <zelo/types.h>
#include <arch/layout.h>

#include <xen/xen.h>

struct vcpu;

extern struct vcpu *proof_current;

static inline unsigned this_cpu(void) { return 0; }
#define current proof_current

#define DEFINE_PER_CPU(type, name) __typeof__(type) percpu__##name[1]
#define DECLARE_PER_CPU(type, name) extern __typeof__(type) percpu__##name[1]
#define per_cpu(name, cpu) (percpu__##name[cpu])
#define this_cpu_var(name) (percpu__##name[this_cpu()])
unsigned long *this_cpu_softirqs(void);

#endif
