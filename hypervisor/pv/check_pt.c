/* SPDX-License-Identifier: MIT */
/*
 * The invariant checker on page tables: notes what every entry of every table
 * holds by the rule of references (pt.h), what half-done validations and
 * undoings hold (page_type.c), and what vCPUs hold: roots, descriptor tables.
 * Each entry must be one that pt_entry.c lets in.
 */
#include "check_private.h"

#include <zelo/grant.h>

/* --- entries --- */

/* May the guest's table have it, whoever owns the frame?  The CPU may set accessed and dirty bits at any time. */
static bool entry_bits_ok(const struct domain *d, u64 e, unsigned level)
{
    u64 refused = level > 1 ? PTE_PWT | PTE_PCD | PTE_PSE : 0;

    if (level == 1 && !d->is_privileged && !pt_frame_is_io(pte_mfn(e)))
        refused = PTE_CACHE;
    if (!pt_nx_usable)
        refused |= PTE_NX;
    return e == pte_normalise(e) && !(e & refused);
}

/*
 * May d map frames of the owner: its own, those of a domain that it controls,
 * and what was granted.  A domain that controls d may have put its own there
 * (or a third's; but that nobody does, and it would be reported).  A dying
 * domain has given its grants up, and its tables go next.
 */
static bool frame_allowed(const struct domain *d, mfn_t m)
{
    const struct domain *owner = page_owner(mfn_to_page(m));

    if (owner == d || d->dying != DOMAIN_ALIVE)
        return true;
    return owner && (domain_controls(d, owner) || domain_controls(owner, d) || grant_maps_frame(d, m));
}

static void l1_entry_check(const struct domain *d, mfn_t table, unsigned i, u64 e)
{
    mfn_t m = pte_mfn(e);
    bool io = pt_frame_is_io(m);

    if (io ? m.n >> (arch_phys_addr_bits() - PAGE_SHIFT) != 0 : !frame_allowed(d, m))
        check_violation("d%u: entry %u of L1 %lx is %016lx, a frame that it may not map", d->id, i,
                        (unsigned long)table.n, (unsigned long)e);
    if (io)
        return;
    if (e & PTE_RW)
        check_use(d, "writable L1 entry", m, PGT_WRITABLE);
    else
        check_ref(d, "read-only L1 entry", m);
}

static void upper_entry_check(const struct domain *d, mfn_t table, unsigned level, unsigned i, u64 e)
{
    mfn_t m = pte_mfn(e);

    if (!mfn_valid(m) || !page_is_owned_by(mfn_to_page(m), d))
        check_violation("d%u: entry %u of L%u %lx is %016lx, not a frame of its own", d->id, i, level,
                        (unsigned long)table.n, (unsigned long)e);
    check_use(d, "entry of a higher table", m, PT_TYPE(level - 1));
}

static void entry_check(const struct domain *d, mfn_t table, unsigned level, unsigned i, u64 e)
{
    if (!(e & PTE_P))
        return;
    if (!entry_bits_ok(d, e, level))
        check_violation("d%u: entry %u of L%u %lx is %016lx, which is refused", d->id, i, level,
                        (unsigned long)table.n, (unsigned long)e);
    if (level == 1)
        l1_entry_check(d, table, i, e);
    else
        upper_entry_check(d, table, level, i, e);
}

/* --- tables --- */

static bool slot_is_ours(unsigned level, unsigned i)
{
    return level == 4 && i >= L4_SLOT_FIRST && i <= L4_SLOT_LAST;
}

/* The hypervisor's part of a root: as pv_fill_hypervisor_slots and root_m2p_slot make it. */
static void slots_check(const struct domain *d, mfn_t table, const u64 *l4)
{
    for (unsigned i = L4_SLOT_FIRST; i <= L4_SLOT_LAST; i++) {
        u64 e = l4[i] & ~(PTE_A | PTE_D), want = *paging_l4_slot(i) & ~(PTE_A | PTE_D);
        bool ok = e == want;

        if (i == L4_SLOT_PERDOMAIN)
            ok = d->pv.perdomain_l3 ? (e & PTE_P) && mfn_eq(pte_mfn(e), virt_to_mfn(d->pv.perdomain_l3)) : !e;
        else if (i == L4_SLOT_M2P_RO && !e)
            ok = true; /* VMASST_TYPE_m2p_strict */
        if (!ok)
            check_violation("d%u: slot %u of L4 %lx is %016lx", d->id, i, (unsigned long)table.n, (unsigned long)e);
    }
}

