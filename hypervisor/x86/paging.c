/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's own page tables, laid out as arch/layout.h draws them.
 *
 * All L3 tables of the hypervisor's L4 slots are made here and stay, since
 * each guest's L4 holds copies of the entries that point to them. Everything
 * is mapped global. No page is writable and executable at once, seen through
 * whichever of its mappings: the direct map has text and constants read-only.
 */
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/page.h>

#include "boot/boot.h"
#include "paging.h"

_Static_assert(M2P_RO_START == L4_SLOT_ADDR(L4_SLOT_M2P_RO), "layout.h");
_Static_assert(IMAGE_VIRT_START == L4_SLOT_ADDR(L4_SLOT_IMAGE), "layout.h");
_Static_assert(PERDOMAIN_START == L4_SLOT_ADDR(L4_SLOT_PERDOMAIN), "layout.h");
_Static_assert(FRAME_TABLE_START == L4_SLOT_ADDR(L4_SLOT_FRAMES), "layout.h");
_Static_assert(M2P_RW_START == L4_SLOT_ADDR(L4_SLOT_M2P_RW), "layout.h");
_Static_assert(DIRECT_MAP_START == L4_SLOT_ADDR(L4_SLOT_DIRECT), "layout.h");
_Static_assert(__HYPERVISOR_VIRT_START == HYPERVISOR_VIRT_START && __HYPERVISOR_VIRT_END == HYPERVISOR_VIRT_END,
               "layout.h repeats the ABI");
_Static_assert(__MACH2PHYS_VIRT_START == M2P_RO_START, "layout.h repeats the ABI");

mfn_t hypervisor_root;
u64 paging_nx;

static u64 *root; /* hypervisor_root in the direct map; written at boot only */

/* A zeroed table: from the heap, or before that from where the boot page tables reach. */
static u64 *table_alloc(void)
{
    u64 *t;

    if (!boot_alloc_is_open())
        return heap_alloc(0, 0);
    t = phys_to_virt(boot_alloc(PAGE_SIZE, PAGE_SIZE, BOOT_LIMIT_MAPPED));
    memset(t, 0, PAGE_SIZE);
    return t;
}

static void table_free(u64 *t)
{
    if (!boot_alloc_is_open())
        heap_free(t, 0);
}

/* The table that *e points to. It may be used by guests in slot 256, so rights are left to the ends of the walk. */
static u64 *table_below(u64 *e)
{
    u64 old = READ_ONCE(*e);
    u64 *t;

    if (old & PTE_P)
        return phys_to_virt(old & PTE_ADDR);
    t = table_alloc();
    if (!t)
        return NULL;
    if (atomic_cas(e, &old, virt_to_phys(t) | PTE_P | PTE_RW | PTE_US | PTE_A))
        return t;
    table_free(t);
    return phys_to_virt(old & PTE_ADDR);
}

u64 *paging_entry(vaddr_t va, unsigned level)
{
    u64 *t = root;

    for (unsigned l = 4; l > level && t; l--)
        t = table_below(&t[TABLE_INDEX(va, l)]);
    return t ? &t[TABLE_INDEX(va, level)] : NULL;
}

static unsigned level_fitting(vaddr_t va, paddr_t pa, u64 size)
{
    unsigned level = cpu_features.pse1g ? 3 : 2;

    while (level > 1 && (((va | pa) & (LEVEL_BYTES(level) - 1)) || size < LEVEL_BYTES(level)))
        level--;
    return level;
}

void paging_map(vaddr_t va, paddr_t pa, u64 size, u64 flags)
{
    while (size) {
        unsigned level = level_fitting(va, pa, size);
        u64 *e = paging_entry(va, level);

        if (!e)
            panic("No memory for the hypervisor's page tables\n");
        BUG_ON(*e & PTE_P);
        WRITE_ONCE(*e, pa | flags | (level > 1 ? PTE_PSE : 0));
        va += LEVEL_BYTES(level);
        pa += LEVEL_BYTES(level);
        size -= LEVEL_BYTES(level);
    }
}

