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
 */
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

    p->count = PGC_FREE_HEAD;
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
    p->count = PGC_FREE;
    zone_free[z] -= 1ULL << order;
}

static bool block_is_free(u64 mfn, unsigned order)
{
    return mfn_valid(MFN(mfn)) && frame_table[mfn].count == PGC_FREE_HEAD && frame_table[mfn].free_order == order;
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

struct page *heap_alloc_pages_for(struct domain *d, unsigned order, u32 flags)
{
    unsigned bits = flags >> 8, zones = ZONES;
    u64 n = 1ULL << order, mfn, claim;
    unsigned long irq;
    bool ok;

    if (order > HEAP_MAX_ORDER)
        return NULL;
    if (bits)
        zones = bits <= PAGE_SHIFT ? 1 : MIN(bits - PAGE_SHIFT + 1, (unsigned)ZONES);
    spin_lock_irqsave(&heap_lock, irq);
    claim = d ? d->claimed_pages : 0;
    ok = heap_ready && free_pages + claim >= claimed_pages + n && block_take(order, zones, &mfn);
    if (ok) {
        free_pages -= n;
        if (claim) {
            d->claimed_pages -= MIN(claim, n);
            claimed_pages -= MIN(claim, n);
        }
    }
    spin_unlock_irqrestore(&heap_lock, irq);
    if (!ok)
        return NULL;
    for (u64 i = 0; i < n; i++) {
        frame_table[mfn + i] = (struct page){ .next = PAGE_LINK_NONE, .prev = PAGE_LINK_NONE };
        if (!(flags & HEAP_NO_SCRUB))
            memset(mfn_to_virt(MFN(mfn + i)), 0, PAGE_SIZE);
    }
    return &frame_table[mfn];
}

struct page *heap_alloc_pages(unsigned order, u32 flags)
{
    return heap_alloc_pages_for(NULL, order, flags);
}

void heap_free_pages(struct page *p, unsigned order)
{
    u64 mfn = page_to_mfn(p).n;
    unsigned long flags;

    for (u64 i = 0; i < 1ULL << order; i++) {
        BUG_ON((p[i].count & (PGC_FREE | PGC_COUNT_MASK)) || (p[i].type & PGT_COUNT_MASK));
        p[i].owner = 0;
        p[i].type = 0;
    }
    spin_lock_irqsave(&heap_lock, flags);
    for (u64 i = 0; i < 1ULL << order; i++)
        p[i].count = PGC_FREE;
    block_free(mfn, order);
    free_pages += 1ULL << order;
    spin_unlock_irqrestore(&heap_lock, flags);
}

void *heap_alloc(unsigned order, u32 flags)
{
    struct page *p = heap_alloc_pages(order, flags);

    if (!p)
        return NULL;
    for (u64 i = 0; i < 1ULL << order; i++)
        p[i].count = PGC_HEAP;
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
    if (pages && (pages < d->tot_pages || pages > d->max_pages || d->dying != DOMAIN_ALIVE))
        rc = -EINVAL;
    else if (pages && d->claimed_pages)
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
