/* SPDX-License-Identifier: MIT */
/*
 * The type of a frame: pv/page_type.c, each way in run once by this CPU while
 * any number of others do the same to the frame.
 *
 * Whoever takes the count from 0, or the last use from a page table, 'works'
 * on the frame until it is VALIDATED, back at 0, or left PARTIAL.  What others
 * may do at any moment is what this CPU is seen to do below, and no more:
 *
 *   - a use is added to and dropped from a VALIDATED type by compare-and-
 *     exchange; only who holds one drops one, and so the last;
 *   - page tables, and PARTIAL, move only under the page-table lock;
 *   - what somebody works on is written by him alone.
 *
 * The contents (pt_validate, pt_undo, descriptors) are modelled: they succeed,
 * fail, or stop half-way as they like.
 */
#include "proof.h"

#include "pv/page_type.c"

static struct page frames[1];
struct page *const frame_table = frames;
#define frame (&frames[0])
static struct domain owner;

void *proof_frame_object(u64 n) { return n ? &owner : (struct domain *)NULL; }
u64 proof_object_frame(const void *v) { return v == &owner; }

#define FEW (1ULL << 40) /* uses of a frame at most: each has a reference, and lies in some table */

enum contents { NOTHING, SOME, ALL }; /* of what its entries refer to, what a page table owns */

static u64 mine;               /* uses; the rest of the count is others' */
static bool working;           /* this CPU works on the frame */
static bool locked;            /* it holds the page-table lock, for the whole call */
static enum contents contents;
static u64 flushed_from;       /* the type that was flushed out of TLBs while working */
static u64 came_from;          /* the type that the frame had before this work */
static int refs;               /* this CPU's references to the frame, less those that it gave to PARTIAL */

static u64 type_of(u64 x) { return x & PGT_TYPE_MASK; }
static u64 uses_of(u64 x) { return x & PGT_COUNT_MASK; }
static bool known(u64 type) { return type <= PGT_SEG_DESC || type == PGT_WRITABLE; }

/* What must always hold of the word. */
static bool word_is_sound(u64 x)
{
    u64 flags = x & (PGT_VALIDATED | PGT_PARTIAL | PGT_PINNED);

    if ((x & ~(PGT_TYPE_MASK | PGT_COUNT_MASK | PGT_VALIDATED | PGT_PARTIAL | PGT_PINNED)) || !known(type_of(x)))
        return false;
    if (!uses_of(x))
        return !flags && !mine;
    if (x & PGT_VALIDATED)
        return !(x & PGT_PARTIAL) && mine <= uses_of(x) && uses_of(x) <= FEW && type_of(x) &&
               (!(x & PGT_PINNED) || type_is_table(x));
    return uses_of(x) == 1 && !mine && !(x & PGT_PINNED) &&
           (!(x & PGT_PARTIAL) || type_is_table(x)) && type_of(x);
}

static bool contents_are_sound(u64 x)
{
    if (!uses_of(x) || !type_is_table(x))
        return contents == NOTHING;
    return !(x & PGT_VALIDATED) || contents == ALL;
}

void proof_others(const volatile void *at)
{
    u64 before = frame->type;

    if (working || (locked && uses_of(before) && type_is_table(before)))
        return;
    frame->type = nondet_u64();
    assume(word_is_sound(frame->type));
    if (mine)
        assume(type_of(frame->type) == type_of(before));
    if (locked && uses_of(frame->type))
        assume(!type_is_table(frame->type));
    contents = (enum contents)(nondet_u8() % 3);
    assume(contents_are_sound(frame->type));
    if (!mine && !locked)
        frame->pt.entries = nondet_u16(), frame->pt.partial = (s16)nondet_u16();
}

/* --- what this CPU did to the word --- */

static void work_began(u64 was, u64 is)
{
    prove(!type_is_table(is) || locked);
    working = true;
    came_from = type_of(was);
    flushed_from = PGT_NONE;
}

