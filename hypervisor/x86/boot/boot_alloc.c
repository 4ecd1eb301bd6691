/* SPDX-License-Identifier: MIT */
/*
 * Memory before the heap: ranges are taken from the top of RAM and never
 * given back. What is taken, and what the loader put somewhere, are kept as
 * sorted, merged ranges; the rest of RAM goes to the heap in the end.
 * Boot CPU alone.
 */
#include <zelo/lib.h>
#include <zelo/log.h>

#include "boot.h"

#define RESERVED_MAX 256u
/* Firmware and loaders live in the lowest megabyte. */
#define LOWEST MiB(1)

struct range { paddr_t start, end; };

static struct range reserved[RESERVED_MAX]; /* sorted, disjoint, not adjacent */
static unsigned reserved_count;
static bool closed;

static void range_delete(unsigned i)
{
    reserved_count--;
    memmove(&reserved[i], &reserved[i + 1], (reserved_count - i) * sizeof(*reserved));
}

void boot_reserve(paddr_t start, u64 size)
{
    paddr_t end = ALIGN_UP(start + size, PAGE_SIZE);
    unsigned i = 0;

    start = ALIGN_DOWN(start, PAGE_SIZE);
    if (start == end)
        return;
    while (i < reserved_count && reserved[i].end < start)
        i++;
    while (i < reserved_count && reserved[i].start <= end) {
        start = MIN(start, reserved[i].start);
        end = MAX(end, reserved[i].end);
        range_delete(i);
    }
    if (reserved_count == RESERVED_MAX)
        panic("Boot modules and early memory lie in more than %u pieces\n", RESERVED_MAX);
    memmove(&reserved[i + 1], &reserved[i], (reserved_count - i) * sizeof(*reserved));
    reserved[i] = (struct range){ start, end };
    reserved_count++;
}

/* The highest fit between two reserved ranges within [start, end). */
static bool fit_below(paddr_t start, paddr_t end, u64 size, u64 align, paddr_t *out)
{
    for (unsigned i = reserved_count;; i--) {
        paddr_t gap_start = i ? MAX(start, reserved[i - 1].end) : start;
        paddr_t gap_end = i < reserved_count ? MIN(end, reserved[i].start) : end;

        if (gap_start < gap_end && gap_end - gap_start >= size) {
            *out = ALIGN_DOWN(gap_end - size, align);
            if (*out >= gap_start)
                return true;
        }
        if (!i)
            return false;
    }
}

paddr_t boot_alloc(u64 size, u64 align, paddr_t limit)
{
    paddr_t start, end, at;

    BUG_ON(closed);
    size = ALIGN_UP(size, PAGE_SIZE);
    for (unsigned i = e820_count; i--;) {
        (void)e820_ram(i, &start, &end);
        start = MAX(start, LOWEST);
        end = MIN(end, limit);
        if (start < end && fit_below(start, end, size, MAX(align, PAGE_SIZE), &at)) {
            boot_reserve(at, size);
            return at;
        }
    }
    panic("No memory for %lu bytes at boot\n", (unsigned long)size);
}

void boot_alloc_finish(void (*fn)(paddr_t start, paddr_t end))
{
    paddr_t start, end;

    closed = true;
    for (unsigned i = 0; e820_ram(i, &start, &end); i++) {
        start = MAX(start, LOWEST);
        for (unsigned r = 0; r < reserved_count && start < end; r++) {
            if (reserved[r].end <= start || reserved[r].start >= end)
                continue;
            if (start < reserved[r].start)
                fn(start, reserved[r].start);
            start = reserved[r].end;
        }
        if (start < end)
            fn(start, end);
    }
}

bool boot_alloc_is_open(void)
{
    return !closed;
}

void boot_reserved_for_each(void (*fn)(paddr_t start, paddr_t end))
{
    for (unsigned i = 0; i < reserved_count; i++)
        fn(reserved[i].start, reserved[i].end);
}
