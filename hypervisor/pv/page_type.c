/* SPDX-License-Identifier: MIT */
/*
 * What a frame is used as: the state machine that everything about a PV
 * guest's memory safety stands on.
 *
 * page.type is one word: a type, flags, and the count of uses as that type.
 *
 *                    count 0: any type may come
 *              .------------------------------------.
 *              |  type T, count 0                    |<-----------------.
 *              |  (T only tells what it was last)    |                  |
 *              '------------------------------------'                   |
 *                 | get N                                               |
 *                 | flush TLBs if T != N (pt_flush.c)                   |
 *                 v                                                     |
 *   N writable: VALIDATED at once          N table or descriptors:      |
 *                 |                        count 1, not VALIDATED       |
 *                 |                            |                        |
 *                 |      .---------------------+--------.               |
 *                 |      | validating: entries checked, | contents bad  |
 *                 |      | references taken             |-----------.   |
 *                 |      '------------------------------'           |   |
 *                 |         | all good     | ^                        |   |
 *                 |         |       stopped| |resumed by get N        |   |
 *                 |         |              v |                        |   |
 *                 |         |        PARTIAL, PT_VALIDATING           |   |
 *                 v         v                                         |   |
 *              VALIDATED, count n  <--- get N: n+1, put: n-1          |   |
 *                 |                                                   |   |
 *                 | put at n == 1                                     |   |
 *                 v                                                   v   |
 *              undoing: references of the entries dropped  <----------'   |
 *                 |          | ^                                          |
 *                 |   stopped| |resumed by page_finish_undo               |
 *                 |          v |                                          |
 *                 |    PARTIAL, PT_UNDOING                                |
 *                 '-------------------------------------------------------'
 *
 * What must stay true:
 *   - The type changes only at count 0.  While the count is not 0 every use is
 *     as this type, so a frame that is a page table has no writable mapping
 *     (a writable mapping is a use as PGT_WRITABLE) and the hypervisor alone
 *     changes it, through checked updates.
 *   - A use of L1..L4 is handed out only VALIDATED: each present entry of the
 *     table then owns references to what it points to (pt.h).
 *   - PARTIAL states belong to nobody: the count of 1 and one reference to the
 *     frame are held by the state itself.  So a caller that is preempted holds
 *     nothing, and whoever comes next (the same hypercall again, another one,
 *     or the domain's death) can go on.
 *   - Types L1..L4 and the PARTIAL states change only under pt_lock of the
 *     frame's owner.  WRITABLE and SEG_DESC need no lock: they move by
 *     compare-and-exchange alone, and cannot leave or enter a table type except
 *     at count 0.
 *   - Tables refer only to the next lower level, so that undoing one cannot
 *     meet itself.
 */
#include "pt.h"

#include "descriptor.h"

#include <zelo/errno.h>
#include <zelo/log.h>

static bool type_is_table(u64 type)
{
    type &= PGT_TYPE_MASK;
    return type >= PGT_L1 && type <= PGT_L4;
}

/* --- the undoing side --- */

static void table_unpartial(struct page *p)
{
    if (atomic_read(&p->type) & PGT_PARTIAL) {
        atomic_fetch_and(&p->type, ~PGT_PARTIAL);
        page_put(p); /* the state's; the caller has another */
    }
}

static void table_stop(struct page *p)
{
    if (!(atomic_read(&p->type) & PGT_PARTIAL)) {
        page_get_held(p);
        atomic_fetch_or(&p->type, PGT_PARTIAL);
    }
}

static int table_undo(struct page *p, bool preemptible)
{
    u64 type = atomic_read(&p->type) & PGT_TYPE_MASK;
    bool partial = atomic_read(&p->type) & PGT_PARTIAL;

    if (pt_undo(p, type, preemptible)) {
        table_stop(p);
        return -E_PREEMPTED;
    }
    pt_stamp(p); /* where pt.entries was */
    atomic_set_release(&p->type, type);
    pv_mark_page_dirty(p); /* a page is sent with its type, and a validation that failed has written to it */
    if (partial)
        page_put(p);
    return 0;
}

int page_finish_undo(struct page *p, bool preemptible)
{
    if (!(atomic_read(&p->type) & PGT_PARTIAL) || p->pt.partial == PT_VALIDATING)
        return 0;
    return table_undo(p, preemptible);
}

/* --- the validating side --- */

static int table_validate(struct page *p, u64 type)
{
    int rc = pt_validate(p, type);

    if (!rc) {
        table_unpartial(p);
        p->pt.shadow = 0;
        pv_mark_page_dirty(p); /* its entries were normalised */
        atomic_fetch_or(&p->type, PGT_VALIDATED);
        return 0;
    }
    if (rc == -E_PREEMPTED) {
        table_stop(p);
        return rc;
    }
    /* Contents are bad. What was taken goes back, later if it takes long. */
    p->pt.partial = PT_UNDOING;
    if (table_undo(p, true))
        pt_undo_offer(p);
    return rc;
}

