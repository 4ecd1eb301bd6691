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

/* Most tables are mostly empty: a cache line of entries is looked at together, and first a block of lines. */
#define LINE 8
#define BLOCK (4 * LINE)

static inline u64 line_bits(const u64 *e)
{
    return e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7];
}

static inline u64 block_bits(const u64 *e)
{
    return line_bits(e) | line_bits(e + LINE) | line_bits(e + 2UL * LINE) | line_bits(e + 3UL * LINE);
}

/* i is a line's first entry: i, or the first entry of a later line, or PT_ENTRIES. Only zeros lie before it. */
static never_inline unsigned zero_lines_skip(const u64 *table, unsigned i)
{
    while (i < PT_ENTRIES) {
        if (i % BLOCK == 0 && !block_bits(&table[i]))
            i += BLOCK;
        else if (!line_bits(&table[i]))
            i += LINE;
        else
            break;
    }
    return i;
}

/* The same downwards: n entries are left. */
static never_inline unsigned zero_lines_skip_down(const u64 *table, unsigned n)
{
    while (n) {
        if (n % BLOCK == 0 && !block_bits(&table[n - BLOCK]))
            n -= BLOCK;
        else if (!line_bits(&table[n - LINE]))
            n -= LINE;
        else
            break;
    }
    return n;
}

/* i, or a later one if there are only zeros up to it. */
static inline unsigned next_entry(const u64 *table, unsigned i)
{
    return i % LINE ? i : zero_lines_skip(table, i);
}

static bool slot_is_ours(unsigned level, unsigned i)
{
    return level == 4 && i >= L4_SLOT_FIRST && i <= L4_SLOT_LAST;
}

static int l1_validate(struct page *p, const struct pt_ctx *c, u64 *table)
{
    for (unsigned i = next_entry(table, 0); i < PT_ENTRIES; i = next_entry(table, i + 1)) {
        u64 e = pte_normalise(table[i]);
        int rc = pt_l1e_get(c, e);

        if (unlikely(rc)) {
            p->pt.entries = (u16)i;
            return rc;
        }
        table[i] = e;
    }
    return 0;
}

static int upper_validate(struct page *p, struct domain *d, u64 *table, unsigned level)
{
    for (unsigned i = next_entry(table, p->pt.entries); i < PT_ENTRIES; i = next_entry(table, i + 1)) {
        u64 e = table[i];
        int rc;

        if (!e || slot_is_ours(level, i) || (!(e & PTE_P) && !pt_absent_refused(d, e)))
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
    for (unsigned i = next_entry(table, 0); i < n; i = next_entry(table, i + 1))
        pt_l1e_put(d, table[i]);
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
    for (;;) {
        unsigned i = p->pt.entries;

        if (i % LINE == 0)
            i = zero_lines_skip_down(table, i);
        if (!i)
            return 0;
        p->pt.entries = (u16)--i;
        if (!(table[i] & PTE_P) || slot_is_ours(level, i))
            continue;
        if (pt_upper_put(table[i], preemptible)) {
            p->pt.partial = PT_UNDOING_CHILD;
            return -E_PREEMPTED;
        }
        if (preemptible && i && hypercall_should_preempt())
            return -E_PREEMPTED;
    }
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
