/* SPDX-License-Identifier: MIT */
/*
 * Per-CPU data.  Guests own FS and GS, so the CPU finds its own data through
 * its stack pointer: struct cpu_info lies at the top of each CPU's stack.
 */
#ifndef ARCH_PERCPU_H
#define ARCH_PERCPU_H

#include <zelo/types.h>
#include <arch/layout.h>

#include <xen/xen.h>

struct vcpu;

struct cpu_info {
    u64 align;                 /* makes the end of the hardware frame (regs.es) 16-byte aligned, as the CPU pushes it */
    struct cpu_user_regs regs; /* guest registers; the entry code pushes them here */
    unsigned cpu;
    struct vcpu *vcpu;         /* current */
    unsigned long percpu_offset;
    unsigned long softirqs;    /* (a) core/softirq.c; here, as every way out looks at it */
    u64 host_cr3, guest_cr3;   /* XPTI (x86/xpti.c): what the entry code loads from and for a guest; 0: it does not */
    u64 guest_spec_ctrl;       /* MSR_SPEC_CTRL for the guest, if speculation.switch_spec_ctrl */
} aligned_to(16);
_Static_assert((offsetof(struct cpu_info, regs) + offsetof(struct cpu_user_regs, es)) % 16 == 0,
               "TSS.RSP0 must be 16-byte aligned");

static inline struct cpu_info *cpu_info(void)
{
    unsigned long sp;

    __asm__("movq %%rsp, %0" : "=r"(sp));
    return (struct cpu_info *)((sp | (STACK_SIZE - 1)) + 1 - sizeof(struct cpu_info));
}
static inline struct cpu_user_regs *cpu_info_guest_regs(void) { return &cpu_info()->regs; }
static inline unsigned this_cpu(void) { return cpu_info()->cpu; }
#define current (cpu_info()->vcpu)
/* The pending softirqs of this CPU, and of one that has a stack. */
extern struct cpu_info *cpu_infos[];
static inline unsigned long *this_cpu_softirqs(void) { return &cpu_info()->softirqs; }
static inline unsigned long *cpu_softirqs(unsigned cpu) { return &cpu_infos[cpu]->softirqs; }

/*
 * DEFINE_PER_CPU(type, name) makes one instance for each CPU.  The image's own
 * .percpu section is the template (CPU 0 before percpu_init); each CPU has a
 * copy at percpu_offset from it.
 */
extern unsigned long percpu_offset[];
#define DEFINE_PER_CPU(type, name) __attribute__((section(".percpu"))) __typeof__(type) percpu__##name
#define DECLARE_PER_CPU(type, name) extern __typeof__(type) percpu__##name
/* A copy is no part of the template, whatever the address it is found by: the compiler is not to draw conclusions. */
static inline void *percpu_copy(void *template, unsigned long offset)
{
    __asm__("" : "+r"(template));
    return (char *)template + offset;
}
#define percpu_copy_of(name, offset) (*(__typeof__(percpu__##name) *)percpu_copy(&percpu__##name, (offset)))
#define per_cpu(name, cpu) percpu_copy_of(name, percpu_offset[cpu])
#define this_cpu_var(name) percpu_copy_of(name, cpu_info()->percpu_offset)

#endif
