/* SPDX-License-Identifier: MIT */
/*
 * Grant mappings in page tables: puts a granted frame at an address (or into
 * an L1 entry) of the current domain, and takes it out again.
 *
 * The references of a mapping lie with its entry, whoever changes that: if the
 * guest overwrites it by other means, pt_update drops them, and an unmapping
 * that comes later finds another frame there and fails.
 */
#include <zelo/domain.h>
#include <zelo/grant.h>
#include <zelo/guest.h>
#include <zelo/log.h>

#include "pt.h"

/* Bits that the guest asked for among those which the CPU ignores: three at 9, the others at 52. */
static u64 guest_avail_bits(u32 gntmap_flags)
{
    u64 bits = gntmap_flags >> _GNTMAP_guest_avail0;

    return (bits & 7) << 9 | (bits >> 3 & 0x7ff) << 52;
}

static u64 grant_entry(mfn_t frame, u32 gntmap_flags)
{
    u64 flags = PTE_P | PTE_A | guest_avail_bits(gntmap_flags);

    if (!(gntmap_flags & GNTMAP_readonly))
        flags |= PTE_RW | PTE_D;
    if (pt_nx_usable)
        flags |= PTE_NX;
    return pte_normalise(pte_make(frame, flags));
}

/* pt_lock held. */
static u64 *find_entry(u64 host_addr, u32 gntmap_flags)
{
    struct page *table;
    unsigned level;
    u64 *pte;

    if (!(gntmap_flags & GNTMAP_contains_pte))
        return guest_range_ok(host_addr, 1) ? pt_find_l1e(current, host_addr, &table) : NULL;
    pte = pt_find_entry(current->domain, host_addr, &level, &table);
    return pte && level == 1 ? pte : NULL;
}

int pv_grant_map(u64 host_addr, mfn_t frame, u32 gntmap_flags)
{
    struct domain *d = current->domain;
    u64 *pte, old = 0;
    bool done;

    pt_lock(d);
    pte = find_entry(host_addr, gntmap_flags);
    if (pte)
        old = READ_ONCE(*pte);
    done = pte && pt_l1e_exchange(d, pte, old, grant_entry(frame, gntmap_flags));
    if (done)
        pt_l1e_put(d, old);
    pt_unlock(d);
    if (!done)
        return pte ? GNTST_general_error : GNTST_bad_virt_addr;
    if (unlikely(old & PTE_P))
        pt_flush_domain(d);
    return GNTST_okay;
}

/*
 * Takes the entry at va out of the tables, with what it owns, to put it where
 * 'target' is.  False if there is none or it is the target.  pt_lock held.
 */
static bool take_entry(u64 va, const u64 *target, u64 *entry)
{
    u64 *pte = find_entry(va, 0);

    if (!pte || pte == target)
        return false;
    *entry = READ_ONCE(*pte);
    return pt_l1e_exchange(current->domain, pte, *entry, 0);
}

static int unmap_locked(u64 host_addr, mfn_t frame, u64 new_addr, u32 gntmap_flags, u64 *old)
{
    u64 *pte = find_entry(host_addr, gntmap_flags), new = 0;

    if (!pte)
        return GNTST_bad_virt_addr;
    *old = READ_ONCE(*pte);
    if (!(*old & PTE_P) || !mfn_eq(pte_mfn(*old), frame))
        return GNTST_general_error;
    if (new_addr && !take_entry(new_addr, pte, &new))
        return GNTST_bad_virt_addr;
    /* pt_lock keeps all but accessed and dirty bits still */
    BUG_ON(!pt_l1e_exchange(current->domain, pte, *old, new));
    return GNTST_okay;
}

int pv_grant_unmap(u64 host_addr, mfn_t frame, u64 new_addr, u32 gntmap_flags, u64 *old)
{
    struct domain *d = current->domain;
    int rc;

    pt_lock(d);
    rc = unmap_locked(host_addr, frame, new_addr, gntmap_flags, old);
    pt_unlock(d);
    return rc;
}

void pv_grant_flush(void)
{
    pt_flush_domain(current->domain);
}

/* No CPU has the translation any more: nothing to note for the frame's next use. */
void pv_grant_drop(u64 old)
{
    struct page *p = mfn_to_page(pte_mfn(old));

    if (old & PTE_RW) {
        pv_mark_page_dirty(p);
        page_put_type(p);
    }
    page_put(p);
}
