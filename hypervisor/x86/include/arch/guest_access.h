/* SPDX-License-Identifier: MIT */
/*
 * Instructions that touch guest memory, for assembler and C: each may fault, and has an entry in the exception table
 * that says where to go on then; with SMAP they stand between STAC and CLAC.
 */
#ifndef ARCH_GUEST_ACCESS_H
#define ARCH_GUEST_ACCESS_H

#define SMAP_STAC 0
#define SMAP_CLAC 1

#ifdef __ASSEMBLY__

        .macro EX_TABLE fault, fixup
        .pushsection .ex_table, "a"
        .quad   \fault, \fixup
        .popsection
        .endm

        /* Three bytes of nothing, turned into the instruction at boot on a CPU with SMAP. */
        .macro SMAP_SITE kind
        .pushsection smap_sites, "a"
        .quad   77f, \kind
        .popsection
77:     .byte   0x0f, 0x1f, 0x00
        .endm

#else

#define ARCH_SMAP_SITE(kind)                                                                       \
    __asm__ volatile("77: .byte 0x0f, 0x1f, 0x00\n\t"                                              \
                     ".pushsection smap_sites, \"a\"; .quad 77b, %c0; .popsection" :: "i"(kind) : "memory")

/* Around a few words read and written one by one, with nothing else between. */
static inline void arch_guest_begin(void) { ARCH_SMAP_SITE(SMAP_STAC); }
static inline void arch_guest_end(void) { ARCH_SMAP_SITE(SMAP_CLAC); }

#define ARCH_EX_TABLE(fault) ".pushsection .ex_table, \"a\"; .quad 1b, %l[" #fault "]; .popsection"
/* One u64 at an address that guest_words_at (zelo/guest.h) accepted; on a fault goes to the label. */
#define arch_guest_put(va, value, fault) \
    __asm__ volatile goto("1: movq %1, %0; " ARCH_EX_TABLE(fault) : "=m"(*(u64 *)(va)) : "r"((u64)(value)) :: fault)
/* The scalar in between is for gcc 12, which does not survive a member of a structure as an asm goto's output. */
#define arch_guest_get(value, va, fault)                                                           \
    do {                                                                                           \
        u64 got_;                                                                                  \
        __asm__ volatile goto("1: movq %1, %0; " ARCH_EX_TABLE(fault) : "=r"(got_) : "m"(*(const u64 *)(va)) :: fault); \
        (value) = got_;                                                                            \
    } while (0)

#endif

#endif
