/* SPDX-License-Identifier: MIT */
/* xz and the older .lzma, by liblzma. */
#include "codec.h"

#include <zelo/errno.h>

#include <lzma.h>

#define MEMORY_LIMIT GiB(2) /* for the dictionary */

static int lzma_error(lzma_ret r)
{
    return r == LZMA_MEM_ERROR || r == LZMA_MEMLIMIT_ERROR ? -ENOMEM : -EINVAL;
}

static int decode_stream(lzma_stream *s, const u8 *src, size_t n, struct sink *out)
{
    lzma_ret r;

    s->next_in = src;
    s->avail_in = n;
    do {
        size_t room;

        if (!sink_reserve(out, 1))
            return -ENOMEM;
        room = out->size - out->used;
        s->next_out = out->data + out->used;
        s->avail_out = room;
        r = lzma_code(s, LZMA_RUN);
        out->used += room - s->avail_out;
    } while (r == LZMA_OK);
    return r == LZMA_STREAM_END ? 0 : lzma_error(r);
}

static int decode_with(lzma_ret init, lzma_stream *s, const u8 *src, size_t n, struct sink *out)
{
    int rc = init == LZMA_OK ? decode_stream(s, src, n, out) : lzma_error(init);

    lzma_end(s);
    return rc;
}

int codec_xz(const u8 *src, size_t n, struct sink *out)
{
    lzma_stream s = LZMA_STREAM_INIT;

    return decode_with(lzma_stream_decoder(&s, MEMORY_LIMIT, 0), &s, src, n, out);
}

int codec_lzma(const u8 *src, size_t n, struct sink *out)
{
    lzma_stream s = LZMA_STREAM_INIT;

    return decode_with(lzma_alone_decoder(&s, MEMORY_LIMIT), &s, src, n, out);
}
