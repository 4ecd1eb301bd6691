/* SPDX-License-Identifier: MIT */
/*
 * The seam between the portable rooms and the machine, for the proofs.  What
 * is declared only is not there: a proof that comes to call it fails.
 */
#ifndef ARCH_SEAM_H
#define ARCH_SEAM_H

#include <zelo/types.h>
#include <arch/layout.h>
#include <arch/percpu.h>

struct vcpu;
struct domain;
struct cpu_user_regs;

/* --- frames: each proof has a few, and says which object lies in which --- */
void *proof_frame_object(u64 n);
u64 proof_object_frame(const void *v);

extern u64 max_frame;
bool mfn_valid(mfn_t m);
static inline void *mfn_to_virt(mfn_t m) { return proof_frame_object(m.n); }
static inline mfn_t virt_to_mfn(const void *v) { return MFN(proof_object_frame(v)); }

/* --- locks and interrupts --- */
typedef struct { bool mine; } arch_spinlock_t; /* whether others have it is said by what they may do */

/* After it was taken: what the lock guards is as its last holder left it. */
void proof_lock_taken(arch_spinlock_t *l);
/* Before it is given back. */
void proof_lock_given(arch_spinlock_t *l);

static inline void arch_spin_lock(arch_spinlock_t *l)
{
    __CPROVER_assert(!l->mine, "a lock is not taken twice");
    l->mine = true;
    proof_lock_taken(l);
}
static inline void arch_spin_unlock(arch_spinlock_t *l)
{
    __CPROVER_assert(l->mine, "a lock given back was held");
    proof_lock_given(l);
    l->mine = false;
}
bool arch_spin_trylock(arch_spinlock_t *l);

/*
 * A turn of a loop that waits for another CPU.  It has only looked so far, and
 * could have looked later: that run is proved too, so this one need not go on.
 */
static inline void cpu_relax(void) { __CPROVER_assume(0); }
#define cpu_relax_serving() cpu_relax()

static inline unsigned long arch_irq_save(void) { return 0; }
static inline void arch_irq_restore(unsigned long f) { (void)f; }

ns_t time_now(void);

/* --- TLB --- */
#define TLB_FLUSH_ALL (1u << 0)
#define TLB_FLUSH_GLOBAL (1u << 1)
#define TLB_FLUSH_VA (1u << 2)
#define TLB_FLUSH_CACHE (1u << 3)
void tlb_flush_mask(const void *cpumask, unsigned what, vaddr_t va);

/* --- guest memory --- */
size_t arch_guest_read(void *dst, vaddr_t va, size_t n);
size_t arch_guest_write(vaddr_t va, const void *src, size_t n);
size_t arch_guest_clear(vaddr_t va, size_t n);

#endif
