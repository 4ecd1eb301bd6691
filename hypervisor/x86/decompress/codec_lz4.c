/* SPDX-License-Identifier: MIT */
/*
 * lz4 in its legacy frame, the one Linux images use: a magic number, then
 * blocks, each a 32-bit little-endian length and that many compressed bytes,
 * that unpack to 8 MiB (the last to less).  There is no end mark: a length of
 * zero, of more than what is left, or what cannot be a length ends it (images
 * have their unpacked size behind the last block).
 */
#include "codec.h"

#include <zelo/errno.h>
#include <zelo/lib.h>

#include <lz4.h>

#define MAGIC_SIZE 4
#define BLOCK_SIZE MiB(8)

/* The next block's length, or 0 at the end. */
static size_t next_block(const u8 **src, const u8 *end)
{
    u32 length;

    if ((size_t)(end - *src) <= sizeof(length))
        return 0;
    memcpy(&length, *src, sizeof(length));
    *src += sizeof(length);
    return length <= (size_t)(end - *src) && length <= (size_t)LZ4_COMPRESSBOUND(BLOCK_SIZE) ? length : 0;
}

int codec_lz4_legacy(const u8 *src, size_t n, struct sink *out)
{
    const u8 *end = src + n;
    size_t length;

    src += MAGIC_SIZE;
    while ((length = next_block(&src, end)) != 0) {
        int got;

        if (!sink_reserve(out, BLOCK_SIZE))
            return -ENOMEM;
        got = LZ4_decompress_safe((const char *)src, (char *)out->data + out->used, (int)length,
                                  (int)BLOCK_SIZE);
        if (got < 0)
            return -EINVAL;
        out->used += (size_t)got;
        src += length;
    }
    return out->used ? 0 : -EINVAL;
}
