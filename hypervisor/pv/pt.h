/* SPDX-License-Identifier: MIT */
/*
 * Page-table entries of PV guests, for the files of this room that read or
 * change them.
 *
 * The rule of references: a present L1 entry owns one reference of the frame
 * it maps (page_get) and, if it has PTE_RW, one use of it as PGT_WRITABLE; an
 * L2..L4 entry owns one reference and one use of the next lower page-table
 * type.  Entries that map I/O memory (pt_frame_is_io) own nothing.  Whoever
 * takes an entry out of a table drops what it owned (pt_l1e_put), whoever puts
 * one in has obtained it before (pt_l1e_get, or a grant's own references).
 *
 * Everything here that reads or writes tables wants pt_lock of the tables'
 * owner held, except where noted.
 */
#ifndef ZELO_PV_PT_H
#define ZELO_PV_PT_H

#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/page.h>
#include <zelo/page_ref.h>
#include <zelo/pv.h>

#define PTE_P (1ULL << 0)
#define PTE_RW (1ULL << 1)
#define PTE_USER (1ULL << 2)
#define PTE_PWT (1ULL << 3)
#define PTE_PCD (1ULL << 4)
#define PTE_A (1ULL << 5)
#define PTE_D (1ULL << 6)
#define PTE_PAT (1ULL << 7) /* in L1 */
#define PTE_PSE (1ULL << 7) /* in L2 and above: a superpage, refused */
#define PTE_GLOBAL (1ULL << 8)
#define PTE_SOFT (7ULL << 9 | 0x7ffULL << 52) /* ignored by the CPU: the guest's own */
#define PTE_NX (1ULL << 63)
#define PTE_CACHE (PTE_PWT | PTE_PCD | PTE_PAT)
#define PTE_ADDR 0x000ffffffffff000ULL

#define PT_ENTRIES 512
#define PT_SHIFT(level) (12 + 9 * ((level) - 1))
#define PT_INDEX(va, level) (((va) >> PT_SHIFT(level)) & (PT_ENTRIES - 1))
#define PT_TYPE(level) ((u64)(level) << PGT_SHIFT) /* PGT_L1..PGT_L4 */
#define PT_LEVEL(type) ((unsigned)((type) >> PGT_SHIFT))
_Static_assert(PT_TYPE(1) == PGT_L1 && PT_TYPE(4) == PGT_L4, "levels and types agree");

static inline u64 pte_make(mfn_t m, u64 flags) { return m.n << PAGE_SHIFT | flags; }
static inline mfn_t pte_mfn(u64 pte) { return MFN((pte & PTE_ADDR) >> PAGE_SHIFT); }

/* Who acts on whose tables, and whose frames they may map. */
struct pt_ctx {
    struct domain *table_owner;
    struct domain *frame_owner; /* dom_io: I/O memory only */
};

static inline void pt_lock(struct domain *d) { spin_lock(&d->pv.pt_lock); }
static inline void pt_unlock(struct domain *d) { spin_unlock(&d->pv.pt_lock); }

/* A frame without references and types of its own: device memory, firmware tables, holes. Never changes. No lock. */
static inline bool pt_frame_is_io(mfn_t m)
{
    return !mfn_valid(m) || (atomic_read(&mfn_to_page(m)->count) & PGC_RESERVED);
}

/* --- pt_entry.c --- */
/* The entry as it is stored: USER forced on, GLOBAL off in present ones. */
static inline u64 pte_normalise(u64 e)
{
    return e & PTE_P ? (e | PTE_USER) & ~PTE_GLOBAL : e;
}
/*
 * L1TF: a CPU with this flaw takes an absent entry for a present one when it guesses, and reads what its address
 * points to from the cache. Linux inverts the addresses in its absent entries, so they point beyond all RAM.
 */
bool pt_absent_refused(const struct domain *d, u64 e);
/* Checks a normalised L1 entry and takes what it will own. 0, -EINVAL, -EPERM, -EBUSY. Absent: 0, or -EINVAL (L1TF). */
static inline int must_check pt_l1e_get(const struct pt_ctx *c, u64 e);
int must_check pt_l1e_get_unusual(const struct pt_ctx *c, u64 e); /* the same; pt_l1e_get has the usual ones in line */
/* Drops what an L1 entry of one of d's tables owned. Non-present: nothing. */
static inline void pt_l1e_put(struct domain *d, u64 e);
void pt_foreign_writable_put(struct page *p); /* its part for a writable mapping of another domain's frame */
/* The same for levels 2..4, of tables of d itself. get may give -E_PREEMPTED: call again. */
int must_check pt_upper_get(struct domain *d, u64 e, unsigned level);
int must_check pt_upper_put(u64 e, bool preemptible);

