/* SPDX-License-Identifier: MIT */
/*
 * Uses of a grant entry: core/grant_pin.c, one use taken or given back by this
 * CPU while any number of others do the same to the entry, and the guest whose
 * entry it is writes to it between any two of our accesses.
 *
 * HONEST 0: it writes anything, our own bits in it included.  Then the counts
 * are right all the same, no bit is written but GTF_reading and GTF_writing,
 * and what was checked is what is used.
 *
 * HONEST 1: it does what the ABI says (below).  Then the bits say just what
 * the counts do, and a guest that has ended access has ended it.
 */
#include "proof.h"

#include "core/grant_pin.c"

/* The first entry of the table, its status word (version 2) and its counts. */
static union { u32 word; grant_entry_v1_t v1; grant_entry_v2_t v2; } entry;
static grant_status_t status;
static struct grant_active active;
static void *shared_frames[1] = { &entry };
static struct grant_active *active_frames[1] = { &active };
static grant_status_t *status_frames[1] = { &status };
static struct grant_table table;
static struct domain owner, other;

static struct page frames[2];
struct page *const frame_table = frames;

void *proof_frame_object(u64 n) { return n ? &owner : (struct domain *)NULL; }
u64 proof_object_frame(const void *v) { return v == &owner; }

#define BITS ((u32)(GTF_reading | GTF_writing))
#define FEW (1u << 30)

struct uses { u32 readers, writers; };
static struct uses mine;       /* the rest of the counts is others' */
static bool locked;
static struct grant_active found;      /* the counts, and the entries in use, when the lock was taken */
static u32 pinned_found;
static bool ending, ended;     /* version 2, honest: the header was cleared; and no use was seen after that */

static domid_t by;             /* what is asked for */
static bool for_writing, transitive_ok;

static bool in_use(void) { return active.readers || active.writers; }
static u32 bits_now(void) { return (VERSION == 2 ? status : entry.v1.flags) & BITS; }
static u32 bits_due(void) { return (in_use() ? GTF_reading : 0u) | (active.writers ? GTF_writing : 0u); }

static bool header_grants(u32 word)
{
    u32 flags = word & 0xffff, type = flags & GTF_type_mask;

    return word >> 16 == by && !(for_writing && (flags & GTF_readonly)) &&
           (type == GTF_permit_access || (transitive_ok && VERSION == 2 && type == GTF_transitive));
}

/* --- everybody else --- */

static void entry_is_rewritten(void)
{
    entry.v2.full_page.hdr.flags = nondet_u16();
    entry.v2.full_page.hdr.domid = nondet_u16();
    entry.v2.full_page.frame = nondet_u64();
    if (VERSION == 1)
        entry.v1.frame = nondet_u32();
    entry.v2.full_page.pad0 = nondet_u32();
}

/* While the entry is in use it stays; version 2 may have its header cleared, to be looked at again afterwards. */
static void honest_guest(void)
{
    if (!bits_now() && !ending) {
        entry_is_rewritten();
        if (VERSION == 1)
            entry.v1.flags &= ~BITS;
    }
    if (VERSION == 2) {
        ending |= nondet_bool();
        if (ending)
            entry.word = 0;
        if (ending && !(status & GTF_reading))
            ended |= nondet_bool();
    }
}

static void other_cpus(void)
{
    active = (struct grant_active){ nondet_u32(), nondet_u32() };
    assume(active.readers >= mine.readers && active.readers < FEW);
    assume(active.writers >= mine.writers && active.writers < FEW);
    /* What is proved below of this CPU. */
    assume(!ended || (active.readers == mine.readers && active.writers == mine.writers));
    table.pinned = nondet_u32();
    assume(table.pinned < FEW && (table.pinned || !in_use()));
    if (HONEST && VERSION == 1)
        entry.v1.flags = (u16)((entry.v1.flags & ~BITS) | bits_due());
    if (HONEST && VERSION == 2)
        status = (u16)bits_due();
}

void proof_others(const volatile void *at)
{
    if (!locked)
        other_cpus();
    if (HONEST) {
        honest_guest();
        return;
    }
    entry_is_rewritten();
    status = nondet_u16();
}

/* --- this CPU --- */

