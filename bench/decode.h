/* SPDX-License-Identifier: MIT */
/* What of an x86-64 instruction counter.c counts. */
#ifndef BENCH_DECODE_H
#define BENCH_DECODE_H

#include <stddef.h>
#include <stdint.h>

/* The columns. The first three part all instructions by whose they are; the others are kinds of instruction. */
enum count {
    COUNT_USER, COUNT_KERNEL, COUNT_HYPERVISOR,
    COUNT_FIRST_KIND,
    COUNT_CR3 = COUNT_FIRST_KIND, /* MOV to CR3: an address space's TLB entries go, and often all walks are made anew */
    COUNT_TLB,                    /* other flushes: INVLPG, INVPCID, MOV to CR4 */
    COUNT_SERIALISING,            /* Intel SDM 3A, "Serializing Instructions"; those above are among them */
    COUNT_LOCKED,                 /* LOCK, and XCHG with memory */
    COUNT_FENCE,                  /* LFENCE, MFENCE */
    COUNT_STRING,                 /* each turn of a REP MOVS, REP STOS and their kin: a CPU does several in a cycle */
    COUNTS
};

/* The privileged ones: a guest that tries them is refused. CPUID and IRET are serialising anywhere, but what guests
 * execute of them is theirs. */
#define COUNTS_OF_RING0 (1u << COUNT_CR3 | 1u << COUNT_TLB | 1u << COUNT_SERIALISING)

extern const char *const count_names[COUNTS];

enum mark { MARK_NONE, MARK_BEGINS, MARK_ENDS, MARK_READY };

struct decoded {
    unsigned kinds; /* bits of enum count */
    enum mark mark;
};

/* `size` bytes of one whole instruction in 64-bit mode. */
struct decoded decode(const uint8_t *bytes, size_t size);

#endif