static void left_zero(u64 was, u64 is)
{
    prove(uses_of(is) == 1 && !(is & (PGT_PARTIAL | PGT_PINNED)));
    if (!(is & PGT_VALIDATED)) {
        work_began(was, is);
        return;
    }
    /* At once, if it has been writable or nothing before, so that no TLB has it as what forbids that. */
    prove(type_of(is) == PGT_WRITABLE && (type_of(was) == PGT_NONE || type_of(was) == PGT_WRITABLE));
    mine++;
}

static void became_valid(u64 was, u64 is)
{
    prove(working && !(was & PGT_PARTIAL) && is == (was | PGT_VALIDATED));
    prove(came_from == PGT_NONE || came_from == type_of(is) || flushed_from == came_from);
    prove(!type_is_table(is) || contents == ALL);
    working = false;
    mine++;
}

static void uses_changed(u64 was, u64 is)
{
    prove(locked || !type_is_table(was));
    if (uses_of(is) == uses_of(was) + 1) {
        prove(is == was + 1);
        mine++;
        return;
    }
    prove(mine && uses_of(is) == uses_of(was) - 1);
    mine--;
    if (uses_of(is))
        prove(is == was - 1);
    else
        prove(!type_is_table(was) && is == type_of(was));
}

/* The last use of a page table goes. */
static void became_undone(u64 was, u64 is)
{
    prove(locked && mine == 1 && uses_of(was) == 1 && type_is_table(was) && is == (was & ~PGT_VALIDATED));
    mine--;
    working = true;
}

/* Somebody's, or nobody's and this CPU has the lock. */
static bool may_work(u64 was) { return working || (locked && (was & PGT_PARTIAL)); }

static void back_to_zero(u64 was, u64 is)
{
    prove(may_work(was) && is == type_of(was));
    prove(contents == NOTHING);
    refs += (was & PGT_PARTIAL) ? 1 : 0;
    working = false;
}

static void partial_changed(u64 was, u64 is)
{
    prove(may_work(was) && locked && (is ^ was) == PGT_PARTIAL);
    if (is & PGT_PARTIAL) {
        refs--;
        working = false;
    } else {
        refs++;
        working = true;
    }
}

void proof_stepped(const volatile void *at, u64 was, u64 is)
{
    if (at != &frame->type || was == is)
        return;
    if (!uses_of(was))
        left_zero(was, is);
    else if (was & PGT_VALIDATED)
        uses_of(is) == uses_of(was) ? became_undone(was, is) : uses_changed(was, is);
    else if (is & PGT_VALIDATED)
        became_valid(was, is);
    else if (!uses_of(is))
        back_to_zero(was, is);
    else
        partial_changed(was, is);
    prove(word_is_sound(is) || uses_of(is) == FEW + 1);
    prove(contents_are_sound(is));
}

/* --- what lies around --- */

void proof_lock_taken(arch_spinlock_t *l) { }
void proof_lock_given(arch_spinlock_t *l) { }

/* References: page_refs.c.  Here only that PARTIAL has its own, and that the caller gets back what it had. */
bool page_get(struct page *p, struct domain *d)
{
    bool got = nondet_bool();

    refs += got;
    return got;
}
void page_get_held(struct page *p) { refs++; }
void page_put(struct page *p) { refs--; }
struct domain *page_owner(const struct page *p) { return &owner; }

int pt_validate(struct page *p, u64 type)
{
    int rc = nondet_int();

    prove(locked && may_work(p->type) && type_of(p->type) == type && !(p->type & PGT_VALIDATED));
    prove(p->pt.partial == PT_VALIDATING);
    assume(rc == 0 || rc == -E_PREEMPTED || rc == -EINVAL || rc == -EBUSY || rc == -EPERM);
    contents = rc ? SOME : ALL;
    return rc;
}

