/* SPDX-License-Identifier: MIT */
/*
 * The page allocator: a binary buddy system over all RAM.
 *
 * Free blocks of 2^order frames, naturally aligned, are linked by frame number
 * through their first struct page, in one list for each order and address
 * zone.  Zone z holds blocks whose first frame number has its highest set bit
 * at z - 1, so that "below 2^n" is a question of which zones to look in.
 * Every free frame has PGC_FREE in its count, a block's first one PGC_FREE_HEAD
 * too, so that a frame freed twice is noticed.
 *
 * A guest may drop its mapping of a frame, give the frame up, and keep the
 * translation in a TLB.  So a frame that guests could reach is freed with a
 * stamp, the tick at that time (in its type word); before such a frame is used
 * again all CPUs are flushed, unless they have been since.  One flush starts a
 * new tick and serves all frames freed before it.
 */
#include <zelo/alloc_fault.h>
#include <zelo/check.h>
#include <zelo/cpumask.h>
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/page.h>

#define PGC_FREE (1ULL << 58)
#define PGC_FREE_HEAD (PGC_FREE | 1ULL << 59)
#define ZONES 41

static u32 free_list[ZONES][HEAP_MAX_ORDER + 1];
static u64 zone_free[ZONES];
static u64 free_pages, total_pages, claimed_pages;
static spinlock_t heap_lock = SPINLOCK(LOCK_HEAP);
static bool heap_ready;
static u64 flush_tick = 1;   /* (a) stamp of frames that guests lose now */
static u64 flushed_tick = 1; /* (a) frames with a lower stamp are in no TLB */

static unsigned frame_zone(u64 mfn)
{
    return mfn ? ilog2(mfn) + 1 : 0;
}

static void heap_prepare(void)
{
    for (unsigned z = 0; z < ZONES; z++)
        for (unsigned o = 0; o <= HEAP_MAX_ORDER; o++)
            free_list[z][o] = PAGE_LINK_NONE;
    heap_ready = true;
}

static void block_link(u64 mfn, unsigned order)
{
    unsigned z = frame_zone(mfn);
    struct page *p = &frame_table[mfn];

    atomic_set(&p->count, PGC_FREE_HEAD);
    p->free_order = order;
    p->prev = PAGE_LINK_NONE;
    p->next = free_list[z][order];
    if (p->next != PAGE_LINK_NONE)
        frame_table[p->next].prev = (u32)mfn;
    free_list[z][order] = (u32)mfn;
    zone_free[z] += 1ULL << order;
}

static void block_unlink(u64 mfn, unsigned order)
{
    unsigned z = frame_zone(mfn);
    struct page *p = &frame_table[mfn];

    if (p->prev != PAGE_LINK_NONE)
        frame_table[p->prev].next = p->next;
    else
        free_list[z][order] = p->next;
    if (p->next != PAGE_LINK_NONE)
        frame_table[p->next].prev = p->prev;
    atomic_set(&p->count, PGC_FREE);
    zone_free[z] -= 1ULL << order;
}

/* The frame may be in use, with references that come and go: only a free block's first has this count. */
static bool block_is_free(u64 mfn, unsigned order)
{
    return mfn_valid(MFN(mfn)) && atomic_read(&frame_table[mfn].count) == PGC_FREE_HEAD &&
           frame_table[mfn].free_order == order;
}

/*
 * Merges with free buddies within a zone.  Zone borders are powers of two, so
 * that only frame 0 is special: it stays a block of its own, in zone 0.
 */
static void block_free(u64 mfn, unsigned order)
{
    while (order < HEAP_MAX_ORDER) {
        u64 buddy = mfn ^ (1ULL << order);

        if (!block_is_free(buddy, order) || frame_zone(buddy) != frame_zone(mfn))
            break;
        block_unlink(buddy, order);
        mfn &= ~(1ULL << order);
        order++;
    }
    block_link(mfn, order);
}

void heap_add_range(paddr_t start, paddr_t end)
{
    u64 mfn = PFN_UP(start), last = PFN_DOWN(end);
    unsigned long flags;

    spin_lock_irqsave(&heap_lock, flags);
    if (!heap_ready)
        heap_prepare();
    while (mfn < last) {
        unsigned order = mfn ? (unsigned)__builtin_ctzll(mfn) : 0;

        order = MIN(order, (unsigned)HEAP_MAX_ORDER);
        while ((1ULL << order) > last - mfn)
            order--;
        for (u64 i = 0; i < 1ULL << order; i++)
            frame_table[mfn + i] = (struct page){ .count = PGC_FREE };
        block_free(mfn, order);
        free_pages += 1ULL << order;
        total_pages += 1ULL << order;
        mfn += 1ULL << order;
    }
    spin_unlock_irqrestore(&heap_lock, flags);
}