/* --- pt_update.c --- */
#define PT_KEEP_AD (1u << 0)      /* keep the accessed and dirty bits of the old entry */
#define PT_EXPECT_OLD (1u << 1)   /* only if the entry still is *old, else -EAGAIN */
/*
 * Replaces the entry at *pte (in a validated table of the level), references
 * included.  *old becomes the entry found.  0, -EINVAL, -EPERM, -EBUSY,
 * -EAGAIN, -E_PREEMPTED (not replaced; call again).  After a success with an
 * upper-level entry replaced, work may be left over in current->pv.undo:
 * pt_undo_pending().
 */
int must_check pt_update(const struct pt_ctx *c, u64 *pte, unsigned level, u64 new, unsigned flags, u64 *old);
/* The same for an L1 entry, where *old is what is there and new is normalised: as if the frames were two. */
int must_check pt_l1_change_frame(const struct pt_ctx *c, u64 *pte, u64 new, unsigned flags, u64 *old);

/* --- walk.c --- */
/*
 * The L1 entry that maps va in v's tables of its current mode, and the page it
 * lies in; NULL if a level is missing.  The pointer is good while pt_lock is
 * held.  pt_find_entry gives the entry of a machine address instead: NULL if
 * that frame is not a validated page table of d; sets the level.
 */
u64 *pt_find_l1e(struct vcpu *v, vaddr_t va, struct page **table);
u64 *pt_find_l1e_from(mfn_t root, vaddr_t va, struct page **table);
u64 *pt_find_entry(struct domain *d, paddr_t ma, unsigned *level, struct page **table);

/*
 * For grant mappings in d's tables, whose references the grant table has taken itself: puts
 * 'new' (normalised here) in place of 'expect' (compared without accessed and
 * dirty bits) with no reference counting at all.  False: another entry is
 * there.  The caller answers for what the old entry owned: with pt_l1e_put, or
 * with its own page_put_type and page_put; in the latter case after a flush of
 * this domain's CPUs, or after pt_note_foreign_unmap(owner of the frame).
 */
bool must_check pt_l1e_exchange(struct domain *d, u64 *pte, u64 expect, u64 new);

/* --- pt_flush.c: when does a change of type need a TLB flush? --- */
/* Another domain lost a writable mapping of owner's frame; its CPUs may still have it in their TLBs. */
void pt_note_foreign_unmap(struct domain *owner);
extern u64 pt_tlb_clock;                             /* (a) for pt_stamp */
/* A writable mapping, or the use as a table, goes now. The entry was changed by an atomic exchange before. */
static inline void pt_stamp(struct page *p) { WRITE_ONCE(p->tlb_stamp, (u32)atomic_read(&pt_tlb_clock)); }
void pt_flush_stale(struct domain *d, u32 stamp);    /* flushes unless that has happened since the stamp */
void pt_flush_domain(struct domain *d);              /* all translations of d, on all its CPUs */
/* The CPUs that may hold translations of the vCPUs in the guest's bitmap at va. -EFAULT. */
int must_check pt_cpus_of_vcpus(struct domain *d, vaddr_t bitmap, cpumask_t *out);

/* --- page_type.c: what the contract does not show --- */
/* How far a page table is (page.pt.partial) that is neither validated nor nothing. */
#define PT_VALIDATING 1       /* entries below pt.entries are done */
#define PT_UNDOING (-1)       /* entries below pt.entries are still to do */
#define PT_UNDOING_CHILD (-2) /* ... and the table below entry pt.entries, whose reference is still held */
/* Goes on with a stopped undoing, if any: 0 or -E_PREEMPTED.  The caller holds a reference and pt_lock. */
int must_check page_finish_undo(struct page *p, bool preemptible);
/* page_put_type with a choice: on -E_PREEMPTED the use is dropped; the rest is page_finish_undo's. */
int must_check page_put_type_from(struct page *p, bool preemptible);

/* --- pt_validate.c: called by page_type.c only, pt_lock held; progress is in page.pt --- */
int must_check pt_validate(struct page *p, u64 type);
int must_check pt_undo(struct page *p, u64 type, bool preemptible);

