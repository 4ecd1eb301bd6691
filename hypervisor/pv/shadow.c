/* SPDX-License-Identifier: MIT */
/*
 * Shadow page tables: while it logs what a PV domain writes, the CPU walks
 * copies of the domain's tables, in which a frame is writable only if a write
 * to it has been noted.
 *
 *      guest's L4 ----> L3 ----> L2 ----> L1 ----> frames      what the guest reads and writes
 *        |pt.shadow     |        |        |           ^
 *        v              v        v        v           |
 *      shadow L4 ---> shadow - shadow - shadow -------'        what CR3 points to
 *
 * A shadow is filled by faults (shadow_fault.c) and is never ahead of its
 * original: an entry is there only if the guest's table has it, with no more
 * rights.  That holds because all changes of a guest's table in use go through
 * pt_update.c, which clears the shadow's entry as part of the change, and
 * because a table's shadow goes when the table stops being one.  So references,
 * types and flushes are those of the guest's tables, and shadows own nothing.
 *
 * Why no shadow is ever pointed to after it is gone: a table stops being one
 * when its last use goes, so all entries that name it have been replaced, and
 * their shadows cleared.  CPUs may still have it in their paging-structure
 * caches; its frame is not used again before they are flushed.
 */
#include "shadow.h"

#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/log.h>

#define ROOTS_OF_A_VCPU 2
/* L3, L2 and L1 for each address that one instruction may touch, itself included, so that it comes to an end. */
#define SPARES_FOR_AN_INSTRUCTION (3 * 8)
#define LIMIT_SHIFT 5           /* of the domain's frames, what shadows may take beyond the spares, and at least */
#define LIMIT_LEAST 64
#define LIMIT_MOST 16384        /* as all of them are looked at under pt_lock */

/* --- chains of frames, linked by number --- */

static void chain_push(u32 *head, struct page *p)
{
    u32 n = (u32)page_to_mfn(p).n;

    p->prev = PAGE_LINK_NONE;
    p->next = *head;
    if (*head != PAGE_LINK_NONE)
        mfn_to_page(MFN(*head))->prev = n;
    *head = n;
}

static void chain_remove(u32 *head, struct page *p)
{
    if (p->prev == PAGE_LINK_NONE)
        *head = p->next;
    else
        mfn_to_page(MFN(p->prev))->next = p->next;
    if (p->next != PAGE_LINK_NONE)
        mfn_to_page(MFN(p->next))->prev = p->prev;
}

static struct page *chain_first(u32 head)
{
    return head == PAGE_LINK_NONE ? NULL : mfn_to_page(MFN(head));
}

/* A shadow's struct page remembers whose it is in 'type', which hypervisor memory has no other use for. */
static struct page *original_of(const struct page *shadow)
{
    return mfn_to_page(MFN(shadow->type));
}

/* --- frames --- */

static struct page *frame_from_heap(void)
{
    void *table = heap_alloc(0, HEAP_NO_SCRUB);

    return table ? virt_to_page(table) : NULL;
}

static struct page *frame_take(struct shadow *s)
{
    struct page *p = s->count < s->limit ? frame_from_heap() : NULL;

    if (!p && (p = chain_first(s->spare))) {
        chain_remove(&s->spare, p);
        s->spares--;
    }
    return p;
}

/* CPUs may have it cached as a table. */
static void frame_to_heap(struct page *p)
{
    p->type = 0;
    heap_free_mapped_pages(p, 0);
}

/* To be a spare, no CPU may have it cached any more. */
static void frame_give_back(struct shadow *s, struct page *p)
{
    if (s->spares < s->spares_wanted) {
        chain_push(&s->spare, p);
        s->spares++;
    } else {
        frame_to_heap(p);
    }
}

static int spares_fill(struct shadow *s)
{
    while (s->spares < s->spares_wanted) {
        struct page *p = frame_from_heap();

        if (!p)
            return -ENOMEM;
        chain_push(&s->spare, p);
        s->spares++;
    }
    return 0;
}

static void spares_drop(struct shadow *s)
{
    struct page *p;

    while ((p = chain_first(s->spare))) {
        chain_remove(&s->spare, p);
        frame_to_heap(p);
    }
    s->spares = 0;
}

/* --- tables --- */

static void clear_guest_part(u64 *l4)
{
    memset(l4, 0, L4_SLOT_FIRST * sizeof(*l4));
    memset(&l4[L4_SLOT_LAST + 1], 0, (PT_ENTRIES - 1 - L4_SLOT_LAST) * sizeof(*l4));
}

struct page *shadow_get(struct domain *d, struct page *guest)
{
    struct shadow *s = d->pv.shadow;
    struct page *p = shadow_of(guest);
    u64 *table;

    if (p)
        return p;
    p = frame_take(s);
    if (!p)
        return NULL;
    table = page_to_virt(p);
    if ((atomic_read(&guest->type) & PGT_TYPE_MASK) == PGT_L4) {
        memcpy(table, page_to_virt(guest), PAGE_SIZE); /* for the hypervisor's slots */
        clear_guest_part(table);
    } else {
        memset(table, 0, PAGE_SIZE);
    }
    p->type = page_to_mfn(guest).n;
    chain_push(&s->tables, p);
    s->count++;
    WRITE_ONCE(guest->pt.shadow, (u32)page_to_mfn(p).n);
    return p;
}

