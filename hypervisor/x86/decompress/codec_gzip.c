/* SPDX-License-Identifier: MIT */
/* gzip, by zlib. */
#include "codec.h"

#include <zelo/errno.h>

#define ZLIB_CONST
#include <zlib.h>

#define WINDOW_BITS_GZIP (MAX_WBITS + 16) /* zlib: + 16 expects a gzip header and trailer */
#define INPUT_STEP MiB(256)               /* zlib counts input and output in 32 bits */

static int inflate_all(z_stream *s, const u8 *src, size_t n, struct sink *out)
{
    int r;

    s->next_in = src;
    do {
        size_t left = n - (size_t)(s->next_in - src);
        uInt room;

        if (!sink_reserve(out, 1))
            return -ENOMEM;
        room = (uInt)MIN(out->size - out->used, INPUT_STEP);
        s->avail_in = (uInt)MIN(left, INPUT_STEP);
        s->next_out = out->data + out->used;
        s->avail_out = room;
        r = inflate(s, Z_NO_FLUSH);
        out->used += room - s->avail_out;
    } while (r == Z_OK);
    if (r == Z_STREAM_END)
        return 0;
    return r == Z_MEM_ERROR ? -ENOMEM : -EINVAL;
}

int codec_gzip(const u8 *src, size_t n, struct sink *out)
{
    z_stream s = { 0 };
    int rc;

    if (inflateInit2(&s, WINDOW_BITS_GZIP) != Z_OK)
        return -ENOMEM;
    rc = inflate_all(&s, src, n, out);
    (void)inflateEnd(&s);
    return rc;
}
