/* SPDX-License-Identifier: MIT */
/*
 * zstd, by libzstd: the whole frame in one call, since the streaming way would
 * need a window of up to 128 MiB beside the result.
 */
#include "codec.h"

#include <zelo/errno.h>

#include <zstd.h>
#include <zstd_errors.h>

#define GROWTH_LIMIT GiB(4)

/* A frame that does not say its size: doubles the room until the result fits. */
static int decode_frame(ZSTD_DCtx *d, const u8 *src, size_t frame, struct sink *out)
{
    for (;;) {
        size_t r = ZSTD_decompressDCtx(d, out->data, out->size, src, frame);

        if (!ZSTD_isError(r)) {
            out->used = r;
            return 0;
        }
        if (ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation)
            return -ENOMEM;
        if (ZSTD_getErrorCode(r) != ZSTD_error_dstSize_tooSmall || out->size >= GROWTH_LIMIT)
            return -EINVAL;
        if (!sink_reserve(out, out->size * 2))
            return -ENOMEM;
    }
}

int codec_zstd(const u8 *src, size_t n, struct sink *out)
{
    size_t frame = ZSTD_findFrameCompressedSize(src, n);
    unsigned long long size = ZSTD_getFrameContentSize(src, n);
    ZSTD_DCtx *d;
    int rc;

    if (ZSTD_isError(frame))
        return -EINVAL;
    if (size < GROWTH_LIMIT && !sink_reserve(out, size))
        return -ENOMEM;
    d = ZSTD_createDCtx();
    if (!d)
        return -ENOMEM;
    rc = decode_frame(d, src, frame, out);
    ZSTD_freeDCtx(d);
    return rc;
}
