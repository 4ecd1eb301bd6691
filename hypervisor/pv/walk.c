/* SPDX-License-Identifier: MIT */
/* Finding entries in a guest's page tables by virtual or machine address. */
#include "pt.h"

#include <zelo/guest.h>

u64 *pt_find_l1e_from(mfn_t root, vaddr_t va, struct page **table)
{
    u64 e = pte_make(root, PTE_P);

    if (mfn_is_invalid(root) || !va_is_canonical(va) || !guest_range_ok(va, 1))
        return NULL;
    for (unsigned level = 4; level > 1; level--) {
        const u64 *t = mfn_to_virt(pte_mfn(e));

        e = READ_ONCE(t[PT_INDEX(va, level)]);
        if (!(e & PTE_P))
            return NULL;
    }
    *table = mfn_to_page(pte_mfn(e));
    return (u64 *)mfn_to_virt(pte_mfn(e)) + PT_INDEX(va, 1);
}

u64 *pt_find_l1e(struct vcpu *v, vaddr_t va, struct page **table)
{
    return pt_find_l1e_from(pv_mode_root(&v->pv), va, table);
}

u64 *pt_find_entry(struct domain *d, paddr_t ma, unsigned *level, struct page **table)
{
    mfn_t m = MFN(PFN_DOWN(ma));
    struct page *p;
    u64 type;

    if (!mfn_valid(m) || ma % sizeof(u64))
        return NULL;
    p = mfn_to_page(m);
    type = atomic_read(&p->type);
    if (!page_is_owned_by(p, d) || !(type & PGT_VALIDATED) || !(type & PGT_COUNT_MASK))
        return NULL;
    *level = PT_LEVEL(type);
    if (*level < 1 || *level > 4)
        return NULL;
    *table = p;
    return (u64 *)((char *)mfn_to_virt(m) + (ma & PAGE_OFFSET_MASK));
}

/* Also for dumps of a guest that died while this CPU held the lock. */
u64 pv_walk_l1e(struct vcpu *v, vaddr_t va)
{
    struct domain *d = v->domain;
    bool mine = spin_is_mine(&d->pv.pt_lock);
    struct page *table;
    u64 *pte, e;

    if (!mine)
        pt_lock(d);
    pte = pt_find_l1e(v, va, &table);
    e = pte ? READ_ONCE(*pte) : 0;
    if (!mine)
        pt_unlock(d);
    return e & PTE_P ? e : 0;
}
