/* SPDX-License-Identifier: MIT */
/*
 * Indexes that a guest chose. After `if (i >= n) return` a CPU may guess that
 * the test passes and go on for a while with any i (Spectre variant 1), and
 * what it then reads beyond the table can be told by its caches. So the index
 * is masked where it is used: the mask comes from the comparison itself, not
 * from a branch that can be guessed.
 *
 *     if (i >= n)
 *         return -EINVAL;
 *     table[array_index_nospec(i, n)]...
 *
 * Needed once for each index on its way to the first access; not for numbers
 * that the hypervisor keeps, and not behind a locked instruction on what was
 * checked (a reference or type taken), which no CPU passes by a guess.
 */
#ifndef ZELO_NOSPEC_H
#define ZELO_NOSPEC_H

#include <zelo/types.h>

/* All ones if i < n, else 0. */
static inline u64 nospec_mask(u64 i, u64 n)
{
#if defined(__x86_64__) && !defined(__CPROVER__)
    u64 mask;

    __asm__("cmpq %2, %1\n\tsbbq %0, %0" : "=r"(mask) : "r"(i), "re"(n) : "cc");
    return mask;
#else
    return i < n ? ~0ULL : 0;
#endif
}

/* Is a != b?  If not, *v is 0, also for a CPU that guesses otherwise. */
static inline bool nospec_differ(u64 a, u64 b, u64 *v)
{
#if defined(__x86_64__) && !defined(__CPROVER__)
    bool differ;

    __asm__("cmpq %3, %2\n\tcmoveq %4, %1" : "=@ccne"(differ), "+r"(*v) : "r"(a), "re"(b), "r"(0UL));
    return differ;
#else
    *v = a == b ? 0 : *v;
    return a != b;
#endif
}

/* i, or 0 if it is not below n. */
#define array_index_nospec(i, n) ((__typeof__(i))((u64)(i) & nospec_mask((u64)(i), (u64)(n))))

#endif