void paging_alias_slot(unsigned slot, unsigned alias, u64 flags)
{
    root[alias] = (root[slot] & PTE_ADDR) | flags;
}

/* --- image --- */

static void image_map(const char *start, const char *end, u64 flags)
{
    paging_map((vaddr_t)start, image_pa(start), (u64)(end - start), flags);
}

/* --- direct map --- */

static void direct_map(paddr_t start, paddr_t end, u64 flags)
{
    if (start < end)
        paging_map(DIRECT_MAP_START + start, start, end - start, flags);
}

/* [start, end) of RAM, the image's constant part read-only. */
static void direct_map_ram(paddr_t start, paddr_t end)
{
    paddr_t fixed = image_pa(__text_start), fixed_end = image_pa(__rodata_end);

    direct_map(start, MIN(end, fixed), PAGE_RW);
    direct_map(MAX(start, fixed), MIN(end, fixed_end), PAGE_RO);
    direct_map(MAX(start, fixed_end), end, PAGE_RW);
}

/* All RAM, and the lowest megabyte whatever it is: the BIOS's tables, the screen (the MTRRs make that uncached). */
static void direct_map_all(void)
{
    paddr_t start, end;

    for (paddr_t p = 0; p < MiB(1); p += PAGE_SIZE)
        direct_map(p, p + PAGE_SIZE, PAGE_RW);
    for (unsigned i = 0; e820_ram(i, &start, &end); i++)
        direct_map_ram(MAX(start, MiB(1)), end);
}

/* The slots whose L3 guests' L4s will point to. Slot 258 differs from domain to domain. */
static void slots_fill(void)
{
    for (unsigned slot = L4_SLOT_FIRST; slot <= L4_SLOT_LAST; slot++) {
        bool used = slot == L4_SLOT_IMAGE || slot == L4_SLOT_FRAMES || slot == L4_SLOT_M2P_RW ||
                    (slot >= L4_SLOT_DIRECT &&
                     (slot - L4_SLOT_DIRECT) * (u64)L4_SLOT_BYTES < max_frame << PAGE_SHIFT);

        if (used && !table_below(&root[slot]))
            panic("No memory for the hypervisor's page tables\n");
        if (used)
            root[slot] &= ~PTE_US;
    }
    /* The same tables again, for guests to read: the right to write ends here, their own have US set. */
    paging_alias_slot(L4_SLOT_M2P_RW, L4_SLOT_M2P_RO, PTE_P | PTE_US | PTE_A | paging_nx);
}

void paging_load_root(void)
{
    write_cr3(hypervisor_root.n << PAGE_SHIFT);
}

void paging_init(void)
{
    paging_nx = cpu_features.nx ? PTE_NX : 0;
    root = table_alloc();
    hypervisor_root = virt_to_mfn(root);
    slots_fill();
    image_map(__text_start, __text_end, PAGE_RX);
    image_map(__rodata_start, __rodata_end, PAGE_RO);
    image_map(__data_start, __data_end, PAGE_RW);
    direct_map_all();
    frames_map();
    paging_load_root();
    frames_init();
}

void paging_init_tables(void)
{
    m2p_init();
}

void paging_drop_low_map(void)
{
    boot_l4[0] = 0; /* no CPU runs on the boot page tables any more */
}

u64 *paging_l4_slot(unsigned slot)
{
    BUG_ON(slot < L4_SLOT_FIRST || slot > L4_SLOT_LAST);
    return &root[slot];
}

bool paging_is_mapped(vaddr_t va)
{
    const u64 *t = root;

    if (va < HYPERVISOR_VIRT_START || va >= HYPERVISOR_VIRT_END)
        return false;
    if (!t) /* the boot page tables */
        return va >= IMAGE_VIRT_START && va < (vaddr_t)__image_end;
    for (unsigned level = 4;; level--) {
        u64 e = READ_ONCE(t[TABLE_INDEX(va, level)]);

        if (!(e & PTE_P))
            return false;
        if (level == 1 || (level < 4 && (e & PTE_PSE)))
            return true;
        t = phys_to_virt(e & PTE_ADDR);
    }
}
