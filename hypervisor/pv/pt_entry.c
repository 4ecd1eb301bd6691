/* SPDX-License-Identifier: MIT */
/*
 * What a page-table entry may be, and the references it owns.
 *
 * Frames come in two kinds.  RAM is counted: an entry takes a reference and,
 * if it allows writing, the type PGT_WRITABLE.  I/O memory is not: the domain
 * must have been given the frame (io_frames), and that is all.  Which kind a
 * frame is never changes, so that dropping agrees with taking.
 */
#include "pt.h"

#include <zelo/errno.h>

bool pt_nx_usable = true;

/* By the ABI the caller has the rights of whose frames it names, or its own with DOMID_IO. */
static int l1e_check_io(const struct pt_ctx *c, u64 e)
{
    struct domain *d = c->frame_owner == dom_io ? current->domain : c->frame_owner;
    mfn_t m = pte_mfn(e);

    if (m.n >> (arch_phys_addr_bits() - PAGE_SHIFT))
        return -EINVAL;
    return rangeset_contains(&d->io_frames, m.n, m.n) ? 0 : -EPERM;
}

/* The first-level cache compares no more address bits than these on any CPU with the flaw. */
#define L1TF_ADDR ((1ULL << 44) - PAGE_SIZE)

bool pt_absent_refused(const struct domain *d, u64 e)
{
    u64 pa = e & PTE_ADDR & L1TF_ADDR;

    /* Frame 0 holds nothing; entries without an address but with flags are common. */
    return d->pv.l1tf && !(e & PTE_P) && pa && pa >> PAGE_SHIFT < max_frame;
}

int pt_l1e_get_unusual(const struct pt_ctx *c, u64 e)
{
    if (!(e & PTE_P))
        return pt_absent_refused(c->table_owner, e) ? -EINVAL : 0;
    if (pt_nx_refused(e))
        return -EINVAL;
    if (pt_frame_is_io(pte_mfn(e)))
        return l1e_check_io(c, e);
    /* Uncached RAM: only who drives devices has a use for it. */
    if ((e & PTE_CACHE) && !c->table_owner->is_privileged)
        return -EINVAL;
    return pt_l1e_get_ram(c, e);
}

void pt_foreign_writable_put(struct page *p)
{
    pv_mark_page_dirty(p);
    pt_note_foreign_unmap(page_owner(p));
    page_put_type(p);
}

int pt_upper_get(struct domain *d, u64 e, unsigned level)
{
    const u64 refused = PTE_PWT | PTE_PCD | PTE_PSE;
    mfn_t m = pte_mfn(e);

    if ((e & refused) || pt_nx_refused(e) || !mfn_valid(m))
        return -EINVAL;
    return page_ref_get_and_type(mfn_to_page(m), d, PT_TYPE(level - 1));
}

/* On -E_PREEMPTED the use is dropped, the reference is not: it keeps the half-undone table findable. */
int pt_upper_put(u64 e, bool preemptible)
{
    struct page *p = mfn_to_page(pte_mfn(e));
    int rc;

    rc = page_put_type_from(p, preemptible);
    if (!rc)
        page_ref_put(p);
    return rc;
}