static int descriptors_validate(struct page *p)
{
    bool valid = pv_descriptors_valid(page_to_virt(p));

    pv_mark_page_dirty(p); /* privilege levels were raised */
    if (valid) {
        atomic_fetch_or(&p->type, PGT_VALIDATED);
        return 0;
    }
    atomic_set_release(&p->type, PGT_SEG_DESC);
    return -EINVAL;
}

/* The count just left 0 as 'type', and nobody else can use it before VALIDATED is set. */
static int type_begin(struct page *p, u64 was, u64 type)
{
    struct domain *d = page_owner(p);

    if (was != PGT_NONE && was != type && d)
        pt_flush_stale(d, READ_ONCE(p->tlb_stamp));
    if (type == PGT_SEG_DESC)
        return descriptors_validate(p);
    if (type_is_table(type)) {
        p->pt.entries = 0;
        p->pt.partial = PT_VALIDATING;
        return table_validate(p, type);
    }
    atomic_fetch_or(&p->type, PGT_VALIDATED);
    return 0;
}

/* In use, but not as a whole: 1 to look again, else the answer. */
static int type_unready(struct page *p, u64 has, u64 type)
{
    if (has & PGT_PARTIAL) {
        if (!type_is_table(type))
            return -EBUSY;
        if (p->pt.partial != PT_VALIDATING)
            return page_finish_undo(p, true) ? -E_PREEMPTED : 1;
        return (has & PGT_TYPE_MASK) == type ? table_validate(p, type) : -EBUSY;
    }
    if ((has & PGT_TYPE_MASK) != type)
        return -EBUSY;
    cpu_relax_serving(); /* another CPU is at type_begin */
    return 1;
}

/* Of a frame of another use, or of none yet. */
static never_inline int type_get_anew(struct page *p, u64 type, u64 x)
{
    int rc;

    for (;;) {
        if (!(x & PGT_COUNT_MASK)) {
            u64 was = x & PGT_TYPE_MASK;
            bool ready = type == PGT_WRITABLE && (was == PGT_WRITABLE || was == PGT_NONE);

            if (atomic_cas(&p->type, &x, type | (ready ? PGT_VALIDATED : 0) | 1))
                return ready ? 0 : type_begin(p, was, type);
        } else if ((x & PGT_VALIDATED) && (x & PGT_TYPE_MASK) == type) {
            if (atomic_cas(&p->type, &x, x + 1))
                return 0;
        } else if (x & PGT_VALIDATED) {
            return -EBUSY;
        } else {
            rc = type_unready(p, x, type);
            if (rc != 1)
                return rc;
            x = atomic_read(&p->type);
        }
    }
}

int page_get_type(struct page *p, u64 type)
{
    u64 x = atomic_read(&p->type);

    /* VALIDATED goes with the last use. */
    while (likely((x & (PGT_VALIDATED | PGT_TYPE_MASK)) == (PGT_VALIDATED | type)))
        if (atomic_cas(&p->type, &x, x + 1))
            return 0;
    return type_get_anew(p, type, x);
}

/* --- dropping a use --- */

static int table_put_last(struct page *p, bool preemptible)
{
    BUG_ON(atomic_read(&p->type) & (PGT_PINNED | PGT_PARTIAL) || !(atomic_read(&p->type) & PGT_VALIDATED));
    if (unlikely(p->pt.shadow))
        pv_shadow_table_gone(p);
    atomic_fetch_and(&p->type, ~PGT_VALIDATED);
    p->pt.entries = PT_ENTRIES;
    p->pt.partial = PT_UNDOING;
    return table_undo(p, preemptible);
}

int page_put_type_from(struct page *p, bool preemptible)
{
    u64 x = atomic_read(&p->type), next;

    do {
        u64 n = x & PGT_COUNT_MASK;

        BUG_ON(!n);
        next = x - 1;
        if (n == 1) {
            if (type_is_table(x))
                return table_put_last(p, preemptible);
            if ((x & PGT_TYPE_MASK) == PGT_SEG_DESC)
                pt_stamp(p);
            next = x & PGT_TYPE_MASK;
        }
    } while (!atomic_cas(&p->type, &x, next));
    return 0;
}

void page_put_type(struct page *p)
{
    BUG_ON(page_put_type_from(p, false));
}

int page_put_type_preemptible(struct page *p)
{
    return page_put_type_from(p, true);
}

int page_get_and_type(struct page *p, struct domain *d, u64 type)
{
    int rc;

    if (!page_get(p, d))
        return -EINVAL;
    rc = page_get_type(p, type);
    if (rc)
        page_put(p);
    return rc;
}

void page_put_and_type(struct page *p)
{
    page_put_type(p);
    page_put(p);
}

void page_put_written(struct page *p)
{
    pv_mark_page_dirty(p);
    page_put_and_type(p);
}