/* Takes a block of the order from the highest zone below 'zones', splitting a larger one if need be. */
static bool block_take(unsigned order, unsigned zones, u64 *out)
{
    for (unsigned z = zones; z--;) {
        if (zone_free[z] < 1ULL << order)
            continue;
        for (unsigned o = order; o <= HEAP_MAX_ORDER; o++) {
            u64 mfn = free_list[z][o];

            if (mfn == PAGE_LINK_NONE)
                continue;
            block_unlink(mfn, o);
            while (o > order) {
                o--;
                block_link(mfn + (1ULL << o), o);
            }
            *out = mfn;
            return true;
        }
    }
    return false;
}

/* Counts the n frames of a block as taken by d (NULL: nobody's claim) if there are enough, and takes them. */
static bool block_reserve(struct domain *d, unsigned order, unsigned zones, u64 *mfn)
{
    u64 n = 1ULL << order, claim = d ? d->claimed_pages : 0;

    if (!heap_ready || free_pages + claim < claimed_pages + n || !block_take(order, zones, mfn))
        return false;
    free_pages -= n;
    if (claim) {
        d->claimed_pages -= MIN(claim, n);
        claimed_pages -= MIN(claim, n);
    }
    return true;
}

/*
 * For a frame that leaves the heap, or comes back: whoever guesses its number
 * may ask for a reference at any time (page_get), sees no count, and gets none.
 */
static void frame_reset(struct page *p, u64 type, u64 count)
{
    page_set_owner(p, NULL);
    atomic_set(&p->type, type);
    p->next = p->prev = PAGE_LINK_NONE;
    p->free_order = 0;
    atomic_set(&p->count, count);
}

/* The latest stamp in a block that was just taken. */
static u64 block_stamp(u64 mfn, unsigned order)
{
    u64 stamp = 0;

    for (u64 i = 0; i < 1ULL << order; i++)
        stamp = MAX(stamp, frame_table[mfn + i].type);
    return stamp;
}

/* Makes sure that no TLB has frames with this stamp; false if that cannot be done here. */
static bool heap_flush_stale(u64 stamp)
{
    u64 done = atomic_read_acquire(&flushed_tick), tick;

    if (stamp < done)
        return true;
    if (!arch_irq_enabled()) /* other CPUs may wait for us with theirs off */
        return false;
    tick = atomic_add_return(&flush_tick, 1);
    tlb_flush_mask(&cpu_online, TLB_FLUSH_ALL, 0);
    while (done < tick && !atomic_cas(&flushed_tick, &done, tick))
        ;
    return true;
}

/* Undoes block_reserve but for the claim; the frames keep their stamps. */
static void block_return(u64 mfn, unsigned order)
{
    unsigned long flags;

    spin_lock_irqsave(&heap_lock, flags);
    block_free(mfn, order);
    free_pages += 1ULL << order;
    spin_unlock_irqrestore(&heap_lock, flags);
}

struct page *heap_alloc_pages_for(struct domain *d, unsigned order, u32 flags)
{
    unsigned bits = flags >> 8, zones = ZONES;
    unsigned long irq;
    u64 mfn;
    bool ok;

    if (order > HEAP_MAX_ORDER || alloc_fault_now())
        return NULL;
    if (bits)
        zones = bits <= PAGE_SHIFT ? 1 : MIN(bits - PAGE_SHIFT + 1, (unsigned)ZONES);
    spin_lock_irqsave(&heap_lock, irq);
    ok = block_reserve(d, order, zones, &mfn);
    spin_unlock_irqrestore(&heap_lock, irq);
    if (!ok)
        return NULL;
    if (!heap_flush_stale(block_stamp(mfn, order))) {
        block_return(mfn, order);
        return NULL;
    }
    for (u64 i = 0; i < 1ULL << order; i++) {
        frame_reset(&frame_table[mfn + i], 0, 0);
        if (!(flags & HEAP_NO_SCRUB))
            memset(mfn_to_virt(MFN(mfn + i)), 0, PAGE_SIZE);
    }
    return &frame_table[mfn];
}

struct page *heap_alloc_pages(unsigned order, u32 flags)
{
    return heap_alloc_pages_for(NULL, order, flags);
}

