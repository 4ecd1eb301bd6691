/* SPDX-License-Identifier: MIT */
/*
 * HYPERVISOR_mmu_update: lists of (machine address, value) pairs that change
 * page-table entries or the machine-to-phys table.
 *
 * Guests send them in batches, mostly for one table.  So requests are copied a
 * few at a time, pt_lock is held over the whole batch, and the table is looked
 * up and referenced when it changes, not for each request.
 */
#include "pt_keep_frame.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/hypercall.h>

#define BATCH 16

struct update {
    struct pt_ctx c;
    struct page *page;  /* the table of the last request, referenced; NULL: none */
    paddr_t ma;         /* its machine address */
    char *entries;
    bool l1;            /* it is an L1 table */
};

/* Makes the frame of this machine address u's, unless it is. */
static int table_select(struct update *u, paddr_t ma)
{
    mfn_t m = MFN(PFN_DOWN(ma));
    struct page *p = mfn_to_page(m);

    if (u->page && !PFN_DOWN(u->ma ^ ma))
        return 0;
    if (!mfn_valid(m) || !page_ref_get(p, u->c.table_owner))
        return -EINVAL;
    if (u->page)
        page_ref_put(u->page);
    u->page = p;
    u->ma = m.n << PAGE_SHIFT;
    u->entries = mfn_to_virt(m);
    return 0;
}

/* A frame that is no table: the guest could have written there itself. */
static int plain_write(struct update *u, u64 *entry, u64 val, unsigned flags)
{
    int rc = page_get_type(u->page, PGT_WRITABLE);

    if (rc)
        return rc;
    if (flags & PT_KEEP_AD)
        val |= READ_ONCE(*entry) & (PTE_A | PTE_D);
    WRITE_ONCE(*entry, val);
    pv_mark_page_dirty(u->page);
    page_put_type(u->page);
    return 0;
}

static int entry_write(struct update *u, paddr_t ma, u64 val, unsigned flags)
{
    u64 type, old, *entry;
    int rc;

    if (ma % sizeof(u64))
        return -EINVAL;
    rc = table_select(u, ma);
    if (rc)
        return rc;
    entry = (u64 *)(u->entries + (ma & PAGE_OFFSET_MASK));
    type = READ_ONCE(u->page->type); /* a table type stays while pt_lock is held */
    if (likely((type & PGT_VALIDATED) && PT_LEVEL(type) - 1 < 4))
        return pt_update(&u->c, entry, PT_LEVEL(type), val, flags, &old);
    return plain_write(u, entry, val, flags);
}

static int machphys_update(struct update *u, paddr_t ma, u64 pfn)
{
    mfn_t m = MFN(PFN_DOWN(ma));
    struct page *p = mfn_to_page(m);

    if (!mfn_valid(m) || !page_get(p, u->c.frame_owner))
        return -EINVAL;
    m2p_set(m, PFN(pfn));
    pv_mark_page_dirty(p); /* the page of that number is another one now */
    page_put(p);
    return 0;
}

static int update_any(struct update *u, const struct mmu_update *r)
{
    u->l1 = false; /* such a request may end a table */
    switch (r->ptr & 3) {
    case MMU_NORMAL_PT_UPDATE:
    case MMU_PT_UPDATE_NO_TRANSLATE: /* PV frame numbers are never translated */
        return entry_write(u, r->ptr & ~3ULL, r->val, 0);
    case MMU_PT_UPDATE_PRESERVE_AD:
        return entry_write(u, r->ptr & ~3ULL, r->val, PT_KEEP_AD);
    default:
        return machphys_update(u, r->ptr & ~3ULL, r->val);
    }
}

/* A whole entry of the same L1 table as before, to be written as it is or with its accessed and dirty bits kept? */
static inline bool is_of_table(const struct update *u, u64 ptr)
{
    _Static_assert(MMU_NORMAL_PT_UPDATE == 0 && MMU_PT_UPDATE_PRESERVE_AD == 2, "bit 1 tells these two");
    return u->l1 && !((ptr ^ u->ma) & ~((PAGE_OFFSET_MASK & ~7ULL) | MMU_PT_UPDATE_PRESERVE_AD));
}