/* How many of its entries hold what they name. */
static unsigned entries_held(const struct page *p)
{
    if (p->type & PGT_VALIDATED)
        return PT_ENTRIES;
    return p->type & PGT_PARTIAL ? p->pt.entries : 0;
}

static void table_check(const struct domain *d, const struct page *p)
{
    unsigned level = PT_LEVEL(p->type & PGT_TYPE_MASK), end = entries_held(p);
    const u64 *table = page_to_virt(p);
    mfn_t m = page_to_mfn(p);

    for (unsigned i = 0; i < end; i++)
        if (!slot_is_ours(level, i))
            entry_check(d, m, level, i, READ_ONCE(table[i]));
    if (level == 4 && (p->type & PGT_VALIDATED))
        slots_check(d, m, table);
    /* The entry's use of the child is gone, its reference is not. */
    if ((p->type & PGT_PARTIAL) && p->pt.partial == PT_UNDOING_CHILD)
        check_ref(d, "half-undone table", pte_mfn(table[p->pt.entries]));
}

static bool is_table(const struct page *p)
{
    u64 type = p->type & PGT_TYPE_MASK;

    return type >= PGT_L1 && type <= PGT_L4 && (p->type & PGT_COUNT_MASK);
}

/* The list is in order, or that has been reported: then this must come to an end all the same. */
static void tables_check(const struct domain *d)
{
    u32 n = d->page_first;

    for (u64 i = 0; i < d->tot_pages && n != PAGE_LINK_NONE && mfn_valid(MFN(n)); i++) {
        const struct page *p = mfn_to_page(MFN(n));

        if (is_table(p))
            table_check(d, p);
        n = p->next;
    }
}

/* --- vCPUs --- */

static void root_check(const struct domain *d, const char *what, mfn_t m)
{
    if (mfn_is_invalid(m))
        return;
    check_use(d, what, m, PGT_L4);
    if (mfn_valid(m) && !page_is_owned_by(mfn_to_page(m), d))
        check_violation("d%u: its %s is frame %lx, not its own", d->id, what, (unsigned long)m.n);
}

static void gdt_check(struct vcpu *v)
{
    unsigned n = DIV_ROUND_UP(v->pv.gdt_entries, (u32)PT_ENTRIES);

    for (unsigned i = 0; i < n; i++) {
        mfn_t m = v->pv.gdt_frames[i];

        if (mfn_is_invalid(m))
            continue;
        check_use(v->domain, "GDT", m, PGT_SEG_DESC);
        if (!mfn_eq(pte_mfn(perdomain_window_entry(v, i)), m))
            check_violation("d%uv%u: page %u of its GDT is frame %lx, mapped is %016lx", v->domain->id, v->id, i,
                            (unsigned long)m.n, (unsigned long)perdomain_window_entry(v, i));
    }
}

static void ldt_check(struct vcpu *v)
{
    for (unsigned i = 0; i < LDT_PAGES; i++) {
        u64 e = perdomain_window_entry(v, WINDOW_LDT + i);

        if (!(e & PTE_P) == !!(v->pv.ldt_mapped & (1u << i)))
            check_violation("d%uv%u: page %u of its LDT is %016lx, but %x are mapped", v->domain->id, v->id, i,
                            (unsigned long)e, v->pv.ldt_mapped);
        if (e & PTE_P)
            check_use(v->domain, "LDT", pte_mfn(e), PGT_SEG_DESC);
    }
}

static void vcpu_check(struct vcpu *v)
{
    root_check(v->domain, "kernel root", v->pv.root_kernel);
    root_check(v->domain, "user root", v->pv.root_user);
    if (v->domain->pv.perdomain_l1) {
        gdt_check(v);
        ldt_check(v);
    }
    if (v->pv.undo)
        check_ref(page_owner(v->pv.undo), "vCPU's unfinished undoing", page_to_mfn(v->pv.undo));
}

void pv_check(struct domain *d)
{
    struct vcpu *v;

    pt_lock(d);
    tables_check(d);
    for_each_vcpu(d, v)
        vcpu_check(v);
    if (d->pv.relmem_cursor)
        check_ref(d, "progress of its end", page_to_mfn(d->pv.relmem_cursor));
    if (d->pv.shadow)
        shadow_check(d);
    pt_unlock(d);
}