static void table_unlink(struct shadow *s, struct page *p)
{
    WRITE_ONCE(original_of(p)->pt.shadow, 0);
    chain_remove(&s->tables, p);
    s->count--;
}

void pv_shadow_table_gone(struct page *guest)
{
    struct domain *d = page_owner(guest);
    struct shadow *s = d->pv.shadow;
    struct page *p = shadow_of(guest);

    table_unlink(s, p);
    if (unlikely(s->spares < s->spares_wanted))
        pt_flush_domain(d);
    frame_give_back(s, p);
}

void pv_shadow_entry_changed(struct domain *d, u64 *pte)
{
    struct page *guest = virt_to_page(pte), *p = shadow_of(guest);

    pv_mark_dirty(d, page_to_mfn(guest));
    if (p)
        (void)atomic_xchg((u64 *)((char *)page_to_virt(p) + ((vaddr_t)pte & PAGE_OFFSET_MASK)), 0); /* see pt_stamp */
}

static bool is_a_root(struct domain *d, const struct page *guest)
{
    mfn_t m = page_to_mfn(guest);

    if ((atomic_read(&guest->type) & PGT_TYPE_MASK) != PGT_L4)
        return false;
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        const struct vcpu *v = domain_vcpu(d, i);

        if (v && (mfn_eq(v->pv.root_kernel, m) || mfn_eq(v->pv.root_user, m)))
            return true;
    }
    return false;
}

void shadow_reclaim(struct domain *d)
{
    struct shadow *s = d->pv.shadow;
    u32 dead = PAGE_LINK_NONE, next;
    struct page *p;

    for (u32 n = s->tables; n != PAGE_LINK_NONE; n = next) {
        p = mfn_to_page(MFN(n));
        next = p->next;
        if (is_a_root(d, original_of(p))) {
            clear_guest_part(page_to_virt(p));
        } else {
            table_unlink(s, p);
            chain_push(&dead, p);
        }
    }
    pt_flush_domain(d);
    while ((p = chain_first(dead))) {
        chain_remove(&dead, p);
        frame_give_back(s, p);
    }
}

void shadow_root_make(struct domain *d, mfn_t root)
{
    if (mfn_is_invalid(root) || shadow_get(d, mfn_to_page(root)))
        return;
    shadow_reclaim(d);
    BUG_ON(!shadow_get(d, mfn_to_page(root))); /* spares_wanted counts all roots */
}

/* Under the new CR3 of its next entry, a vCPU has nothing of the tables it leaves. */
static void roots_make(struct domain *d)
{
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        struct vcpu *v = domain_vcpu(d, i);

        if (!v)
            continue;
        shadow_root_make(d, v->pv.root_kernel);
        shadow_root_make(d, v->pv.root_user);
    }
}

static u32 tables_allowed(const struct domain *d)
{
    u64 share = READ_ONCE(d->tot_pages) >> LIMIT_SHIFT;

    share = MAX(share, (u64)LIMIT_LEAST);
    return (u32)MIN(share, (u64)LIMIT_MOST);
}

int shadow_enable(struct domain *d)
{
    struct shadow *s = mem_alloc_type(struct shadow);
    int rc;

    if (!s)
        return -ENOMEM;
    s->tables = s->spare = PAGE_LINK_NONE;
    /* One vCPU's more: a root that comes is made before the one it replaces goes. */
    s->spares_wanted = (d->max_vcpus + 1) * ROOTS_OF_A_VCPU + d->max_vcpus * SPARES_FOR_AN_INSTRUCTION;
    s->limit = tables_allowed(d);
    rc = spares_fill(s);
    if (rc) {
        spares_drop(s);
        mem_free(s);
        return rc;
    }
    pt_lock(d);
    WRITE_ONCE(d->pv.shadow, s);
    d->pv.cr3_indirect = true;
    roots_make(d);
    pt_unlock(d);
    return 0;
}

void shadow_disable(struct domain *d)
{
    struct shadow *s = d->pv.shadow;
    struct page *p;

    if (!s)
        return;
    pt_lock(d);
    while ((p = chain_first(s->tables))) {
        table_unlink(s, p);
        frame_to_heap(p);
    }
    WRITE_ONCE(d->pv.shadow, NULL);
    d->pv.cr3_indirect = d->pv.xpti;
    pt_unlock(d);
    spares_drop(s);
    mem_free(s);
}

static void table_revoke_writes(u64 *l1)
{
    for (unsigned i = 0; i < PT_ENTRIES; i++)
        if (l1[i] & PTE_RW)
            WRITE_ONCE(l1[i], l1[i] & ~PTE_RW);
}

void shadow_revoke_writes(struct domain *d)
{
    pt_lock(d);
    for (u32 n = d->pv.shadow->tables; n != PAGE_LINK_NONE; n = mfn_to_page(MFN(n))->next)
        if ((original_of(mfn_to_page(MFN(n)))->type & PGT_TYPE_MASK) == PGT_L1)
            table_revoke_writes(mfn_to_virt(MFN(n)));
    pt_flush_domain(d);
    pt_unlock(d);
}