/* stamp: read after the last mapping went, so that a flush with a later tick has taken the translation. */
static void heap_take_back(struct page *p, unsigned order, u64 stamp)
{
    unsigned long flags;

    for (u64 i = 0; i < 1ULL << order; i++) {
        BUG_ON((atomic_read(&p[i].count) & (PGC_FREE | PGC_COUNT_MASK)) || (atomic_read(&p[i].type) & PGT_COUNT_MASK));
        frame_reset(&p[i], stamp, PGC_FREE);
    }
    spin_lock_irqsave(&heap_lock, flags);
    block_free(page_to_mfn(p).n, order);
    free_pages += 1ULL << order;
    spin_unlock_irqrestore(&heap_lock, flags);
}

void heap_free_pages(struct page *p, unsigned order)
{
    heap_take_back(p, order, 0);
}

void heap_free_mapped_pages(struct page *p, unsigned order)
{
    smp_mb();
    heap_take_back(p, order, atomic_read(&flush_tick));
}

void *heap_alloc(unsigned order, u32 flags)
{
    struct page *p = heap_alloc_pages(order, flags);

    if (!p)
        return NULL;
    for (u64 i = 0; i < 1ULL << order; i++)
        atomic_set(&p[i].count, PGC_HEAP);
    return page_to_virt(p);
}

void heap_free(void *v, unsigned order)
{
    if (v)
        heap_free_pages(virt_to_page(v), order);
}

u64 heap_free_page_count(void) { return READ_ONCE(free_pages); }
u64 heap_total_page_count(void) { return READ_ONCE(total_pages); }
u64 heap_claimed_page_count(void) { return READ_ONCE(claimed_pages); }

u64 heap_free_pages_below(unsigned bits)
{
    unsigned zones = bits <= PAGE_SHIFT ? 0 : MIN(bits - PAGE_SHIFT + 1, (unsigned)ZONES);
    u64 n = 0;

    for (unsigned z = 0; z < zones; z++)
        n += READ_ONCE(zone_free[z]);
    return n;
}

/* A claim counts what the domain already has: pages is the total it wants to reach. */
int heap_set_claim(struct domain *d, u64 pages)
{
    unsigned long flags;
    int rc = 0;
    u64 want;

    spin_lock(&d->page_lock); /* tot_pages stays */
    want = pages > d->tot_pages ? pages - d->tot_pages : 0;
    spin_lock_irqsave(&heap_lock, flags);
    if (pages && (pages < d->tot_pages || pages > READ_ONCE(d->max_pages) || READ_ONCE(d->dying) != DOMAIN_ALIVE ||
                  d->claimed_pages))
        rc = -EINVAL; /* one claim at a time */
    else if (want > free_pages + d->claimed_pages - claimed_pages)
        rc = -ENOMEM;
    if (!rc) {
        claimed_pages += want - d->claimed_pages;
        d->claimed_pages = want;
    }
    spin_unlock_irqrestore(&heap_lock, flags);
    spin_unlock(&d->page_lock);
    return rc;
}

/* --- for the invariant checker --- */

bool heap_page_is_free(const struct page *p)
{
    return p->count & PGC_FREE;
}

/* One list: the frames in it. A list that has come apart may lead anywhere. */
static u64 list_check(unsigned zone, unsigned order)
{
    u32 prev = PAGE_LINK_NONE;
    u64 found = 0;

    for (u32 n = free_list[zone][order]; n != PAGE_LINK_NONE; n = frame_table[n].next) {
        if (!block_is_free(n, order) || frame_zone(n) != zone || frame_table[n].prev != prev ||
            n & ((1ULL << order) - 1) || found > total_pages) {
            check_violation("frame %x: not a free block of order %u in zone %u after %x", n, order, zone, prev);
            break;
        }
        found += 1ULL << order;
        prev = n;
    }
    return found;
}

void heap_check(void)
{
    unsigned long flags;
    u64 found = 0;

    spin_lock_irqsave(&heap_lock, flags);
    for (unsigned z = 0; heap_ready && z < ZONES; z++) {
        u64 in_zone = 0;

        for (unsigned o = 0; o <= HEAP_MAX_ORDER; o++)
            in_zone += list_check(z, o);
        if (in_zone != zone_free[z])
            check_violation("zone %u has %lu free frames, counts %lu", z, (unsigned long)in_zone,
                            (unsigned long)zone_free[z]);
        found += in_zone;
    }
    if (found != free_pages || free_pages > total_pages)
        check_violation("the heap lists %lu free frames, counts %lu of %lu", (unsigned long)found,
                        (unsigned long)free_pages, (unsigned long)total_pages);
    spin_unlock_irqrestore(&heap_lock, flags);
}
