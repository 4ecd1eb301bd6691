/* SPDX-License-Identifier: MIT */
/*
 * The vmap area: addresses for I/O memory, stacks and gathered frames, each
 * with an unmapped page below and above. Addresses given back are kept as
 * sorted free ranges; their page tables stay.
 */
#include <zelo/cpumask.h>
#include <zelo/lib.h>
#include <zelo/list.h>
#include <zelo/lock.h>
#include <zelo/log.h>
#include <zelo/page.h>

#include "boot/boot.h"
#include "paging.h"

struct vmap_free { struct list link; vaddr_t start, end; };

static spinlock_t vmap_lock = SPINLOCK(LOCK_LEAF);
static struct list free_ranges = LIST_INIT(free_ranges); /* sorted, none adjacent; vmap_lock */
static vaddr_t vmap_next = VMAP_START;                   /* never used from here on; vmap_lock */

/* Of a free range, if one is large enough; *emptied is then to be freed by the caller. */
static vaddr_t free_range_take(u64 size, struct vmap_free **emptied)
{
    struct vmap_free *f;

    list_for_each (f, &free_ranges, link) {
        vaddr_t va = f->start;

        if (f->end - f->start < size)
            continue;
        f->start += size;
        if (f->start == f->end) {
            list_remove(&f->link);
            *emptied = f;
        }
        return va;
    }
    return 0;
}

/* 0: the area is full. */
static vaddr_t range_alloc(u64 size)
{
    struct vmap_free *emptied = NULL;
    unsigned long flags;
    vaddr_t va;

    spin_lock_irqsave(&vmap_lock, flags);
    va = free_range_take(size, &emptied);
    if (!va && size <= VMAP_END - vmap_next) {
        va = vmap_next;
        vmap_next += size;
    }
    spin_unlock_irqrestore(&vmap_lock, flags);
    mem_free(emptied);
    return va;
}

/* Puts 'range' into the list, merged with its neighbours; what merging made superfluous is returned. */
static void range_insert(struct vmap_free *range, struct vmap_free *spare[2])
{
    struct vmap_free *f, *next;
    struct list *at = &free_ranges;

    list_for_each (f, &free_ranges, link) {
        if (f->start > range->start)
            break;
        at = &f->link;
    }
    list_insert_after(at, &range->link);
    if (at != &free_ranges) {
        f = list_entry(at, struct vmap_free, link);
        if (f->end == range->start) {
            range->start = f->start;
            list_remove(&f->link);
            spare[0] = f;
        }
    }
    if (range->link.next != &free_ranges) {
        next = list_entry(range->link.next, struct vmap_free, link);
        if (next->start == range->end) {
            range->end = next->end;
            list_remove(&next->link);
            spare[1] = next;
        }
    }
}

/* Without memory for the note the addresses are lost: there are 192 GiB of them. */
static void range_free(vaddr_t start, u64 size)
{
    struct vmap_free *range = mem_alloc_type(struct vmap_free), *spare[2] = { NULL, NULL };
    unsigned long flags;

    if (!range)
        return;
    range->start = start;
    range->end = start + size;
    spin_lock_irqsave(&vmap_lock, flags);
    range_insert(range, spare);
    spin_unlock_irqrestore(&vmap_lock, flags);
    mem_free(spare[0]);
    mem_free(spare[1]);
}

static u64 flags_of(unsigned map_flags)
{
    u64 flags = (map_flags & MAP_RW) ? PAGE_RW : PAGE_RO;

    BUG_ON((map_flags & (MAP_RW | MAP_X)) == (MAP_RW | MAP_X));
    if (map_flags & MAP_X)
        flags = PAGE_RX;
    if (map_flags & MAP_UC)
        flags |= PTE_PCD | PTE_PWT;
    if (map_flags & MAP_WC)
        flags |= PTE_PAT; /* entry 4 of PV_PAT */
    return flags;
}

/* n pages mapped from va on, of frames[] or, if NULL, of the frames from first on. */
static bool pages_map(vaddr_t va, const mfn_t *frames, u64 first, u64 n, u64 flags)
{
    for (u64 i = 0; i < n; i++) {
        u64 *e = paging_entry(va + i * PAGE_SIZE, 1);

        if (!e)
            return false;
        WRITE_ONCE(*e, (frames ? frames[i].n : first + i) << PAGE_SHIFT | flags);
    }
    return true;
}

static void pages_unmap(vaddr_t va, u64 n)
{
    for (u64 i = 0; i < n; i++) {
        u64 *e = paging_entry(va + i * PAGE_SIZE, 1);

        if (e)
            WRITE_ONCE(*e, 0);
    }
    tlb_flush_mask(&cpu_online, TLB_FLUSH_GLOBAL, 0);
}

/* With a guard page at both ends. */
static void *area_map(u64 first, u64 n, unsigned map_flags)
{
    vaddr_t va = range_alloc((n + 2) * PAGE_SIZE);

    if (!va)
        return NULL;
    if (pages_map(va + PAGE_SIZE, NULL, first, n, flags_of(map_flags)))
        return (void *)(va + PAGE_SIZE);
    pages_unmap(va + PAGE_SIZE, n);
    range_free(va, (n + 2) * PAGE_SIZE);
    return NULL;
}

static void area_unmap(vaddr_t va, u64 n)
{
    pages_unmap(va, n);
    range_free(va - PAGE_SIZE, (n + 2) * PAGE_SIZE);
}

void *vmap_io(paddr_t phys, size_t size, unsigned map_flags)
{
    u64 first = PFN_DOWN(phys), n = PFN_UP(phys + size) - first;
    char *va;

    if (!size || phys + size < phys)
        return NULL;
    va = area_map(first, n, map_flags);
    return va ? va + (phys & PAGE_OFFSET_MASK) : NULL;
}

void vunmap_io(const volatile void *va, size_t size)
{
    vaddr_t start = ALIGN_DOWN((vaddr_t)va, PAGE_SIZE);

    if (va)
        area_unmap(start, PFN_UP((vaddr_t)va + size - start));
}

/* --- stacks --- */

/*
 * Addresses for a stack, aligned to its size (arch/layout.h draws it), with a
 * guard page below its main part and one below all of it. Boot only.
 */
vaddr_t vmap_stack(const mfn_t *frames)
{
    const u64 main_pages = STACK_SIZE / PAGE_SIZE - STACK_GUARD_PAGE - 1;
    unsigned long flags;
    vaddr_t va;

    spin_lock_irqsave(&vmap_lock, flags);
    va = ALIGN_UP(vmap_next + PAGE_SIZE, STACK_SIZE);
    vmap_next = va + STACK_SIZE;
    spin_unlock_irqrestore(&vmap_lock, flags);
    if (vmap_next > VMAP_END || !pages_map(va, frames, 0, STACK_GUARD_PAGE, PAGE_RW) ||
        !pages_map(va + (STACK_GUARD_PAGE + 1) * PAGE_SIZE, frames + STACK_GUARD_PAGE, 0, main_pages, PAGE_RW))
        panic("No memory for a stack\n");
    return va;
}
