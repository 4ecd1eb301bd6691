/* SPDX-License-Identifier: MIT */
/*
 * The seam between the portable rooms (core/, pv/) and the machine.  This is
 * the hardware's version; the host build has another with the same names in
 * tests/host/include/arch/.  Everything here can be read in one sitting.
 */
#ifndef ARCH_SEAM_H
#define ARCH_SEAM_H

#include <zelo/nospec.h>
#include <zelo/types.h>
#include <arch/guest_access.h>
#include <arch/layout.h>
#include <arch/percpu.h>

struct vcpu;
struct domain;
struct cpu_user_regs;

/* --- frames --- */
static inline void *mfn_to_virt(mfn_t m) { return (void *)(DIRECT_MAP_START + (m.n << PAGE_SHIFT)); }
static inline mfn_t virt_to_mfn(const void *v) { return MFN(((vaddr_t)v - DIRECT_MAP_START) >> PAGE_SHIFT); }
static inline paddr_t virt_to_phys(const void *v) { return (vaddr_t)v - DIRECT_MAP_START; }
static inline void *phys_to_virt(paddr_t p) { return (void *)(DIRECT_MAP_START + p); }

/* x86/frames.c, written at boot only: one past the highest RAM frame, and which sections of the frame table there are. */
extern u64 max_frame;
extern unsigned long section_present[];
#define SECTION_SHIFT 16 /* frames of a section, as a power of two */

/* True if the frame has a struct page (is RAM or lies among RAM). */
static inline bool mfn_valid(mfn_t m)
{
    u64 section = (m.n & nospec_mask(m.n, max_frame)) >> SECTION_SHIFT;

    return m.n < max_frame && (section_present[section / 64] >> section % 64 & 1);
}

/* --- locks (ticket) and interrupts --- */
typedef struct { u16 head, tail; } arch_spinlock_t;

static inline void cpu_relax(void) { __asm__ volatile("pause" ::: "memory"); }

/* For each turn of a loop that waits for another CPU: serves its TLB flushes, since it may wait for ours. */
void cpu_relax_serving(void);
void arch_spin_wait(arch_spinlock_t *l, u16 ticket);

static inline void arch_spin_lock(arch_spinlock_t *l)
{
    u16 me = __atomic_fetch_add(&l->tail, 1, __ATOMIC_RELAXED);

    if (__atomic_load_n(&l->head, __ATOMIC_ACQUIRE) != me)
        arch_spin_wait(l, me);
}
static inline bool arch_spin_trylock(arch_spinlock_t *l)
{
    arch_spinlock_t old = { __atomic_load_n(&l->head, __ATOMIC_RELAXED), 0 };
    arch_spinlock_t new;
    u32 expect, want;

    old.tail = old.head;
    new = old;
    new.tail++;
    expect = old.head | ((u32)old.tail << 16);
    want = new.head | ((u32)new.tail << 16);
    return __atomic_compare_exchange_n((u32 *)l, &expect, want, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}
static inline void arch_spin_unlock(arch_spinlock_t *l)
{
    __atomic_store_n(&l->head, (u16)(l->head + 1), __ATOMIC_RELEASE);
}

static inline unsigned long arch_irq_save(void)
{
    unsigned long f;

    __asm__ volatile("pushfq; popq %0; cli" : "=r"(f) :: "memory");
    return f;
}
static inline void arch_irq_restore(unsigned long f)
{
    if (f & 0x200)
        __asm__ volatile("sti" ::: "memory");
}
static inline void arch_irq_enable(void) { __asm__ volatile("sti" ::: "memory"); }
static inline void arch_irq_disable(void) { __asm__ volatile("cli" ::: "memory"); }
static inline bool arch_irq_enabled(void)
{
    unsigned long f;

    __asm__ volatile("pushfq; popq %0" : "=r"(f) :: "memory");
    return f & 0x200;
}

/* Called with interrupts off: enables them and halts until the next interrupt, with no gap between. */
static inline void arch_idle_wait(void) { __asm__ volatile("sti; hlt" ::: "memory"); }

/* --- current CPU and vCPU: this_cpu() and current are in arch/percpu.h --- */
/* The guest registers of the current vCPU, saved at the top of this CPU's stack. */
static inline struct cpu_user_regs *guest_regs(void) { return cpu_info_guest_regs(); }

/* The other GS base, and the page tables at physical address cr3: what makes guest kernel of guest user mode and back. */
static inline void arch_change_mode(paddr_t cr3)
{
    __asm__ volatile("swapgs; movq %0, %%cr3" :: "r"(cr3) : "memory");
}

/* CR2, as a page fault at va would leave it. */
static inline void arch_set_fault_address(vaddr_t va) { __asm__ volatile("movq %0, %%cr2" :: "r"(va)); }

/* --- time --- */
ns_t time_now(void);              /* ns since boot, monotonic over all CPUs */
u64 arch_cycles(void);            /* this CPU's cycle counter, the TSC */
void arch_timer_program(ns_t deadline); /* this CPU's next timer interrupt; <= 0: none */

/* --- the machine as a whole: x86/host_info.c --- */
/* Domain 0 shut down (SHUTDOWN_*): the machine follows. */
no_return void arch_host_shutdown(int reason);
unsigned arch_phys_addr_bits(void);
struct xen_sysctl_physinfo;
struct xen_sysctl_cputopo;
void arch_physinfo(struct xen_sysctl_physinfo *pi);  /* cpu_khz, hw_cap, threads, cores */
void arch_cputopo(unsigned cpu, struct xen_sysctl_cputopo *t);
u32 arch_tsc_khz(void);
u64 arch_cpu_physid(unsigned cpu); /* APIC ID, and above bit 32 the ACPI ID: VCPUOP_get_physid */

/* --- other CPUs --- */
void cpu_kick(unsigned cpu);      /* makes the CPU look at its softirqs and events; itself too */

/* --- TLB --- */
struct cpumask;
/* Bits for tlb_flush; */
#define TLB_FLUSH_ALL (1u << 0)    /* all non-global translations */
#define TLB_FLUSH_GLOBAL (1u << 1) /* global ones too */
#define TLB_FLUSH_VA (1u << 2)     /* the one page at va */
#define TLB_FLUSH_CACHE (1u << 3)  /* write back and invalidate caches */
void tlb_flush_local(unsigned what, vaddr_t va);
/* On every CPU of the mask (a cpumask_t; may hold this one); returns when done.  Interrupts on. */
void tlb_flush_mask(const void *cpumask, unsigned what, vaddr_t va);

/* --- guest memory of the current vCPU; nonzero: bytes not copied --- */
size_t arch_guest_read(void *dst, vaddr_t va, size_t n);
size_t arch_guest_write(vaddr_t va, const void *src, size_t n);
size_t arch_guest_clear(vaddr_t va, size_t n);
/*
 * Compare-and-exchange of the 8-byte word at a hypervisor pointer needs no
 * seam; at a guest address it does.  0, or nonzero on a fault.
 */
int arch_guest_cmpxchg64(vaddr_t va, u64 *expect, u64 want);
/* Words one by one, for what happens at each system call: arch/guest_access.h. */

#endif