int pt_undo(struct page *p, u64 type, bool preemptible)
{
    bool stopped = preemptible && nondet_bool();

    prove(locked && may_work(p->type) && type_of(p->type) == type && !(p->type & PGT_VALIDATED));
    prove(p->pt.partial == PT_UNDOING || p->pt.partial == PT_UNDOING_CHILD);
    contents = stopped ? SOME : NOTHING;
    return stopped ? -E_PREEMPTED : 0;
}

void pt_stamp(struct page *p) { p->tlb_stamp = nondet_u32(); }
void pt_flush_stale(struct domain *d, u32 stamp) { flushed_from = came_from; }
void pt_undo_offer(struct page *p) { prove(locked && (p->type & PGT_PARTIAL)); }
void pv_mark_page_dirty(struct page *p) { }
void pv_shadow_table_gone(struct page *p) { prove(locked); }
bool pv_descriptors_valid(void *page) { return nondet_bool(); }

/* --- the calls --- */

/* What the caller of a call that may touch page tables has done. */
static void caller_locks_for(u64 type)
{
    locked = nondet_bool();
    assume(locked || !type_is_table(type));
    if (locked && uses_of(frame->type) && type_is_table(frame->type) && !(frame->type & PGT_VALIDATED))
        assume(frame->type & PGT_PARTIAL); /* nobody works: he would have the lock */
    if (frame->type & PGT_PARTIAL)
        assume(frame->pt.partial == PT_VALIDATING || frame->pt.partial == PT_UNDOING ||
               frame->pt.partial == PT_UNDOING_CHILD);
}

static void get_type(void)
{
    u64 type = nondet_u64(), had = mine;
    int rc;

    assume(type == type_of(type) && known(type) && type != PGT_NONE);
    caller_locks_for(type);
    rc = page_get_type(frame, type);
    prove(mine == had + (rc ? 0 : 1));
    prove(rc || (type_of(frame->type) == type && (frame->type & PGT_VALIDATED)));
}

static void get_writable(void)
{
    u64 had = mine;
    int rc = page_get_writable(frame);

    prove(mine == had + (rc ? 0 : 1));
    prove(rc || (type_of(frame->type) == PGT_WRITABLE && (frame->type & PGT_VALIDATED)));
}

static void put_writable(void)
{
    u64 had = mine;

    assume(had && type_of(frame->type) == PGT_WRITABLE);
    page_put_writable(frame);
    prove(mine == had - 1);
}

static void get_and_type(void)
{
    u64 type = nondet_u64(), had = mine;
    int rc;

    assume(type == type_of(type) && known(type) && type != PGT_NONE);
    caller_locks_for(type);
    rc = page_get_and_type(frame, &owner, type);
    prove(mine == had + (rc ? 0 : 1));
    refs -= rc ? 0 : 1;
}

static void put(bool preemptible)
{
    u64 had = mine;

    assume(had);
    caller_locks_for(type_of(frame->type));
    if (frame->type & PGT_PINNED)
        assume(uses_of(frame->type) > 1); /* the pin is a use, of others here */
    if (preemptible)
        (void)!page_put_type_preemptible(frame);
    else
        page_put_type(frame);
    prove(mine == had - 1);
}

static void put_type(void) { put(false); }
static void put_type_preemptible(void) { put(true); }

static void finish_undo(void)
{
    u64 had = mine;
    bool preemptible = nondet_bool();
    int rc;

    caller_locks_for(PGT_L1);
    rc = page_finish_undo(frame, preemptible);
    prove(mine == had && (!rc || preemptible));
    prove(rc || !(frame->type & PGT_PARTIAL) || frame->pt.partial == PT_VALIDATING);
}

int main(void)
{
    frame->type = nondet_u64();
    frame->pt.partial = (s16)nondet_u16();
    mine = nondet_u64();
    contents = (enum contents)(nondet_u8() % 3);
    assume(word_is_sound(frame->type) && contents_are_sound(frame->type) && uses_of(frame->type) < FEW);
    OP();
    /* Left to nobody only as PARTIAL, which has its own reference. */
    prove(!working && refs == 0);
    proof_end();
    return 0;
}
