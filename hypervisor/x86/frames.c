/* SPDX-License-Identifier: MIT */
/*
 * The two tables with an entry for each frame: the frame table (struct page)
 * and the machine-to-phys table. Both are sparse: the frame table in sections
 * of 2 MiB (256 MiB of memory), the machine-to-phys table in extents of 2 MiB
 * (1 GiB of memory), only where some RAM lies.
 *
 * In a section frames that are not RAM have PGC_RESERVED; RAM that the
 * hypervisor keeps for itself from boot on has PGC_HEAP. Neither has an owner
 * nor references.
 */
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/nospec.h>
#include <zelo/page.h>

#include "boot/boot.h"
#include "paging.h"

#define TABLE_PAGE MiB(2)
#define SECTION_FRAMES (1ULL << SECTION_SHIFT)
_Static_assert(SECTION_FRAMES * sizeof(struct page) == TABLE_PAGE, "one page for each section");
_Static_assert((sizeof(struct page) << FRAME_NUMBER_BITS) == L4_SLOT_BYTES, "mfn_to_page stays in the frame table's slot");
#define EXTENT_FRAMES (TABLE_PAGE / sizeof(u64))
#define SECTION_MAX ((DIRECT_MAP_END - DIRECT_MAP_START) >> (PAGE_SHIFT + SECTION_SHIFT))

struct page *const frame_table = (struct page *)FRAME_TABLE_START;
u64 max_frame;

unsigned long section_present[BITMAP_LONGS(SECTION_MAX)];
static u64 *const m2p = (u64 *)M2P_RW_START;
static mfn_t *m2p_extents;                                       /* first frame of each; MFN_INVALID: a hole */
static u64 m2p_extent_count;

static void sections_mark(paddr_t start, paddr_t end)
{
    if (start >= end)
        return;
    for (u64 s = PFN_DOWN(start) >> SECTION_SHIFT; s <= (PFN_UP(end) - 1) >> SECTION_SHIFT; s++)
        bitmap_set(section_present, (unsigned)s);
}

void frames_map(void)
{
    paddr_t start, end;

    for (unsigned i = 0; e820_ram(i, &start, &end); i++)
        sections_mark(start, end);
    for (unsigned s = 0; s < SECTION_MAX; s++)
        if (bitmap_test(section_present, s))
            paging_map(FRAME_TABLE_START + s * TABLE_PAGE, boot_alloc(TABLE_PAGE, TABLE_PAGE, ~0ULL), TABLE_PAGE,
                       PAGE_RW);
}

static void frames_set(u64 first, u64 last, u64 count)
{
    for (u64 n = first; n < last; n++)
        if (mfn_valid(MFN(n)))
            frame_table[n].count = count;
        else
            n |= SECTION_FRAMES - 1; /* the whole section is missing */
}

static void range_is_ours(paddr_t start, paddr_t end)
{
    frames_set(PFN_DOWN(start), PFN_UP(end), PGC_HEAP);
}

void frames_init(void)
{
    paddr_t start, end;
    u64 from = 0;

    for (unsigned s = 0; s < SECTION_MAX; s++)
        if (bitmap_test(section_present, s))
            memset(&frame_table[s * SECTION_FRAMES], 0, TABLE_PAGE);
    for (unsigned i = 0; e820_ram(i, &start, &end); i++) {
        if (start >= end)
            continue;
        frames_set(from, PFN_DOWN(start), PGC_RESERVED);
        from = PFN_DOWN(end);
    }
    frames_set(from, max_frame, PGC_RESERVED);
    /* What boot_alloc may still take before the heap opens is noted then: see heap_open in start.c. */
    for (unsigned i = 0; e820_ram(i, &start, &end); i++)
        range_is_ours(MIN(start, MiB(1)), MIN(end, MiB(1)));
}

void frames_mark_boot_memory(void)
{
    boot_reserved_for_each(range_is_ours);
}

/* --- machine-to-phys table --- */

static bool extent_has_ram(u64 extent)
{
    u64 per_extent = EXTENT_FRAMES >> SECTION_SHIFT;
    unsigned end = (unsigned)MIN((extent + 1) * per_extent, (u64)SECTION_MAX);

    return bitmap_next_set(section_present, end, (unsigned)(extent * per_extent)) < end;
}

static mfn_t extent_init(u64 extent)
{
    u64 *table = heap_alloc(ilog2(TABLE_PAGE) - PAGE_SHIFT, HEAP_NO_SCRUB);

    if (!table)
        panic("No memory for the machine-to-phys table\n");
    memset(table, 0xff, TABLE_PAGE);
    /* US: guests read it through the view of slot 256 (paging.c). */
    /* Not global: a user root without slot 256 (m2p_strict) must not find it in the TLB. */
    paging_map(M2P_RW_START + extent * TABLE_PAGE, virt_to_phys(table), TABLE_PAGE, (PAGE_RW | PTE_US) & ~PTE_G);
    return virt_to_mfn(table);
}

void m2p_init(void)
{
    m2p_extent_count = DIV_ROUND_UP(max_frame, EXTENT_FRAMES);
    m2p_extents = mem_alloc_array(mfn_t, m2p_extent_count);
    if (!m2p_extents)
        panic("No memory for the machine-to-phys table\n");
    for (u64 i = 0; i < m2p_extent_count; i++)
        m2p_extents[i] = extent_has_ram(i) ? extent_init(i) : MFN_INVALID;
}

void m2p_set(mfn_t m, pfn_t p)
{
    if (mfn_valid(m))
        WRITE_ONCE(m2p[array_index_nospec(m.n, max_frame)], p.n);
}

pfn_t m2p_get(mfn_t m)
{
    return mfn_valid(m) ? PFN(READ_ONCE(m2p[array_index_nospec(m.n, max_frame)])) : PFN_INVALID;
}

mfn_t m2p_extent_mfn(u64 index)
{
    return index < m2p_extent_count ? m2p_extents[array_index_nospec(index, m2p_extent_count)] : MFN_INVALID;
}
