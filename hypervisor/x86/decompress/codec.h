/* SPDX-License-Identifier: MIT */
/* Private to x86/decompress: one function for each format, and where their output goes. */
#ifndef DECOMPRESS_CODEC_H
#define DECOMPRESS_CODEC_H

#include <zelo/types.h>

/* Output that grows by doubling. */
struct sink { u8 *data; size_t used, size; unsigned order; };
/* Makes room for at least n further bytes; false: no memory. */
bool must_check sink_reserve(struct sink *s, size_t n);

/* Each decodes one stream of its format from src: 0, -ENOMEM, -EINVAL. */
typedef int codec_fn(const u8 *src, size_t n, struct sink *out);
codec_fn codec_xz, codec_lzma, codec_gzip, codec_zstd, codec_lz4_legacy;

#endif
