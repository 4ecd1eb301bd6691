/* SPDX-License-Identifier: MIT */
/* Page tables: entries changed one by one and in batches, tables pinned and unpinned. */
#include "bench.h"

#define M2P ((const uint64_t *)0xffff800000000000UL)
#define TABLES 16u                /* of one level, pinned and unpinned one after the other */
#define TREES 8u
enum { TREE_L4, TREE_L3, TREE_L2, TREE_L1, TREE_L1S = 4, TREE_PAGES = TREE_L1 + TREE_L1S };
#define PTE_TABLE (PAGE_FLAGS | PTE_RW | PTE_US)
#define ENTRIES 512UL

char pages[PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static mmu_update_t writable[PAGES], read_only[PAGES], absent[PAGES];
static uint64_t *l1s, *trees;

long mmuext(unsigned cmd, uint64_t arg1)
{
    struct mmuext_op op = { .cmd = cmd, .arg1.mfn = arg1 };

    return HC4(mmuext_op, PTR(&op), 1, 0, DOMID_SELF);
}

uint64_t entry_of(const void *table, uint64_t flags)
{
    return virt_to_mfn(table) << 12 | flags;
}

void page_set(const void *va, uint64_t flags)
{
    must("mapping a page", map_page(va, flags ? entry_of(va, flags) : 0));
}

static const uint64_t *root(void) { return (const uint64_t *)start_info->pt_base; }
uint64_t root_entry(void) { return root()[VIRT_BASE >> 39 & 511]; }

/* Where in the machine's memory the L1 entry of an address is. */
static uint64_t entry_address(const void *va)
{
    const uint64_t *table = root();

    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t frame = (table[PTR(va) >> shift & 511] & 0x000ffffffffff000UL) >> 12;

        if (shift == 21)
            return frame << 12 | (PTR(va) >> 12 & 511) * 8;
        table = (const uint64_t *)(VIRT_BASE + M2P[frame] * PAGE_SIZE);
    }
    return 0;
}

uint64_t *tables_new(unsigned count)
{
    static char tables[TABLES + TREES * TREE_PAGES + 8][PAGE_SIZE] __attribute__((aligned(4096)));
    static unsigned used;
    unsigned first = used;

    used += count;
    must("room for tables", used > ARRAY_SIZE(tables));
    return (uint64_t *)tables[first];
}

static uint64_t *table_at(uint64_t *tables, unsigned n) { return tables + n * ENTRIES; }

/* They must not be mapped writable once they are page tables. */
static void tables_protect(uint64_t *tables, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        page_set(table_at(tables, i), PAGE_FLAGS);
}

static void l1_fill(uint64_t *table, unsigned entries)
{
    for (unsigned i = 0; i < entries; i++)
        table[i] = entry_of(pages[i % PAGES], PAGE_FLAGS | PTE_RW);
}

static void tree_fill(uint64_t *tree)
{
    tree[0] = entry_of(table_at(tree, TREE_L3), PTE_TABLE);
    tree[VIRT_BASE >> 39 & 511] = root_entry();
    table_at(tree, TREE_L3)[0] = entry_of(table_at(tree, TREE_L2), PTE_TABLE);
    for (unsigned i = 0; i < TREE_L1S; i++) {
        table_at(tree, TREE_L2)[i] = entry_of(table_at(tree, TREE_L1 + i), PTE_TABLE);
        l1_fill(table_at(tree, TREE_L1 + i), PAGES);
    }
}

static void prepare(void)
{
    for (unsigned i = 0; i < PAGES; i++) {
        writable[i].ptr = read_only[i].ptr = absent[i].ptr = entry_address(pages[i]) | MMU_NORMAL_PT_UPDATE;
        writable[i].val = entry_of(pages[i], PAGE_FLAGS | PTE_RW);
        read_only[i].val = entry_of(pages[i], PAGE_FLAGS);
    }
    l1s = tables_new(TABLES);
    for (unsigned i = 0; i < TABLES; i++)
        l1_fill(table_at(l1s, i), ENTRIES);
    tables_protect(l1s, TABLES);
    trees = tables_new(TREES * TREE_PAGES);
    for (unsigned i = 0; i < TREES; i++)
        tree_fill(table_at(trees, i * TREE_PAGES));
    tables_protect(trees, TREES * TREE_PAGES);
}

/* --- entries: as mprotect() does, and as mmap() and munmap() do --- */

static long update(const mmu_update_t *u, unsigned n)
{
    return HC4(mmu_update, PTR(u), n, 0, DOMID_SELF);
}

static long mmu_update_1(unsigned i) { return update(i % 2 ? writable : read_only, 1); }
static long mmu_update_16(unsigned i) { return update(i % 2 ? writable : read_only, 16); }
static long mmu_update_128(unsigned i) { return update(i % 2 ? writable : read_only, PAGES); }
static long mmu_update_map_1(unsigned i) { return update(i % 2 ? writable : absent, 1); }
static long mmu_update_map_128(unsigned i) { return update(i % 2 ? writable : absent, PAGES); }

static long va_mapping(unsigned i, uint64_t flags)
{
    return HC3(update_va_mapping, PTR(pages[0]), (i % 2 ? writable : read_only)[0].val, flags);
}

static long update_va_mapping(unsigned i) { return va_mapping(i, UVMF_NONE); }
static long update_va_mapping_invlpg(unsigned i) { return va_mapping(i, UVMF_INVLPG | UVMF_LOCAL); }

static long mmuext_invlpg(unsigned i)
{
    (void)i;
    return mmuext(MMUEXT_INVLPG_LOCAL, PTR(pages[0])); /* arg1 is a union */
}

static long mmuext_tlb_flush(unsigned i)
{
    (void)i;
    return mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0);
}

/* --- tables --- */

static uint64_t *tree_at(unsigned i) { return table_at(trees, i * TREE_PAGES); }
static long pin_l1(unsigned i) { return mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table_at(l1s, i))); }
static long unpin_l1(unsigned i) { return mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table_at(l1s, i))); }
static long pin_l4(unsigned i) { return mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(tree_at(i))); }
static long unpin_l4(unsigned i) { return mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(tree_at(i))); }

static void all(const char *what, long (*one)(unsigned), unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        must(what, one(i));
}

static void l1s_pin(void) { all("pinning", pin_l1, TABLES); }
static void l1s_unpin(void) { all("unpinning", unpin_l1, TABLES); }
static void trees_pin(void) { all("pinning", pin_l4, TREES); }
static void trees_unpin(void) { all("unpinning", unpin_l4, TREES); }

#define ROW(f) { .name = #f, .operate = f }
#define LONG_ROW(f) { .name = #f, .operate = f, .repeats = 32 }
static const struct row rows[] = {
    ROW(mmu_update_1), LONG_ROW(mmu_update_16), LONG_ROW(mmu_update_128), ROW(mmu_update_map_1),
    LONG_ROW(mmu_update_map_128),
    ROW(update_va_mapping), ROW(update_va_mapping_invlpg), ROW(mmuext_invlpg), ROW(mmuext_tlb_flush),
    { .name = "pin_l1", .operate = pin_l1, .repeats = TABLES, .after = l1s_unpin },
    { .name = "unpin_l1", .operate = unpin_l1, .repeats = TABLES, .before = l1s_pin },
    { .name = "pin_l4", .operate = pin_l4, .repeats = TREES, .after = trees_unpin },
    { .name = "unpin_l4", .operate = unpin_l4, .repeats = TREES, .before = trees_pin },
    { .name = NULL },
};

const struct family memory_operations = { prepare, rows, NULL };
