/* SPDX-License-Identifier: MIT */
/*
 * The frame table: one struct page for each 4 KiB machine frame, with who owns
 * it, how often it is referred to, and what it may be used as.  And the page
 * allocator (core/heap.c) and small-object allocator (core/slab.c).
 *
 * References (core/page.c).  'count' counts every use of the frame; an owner's
 * frame carries one reference with PGC_ALLOCATED, dropped when the owner gives
 * the frame up.  At zero the frame goes back to the heap.  Taking a reference
 * to a frame names the expected owner, so that a frame that changes hands
 * under the caller is noticed.
 *
 * Types (pv/page_type.c).  'type' holds at most one type at a time and a count
 * of the uses as that type; it changes only at count zero.  Page-table types
 * are validated once, when the count leaves zero, and undone when it returns.
 * A frame of a page-table or descriptor type is never mapped writable by a
 * guest, since a writable mapping holds PGT_WRITABLE.
 */
#ifndef ZELO_PAGE_H
#define ZELO_PAGE_H

#include <zelo/atomic.h>
#include <zelo/types.h>
#include <arch/seam.h>

struct domain;

struct page {
    u64 count;    /* (a) PGC_ flags and reference count */
    u64 type;     /* (a) PGT_ type, flags and count; hypervisor memory: slab.c's; free: heap.c's TLB stamp */
    u32 owner;    /* frame number of the owner's struct domain, 0: none. Set by page_set_owner */
    u32 next;     /* links by frame number in the owner's list (d->page_lock) or a free list (heap lock); */
    u32 prev;     /*   PAGE_LINK_NONE ends a list */
    union {
        u32 free_order;     /* heap: order of the free block that starts here */
        u32 tlb_stamp;      /* domain's frame with type count 0: tick at which its last use ended (pv/pt_flush.c) */
        union {             /* page tables, under the page-table lock */
            struct {        /*   not validated: progress of a preempted (in)validation */
                u16 entries;    /* entries done so far */
                s16 partial;    /* +1: entry 'entries' half validated, -1: half undone */
            };
            u32 shadow;     /*   validated: frame number of its shadow (pv/shadow.c), 0: none */
        } pt;
    };
};
_Static_assert(sizeof(struct page) == 32, "the frame table is 1/128 of memory");

#define PAGE_LINK_NONE 0xffffffffu

/* page.count */
#define PGC_ALLOCATED (1ULL << 63) /* the owner's own reference is in place */
#define PGC_HEAP (1ULL << 62)      /* hypervisor memory, perhaps shared with a guest; never in a domain's list */
#define PGC_RESERVED (1ULL << 61)  /* not RAM the heap may hand out */
#define PGC_BROKEN (1ULL << 60)    /* offlined */
#define PGC_COUNT_MASK ((1ULL << 56) - 1)

/* page.type: type in bits 63..60, flags, count in bits 55..0 */
#define PGT_SHIFT 60
#define PGT_NONE (0ULL << PGT_SHIFT)
#define PGT_L1 (1ULL << PGT_SHIFT)
#define PGT_L2 (2ULL << PGT_SHIFT)
#define PGT_L3 (3ULL << PGT_SHIFT)
#define PGT_L4 (4ULL << PGT_SHIFT)
#define PGT_SEG_DESC (5ULL << PGT_SHIFT) /* GDT or LDT page */
#define PGT_WRITABLE (7ULL << PGT_SHIFT)
#define PGT_TYPE_MASK (15ULL << PGT_SHIFT)
#define PGT_PINNED (1ULL << 59)    /* held as this type by MMUEXT_PIN_* */
#define PGT_VALIDATED (1ULL << 58) /* contents obey the type */
#define PGT_PARTIAL (1ULL << 57)   /* validation or undoing stopped half-way */
#define PGT_COUNT_MASK ((1ULL << 56) - 1)

extern struct page *const frame_table; /* indexed by frame number */

/*
 * Only so many numbers have room in the frame table's part of the address space. What is beyond is cut off,
 * so that a CPU which guesses that mfn_valid has allowed a guest's number reads nothing else by it.
 */
#define FRAME_NUMBER_BITS 34
static inline struct page *mfn_to_page(mfn_t m) { return &frame_table[m.n & ((1ULL << FRAME_NUMBER_BITS) - 1)]; }
static inline mfn_t page_to_mfn(const struct page *p) { return MFN((u64)(p - frame_table)); }
static inline void *page_to_virt(const struct page *p) { return mfn_to_virt(page_to_mfn(p)); }
static inline struct page *virt_to_page(const void *v) { return mfn_to_page(virt_to_mfn(v)); }

/* Owner; the reader holds a reference to the frame or the owner's page lock. */
struct domain *page_owner(const struct page *p);
void page_set_owner(struct page *p, struct domain *d);

/* --- core/page.c: references --- */
/* Takes a reference if d owns the frame and it is in use; false if not. */
bool must_check page_get(struct page *p, struct domain *d);
/* Takes a reference whoever owns it; returns the owner (good while the reference is held), or NULL and takes none. */
struct domain *must_check page_get_any(struct page *p);
/* Takes a further reference while the caller already holds one. */
void page_get_held(struct page *p);
/* Drops a reference; at zero the frame leaves its owner and goes to the heap. */
void page_put(struct page *p);
/* The rest of page_put: a frame that is no hypervisor memory has lost a reference, and this is left of its count. */
void page_put_last(struct page *p, u64 count);

