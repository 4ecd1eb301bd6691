/* SPDX-License-Identifier: MIT */
/*
 * Uses of grant entries.  The granting domain writes entries while we read
 * them, so a use is announced before the entry's contents are believed:
 *
 *   version 1: flags and domid are checked as one 32-bit word, and the same
 *     word, with GTF_reading (and GTF_writing) set, replaces it only if it has
 *     not changed.  From then on an honest domain keeps the entry as it is.
 *   version 2: the bits lie apart (status); they are set first, then the header
 *     is looked at again, while a domain that ends access clears the header
 *     first and then looks at the status.  One of the two sees the other.
 *
 *       we:  status |= reading | MB | header still grants?
 *     they:  header = 0         | MB | status & reading?
 */
#include "grant_private.h"

#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/nospec.h>
#include <zelo/page.h>

/* How often an entry may change under our hands before we give up. */
#define CHANGES_TOLERATED 8

/* flags and domid as the 32-bit word that both versions begin with. */
union grant_header {
    u32 word;
    struct { u16 flags; domid_t domid; };
};
_Static_assert(sizeof(union grant_header) == sizeof(grant_entry_header_t), "flags, domid");

static u16 use_flags(bool write)
{
    return write ? GTF_reading | GTF_writing : GTF_reading;
}

static int header_check(union grant_header h, domid_t by, bool write, bool transitive_ok)
{
    unsigned type = h.flags & GTF_type_mask;

    if (h.domid != by || (type != GTF_permit_access && !(transitive_ok && type == GTF_transitive)))
        return GNTST_general_error;
    return write && (h.flags & GTF_readonly) ? GNTST_general_error : GNTST_okay;
}

/* --- announcing and withdrawing: entry lock held --- */

static int announce_v1(grant_entry_v1_t *e, domid_t by, bool write, union grant_header *found)
{
    u32 *word = (u32 *)(void *)e; /* a frame of these: aligned */
    union grant_header h = { .word = READ_ONCE(*word) };

    for (unsigned i = 0; i < CHANGES_TOLERATED; i++) {
        union grant_header new = h;
        int rc = header_check(h, by, write, false);

        if (rc)
            return rc;
        new.flags |= use_flags(write);
        if (atomic_cas(word, &h.word, new.word)) {
            *found = h;
            return GNTST_okay;
        }
    }
    return GNTST_general_error;
}

static int announce_v2(grant_entry_v2_t *e, grant_status_t *status, domid_t by, bool write,
                       bool transitive_ok, union grant_header *found)
{
    u32 *word = (u32 *)(void *)e;
    u16 had = READ_ONCE(*status);
    int rc = header_check((union grant_header){ .word = READ_ONCE(*word) }, by, write, transitive_ok);

    if (rc)
        return rc;
    (void)atomic_fetch_or(status, use_flags(write)); /* a full barrier */
    found->word = READ_ONCE(*word);
    rc = header_check(*found, by, write, transitive_ok);
    if (rc)
        (void)atomic_fetch_and(status, (u16)~(use_flags(write) & ~had));
    return rc;
}

static void withdraw(struct grant_table *gt, u32 ref, u16 flags)
{
    if (!flags)
        return;
    smp_mb(); /* our accesses to the page are over before the domain sees that they are */
    if (gt->version == 2)
        (void)atomic_fetch_and(grant_status(gt, ref), (u16)~flags);
    else
        (void)atomic_fetch_and(&grant_v1(gt, ref)->flags, (u16)~flags);
}

static void count_use(struct grant_table *gt, u32 ref, bool write)
{
    struct grant_active *a = grant_active(gt, ref);

    if (!a->readers && !a->writers)
        gt->pinned++;
    if (write)
        a->writers++;
    else
        a->readers++;
}

static void uncount_use(struct grant_table *gt, u32 ref, bool write)
{
    struct grant_active *a = grant_active(gt, ref);
    u16 gone = 0;

    if (write) {
        BUG_ON(!a->writers);
        if (!--a->writers)
            gone |= GTF_writing;
    } else {
        BUG_ON(!a->readers);
        a->readers--;
    }
    if (!a->readers && !a->writers) {
        gone |= GTF_reading;
        gt->pinned--;
    }
    withdraw(gt, ref, gone);
}

void grant_unpin(struct domain *owner, u32 ref, bool write)
{
    struct grant_table *gt = owner->grants;

    spin_lock(&gt->entry_lock);
    uncount_use(gt, ref, write);
    spin_unlock(&gt->entry_lock);
}

/* --- what the entry grants, read once --- */

struct granted {
    u64 frame;
    u16 start, length;
    bool transitive;
    domid_t via;
    u32 via_ref;
};

static void read_v2(const grant_entry_v2_t *e, union grant_header h, struct granted *g)
{
    if ((h.flags & GTF_type_mask) == GTF_transitive) {
        g->transitive = true;
        g->via = READ_ONCE(e->transitive.trans_domid);
        g->via_ref = READ_ONCE(e->transitive.gref);
        return;
    }
    g->frame = READ_ONCE(e->full_page.frame);
    if (h.flags & GTF_sub_page) {
        g->start = READ_ONCE(e->sub_page.page_off);
        g->length = READ_ONCE(e->sub_page.length);
    }
}

