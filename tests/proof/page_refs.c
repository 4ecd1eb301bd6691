/* SPDX-License-Identifier: MIT */
/*
 * References to a frame: core/page.c and the ways in and out of it in
 * core/domain_pages.c, each run once by this CPU while any number of others
 * do the same to the frame.
 *
 * What this CPU holds is written down here ('mine') and moves with the count;
 * the rest of the count is held by others.  They may do at any moment what
 * this CPU is seen to do below, and no more:
 *
 *   - a reference is added only to others (count not 0), and dropped only by
 *     who holds one; who clears PGC_ALLOCATED holds the owner's from then on;
 *   - who brings the count to 0 has the frame for itself (it is 'exclusive'):
 *     nobody else writes the count, and it alone may change the owner;
 *   - while this CPU holds a reference, the frame keeps its owner and its kind.
 */
#include "proof.h"

#include <zelo/page_ref.h>

#include "core/page.c"
#include "core/domain_pages.c"

/* The frame in question is the middle one; its neighbours are in its owner's list or not. */
static struct page frames[3];
struct page *const frame_table = frames;
#define frame (&frames[1])
cpumask_t cpu_online;
static struct domain a, b;

void *proof_frame_object(u64 n) { return n == 1 ? &a : n == 2 ? &b : (struct domain *)NULL; }
u64 proof_object_frame(const void *v) { return v == &a ? 1 : v == &b ? 2 : 0; }

#define FEW (1ULL << 40)

static u64 most = PGC_COUNT_MASK; /* references that others bring the count to */
static u64 mine;           /* references; the rest is others', but for the one of PGC_ALLOCATED or PGC_HEAP */
static bool exclusive;     /* the count is 0, and this CPU brought it there */
static u32 page_lock_of;   /* the domain whose page_lock this CPU holds */
static u64 freed;          /* times this CPU gave it to the heap */
static u64 domains_held;   /* references of domains that this CPU took, less those it dropped */

static bool shared(u64 count) { return count & PGC_HEAP; }

/* The count against what this CPU holds. */
static bool adds_up(u64 count)
{
    bool own = count & (PGC_ALLOCATED | PGC_HEAP);

    if (count == PGC_HEAP) /* hypervisor memory that is not shared, or no more */
        return !mine;
    return !(count & ~(PGC_ALLOCATED | PGC_HEAP | PGC_COUNT_MASK)) &&
           (count & (PGC_ALLOCATED | PGC_HEAP)) != (PGC_ALLOCATED | PGC_HEAP) &&
           (own ? mine < refs_of(count) : mine <= refs_of(count));
}

/* In use, the frame has an owner; else it may be on its way out with one, or nobody's. */
static bool owned_well(void) { return frame->owner <= 2 && (!refs_of(frame->count) || frame->owner); }

/* Going on with the life that the frame has: nothing comes back. */
static bool same_life(u64 was, u64 is)
{
    return shared(is) == shared(was) && (!(is & PGC_ALLOCATED) || (was & PGC_ALLOCATED)) && (refs_of(was) || is == was);
}

void proof_others(const volatile void *at)
{
    u64 count = frame->count;
    u32 owner = frame->owner;

    if (exclusive)
        return;
    frame->count = nondet_u64();
    frame->owner = nondet_u32();
    assume(adds_up(frame->count) && owned_well() && refs_of(frame->count) <= most);
    /* A frame comes to a domain's list, and goes from it, under its page_lock. */
    if (mine || (page_lock_of && owner == page_lock_of))
        assume(frame->owner == owner && same_life(count, frame->count));
    else if (page_lock_of)
        assume(frame->owner != page_lock_of);
}

static void stepped_to_zero(void)
{
    prove(!exclusive && !mine);
    exclusive = true;
    frame->type &= ~PGT_COUNT_MASK; /* each use of the type has a reference: whoever takes one takes both */
}

static void count_stepped(u64 was, u64 is)
{
    if (is == was)
        return;
    if (exclusive) { /* from the heap to a domain: its own reference is the first */
        prove(is == (PGC_ALLOCATED | 1) && frame->owner);
        exclusive = false;
    } else if (is == was + 1) {
        prove(refs_of(was));
        mine++;
    } else if (is == was - 1) {
        prove(mine);
        mine--;
    } else if (was == (PGC_ALLOCATED | 1) && !is) {
        prove(page_lock_of && frame->owner == page_lock_of); /* taken away from its owner whole */
    } else {
        prove((was & PGC_ALLOCATED) && is == (was & ~PGC_ALLOCATED));
        mine++;
    }
    prove(adds_up(frame->count));
    if (!refs_of(is))
        stepped_to_zero();
}