/* --- pv/page_type.c: types --- */
/*
 * Takes one use of the frame as 'type' (a PGT_ type without flags); the caller
 * holds a reference, and for L1..L4 the owner's page-table lock.  0, -EINVAL
 * (contents not allowed), -EBUSY (in use as another type), -E_PREEMPTED (work
 * left; call again).
 */
int must_check page_get_type(struct page *p, u64 type);
/* Drops a use. Page tables are undone at zero, without preemption. */
void page_put_type(struct page *p);
/*
 * As page_put_type, but may return -E_PREEMPTED: the use is dropped, but the
 * page table is only half undone.  The room finishes that itself, at the
 * vCPU's next page-table call at the latest; a preemptible caller calls again
 * with pt_undo_continue (pv/pt.h).
 */
int must_check page_put_type_preemptible(struct page *p);
/* page_get and page_get_type in one; nothing is held on failure. */
int must_check page_get_and_type(struct page *p, struct domain *d, u64 type);
void page_put_and_type(struct page *p);
/* The same for one that was written to other than by its owner's own mappings: log-dirty mode takes note. */
void page_put_written(struct page *p);

/* --- core/heap.c --- */
#define HEAP_MAX_ORDER 20
#define HEAP_NO_SCRUB (1u << 0) /* contents may be anything */
#define HEAP_DMA_BITS(n) ((u32)(n) << 8) /* physical address below 2^n */
/* Hands a free RAM range to the heap (boot only). */
void heap_add_range(paddr_t start, paddr_t end);
/*
 * 2^order contiguous, naturally aligned frames with count 0, no owner, or NULL.
 * Wanted with interrupts on: with them off it can only give frames that need no
 * TLB flush.
 */
struct page *must_check heap_alloc_pages(unsigned order, u32 flags);
/* The same for a domain: may use what it has claimed. */
struct page *must_check heap_alloc_pages_for(struct domain *d, unsigned order, u32 flags);
/* Frames that no guest could reach since they were allocated. */
void heap_free_pages(struct page *p, unsigned order);
/* Frames that guests may have mapped: TLBs are flushed before they are used again. */
void heap_free_mapped_pages(struct page *p, unsigned order);
/* Hypervisor memory by address: zeroed unless HEAP_NO_SCRUB, PGC_HEAP set. */
void *must_check heap_alloc(unsigned order, u32 flags);
void heap_free(void *v, unsigned order);
u64 heap_free_page_count(void);        /* frames free now */
u64 heap_free_pages_below(unsigned bits); /* free frames below 2^bits */
bool heap_page_is_free(const struct page *p); /* in the heap now; nobody else may ask but the invariant checker */
u64 heap_total_page_count(void);       /* frames ever given to the heap */
/* Frames promised to domains by XENMEM_claim_pages and not yet taken (heap lock inside). */
u64 heap_claimed_page_count(void);
int heap_set_claim(struct domain *d, u64 pages);

/* --- core/domain_pages.c: frames of a domain --- */
/*
 * Allocates 2^order frames for d (zeroed), PGC_ALLOCATED with count 1 each and
 * PGT_WRITABLE-able; checks d->max_pages.  NULL: no memory or over the limit.
 */
struct page *must_check domain_alloc_pages(struct domain *d, unsigned order, u32 flags);
/* Gives already allocated frames (count 0) to d.  -E2BIG over the limit, -EINVAL if d dies. */
int must_check domain_assign_pages(struct domain *d, struct page *p, unsigned order, bool no_limit);
/* The owner gives a frame up, once: its own reference goes.  -EINVAL: not d's, or given up before. */
int must_check domain_release_page(struct domain *d, struct page *p);
/*
 * Makes a frame from heap_alloc mappable by d (shared info, grant frames):
 * owner d, the hypervisor's own reference and use of its type, so that a guest
 * can map it (read-only unless writable) and do nothing else with it.  While
 * anyone refers to it d is kept alive, so that at d's end nobody does.
 */
void page_share_with_domain(struct page *p, struct domain *d, bool writable);
/* Reverses it; false while anyone still maps the frame.  Interrupts on. */
bool must_check page_unshare(struct page *p);

/* --- core/slab.c --- */
void *must_check mem_alloc(size_t size);  /* zeroed, 16-byte aligned (page aligned from a page up); NULL if none */
void mem_free(void *v);                   /* NULL is fine */
#define mem_alloc_type(t) ((t *)mem_alloc(sizeof(t)))
#define mem_alloc_array(t, n) ((t *)mem_alloc_array_bytes(sizeof(t), (n)))
void *must_check mem_alloc_array_bytes(size_t size, size_t n); /* NULL on overflow too */

/* --- machine-to-phys table --- */
void m2p_set(mfn_t m, pfn_t p);
pfn_t m2p_get(mfn_t m);
/* First frame of the table's index-th 2 MiB (XENMEM_machphys_mfn_list); MFN_INVALID: a hole, or past the end. */
mfn_t m2p_extent_mfn(u64 index);

#endif