static bool part_is_whole(const struct granted *g)
{
    return !g->start && g->length == PAGE_SIZE;
}

/* Announces the use and reads the entry. */
static int entry_pin(struct grant_table *gt, u32 ref, domid_t by, bool write, unsigned allow,
                     struct granted *g)
{
    union grant_header h;
    u32 end = grant_entry_count(gt);
    int rc;

    *g = (struct granted){ .length = PAGE_SIZE };
    if (ref >= end)
        return GNTST_bad_gntref;
    ref = array_index_nospec(ref, end);
    if (gt->version == 2)
        rc = announce_v2(grant_v2(gt, ref), grant_status(gt, ref), by, write, allow & GRANT_TRANSITIVE_OK,
                         &h);
    else
        rc = announce_v1(grant_v1(gt, ref), by, write, &h);
    if (rc)
        return rc;
    count_use(gt, ref, write);
    if (gt->version == 2)
        read_v2(grant_v2(gt, ref), h, g);
    else
        g->frame = READ_ONCE(grant_v1(gt, ref)->frame);
    if ((g->transitive || part_is_whole(g) || (allow & GRANT_PART_OK)) && g->start + g->length <= PAGE_SIZE)
        return GNTST_okay;
    uncount_use(gt, ref, write);
    return GNTST_general_error;
}

/* --- the frame --- */

static int frame_get(struct domain *owner, u64 frame, bool write, struct page **out)
{
    struct page *p;
    int rc;

    if (!mfn_valid(MFN(frame)))
        return GNTST_bad_page;
    p = mfn_to_page(MFN(frame));
    *out = p;
    if (!write)
        return page_get(p, owner) ? GNTST_okay : GNTST_bad_page;
    rc = page_get_and_type(p, owner, PGT_WRITABLE);
    if (rc == -E_PREEMPTED)
        return GNTST_eagain; /* it stops being a page table right now */
    return rc ? GNTST_bad_page : GNTST_okay;
}

/* A grant of a grant: the use of the second entry is taken in the name of the first one's domain. */
/* NOLINTNEXTLINE(misc-no-recursion) ends there: the second may not be transitive */
static int via_get(struct grant_use *u, const struct granted *g)
{
    struct grant_use second;
    int rc;

    u->via = g->via < DOMID_FIRST_RESERVED ? domain_get(g->via) : NULL;
    if (!u->via)
        return GNTST_bad_domain;
    u->via_ref = g->via_ref;
    rc = GNTST_general_error; /* itself: pointless, and a loop */
    if (u->via != u->owner)
        rc = grant_use_get(u->via, u->via_ref, u->owner->id, u->write, GRANT_PART_OK, &second);
    if (rc) {
        domain_put(u->via);
        u->via = NULL;
        return rc;
    }
    u->page = second.page;
    u->start = second.start;
    u->length = second.length;
    return GNTST_okay;
}

/* NOLINTNEXTLINE(misc-no-recursion) via_get */
int grant_use_get(struct domain *owner, u32 ref, domid_t by, bool write, unsigned allow,
                  struct grant_use *out)
{
    struct grant_table *gt = owner->grants;
    struct granted g;
    int rc;

    if (!gt || READ_ONCE(owner->dying) != DOMAIN_ALIVE)
        return GNTST_bad_domain;
    *out = (struct grant_use){ .owner = owner, .ref = ref, .write = write };
    spin_lock(&gt->entry_lock);
    rc = entry_pin(gt, ref, by, write, allow, &g);
    spin_unlock(&gt->entry_lock);
    if (rc)
        return rc;
    out->start = g.start;
    out->length = g.length;
    rc = g.transitive ? via_get(out, &g) : frame_get(owner, g.frame, write, &out->page);
    if (rc)
        grant_unpin(owner, ref, write);
    return rc;
}

void grant_use_put(struct grant_use *u)
{
    if (u->write) {
        page_put_written(u->page);
    } else {
        page_put(u->page);
    }
    if (u->via) {
        grant_unpin(u->via, u->via_ref, u->write);
        domain_put(u->via);
    }
    grant_unpin(u->owner, u->ref, u->write);
}

/* The entry's frame is what the domain says now: if it changed that, it misleads its own record only. */
static mfn_t frame_in_use(const struct grant_table *gt, u32 ref)
{
    if (!grant_active(gt, ref)->writers)
        return MFN_INVALID;
    return MFN(gt->version == 2 ? READ_ONCE(grant_v2(gt, ref)->full_page.frame) : READ_ONCE(grant_v1(gt, ref)->frame));
}

void grant_mark_dirty(struct domain *d)
{
    struct grant_table *gt = d->grants;
    u32 refs;

    spin_lock(&gt->entry_lock);
    refs = gt->frames * (u32)(gt->version == 2 ? V2_PER_FRAME : V1_PER_FRAME);
    for (u32 ref = 0; ref < refs; ref++) {
        mfn_t m = frame_in_use(gt, ref);

        if (mfn_valid(m))
            pv_mark_dirty(d, m);
    }
    spin_unlock(&gt->entry_lock);
}
