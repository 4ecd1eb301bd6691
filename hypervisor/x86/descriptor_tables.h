/* SPDX-License-Identifier: MIT */
/* Loading descriptor tables at a switch of vCPUs: x86/descriptor_tables.c */
#ifndef ZELO_X86_DESCRIPTOR_TABLES_H
#define ZELO_X86_DESCRIPTOR_TABLES_H

#include <zelo/types.h>
#include <arch/layout.h>

/* All of the window up to the end of the reserved page; what is not mapped faults. */
#define GDT_LIMIT ((GDT_RESERVED_PAGE + 1) * PAGE_SIZE - 1)

void gdt_load_idle(unsigned cpu);       /* before CR3 leaves a domain's tables */
void gdt_load_vcpu(unsigned vcpu_id);   /* once CR3 maps its per-domain area */
void ldt_load(unsigned cpu, vaddr_t base, u32 entries); /* entries 0: none */

#endif
