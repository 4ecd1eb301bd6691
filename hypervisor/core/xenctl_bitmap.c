/* SPDX-License-Identifier: MIT */
/* The tools' bitmaps (struct xenctl_bitmap): little-endian bytes of any length. */
#include "xenctl.h"

#include <zelo/errno.h>
#include <zelo/guest.h>

int cpumask_from_xenctl(cpumask_t *out, const struct xenctl_bitmap *in)
{
    u8 bytes[MAX_CPUS / 8] = { 0 };
    size_t n = MIN((size_t)DIV_ROUND_UP((u64)in->nr_bits, 8), sizeof(bytes));

    if (copy_from_handle(bytes, in->bitmap, n))
        return -EFAULT;
    if (in->nr_bits % 8 && in->nr_bits < MAX_CPUS)
        bytes[n - 1] &= (u8)((1u << (in->nr_bits % 8)) - 1);
    memcpy(out->bits, bytes, sizeof(bytes));
    return 0;
}

int bitmap_to_xenctl(const struct xenctl_bitmap *out, const unsigned long *bits, unsigned nbits)
{
    size_t have = MIN((size_t)DIV_ROUND_UP((u64)out->nr_bits, 8), (size_t)DIV_ROUND_UP(nbits, 8));
    const u8 *bytes = (const u8 *)bits;
    u8 last;

    if (!have)
        return 0;
    /* The last byte is cut at the caller's size. */
    last = bytes[have - 1];
    if (out->nr_bits < have * 8)
        last &= (u8)((1u << (out->nr_bits % 8)) - 1);
    if (copy_to_handle(out->bitmap, bytes, have - 1) || copy_to_handle_offset(out->bitmap, have - 1, &last, 1))
        return -EFAULT;
    return guest_clear(handle_va(out->bitmap) + have, DIV_ROUND_UP((u64)out->nr_bits, 8) - have);
}

int cpumask_to_xenctl(const struct xenctl_bitmap *out, const cpumask_t *in)
{
    return bitmap_to_xenctl(out, in->bits, MAX_CPUS);
}
