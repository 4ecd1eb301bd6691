/* SPDX-License-Identifier: MIT */
/*
 * Going through all entries of a table: taking what they own when the frame
 * becomes a page table, dropping it when it stops being one.
 *
 * Nobody can write to the table meanwhile (it has the type, and pt_lock is
 * held or the state is PARTIAL), so it reads the same after a pause.
 */
#include "pt.h"

#include <zelo/errno.h>
#include <zelo/hypercall.h>
#include <zelo/lib.h>

#define GROUP 8 /* entries looked at together, a cache line of them: most tables are mostly empty */

static bool group_empty(const u64 *e)
{
    return !((e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7]) & PTE_P);
}

static bool group_zero(const u64 *e)
{
    return !(e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7]);
}

static bool slot_is_ours(unsigned level, unsigned i)
{
    return level == 4 && i >= L4_SLOT_FIRST && i <= L4_SLOT_LAST;
}

static int l1_validate(struct page *p, const struct pt_ctx *c, u64 *table)
{
    for (unsigned i = 0; i < PT_ENTRIES; i++) {
        u64 e = table[i];
        int rc;

        if (i % GROUP == 0 && group_zero(&table[i])) {
            i += GROUP - 1;
            continue;
        }
        e = pte_normalise(e);
        rc = pt_l1e_get(c, e);
        if (rc) {
            p->pt.entries = (u16)i;
            return rc;
        }
        table[i] = e;
    }
    return 0;
}

static int upper_validate(struct page *p, struct domain *d, u64 *table, unsigned level)
{
    for (unsigned i = p->pt.entries; i < PT_ENTRIES; i++) {
        u64 e = table[i];
        int rc;

        if (i % GROUP == 0 && group_zero(&table[i])) {
            i += GROUP - 1;
            continue;
        }
        if (slot_is_ours(level, i) || (!(e & PTE_P) && !pt_absent_refused(d, e)))
            continue;
        e = pte_normalise(e);
        rc = e & PTE_P ? pt_upper_get(d, e, level) : -EINVAL;
        if (rc) {
            p->pt.entries = (u16)i;
            return rc;
        }
        table[i] = e;
        if (hypercall_should_preempt()) {
            p->pt.entries = (u16)(i + 1);
            return -E_PREEMPTED;
        }
    }
    if (level == 4)
        pv_fill_hypervisor_slots(table, d);
    return 0;
}

int pt_validate(struct page *p, u64 type)
{
    struct domain *d = page_owner(p);
    struct pt_ctx c = { .table_owner = d, .frame_owner = d };

    if (type == PGT_L1)
        return l1_validate(p, &c, page_to_virt(p));
    return upper_validate(p, d, page_to_virt(p), PT_LEVEL(type));
}

static void l1_undo(struct domain *d, const u64 *table, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (i % GROUP == 0 && group_empty(&table[i]))
            i += GROUP - 1;
        else
            pt_l1e_put(d, table[i]);
    }
}

static int upper_undo(struct page *p, u64 *table, unsigned level, bool preemptible)
{
    if (p->pt.partial == PT_UNDOING_CHILD) {
        struct page *child = mfn_to_page(pte_mfn(table[p->pt.entries]));

        if (page_finish_undo(child, preemptible))
            return -E_PREEMPTED;
        page_put(child);
        p->pt.partial = PT_UNDOING;
    }
    while (p->pt.entries) {
        unsigned i;

        if (p->pt.entries % GROUP == 0 && group_empty(&table[p->pt.entries - GROUP])) {
            p->pt.entries -= GROUP;
            continue;
        }
        i = --p->pt.entries;
        if (!(table[i] & PTE_P) || slot_is_ours(level, i))
            continue;
        if (pt_upper_put(table[i], level, preemptible)) {
            p->pt.partial = PT_UNDOING_CHILD;
            return -E_PREEMPTED;
        }
        if (preemptible && i && hypercall_should_preempt())
            return -E_PREEMPTED;
    }
    return 0;
}

/* The guest gets no addresses of ours back. */
static void slots_clear(u64 *l4)
{
    memset(&l4[L4_SLOT_FIRST], 0, (L4_SLOT_LAST - L4_SLOT_FIRST + 1) * sizeof(*l4));
}

int pt_undo(struct page *p, u64 type, bool preemptible)
{
    u64 *table = page_to_virt(p);

    if (type == PGT_L1) {
        l1_undo(page_owner(p), table, p->pt.entries);
        return 0;
    }
    if (upper_undo(p, table, PT_LEVEL(type), preemptible))
        return -E_PREEMPTED;
    if (type == PGT_L4)
        slots_clear(table);
    return 0;
}