/* Makes the request's table u's, if it has to be an L1 table; is it one? */
static bool table_enter(struct update *u, u64 ptr)
{
    u64 type;

    if ((ptr & ~(u64)MMU_PT_UPDATE_PRESERVE_AD) % sizeof(u64))
        return false;
    if (table_select(u, ptr))
        return false;
    type = atomic_read(&u->page->type); /* a table type stays while pt_lock is held */
    u->l1 = (type & (PGT_TYPE_MASK | PGT_VALIDATED)) == (PGT_L1 | PGT_VALIDATED);
    return u->l1;
}

static inline int update_one(struct update *u, const struct mmu_update *r)
{
    unsigned flags = r->ptr & MMU_PT_UPDATE_PRESERVE_AD ? PT_KEEP_AD : 0;
    u64 new = pte_normalise(r->val), old, *pte;
    int rc;

    if (unlikely(!is_of_table(u, r->ptr)) && !table_enter(u, r->ptr))
        return update_any(u, r);
    pte = (u64 *)(u->entries + (r->ptr & PAGE_OFFSET_MASK & ~7ULL));
    old = READ_ONCE(*pte);
    rc = pt_l1_keep_frame(u->c.table_owner, pte, new, flags, &old);
    return rc == PT_OTHER_FRAME ? pt_l1_change_frame(&u->c, pte, new, flags, &old) : rc;
}

/* Works through the list; *done counts what succeeded. 0, -E_PREEMPTED with work left, or the first error. */
static int update_list(struct update *u, vaddr_t list, u32 count, u32 *done)
{
    const struct vcpu *v = current;
    struct mmu_update req[BATCH];

    _Static_assert(sizeof(req) <= PAGE_SIZE, "read as few");
    while (*done < count) {
        u32 n = MIN(count - *done, (u32)BATCH);

        if (guest_read_few(req, list + (u64)*done * sizeof(*req), n * sizeof(*req)))
            return -EFAULT;
        for (u32 i = 0; i < n; i++) {
            int rc = update_one(u, &req[i]);

            if (rc)
                return rc;
            ++*done;
            if (unlikely(pt_undo_pending(v)))
                return -E_PREEMPTED;
        }
        if (*done < count && hypercall_should_preempt())
            return -E_PREEMPTED;
    }
    return 0;
}

static int update_locked(struct update *u, vaddr_t list, u32 count, u32 *done)
{
    int rc = -ESRCH;

    pt_lock(u->c.table_owner);
    if (READ_ONCE(u->c.table_owner->dying) == DOMAIN_ALIVE) /* else pv_domain_relinquish may have been there already */
        rc = update_list(u, list, count, done);
    pt_unlock(u->c.table_owner);
    if (u->page)
        page_ref_put(u->page);
    return rc;
}

static int owners_get(struct pt_ctx *c, u32 domains)
{
    int rc = pt_table_owner_get(domains >> 16, &c->table_owner);

    if (rc)
        return rc;
    rc = pt_frame_owner_get((domid_t)domains, &c->frame_owner);
    if (rc)
        pt_owner_put(c->table_owner);
    return rc;
}

static void owners_put(const struct pt_ctx *c)
{
    pt_owner_put(c->frame_owner);
    pt_owner_put(c->table_owner);
}

static int update_for(u32 domains, vaddr_t list, u32 count, u32 *done)
{
    bool own = domains == DOMID_SELF; /* its tables and its frames */
    struct update u;
    int rc;

    u.page = NULL;
    u.l1 = false;
    if (likely(own)) {
        u.c.table_owner = u.c.frame_owner = current->domain;
    } else {
        rc = owners_get(&u.c, domains);
        if (rc)
            return rc;
    }
    rc = update_locked(&u, list, count, done);
    if (unlikely(!own))
        owners_put(&u.c);
    return rc;
}

/* arg: list, count, where to say how many succeeded (may be 0), domains. */
long do_mmu_update(const struct hypercall_args *a)
{
    return pt_list_call(__HYPERVISOR_mmu_update, a, sizeof(struct mmu_update), update_for);
}
