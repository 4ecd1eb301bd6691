/* SPDX-License-Identifier: MIT */
/*
 * A page fault of a domain that runs on shadow tables: of the guest's own, or
 * one that only its shadow has?
 *
 * What the CPU would have done with the guest's tables is done here: rights
 * checked along the walk, accessed and dirty bits set.  Then the entries are
 * copied down the shadow.  The frame becomes writable there only if the guest
 * may write to it, its dirty bit is set and the write has been noted.
 */
#include "shadow.h"

#include <zelo/guest.h>
#include <zelo/log.h>

#define PF_PRESENT 1u
#define PF_WRITE 2u
#define PF_FETCH 16u

struct walk {
    u64 *pte[5];    /* of level 4..1 */
    u64 e[5];
};

/* Walks the guest's tables. False: not allowed; *error then tells what they say. */
static bool guest_walk(struct walk *w, mfn_t root, vaddr_t va, u32 *error)
{
    u64 rw = PTE_RW, nx = 0;
    mfn_t m = root;

    for (unsigned level = 4; level; level--) {
        w->pte[level] = (u64 *)mfn_to_virt(m) + PT_INDEX(va, level);
        w->e[level] = READ_ONCE(*w->pte[level]);
        if (!(w->e[level] & PTE_P)) {
            *error &= ~PF_PRESENT;
            return false;
        }
        rw &= w->e[level];
        nx |= w->e[level] & PTE_NX;
        m = pte_mfn(w->e[level]);
    }
    *error |= PF_PRESENT;
    return !((*error & PF_WRITE) && !rw) && !((*error & PF_FETCH) && nx);
}

static void set_bits(struct domain *d, struct walk *w, unsigned level, u64 bits)
{
    if ((w->e[level] & bits) == bits)
        return;
    w->e[level] |= bits;
    (void)atomic_fetch_or(w->pte[level], bits);
    pv_mark_dirty(d, page_to_mfn(virt_to_page(w->pte[level])));
}

/* The L1 entry for the shadow. */
static u64 filtered(struct domain *d, u64 e, bool write)
{
    mfn_t m = pte_mfn(e);

    if (!(e & PTE_RW))
        return e;
    if (!(e & PTE_D))
        return e & ~PTE_RW;
    /* Others' frames are their owners' to log: when the mapping goes. */
    if (pt_frame_is_io(m) || !page_is_owned_by(mfn_to_page(m), d))
        return e;
    if (write)
        pv_mark_dirty(d, m);
    else if (!log_dirty_test(d, m))
        return e & ~PTE_RW;
    return e;
}

static void put_entry(u64 *slot, u64 e)
{
    if (*slot != e)
        WRITE_ONCE(*slot, e);
}

/* False: out of frames. */
static bool shadow_fill(struct domain *d, const struct walk *w, mfn_t root, vaddr_t va, bool write)
{
    struct page *p = shadow_get(d, mfn_to_page(root));

    for (unsigned level = 4; p && level > 1; level--) {
        u64 *slot = (u64 *)page_to_virt(p) + PT_INDEX(va, level);

        p = shadow_get(d, mfn_to_page(pte_mfn(w->e[level])));
        if (p)
            put_entry(slot, pte_make(page_to_mfn(p), w->e[level] & ~PTE_ADDR));
    }
    if (!p)
        return false;
    put_entry((u64 *)page_to_virt(p) + PT_INDEX(va, 1), filtered(d, w->e[1], write));
    return true;
}

static bool fault_locked(struct vcpu *v, vaddr_t va, u32 *error)
{
    struct domain *d = v->domain;
    mfn_t root = pv_mode_root(&v->pv);
    bool write = *error & PF_WRITE;
    struct walk w;

    if (mfn_is_invalid(root) || !guest_walk(&w, root, va, error))
        return false;
    for (unsigned level = 4; level > 1; level--)
        set_bits(d, &w, level, PTE_A);
    set_bits(d, &w, 1, write ? PTE_A | PTE_D : PTE_A);
    log_dirty_count_fault(d);
    if (!shadow_fill(d, &w, root, va, write)) {
        shadow_reclaim(d);
        BUG_ON(!shadow_fill(d, &w, root, va, write)); /* the spares are enough for one walk */
    }
    return true;
}

bool pv_shadow_fault(vaddr_t va, u32 *error)
{
    struct vcpu *v = current;
    struct domain *d = v->domain;
    bool mine = spin_is_mine(&d->pv.pt_lock), done;

    if (!va_is_canonical(va) || !guest_range_ok(va, 1))
        return false;
    /* Also for copies that are made with the lock held (pt_write.c). */
    if (!mine)
        pt_lock(d);
    done = fault_locked(v, va, error);
    if (!mine)
        pt_unlock(d);
    return done;
}
