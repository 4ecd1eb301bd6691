/* SPDX-License-Identifier: MIT */
/*
 * The machine's memory map: what the loader reported, put in order. Where
 * ranges overlap the type that is not RAM wins, so that nothing is taken for
 * memory that somebody calls otherwise.
 */
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/page.h>

#include "boot.h"

struct e820_range e820_map[E820_MAX];
unsigned e820_count;

static struct e820_range raw[E820_MAX];
static unsigned raw_count, raw_lost;
static u64 border[2 * E820_MAX];

void e820_add(paddr_t addr, u64 size, u32 type)
{
    if (!size)
        return;
    if (!type || type > E820_UNUSABLE)
        type = E820_RESERVED; /* loaders' own types, such as GRUB's for UEFI's code */
    size = MIN(size, ~addr); /* not past the end of the address space */
    if (raw_count < E820_MAX)
        raw[raw_count++] = (struct e820_range){ addr, size, type };
    else
        raw_lost++;
}

static void borders_sort(u64 *b, unsigned n)
{
    for (unsigned i = 1; i < n; i++) {
        u64 v = b[i];
        unsigned j = i;

        for (; j && b[j - 1] > v; j--)
            b[j] = b[j - 1];
        b[j] = v;
    }
}

/* The highest type that covers [start, end), which no range cuts; 0: none. */
static u32 type_between(u64 start, u64 end)
{
    u32 type = 0;

    for (unsigned i = 0; i < raw_count; i++)
        if (raw[i].addr <= start && raw[i].addr + raw[i].size >= end)
            type = MAX(type, raw[i].type);
    return type;
}

static void map_append(u64 start, u64 end, u32 type)
{
    struct e820_range *last = e820_count ? &e820_map[e820_count - 1] : NULL;

    if (last && last->type == type && last->addr + last->size == start)
        last->size += end - start;
    else if (e820_count < E820_MAX)
        e820_map[e820_count++] = (struct e820_range){ start, end - start, type };
    else
        raw_lost++;
}

void e820_finish(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < raw_count; i++) {
        border[n++] = raw[i].addr;
        border[n++] = raw[i].addr + raw[i].size;
    }
    borders_sort(border, n);
    for (unsigned i = 0; i + 1 < n; i++) {
        u32 type = border[i] < border[i + 1] ? type_between(border[i], border[i + 1]) : 0;

        if (type)
            map_append(border[i], border[i + 1], type);
    }
    for (unsigned i = 0; i < e820_count; i++) {
        u64 end = PFN_DOWN(e820_map[i].addr + e820_map[i].size);

        if (e820_map[i].type == E820_RAM && end > max_frame)
            max_frame = MIN(end, (DIRECT_MAP_END - DIRECT_MAP_START) >> PAGE_SHIFT);
    }
    if (raw_lost)
        log_warn("The memory map has %u ranges more than can be kept: that memory is not used\n", raw_lost);
}

bool e820_ram(unsigned i, paddr_t *start, paddr_t *end)
{
    if (i >= e820_count)
        return false;
    *start = *end = 0;
    if (e820_map[i].type == E820_RAM) {
        *start = ALIGN_UP(e820_map[i].addr, PAGE_SIZE);
        *end = MIN(ALIGN_DOWN(e820_map[i].addr + e820_map[i].size, PAGE_SIZE), max_frame << PAGE_SHIFT);
        *end = MAX(*start, *end);
    }
    return true;
}
