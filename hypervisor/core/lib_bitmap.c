/* SPDX-License-Identifier: MIT */
/*
 * Searching and counting in bitmaps; bits from n up are never looked at.
 * Others may change bits meanwhile (CPU masks): each word is read once, and
 * the answer was true of each when it was read.
 */
#include <zelo/lib.h>

/* First bit at or after from that is set in (word ^ flip), or n. */
unsigned bitmap_next_set(const unsigned long *m, unsigned n, unsigned from)
{
    while (from < n) {
        unsigned long w = READ_ONCE(m[from / BITS_PER_LONG]) >> (from % BITS_PER_LONG);

        if (w)
            return MIN(from + (unsigned)__builtin_ctzl(w), n);
        from = (from / BITS_PER_LONG + 1) * BITS_PER_LONG;
    }
    return n;
}

/* Without the POPCNT instruction the compiler's builtin would need libgcc. */
static unsigned word_weight(unsigned long w)
{
    w -= (w >> 1) & 0x5555555555555555UL;
    w = (w & 0x3333333333333333UL) + ((w >> 2) & 0x3333333333333333UL);
    w = (w + (w >> 4)) & 0x0f0f0f0f0f0f0f0fUL;
    return (unsigned)((w * 0x0101010101010101UL) >> 56);
}

unsigned bitmap_weight(const unsigned long *m, unsigned n)
{
    unsigned count = 0;

    for (unsigned i = 0; i < n / BITS_PER_LONG; i++)
        count += word_weight(READ_ONCE(m[i]));
    if (n % BITS_PER_LONG)
        count += word_weight(READ_ONCE(m[n / BITS_PER_LONG]) & ((1UL << (n % BITS_PER_LONG)) - 1));
    return count;
}
