/* SPDX-License-Identifier: MIT */
/* Unpacking of compressed boot images: x86/decompress/. At boot only, on one CPU. */
#ifndef ZELO_DECOMPRESS_H
#define ZELO_DECOMPRESS_H

#include <zelo/types.h>

/* An image in memory of its own: 2^order pages of the heap. */
struct unpacked { u8 *data; size_t size; unsigned order; };

/* "xz", "zstd", "gzip", "lz4", "lzma" by the first bytes; NULL: none of these. */
const char *decompress_format(const u8 *src, size_t n);
/*
 * Unpacks one compressed stream; what follows its end is ignored.  size_hint:
 * what the result is believed to take (a wrong one costs time, no more).
 * 0, -EOPNOTSUPP (unknown format), -ENOMEM, -EINVAL (damaged).
 */
int must_check decompress(const u8 *src, size_t n, size_t size_hint, struct unpacked *out);
void decompress_free(struct unpacked *u);

#endif
