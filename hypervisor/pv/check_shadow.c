/* SPDX-License-Identifier: MIT */
/*
 * The invariant checker on shadow page tables: each belongs to a validated
 * table of the domain, and no entry is ahead of the guest's own (shadow.c).
 */
#include "check_private.h"

/* The entry of a shadow of a higher level leads to the shadow of what the guest's leads to. */
static bool upper_entry_ok(u64 entry, u64 guest)
{
    const struct page *child = mfn_to_page(pte_mfn(guest));

    return shadow_of(child) && mfn_eq(page_to_mfn(shadow_of(child)), pte_mfn(entry));
}

/* What is writable has been noted; frames of others are their owners' to note. */
static bool l1_entry_ok(struct domain *d, u64 entry, u64 guest)
{
    mfn_t m = pte_mfn(guest);

    if (!mfn_eq(pte_mfn(entry), m) || (entry & PTE_RW & ~guest))
        return false;
    if (!(entry & PTE_RW) || pt_frame_is_io(m) || !page_is_owned_by(mfn_to_page(m), d))
        return true;
    return log_dirty_test(d, m);
}

static bool slot_is_ours(u64 type, unsigned i)
{
    return type == PGT_L4 && i >= L4_SLOT_FIRST && i <= L4_SLOT_LAST;
}

static void table_check(struct domain *d, const struct page *shadow, const struct page *guest)
{
    const u64 *table = page_to_virt(shadow), *original = page_to_virt(guest);
    u64 type = guest->type & PGT_TYPE_MASK;

    for (unsigned i = 0; i < PT_ENTRIES; i++) {
        u64 e = READ_ONCE(table[i]), g = READ_ONCE(original[i]);

        if (!(e & PTE_P) || slot_is_ours(type, i))
            continue;
        if (!(g & PTE_P) || !(type == PGT_L1 ? l1_entry_ok(d, e, g) : upper_entry_ok(e, g)))
            check_violation("d%u: entry %u of shadow %lx is %016lx, the guest's in %lx is %016lx", d->id, i,
                            (unsigned long)page_to_mfn(shadow).n, (unsigned long)e,
                            (unsigned long)page_to_mfn(guest).n, (unsigned long)g);
    }
}

static bool is_shadow_of(const struct domain *d, const struct page *shadow, const struct page *guest)
{
    u64 type = guest->type & PGT_TYPE_MASK;

    return page_is_owned_by(guest, d) && (guest->type & PGT_VALIDATED) && type >= PGT_L1 && type <= PGT_L4 &&
           shadow_of(guest) == shadow;
}

static void shadows_check(struct domain *d, const struct shadow *s)
{
    u32 count = 0;

    for (u32 n = s->tables; n != PAGE_LINK_NONE && count <= s->count; n = mfn_to_page(MFN(n))->next, count++) {
        const struct page *p = mfn_to_page(MFN(n)), *guest = mfn_to_page(MFN(p->type));

        if (mfn_valid(MFN(p->type)) && is_shadow_of(d, p, guest))
            table_check(d, p, guest);
        else
            check_violation("d%u: frame %x is said to be a shadow of frame %lx", d->id, n, (unsigned long)p->type);
    }
    if (count != s->count)
        check_violation("d%u: %u shadows are listed, it counts %u", d->id, count, s->count);
}

void shadow_check(struct domain *d)
{
    const struct shadow *s = d->pv.shadow;
    u32 spares = 0;

    shadows_check(d, s);
    for (u32 n = s->spare; n != PAGE_LINK_NONE && spares <= s->spares; n = mfn_to_page(MFN(n))->next)
        spares++;
    if (spares != s->spares)
        check_violation("d%u: %u spare frames are listed, it counts %u", d->id, spares, s->spares);
}
