/* SPDX-License-Identifier: MIT */
/*
 * Domain 0's first page tables, written as plain entries: the frames get their
 * types when the L4 is pinned, which validates all of it.  So page-table pages
 * are mapped read-only here already.
 */
#include "dom0.h"

#include <zelo/errno.h>
#include <zelo/log.h>

#include "pt.h"

#define FLAGS_RO (PTE_P | PTE_USER | PTE_A)
#define FLAGS_RW (FLAGS_RO | PTE_RW | PTE_D)

/* How many naturally aligned blocks of 2^shift bytes the range touches. */
static u64 blocks_touched(vaddr_t va, u64 bytes, unsigned shift)
{
    return bytes ? ((va + bytes - 1) >> shift) - (va >> shift) + 1 : 0;
}

u64 dom0_tables_needed(vaddr_t va, u64 pages)
{
    u64 n = 0;

    for (unsigned level = 2; level <= 4; level++)
        n += blocks_touched(va, pages << PAGE_SHIFT, PT_SHIFT(level));
    return n;
}

/* Where new tables come from: the frames set apart for them, in order. */
struct tables {
    const struct dom0_frames *frames;
    u64 l4;              /* pfn */
    u64 next, end;       /* pfns */
};

/* The L1 entry for va; tables on the way are made as needed. */
static u64 *l1_entry(struct tables *t, vaddr_t va)
{
    u64 *table = dom0_frames_virt(t->frames, t->l4);

    for (unsigned level = 4; level > 1; level--) {
        u64 *e = &table[PT_INDEX(va, level)];

        if (!(*e & PTE_P)) {
            BUG_ON(t->next == t->end);
            *e = pte_make(MFN(dom0_frames_mfn(t->frames, t->next)), FLAGS_RW);
            t->next++;
        }
        table = mfn_to_virt(pte_mfn(*e));
    }
    return &table[PT_INDEX(va, 1)];
}

static bool is_table(const struct dom0_layout *l, u64 pfn)
{
    return pfn - l->tables < l->table_pages || pfn - l->p2m_tables < l->p2m_table_pages;
}

static void map(struct tables *t, const struct dom0_layout *l, vaddr_t va, u64 pfn, u64 pages)
{
    for (u64 i = 0; i < pages; i++)
        *l1_entry(t, va + (i << PAGE_SHIFT)) =
            pte_make(MFN(dom0_frames_mfn(t->frames, pfn + i)), is_table(l, pfn + i) ? FLAGS_RO : FLAGS_RW);
}

void dom0_tables_write(const struct dom0_layout *l, const struct dom0_frames *f)
{
    struct tables region = { f, l->tables, l->tables + 1, l->tables + l->table_pages };
    struct tables list = { f, l->tables, l->p2m_tables, l->p2m_tables + l->p2m_table_pages };

    dom0_frames_write(f, l->tables << PAGE_SHIFT, NULL, l->table_pages << PAGE_SHIFT);
    dom0_frames_write(f, l->p2m_tables << PAGE_SHIFT, NULL, l->p2m_table_pages << PAGE_SHIFT);
    map(&region, l, l->virt_base, 0, l->mapped);
    if (l->p2m_table_pages)
        map(&list, l, l->p2m_va, l->p2m, l->p2m_pages);
}

/* A PV kernel finds its first L4 pinned, and unpins it when it has one of its own. Validates all tables. */
void dom0_tables_pin(struct domain *d, u64 l4_mfn)
{
    struct page *p = mfn_to_page(MFN(l4_mfn));
    int rc;

    BUG_ON(!page_get(p, d));
    pt_lock(d);
    do {
        rc = page_get_type(p, PGT_L4);
    } while (rc == -E_PREEMPTED);
    if (!rc)
        atomic_fetch_or(&p->type, PGT_PINNED);
    pt_unlock(d);
    if (rc)
        boot_refuse("Domain 0: its first page tables are refused (error %d)\n", -rc);
}
