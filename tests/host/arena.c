/* SPDX-License-Identifier: MIT */
/* Machine memory of the host build: the arena, its frame table and machine-to-phys table. */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HOST_FRAME_TABLE (HOST_ARENA + (HOST_FRAMES << PAGE_SHIFT))

struct page *const frame_table = (struct page *)HOST_FRAME_TABLE;
u64 max_frame;
static u64 *m2p; /* in one 2 MiB block of RAM */

static void arena_map(vaddr_t va, size_t size)
{
    void *p = mmap((void *)va, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

    if (p != (void *)va) {
        perror("host arena");
        exit(2);
    }
}

void host_arena_init(void)
{
    arena_map(HOST_ARENA, HOST_FRAMES << PAGE_SHIFT);
    arena_map(HOST_FRAME_TABLE, HOST_FRAMES * sizeof(struct page));
    max_frame = HOST_FRAMES;
    for (u64 i = 0; i < HOST_FIRST_RAM; i++)
        frame_table[i].count = PGC_RESERVED;
    heap_add_range(HOST_FIRST_RAM << PAGE_SHIFT, HOST_FRAMES << PAGE_SHIFT);
    m2p = heap_alloc(9, HEAP_NO_SCRUB);
    memset(m2p, 0xff, MiB(2));
}

bool mfn_valid(mfn_t m) { return m.n < max_frame; }

void m2p_set(mfn_t m, pfn_t p)
{
    if (mfn_valid(m))
        WRITE_ONCE(m2p[m.n], p.n);
}

pfn_t m2p_get(mfn_t m) { return mfn_valid(m) ? PFN(READ_ONCE(m2p[m.n])) : PFN_INVALID; }
mfn_t m2p_extent_mfn(u64 index) { return index ? MFN_INVALID : virt_to_mfn(m2p); }