/* --- pt_undo.c: undoing that a hypercall of this vCPU left half-way --- */
/* Takes over the caller's reference to p until page_finish_undo is through with it. pt_lock held. */
void pt_undo_adopt(struct page *p);
/* The same with a reference of its own, and only if there is room; else the next user of the frame does it. */
void pt_undo_offer(struct page *p);
/* At the start (and end) of page-table hypercalls: 0 or -E_PREEMPTED. No pt_lock held. */
int must_check pt_undo_go_on(struct vcpu *v); /* the same where there is some */
static inline bool pt_undo_pending(const struct vcpu *v) { return v->pv.undo != NULL; }
static inline int must_check pt_undo_continue(struct vcpu *v)
{
    return v && unlikely(pt_undo_pending(v)) ? pt_undo_go_on(v) : 0; /* no vCPU while the machine boots */
}

/* --- roots.c --- */
int must_check pt_new_root_kernel(struct vcpu *v, mfn_t m); /* MMUEXT_NEW_BASEPTR and _USER_BASEPTR; v is current */
int must_check pt_new_root_user(struct vcpu *v, mfn_t m);   /* MFN_INVALID: none */
int must_check pt_put_roots(struct vcpu *v);                /* 0 or -E_PREEMPTED: call again */

/* --- pt_list.c: what do_mmu_update and do_mmuext_op have in common --- */
/*
 * Runs run(domains, list, count, &done) on the list of a->arg[0], entry bytes
 * each, with undoing left from before finished first; tells the guest how many
 * succeeded in all, and goes on with the rest after a preemption.
 */
long must_check pt_list_call(unsigned nr, const struct hypercall_args *a, size_t entry,
                             int (*run)(u32 domains, vaddr_t list, u32 count, u32 *done));

/* --- owner.c: the domain arguments of mmu_update, mmuext_op and update_va_mapping_otherdomain --- */
/* All but the caller's own, which cannot go while it calls, are referenced until pt_owner_put. */
int must_check pt_frame_owner_find(domid_t id, struct domain **out), pt_table_owner_find(u32 pfd, struct domain **out);
/* FD: whose frames. -ESRCH, -EPERM. */
static inline int must_check pt_frame_owner_get(domid_t id, struct domain **out)
{
    *out = current->domain;
    return likely(id == DOMID_SELF) ? 0 : pt_frame_owner_find(id, out);
}
/* PFD as the ABI encodes it: 0 for the caller, else id + 1. */
static inline int must_check pt_table_owner_get(u32 pfd, struct domain **out)
{
    *out = current->domain;
    return likely(!pfd) ? 0 : pt_table_owner_find(pfd, out);
}
static inline void pt_owner_put(struct domain *d)
{
    if (unlikely(d != current->domain && !d->is_system))
        domain_put(d);
}

/* A bit of a present entry that the CPU would call reserved? */
static inline bool pt_nx_refused(u64 e)
{
    return (e & PTE_NX) && unlikely(!pt_nx_usable);
}

static inline int must_check pt_l1e_get_ram(const struct pt_ctx *c, u64 e)
{
    struct page *p = mfn_to_page(pte_mfn(e));
    int rc;

    if (!page_ref_get(p, c->frame_owner))
        return -EINVAL;
    if (!(e & PTE_RW))
        return 0;
    rc = page_get_writable(p);
    if (unlikely(rc))
        page_put(p);
    return rc;
}

static inline int must_check pt_l1e_get(const struct pt_ctx *c, u64 e)
{
    if (!(e & PTE_P) && !c->table_owner->pv.l1tf)
        return 0;
    if (unlikely(!(e & PTE_P) || (e & PTE_CACHE) || pt_nx_refused(e) || pt_frame_is_io(pte_mfn(e))))
        return pt_l1e_get_unusual(c, e);
    return pt_l1e_get_ram(c, e);
}

static inline void pt_writable_put(struct domain *d, struct page *p)
{
    if (unlikely(!page_is_owned_by(p, d))) {
        pt_foreign_writable_put(p);
        return;
    }
    pt_stamp(p);
    page_put_writable(p);
}

static inline void pt_l1e_put(struct domain *d, u64 e)
{
    struct page *p;

    if (!(e & PTE_P) || unlikely(pt_frame_is_io(pte_mfn(e))))
        return;
    p = mfn_to_page(pte_mfn(e));
    if (e & PTE_RW)
        pt_writable_put(d, p);
    page_ref_put(p);
}

#endif
