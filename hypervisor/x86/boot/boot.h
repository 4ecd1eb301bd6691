/* SPDX-License-Identifier: MIT */
/* Private to the boot room: what start.c and x86/boot/ tell each other. */
#ifndef ZELO_X86_BOOT_H
#define ZELO_X86_BOOT_H

#include <arch/layout.h>

#define MB1_HEADER_MAGIC 0x1badb002
#define MB1_LOADER_MAGIC 0x2badb002
#define MB2_HEADER_MAGIC 0xe85250d6
#define MB2_LOADER_MAGIC 0x36d76289

/* Physical address of a symbol of the image. */
#define IMAGE_PA(sym) ((sym) - IMAGE_VIRT_START + IMAGE_PHYS_START)
/* Room kept free at the top of a stack, for struct cpu_info. */
#define BOOT_STACK_TOP_ROOM 1024

#ifndef __ASSEMBLY__
#include <zelo/memory.h>
#include <arch/machine.h>
#include <arch/seam.h>

static inline paddr_t image_pa(const void *sym)
{
    return (vaddr_t)sym - IMAGE_VIRT_START + IMAGE_PHYS_START;
}

/* --- x86/boot/boot_info.c --- */
/*
 * Reads what the loader left: fills boot_info and e820_map, reserves what must
 * not be overwritten. NULL, or what is wrong.
 */
const char *boot_info_read(u32 magic, paddr_t info);
/* A copy that outlives the loader's structures. */
const char *boot_string(const char *s, size_t max);

/*
 * A loader's protocol is walked twice: 'find' notes the memory map and reserves
 * the loader's own data and the modules; 'read' then may allocate and copies.
 */
const char *multiboot_find(paddr_t info);
void multiboot_read(paddr_t info);
const char *multiboot2_find(paddr_t info);
void multiboot2_read(paddr_t info);

/* --- x86/boot/e820.c --- */
#define E820_MAX 1024
void e820_add(paddr_t addr, u64 size, u32 type); /* in any order, overlapping */
void e820_finish(void);                          /* sorts, cuts overlaps, merges; sets max_frame */
/* The RAM range number i in whole pages, cut to what can be mapped; false past the end. */
bool e820_ram(unsigned i, paddr_t *start, paddr_t *end);

/* --- x86/boot/boot_alloc.c --- */
/* Keeps a range out of the allocator's hands (whole pages). */
void boot_reserve(paddr_t start, u64 size);
/* From the highest RAM that ends at or below 'limit'; panics if there is none. */
paddr_t boot_alloc(u64 size, u64 align, paddr_t limit);
/* Calls fn for every free range of RAM; nothing may be allocated from here afterwards. */
void boot_alloc_finish(void (*fn)(paddr_t start, paddr_t end));
bool boot_alloc_is_open(void);
/* Calls fn for each range that boot_alloc or boot_reserve took. */
void boot_reserved_for_each(void (*fn)(paddr_t start, paddr_t end));

#define BOOT_LIMIT_MAPPED GiB(4) /* what the boot page tables map */

/* --- x86/boot/head.S and trampoline.S --- */
extern u64 boot_l4[512];         /* identity and direct map of the low 4 GiB, and the image */
extern char boot_stack[STACK_SIZE];
extern char trampoline_start[], trampoline_end[];
extern u64 trampoline_cr3, trampoline_entry;
extern u32 trampoline_efer;
void ap_start(void);             /* 64-bit, on boot_l4; never called from C */
extern u64 ap_start_cr3, ap_start_stack; /* for the CPU being started */
no_return void smp_ap_main(void);
extern paddr_t trampoline_page;  /* low memory kept for the trampoline; 0: none found */

/* --- linker script --- */
extern char __image_start[], __image_end[];
extern char __text_start[], __text_end[], __rodata_start[], __rodata_end[];
extern char __data_start[], __data_end[];
extern char __percpu_start[], __percpu_end[], __percpu_pristine[];
#endif

#endif
