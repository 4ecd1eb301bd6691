/* SPDX-License-Identifier: MIT */
/*
 * The seam between the portable rooms and the machine, for host programs: the
 * same names as hypervisor/x86/include/arch/seam.h.  Machine memory is an arena
 * at a fixed address (arena.c), CPUs are threads, time is a variable, and what
 * the machine is told to do is recorded (machine.c) for tests to look at
 * (tests/host/host.h).
 */
#ifndef ARCH_SEAM_H
#define ARCH_SEAM_H

#include <zelo/types.h>
#include <arch/layout.h>
#include <arch/percpu.h>

struct vcpu;
struct domain;
struct cpu_user_regs;

/* --- frames --- */
/* The direct map of simulated RAM; ThreadSanitizer wants it where it expects a program's data. */
#ifdef __SANITIZE_THREAD__
#define HOST_ARENA 0x1000000000UL
#else
#define HOST_ARENA 0x200000000000UL
#endif

extern u64 max_frame;
bool mfn_valid(mfn_t m);
static inline void *mfn_to_virt(mfn_t m) { return (void *)(HOST_ARENA + (m.n << PAGE_SHIFT)); }
static inline mfn_t virt_to_mfn(const void *v) { return MFN(((vaddr_t)v - HOST_ARENA) >> PAGE_SHIFT); }
static inline paddr_t virt_to_phys(const void *v) { return (vaddr_t)v - HOST_ARENA; }
static inline void *phys_to_virt(paddr_t p) { return (void *)(HOST_ARENA + p); }

/* --- locks and interrupts --- */
typedef struct { u32 held; } arch_spinlock_t;

void cpu_relax(void); /* lets another thread run */
#define cpu_relax_serving() cpu_relax() /* there is no TLB here */

static inline bool arch_spin_trylock(arch_spinlock_t *l)
{
    return !__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE);
}
static inline void arch_spin_lock(arch_spinlock_t *l)
{
    while (!arch_spin_trylock(l))
        cpu_relax();
}
static inline void arch_spin_unlock(arch_spinlock_t *l) { __atomic_store_n(&l->held, 0, __ATOMIC_RELEASE); }

/* The value saved has the flag where RFLAGS has it. */
static inline unsigned long arch_irq_save(void)
{
    unsigned long f = cpu_info()->irqs_off ? 0 : 0x200;

    cpu_info()->irqs_off = true;
    return f;
}
static inline void arch_irq_restore(unsigned long f) { cpu_info()->irqs_off = !(f & 0x200); }
static inline void arch_irq_enable(void) { cpu_info()->irqs_off = false; }
static inline void arch_irq_disable(void) { cpu_info()->irqs_off = true; }
static inline bool arch_irq_enabled(void) { return !cpu_info()->irqs_off; }
void arch_idle_wait(void);

static inline struct cpu_user_regs *guest_regs(void) { return cpu_info_guest_regs(); }

/* What arch_change_mode was told, and how often. */
extern struct host_mode { paddr_t cr3; u64 changes; } host_mode;
static inline void arch_change_mode(paddr_t cr3)
{
    host_mode.cr3 = cr3;
    host_mode.changes++;
}
extern vaddr_t host_fault_address;
static inline void arch_set_fault_address(vaddr_t va) { host_fault_address = va; }

/* --- time --- */
ns_t time_now(void);
u64 arch_cycles(void);
void arch_timer_program(ns_t deadline);

/* --- the machine as a whole --- */
no_return void arch_host_shutdown(int reason);
unsigned arch_phys_addr_bits(void);
struct xen_sysctl_physinfo;
struct xen_sysctl_cputopo;
void arch_physinfo(struct xen_sysctl_physinfo *pi);
void arch_cputopo(unsigned cpu, struct xen_sysctl_cputopo *t);
u32 arch_tsc_khz(void);
u64 arch_cpu_physid(unsigned cpu);

/* --- other CPUs --- */
void cpu_kick(unsigned cpu);

/* --- TLB --- */
#define TLB_FLUSH_ALL (1u << 0)
#define TLB_FLUSH_GLOBAL (1u << 1)
#define TLB_FLUSH_VA (1u << 2)
#define TLB_FLUSH_CACHE (1u << 3)
void tlb_flush_local(unsigned what, vaddr_t va);
void tlb_flush_mask(const void *cpumask, unsigned what, vaddr_t va);

/* --- guest memory: guest addresses are the test's own pointers --- */
size_t arch_guest_read(void *dst, vaddr_t va, size_t n);
size_t arch_guest_write(vaddr_t va, const void *src, size_t n);
size_t arch_guest_clear(vaddr_t va, size_t n);
int arch_guest_cmpxchg64(vaddr_t va, u64 *expect, u64 want);
static inline void arch_guest_begin(void) {}
static inline void arch_guest_end(void) {}
#define arch_guest_put(va, value, fault)                                          \
    do {                                                                          \
        u64 put_ = (value);                                                       \
        if (arch_guest_write((vaddr_t)(va), &put_, sizeof(put_)))                 \
            goto fault;                                                           \
    } while (0)
#define arch_guest_get(value, va, fault)                                          \
    do {                                                                          \
        if (arch_guest_read(&(value), (vaddr_t)(va), sizeof(u64)))                \
            goto fault;                                                           \
    } while (0)

#endif
