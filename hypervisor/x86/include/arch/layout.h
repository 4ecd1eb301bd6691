/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's part of every address space: L4 slots 256..271, which the
 * PV ABI reserves (<xen/arch-x86/xen-x86_64.h>, HYPERVISOR_VIRT_START/END).
 *
 *   slot 256  0xffff800000000000  machine-to-phys table, read-only for guests (ABI)
 *   slot 257  0xffff808000000000  hypervisor image, stacks, I/O mappings
 *   slot 258  0xffff810000000000  per-domain area: each vCPU's GDT and LDT (differs per domain)
 *   slot 259  0xffff818000000000  frame table
 *   slot 260  0xffff820000000000  machine-to-phys table, writable for the hypervisor
 *   slot 261  0xffff828000000000  free
 *   slots 262..271  0xffff830000000000  direct map of all RAM (5 TiB), no-execute
 */
#ifndef ARCH_LAYOUT_H
#define ARCH_LAYOUT_H

#ifdef __ASSEMBLY__
#define LAYOUT_NUMBER(x) x
#else
#define LAYOUT_NUMBER(x) x##UL
#endif

#define L4_SLOT_BYTES 0x8000000000
#define L4_SLOT_ADDR(slot) (0xffff000000000000 + (slot) * L4_SLOT_BYTES)

#define L4_SLOT_FIRST 256
#define L4_SLOT_M2P_RO 256
#define L4_SLOT_IMAGE 257
#define L4_SLOT_PERDOMAIN 258
#define L4_SLOT_FRAMES 259
#define L4_SLOT_M2P_RW 260
#define L4_SLOT_DIRECT 262
#define L4_SLOT_LAST 271

/* HYPERVISOR_VIRT_START/END, MACH2PHYS_VIRT_START come from <xen/arch-x86/xen-x86_64.h>;
 * repeated here as plain numbers for assembler and checked against it in x86/paging.c. */
#ifndef HYPERVISOR_VIRT_START
#define HYPERVISOR_VIRT_START LAYOUT_NUMBER(0xffff800000000000)
#define HYPERVISOR_VIRT_END LAYOUT_NUMBER(0xffff880000000000)
#endif

#define M2P_RO_START LAYOUT_NUMBER(0xffff800000000000)
#define IMAGE_VIRT_START LAYOUT_NUMBER(0xffff808000000000) /* text at +0; physical load address + offset */
#define IMAGE_PHYS_START LAYOUT_NUMBER(0x200000)           /* where the loader puts the image */
#define VMAP_START LAYOUT_NUMBER(0xffff809000000000)       /* stacks with guard pages, I/O mappings */
#define VMAP_END LAYOUT_NUMBER(0xffff80c000000000)
#define PERDOMAIN_START LAYOUT_NUMBER(0xffff810000000000)
#define FRAME_TABLE_START LAYOUT_NUMBER(0xffff818000000000)
#define M2P_RW_START LAYOUT_NUMBER(0xffff820000000000)
#define DIRECT_MAP_START LAYOUT_NUMBER(0xffff830000000000)
#define DIRECT_MAP_END LAYOUT_NUMBER(0xffff880000000000)

/*
 * Per-domain area: 128 KiB for each vCPU.  Its first 64 KiB are the vCPU's
 * GDT (14 guest frames, then the hypervisor's reserved page 14, page 15
 * unused), the second 64 KiB its LDT (16 guest frames, mapped on demand).
 */
#define PERDOMAIN_VCPU_BYTES LAYOUT_NUMBER(0x20000)
#define PERDOMAIN_GDT(vcpu_id) (PERDOMAIN_START + (vcpu_id) * PERDOMAIN_VCPU_BYTES)
#define PERDOMAIN_LDT(vcpu_id) (PERDOMAIN_GDT(vcpu_id) + LAYOUT_NUMBER(0x10000))

/* Reserved GDT descriptors, selectors fixed by the ABI (FLAT_RING3_* in the public header). */
#define GDT_RESERVED_PAGE 14
#define SEL_KERNEL_CS 0xe008 /* hypervisor code, ring 0 */
#define SEL_KERNEL_DS 0xe010
#define SEL_RING3_CS32 0xe023
#define SEL_RING3_DS 0xe02b
#define SEL_RING3_CS64 0xe033
#define SEL_TSS 0xe040 /* 16 bytes */
#define SEL_LDT 0xe050 /* 16 bytes */
#define SEL_PERCPU 0xe060 /* limit = CPU number */

/*
 * Stacks: 32 KiB, aligned to their size, in the vmap area: pages 0..2 the
 * exception stacks (IST n: page n - 1), 3 an unmapped guard, 4..7 the main
 * stack with struct cpu_info at its very top; an unmapped page below all.
 */
#define STACK_GUARD_PAGE 3
#define STACK_ORDER 3
#define STACK_SIZE LAYOUT_NUMBER(0x8000)
#define IST_DF 1
#define IST_NMI 2
#define IST_MCE 3
#define IST_DB IST_MCE /* #DB after MOV SS or SYSENTER comes before the stack is ours; a #MC on top of it is fatal anyway */

#endif
