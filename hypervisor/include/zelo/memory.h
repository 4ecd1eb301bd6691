/* SPDX-License-Identifier: MIT */
/* XENMEM_* operations (<xen/memory.h>): core/memory_*.c */
#ifndef ZELO_MEMORY_H
#define ZELO_MEMORY_H

#include <zelo/hypercall.h>
#include <zelo/types.h>

hypercall_fn do_memory_op;

/* The machine's memory map as the boot loader gave it (E820 types), for XENMEM_machine_memory_map. */
struct e820_range { u64 addr, size; u32 type; } packed_struct;
#define E820_RAM 1
#define E820_RESERVED 2
#define E820_ACPI 3
#define E820_NVS 4
#define E820_UNUSABLE 5
extern struct e820_range e820_map[];
extern unsigned e820_count;

#endif
