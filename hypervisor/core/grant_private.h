/* SPDX-License-Identifier: MIT */
/*
 * Private to the grant room (core/grant_*.c).
 *
 * A grant table has two sides.  The granting side is memory shared with the
 * domain: entries it writes, of version 1 or 2, each with, on our side, a count
 * of uses (struct grant_active).  The mapping side is the maptrack: a handle
 * for each mapping that the domain made of others' grants.
 *
 * One use of an entry ("pin") makes its GTF_reading or GTF_writing visible to
 * the granting domain, which leaves the entry alone until they are gone.  Each
 * use has its own frame reference, and for writing its own use of the frame as
 * PGT_WRITABLE; so whatever a guest does to an entry in use harms itself only.
 */
#ifndef ZELO_CORE_GRANT_PRIVATE_H
#define ZELO_CORE_GRANT_PRIVATE_H

#include <zelo/domain.h>
#include <zelo/grant.h>

struct grant_active { u32 readers, writers; };

/* A mapping; free handles are linked through ref. */
struct maptrack {
    u32 ref;           /* of the grant */
    u32 owner;         /* frame number of the granting struct domain, which is held */
    u64 flags : 12;    /* GNTMAP_ bits 0..4 still in place, MAPTRACK_BUSY; 0: free */
    u64 frame : 52;
};
#define MAPTRACK_BUSY (1u << 11) /* being made or undone: nobody else may */
#define MAPTRACK_FLAGS (MAPTRACK_BUSY - 1)
#define MAPTRACK_FRAME ((1UL << 52) - 1)
_Static_assert(sizeof(struct maptrack) == 16, "256 in a frame");

#define V1_PER_FRAME (PAGE_SIZE / sizeof(grant_entry_v1_t))
#define V2_PER_FRAME (PAGE_SIZE / sizeof(grant_entry_v2_t))
#define STATUS_PER_FRAME (PAGE_SIZE / sizeof(grant_status_t))
#define ACTIVE_PER_FRAME (PAGE_SIZE / sizeof(struct grant_active))
#define MAPTRACK_PER_FRAME (PAGE_SIZE / sizeof(struct maptrack))
#define MAPTRACK_NONE 0xffffffffu
_Static_assert(ACTIVE_PER_FRAME >= V1_PER_FRAME, "a page of counts for each shared frame");

struct grant_table {
    spinlock_t lock;              /* LOCK_GRANT_TABLE: growing, the version, the maptrack */
    spinlock_t entry_lock;        /* LOCK_GRANT_ENTRY: counts of uses, our flags in shared entries */

    /* Arrays of max pointers; frames below the count are there for good and may be read without a lock. */
    void **shared;
    struct grant_active **active;
    u32 frames, max_frames;
    grant_status_t **status;      /* version 2 */
    u32 status_frames, max_status_frames;

    u32 version, max_version;     /* written under both locks */
    u32 pinned;                   /* entries with uses; entry lock */

    struct maptrack **maptrack;   /* lock */
    u32 maptrack_frames, max_maptrack_frames;
    u32 maptrack_free;            /* handle, or MAPTRACK_NONE */
    u32 release_next;             /* progress of grant_domain_release_mappings; domctl lock */
};

/* --- grant_table.c --- */
/* Makes the table at least so many frames long. 0, -EINVAL (over the limit), -ENOMEM. lock held. */
int must_check grant_grow(struct domain *d, u32 frames);
int must_check grant_grow_status(struct domain *d, u32 frames); /* for so many shared frames */
/* Entries that the table has now. */
u32 grant_entry_count(const struct grant_table *gt);
static inline grant_entry_v1_t *grant_v1(const struct grant_table *gt, u32 ref)
{
    return (grant_entry_v1_t *)gt->shared[ref / V1_PER_FRAME] + ref % V1_PER_FRAME;
}
static inline grant_entry_v2_t *grant_v2(const struct grant_table *gt, u32 ref)
{
    return (grant_entry_v2_t *)gt->shared[ref / V2_PER_FRAME] + ref % V2_PER_FRAME;
}
static inline grant_status_t *grant_status(const struct grant_table *gt, u32 ref)
{
    return &gt->status[ref / STATUS_PER_FRAME][ref % STATUS_PER_FRAME];
}
static inline struct grant_active *grant_active(const struct grant_table *gt, u32 ref)
{
    u32 per_frame = gt->version == 2 ? V2_PER_FRAME : V1_PER_FRAME;

    return &gt->active[ref / per_frame][ref % per_frame];
}

/* --- grant_pin.c --- */
struct grant_use {
    struct domain *owner;         /* of the entry; the caller's reference */
    struct page *page;            /* referenced, and writable-typed if write */
    struct domain *via;           /* transitive: owner of the second entry, referenced; else NULL */
    u32 ref, via_ref;
    u16 start, length;            /* the part of the page that is granted */
    bool write;
};
#define GRANT_PART_OK (1u << 0)        /* sub-page grants will do */
#define GRANT_TRANSITIVE_OK (1u << 1)  /* so will transitive ones */
/* Takes a use of owner's grant for domain 'by'. GNTST_*. */
int grant_use_get(struct domain *owner, u32 ref, domid_t by, bool write, unsigned allow,
                  struct grant_use *out);
void grant_use_put(struct grant_use *u);        /* all of it */
/* The use of the entry without the frame's references. */
void grant_unpin(struct domain *owner, u32 ref, bool write);

/* --- grant_maptrack.c --- */
/* A handle, marked busy; MAPTRACK_NONE: no room. */
u32 maptrack_alloc(struct grant_table *gt);
/* It is no longer busy; flags 0: frees the handle. */
void maptrack_set(struct grant_table *gt, u32 handle, const struct maptrack *m);
/* Copies it and marks it busy; false: no such mapping. */
bool must_check maptrack_claim(struct grant_table *gt, u32 handle, struct maptrack *out);
/* The first mapping from *handle on, claimed; false at the end. */
bool must_check maptrack_claim_next(struct grant_table *gt, u32 *handle, struct maptrack *out);
static inline struct domain *maptrack_owner(const struct maptrack *m) { return mfn_to_virt(MFN(m->owner)); }

/* --- the operations: each does the whole list at uop or says how far it came --- */
/* Operations done go to *done. 0 (all done), -E_PREEMPTED, -EFAULT. */
typedef int grant_list_fn(vaddr_t uop, u32 count, u32 *done);
grant_list_fn grant_map_list, grant_unmap_list, grant_unmap_and_replace_list, grant_copy_list;
grant_list_fn grant_transfer_list, grant_swap_list;
/* One structure; 0 or -errno. */
typedef int grant_single_fn(vaddr_t uop);
grant_single_fn grant_setup_table, grant_query_size, grant_get_version, grant_set_version,
    grant_get_status_frames, grant_dump_table;

/* Time to stop between two operations of a list? */
bool grant_list_should_stop(u32 done, u32 count);
/* The domain that a query names, referenced: GNTST_*. */
int grant_query_domain(domid_t id, struct domain **out);

#endif
