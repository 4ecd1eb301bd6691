/* SPDX-License-Identifier: MIT */
/* Private to paging.c, frames.c and vmap.c: the hypervisor's own page tables. */
#ifndef ZELO_X86_PAGING_H
#define ZELO_X86_PAGING_H

#include <arch/machine.h>
#include <arch/seam.h>

#define PTE_P 0x1ULL
#define PTE_RW 0x2ULL
#define PTE_US 0x4ULL
#define PTE_PWT 0x8ULL
#define PTE_PCD 0x10ULL
#define PTE_A 0x20ULL
#define PTE_D 0x40ULL
#define PTE_PSE 0x80ULL  /* in L2 and L3 entries */
#define PTE_PAT 0x80ULL  /* in L1 entries */
#define PTE_G 0x100ULL
#define PTE_NX (1ULL << 63)
#define PTE_ADDR 0x000ffffffffff000ULL

/* What every mapping of the hypervisor has; no-execute where the CPU can. */
#define PAGE_RO (PTE_P | PTE_A | PTE_D | PTE_G | paging_nx)
#define PAGE_RW (PAGE_RO | PTE_RW)
#define PAGE_RX (PTE_P | PTE_A | PTE_D | PTE_G)
extern u64 paging_nx;

#define TABLE_ENTRIES 512
/* Bytes that an entry of this level maps: 1 for 4 KiB, 2 for 2 MiB, 3 for 1 GiB. */
#define LEVEL_SHIFT(level) (PAGE_SHIFT + 9 * ((level) - 1))
#define LEVEL_BYTES(level) (1ULL << LEVEL_SHIFT(level))
#define TABLE_INDEX(va, level) (((va) >> LEVEL_SHIFT(level)) & (TABLE_ENTRIES - 1))

/*
 * The entry of this level for va, tables above it made as needed; NULL if there
 * is no memory. Any CPU; two may make the same table at a time.
 */
u64 *paging_entry(vaddr_t va, unsigned level);
/* Maps with the largest pages that fit (flags: PAGE_*, write-back); panics without memory. Boot only. */
void paging_map(vaddr_t va, paddr_t pa, u64 size, u64 flags);
/* Makes slot 'alias' of the root a second view of slot 'slot', with these flags. */
void paging_alias_slot(unsigned slot, unsigned alias, u64 flags);

/* --- frames.c --- */
void frames_map(void);          /* frame table: mapped, */
void frames_init(void);         /* then, on the final tables, cleared */
void frames_mark_boot_memory(void); /* what boot_alloc took is the hypervisor's */
void m2p_init(void);

/* --- vmap.c --- */
vaddr_t vmap_stack(const mfn_t *frames); /* 7 frames; the stack's lowest address */

#endif
