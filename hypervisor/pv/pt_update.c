/* SPDX-License-Identifier: MIT */
/*
 * Changing one entry of a page table in use: the heart of mmu_update,
 * update_va_mapping and emulated writes, and the path whose cost counts.
 *
 * Three ways, cheapest first:
 *   flags only   frame, writability and caching stay: nothing to count.  That
 *                the frame may be mapped here is implied by the old entry.
 *   RW only      the frame stays: one use as PGT_WRITABLE comes or goes.
 *                These two: pt_keep_frame.h.
 *   another frame  take all the new entry will own, exchange, drop all the old
 *                one owned.  In this order, so that a frame that stays is never
 *                without references, and a failure changes nothing.
 *
 * Under pt_lock only the CPU itself may change an entry meanwhile, and only
 * its accessed and dirty bits.
 */
#include "pt_keep_frame.h"

#include <zelo/errno.h>

static bool entry_load(u64 *pte, u64 *old, unsigned flags)
{
    u64 e = READ_ONCE(*pte);
    bool ok = !(flags & PT_EXPECT_OLD) || e == *old;

    *old = e;
    return ok;
}

int pt_l1_change_frame(const struct pt_ctx *c, u64 *pte, u64 new, unsigned flags, u64 *old)
{
    int rc = pt_l1e_get(c, new);

    if (rc)
        return rc;
    if (!pt_entry_store(c->table_owner, pte, old, new, flags)) {
        pt_l1e_put(c->table_owner, new);
        return -EAGAIN;
    }
    pt_l1e_put(c->table_owner, *old);
    return 0;
}

static int l1_update(const struct pt_ctx *c, u64 *pte, u64 new, unsigned flags, u64 *old)
{
    int rc = pt_l1_keep_frame(c->table_owner, pte, new, flags, old);

    return rc == PT_OTHER_FRAME ? pt_l1_change_frame(c, pte, new, flags, old) : rc;
}

static void upper_drop(u64 e)
{
    if ((e & PTE_P) && pt_upper_put(e, true))
        pt_undo_adopt(mfn_to_page(pte_mfn(e)));
}

static bool slot_is_ours(const u64 *pte, unsigned level)
{
    unsigned slot = (unsigned)(((vaddr_t)pte & PAGE_OFFSET_MASK) / sizeof(*pte));

    return level == 4 && slot >= L4_SLOT_FIRST && slot <= L4_SLOT_LAST;
}

/*
 * Taking the new entry may finish the interrupted undoing of another table
 * (page_type.c), and that one may have been what made this a table.
 */
static bool still_a_table(const u64 *pte, unsigned level)
{
    u64 type = READ_ONCE(virt_to_page(pte)->type);

    return (type & PGT_VALIDATED) && (type & PGT_TYPE_MASK) == PT_TYPE(level);
}

static int upper_update(struct domain *d, u64 *pte, unsigned level, u64 new, unsigned flags, u64 *old)
{
    u64 changed = (*old ^ new) & ~(pte_free_bits() | PTE_RW);
    int rc;

    if (slot_is_ours(pte, level))
        return -EINVAL;
    if ((*old & PTE_P) && (new & PTE_P) && !changed)
        return pt_entry_store(d, pte, old, new, flags) ? 0 : -EAGAIN;
    if (new & PTE_P) {
        rc = pt_upper_get(d, new, level);
        if (rc)
            return rc;
        if (unlikely(!still_a_table(pte, level))) {
            upper_drop(new);
            return -EINVAL;
        }
    } else if (unlikely(pt_absent_refused(d, new))) {
        return -EINVAL;
    }
    if (!pt_entry_store(d, pte, old, new, flags)) {
        upper_drop(new);
        return -EAGAIN;
    }
    upper_drop(*old);
    return 0;
}

int pt_update(const struct pt_ctx *c, u64 *pte, unsigned level, u64 new, unsigned flags, u64 *old)
{
    if (!entry_load(pte, old, flags))
        return -EAGAIN;
    new = pte_normalise(new);
    if (likely(level == 1))
        return l1_update(c, pte, new, flags, old);
    return upper_update(c->table_owner, pte, level, new, flags, old);
}

bool pt_l1e_exchange(struct domain *d, u64 *pte, u64 expect, u64 new)
{
    u64 old = READ_ONCE(*pte);

    do {
        if ((old ^ expect) & ~(PTE_A | PTE_D))
            return false;
    } while (!atomic_cas(pte, &old, pte_normalise(new)));
    if (unlikely(d->pv.shadow))
        pv_shadow_entry_changed(d, pte);
    return true;
}