void proof_stepped(const volatile void *at, u64 was, u64 is)
{
    if (at != &entry && at != &status)
        return;
    prove(locked);
    prove(!((was ^ is) & ~(u64)BITS));
    if (VERSION == 1 && (is & ~was & BITS)) /* announced by the very step that finds it granted */
        prove(header_grants((u32)was));
}

void proof_lock_taken(arch_spinlock_t *l)
{
    proof_others(NULL);
    locked = true;
    found = active;
    pinned_found = table.pinned;
}

void proof_lock_given(arch_spinlock_t *l)
{
    /* What this CPU did to the counts is what it has more, or less, than it had. */
    mine.readers += active.readers - found.readers;
    mine.writers += active.writers - found.writers;
    prove(mine.readers <= 1 && mine.writers <= 1);
    prove(table.pinned == pinned_found + in_use() - (found.readers || found.writers));
    if (HONEST)
        prove(bits_now() == bits_due());
    if (HONEST && VERSION == 2)
        prove(!in_use() || !ended);
    locked = false;
}

/* --- what lies around --- */

u32 grant_entry_count(const struct grant_table *gt) { return (u32)(VERSION == 2 ? V2_PER_FRAME : V1_PER_FRAME); }

static u64 valid_frame; /* the number that was found to be a frame */
static int frame_refs, frame_types;

bool mfn_valid(mfn_t m)
{
    valid_frame = m.n;
    return m.n < 2 && nondet_bool();
}
bool page_get(struct page *p, struct domain *d)
{
    bool got = nondet_bool();

    prove(d == &owner && p == &frames[valid_frame]);
    frame_refs += got;
    return got;
}
int page_get_and_type(struct page *p, struct domain *d, u64 type)
{
    int rc = nondet_int();

    prove(d == &owner && p == &frames[valid_frame] && type == PGT_WRITABLE);
    assume(rc == 0 || rc == -EINVAL || rc == -EBUSY || rc == -E_PREEMPTED);
    frame_refs += !rc;
    frame_types += !rc;
    return rc;
}
void page_put(struct page *p) { frame_refs--; }
void page_put_written(struct page *p)
{
    frame_refs--;
    frame_types--;
}
static int domains_held;
struct domain *domain_get(domid_t id)
{
    if (nondet_bool())
        return NULL;
    domains_held++;
    return nondet_bool() ? &owner : &other; /* whose table is empty */
}
void domain_put(struct domain *d) { domains_held--; }

/* --- the calls --- */

static void use_get(struct grant_use *u, unsigned allow)
{
    struct uses had = mine;
    int rc = grant_use_get(&owner, nondet_bool() ? 0 : nondet_u32() | 512, by, for_writing, allow, u);

    prove(mine.readers == had.readers + (!rc && !for_writing));
    prove(mine.writers == had.writers + (!rc && for_writing));
    prove(frame_refs == !rc && frame_types == (!rc && for_writing) && !domains_held);
    assume(!rc);
    prove(!ended);
    prove(u->page == &frames[valid_frame] && u->write == for_writing && u->owner == &owner && !u->via);
    prove(u->start + u->length <= PAGE_SIZE);
    prove((allow & GRANT_PART_OK) || (!u->start && u->length == PAGE_SIZE));
}

static void use_put(struct grant_use *u)
{
    grant_use_put(u);
    prove(!mine.readers && !mine.writers && !frame_refs && !frame_types && !domains_held);
}

int main(void)
{
    unsigned allow = nondet_u32() & (GRANT_PART_OK | GRANT_TRANSITIVE_OK);
    struct grant_use u;

    table.shared = shared_frames;
    table.active = active_frames;
    table.status = status_frames;
    table.frames = table.status_frames = 1;
    table.version = VERSION;
    owner.grants = &table;
    owner.id = 1;
    by = nondet_u16();
    for_writing = nondet_bool();
    transitive_ok = allow & GRANT_TRANSITIVE_OK;
    proof_others(NULL);
    use_get(&u, allow);
    if (HONEST)
        prove(VERSION == 1 ? header_grants(entry.word) : ending || header_grants(entry.word));
    use_put(&u);
    proof_end();
    return 0;
}
