/* SPDX-License-Identifier: MIT */
/* Names of the image's functions, from the table that image/symbols.py makes. */
#include <arch/machine.h>

#include "boot/boot.h"

/* Sorted by offset; the name's place is relative to symbol_names. */
struct symbol { u32 offset, name; };

extern const u32 symbol_count;
extern const struct symbol symbol_table[];
extern const char symbol_names[];

const char *symbol_lookup(vaddr_t addr, u64 *offset)
{
    u64 at = addr - (vaddr_t)__text_start;
    u32 low = 0, high = symbol_count;

    if (addr < (vaddr_t)__text_start || addr >= (vaddr_t)__text_end)
        return NULL;
    while (low < high) {
        u32 middle = low + (high - low) / 2;

        if (symbol_table[middle].offset <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return NULL;
    *offset = at - symbol_table[low - 1].offset;
    return symbol_names + symbol_table[low - 1].name;
}

const char *symbol_at(u32 n, vaddr_t *addr)
{
    if (n >= symbol_count)
        return NULL;
    *addr = (vaddr_t)__text_start + symbol_table[n].offset;
    return symbol_names + symbol_table[n].name;
}
