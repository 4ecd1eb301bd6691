/* SPDX-License-Identifier: MIT */
/*
 * A change of an L1 entry that maps the same frame as before, in line: what mprotect and fork do to entry after entry.
 * What the old entry owned shows that the frame may be mapped here, and how.
 */
#ifndef ZELO_PV_PT_KEEP_FRAME_H
#define ZELO_PV_PT_KEEP_FRAME_H

#include "pt.h"

#include <zelo/errno.h>

/* The bits of an entry that own nothing and need no check. */
static inline u64 pte_free_bits(void)
{
    return PTE_USER | PTE_A | PTE_D | PTE_SOFT | (pt_nx_usable ? PTE_NX : 0);
}

/* Puts new in place; *old becomes what was there. False: PT_EXPECT_OLD and another entry is there. */
static inline bool pt_entry_put(u64 *pte, u64 *old, u64 new, unsigned flags)
{
    if (flags & PT_EXPECT_OLD)
        return atomic_cas(pte, old, new);
    if (flags & PT_KEEP_AD)
        while (!atomic_cas(pte, old, new | (*old & (PTE_A | PTE_D))))
            ;
    else if (*old & PTE_P)
        *old = atomic_xchg(pte, new);
    else
        WRITE_ONCE(*pte, new);
    return true;
}

/* The same for a table of d; its shadow, if any, loses the entry before the caller drops what that owned. */
static inline bool pt_entry_store(struct domain *d, u64 *pte, u64 *old, u64 new, unsigned flags)
{
    bool done = pt_entry_put(pte, old, new, flags);

    if (unlikely(d->pv.shadow) && done)
        pv_shadow_entry_changed(d, pte);
    return done;
}

/* Read-only to writable on the same frame, or back; the old entry shows who owns it. */
static inline int pt_l1_change_rw(struct domain *d, u64 *pte, u64 new, unsigned flags, u64 *old, struct page *p)
{
    if (new & PTE_RW) {
        int rc = page_get_writable(p);

        if (unlikely(rc))
            return rc;
    }
    if (!pt_entry_store(d, pte, old, new, flags)) {
        if (new & PTE_RW)
            page_put_writable(p);
        return -EAGAIN;
    }
    if (!(new & PTE_RW)) {
        pt_stamp(p); /* writable until now, so no table */
        page_put_writable(p);
    }
    return 0;
}

#define PT_OTHER_FRAME 1

/* *old is what is there, new normalised. As pt_update; PT_OTHER_FRAME, and nothing is done: not such a change. */
static inline int must_check pt_l1_keep_frame(struct domain *d, u64 *pte, u64 new, unsigned flags, u64 *old)
{
    u64 changed = (*old ^ new) & ~pte_free_bits();

    if (!(*old & PTE_P) || (changed & ~PTE_RW))
        return PT_OTHER_FRAME;
    if (!changed)
        return pt_entry_store(d, pte, old, new, flags) ? 0 : -EAGAIN;
    /* A foreign frame may have been mapped by a grant that allows no more than reading. */
    if (unlikely(pt_frame_is_io(pte_mfn(new)) || !page_is_owned_by(mfn_to_page(pte_mfn(new)), d)))
        return PT_OTHER_FRAME;
    return pt_l1_change_rw(d, pte, new, flags, old, mfn_to_page(pte_mfn(new)));
}

#endif