void proof_stepped(const volatile void *at, u64 was, u64 is)
{
    if (at == &frame->count)
        count_stepped(was, is);
    if (at == &frame->owner)
        prove(exclusive);
}

/* --- what lies around --- */

void proof_lock_taken(arch_spinlock_t *l)
{
    proof_others(NULL);
    page_lock_of = l == &a.page_lock.raw ? 1 : 2;
}
void proof_lock_given(arch_spinlock_t *l) { page_lock_of = 0; }
void domain_hold(struct domain *d) { prove(d); domains_held++; }
bool domain_hold_unless_dead(struct domain *d)
{
    bool alive = nondet_bool();

    prove(d);
    domains_held += alive;
    return alive;
}
void domain_put(struct domain *d) { prove(d); domains_held--; }

void heap_free_mapped_pages(struct page *p, unsigned order)
{
    prove(exclusive && !p->owner && !order);
    exclusive = false; /* the heap's: as good as others' */
    freed++;
}
void heap_free_pages(struct page *p, unsigned order) { heap_free_mapped_pages(p, order); }
struct page *heap_alloc_pages_for(struct domain *d, unsigned order, u32 flags) { return NULL; }
void tlb_flush_mask(const void *cpumask, unsigned what, vaddr_t va) { }

/* The owner's list, whoever that is: the frame, if it is 'in' it, with a neighbour on either side or none. */
static void list_is_there(struct domain *d, bool in, bool before, bool after)
{
    d->page_first = before ? 0 : in ? 1 : PAGE_LINK_NONE;
    d->page_last = after ? 2 : in ? 1 : before ? 0 : PAGE_LINK_NONE;
    d->tot_pages = (u64)in + before + after;
    d->max_pages = nondet_u64();
    d->dying = nondet_bool() ? DOMAIN_DYING : DOMAIN_ALIVE;
}

static void lists_are_there(bool in)
{
    bool before = nondet_bool(), after = in && nondet_bool();

    frame->prev = before && in ? 0 : PAGE_LINK_NONE;
    frame->next = after ? 2 : PAGE_LINK_NONE;
    frames[0].next = in ? 1 : PAGE_LINK_NONE;
    frames[2].prev = 1;
    list_is_there(&a, in, before, after);
    list_is_there(&b, in, before, after);
}

static struct domain *any_domain(void) { return nondet_bool() ? &a : &b; }

/* --- the operations --- */

static void get_by(bool (*way)(struct page *, struct domain *))
{
    struct domain *d = any_domain();
    u64 had = mine;

    if (way(frame, d)) {
        prove(mine == had + 1 && page_owner(frame) == d);
        prove(domains_held == shared(frame->count));
    } else {
        prove(mine == had);
    }
}

static void get(void) { get_by(page_get); }
static void get_in_line(void) { get_by(page_ref_get); }

static void get_any(void)
{
    u64 had = mine;
    struct domain *d = page_get_any(frame);

    prove(mine == had + (d != NULL));
    prove(!d || page_owner(frame) == d);
    prove(!d || domains_held == shared(frame->count));
}

static void get_held(void)
{
    u64 had = mine;

    most = FEW; /* it cannot fail: it must not come to that */
    assume(had && refs_of(frame->count) <= most);
    page_get_held(frame);
    prove(mine == had + 1 && domains_held == shared(frame->count));
}

static void put_by(void (*way)(struct page *))
{
    u64 had = mine;
    bool was_shared = shared(frame->count);

    assume(had);
    way(frame);
    prove(mine == had - 1);
    prove(!was_shared || (!freed && domains_held == (u64)-1));
}

static void put(void) { put_by(page_put); }
static void put_in_line(void) { put_by(page_ref_put); }

static void release(void)
{
    u64 had = mine;

    (void)!domain_release_page(any_domain(), frame);
    prove(mine == had);
}

static void take(void)
{
    struct domain *d = any_domain();
    bool held = mine;
    int rc = domain_take_page(d, frame);

    prove(rc || (exclusive && !held && !frame->owner && !freed));
    exclusive = false; /* the caller's: what it does with the frame is its own */
}

static void assign(void)
{
    struct domain *d = any_domain();
    int rc;

    lists_are_there(false);
    assume(!frame->count && !frame->owner);
    exclusive = true;
    rc = domain_assign_pages(d, frame, 0, nondet_bool());
    prove(rc ? exclusive : !exclusive);
    exclusive = false;
}

int main(void)
{
    frame->owner = nondet_u32();
    frame->count = nondet_u64();
    mine = nondet_u64();
    assume(adds_up(frame->count) && owned_well());
    lists_are_there(true);
    OP();
    prove(!exclusive && freed <= 1);
    proof_end();
    return 0;
}
