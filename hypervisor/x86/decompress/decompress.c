/* SPDX-License-Identifier: MIT */
/*
 * Which format an image has, and the surroundings that the decoders need.
 * They come from the distribution's static libraries (decompress.mk), compiled
 * for user space: they may use SSE registers and read a stack protector's
 * canary at %fs:0x28.  No guest exists while they run, so nobody else's FPU
 * state or FS base is at stake; interrupt handlers touch neither.
 */
#include <zelo/decompress.h>

#include "codec.h"

#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/page.h>

#include <arch/cpu.h>

static const struct format {
    const char *name;
    u8 magic[6];
    u8 magic_size;
    codec_fn *decode;
} formats[] = {
    { "xz", { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, codec_xz },
    { "zstd", { 0x28, 0xb5, 0x2f, 0xfd }, 4, codec_zstd },
    { "gzip", { 0x1f, 0x8b }, 2, codec_gzip },
    { "lz4", { 0x02, 0x21, 0x4c, 0x18 }, 4, codec_lz4_legacy },
    { "lzma", { 0x5d, 0, 0 }, 3, codec_lzma },
};

static const struct format *format_find(const u8 *src, size_t n)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (n > formats[i].magic_size && !memcmp(src, formats[i].magic, formats[i].magic_size))
            return &formats[i];
    return NULL;
}

const char *decompress_format(const u8 *src, size_t n)
{
    const struct format *f = format_find(src, n);

    return f ? f->name : NULL;
}

bool sink_reserve(struct sink *s, size_t n)
{
    unsigned order;
    u8 *data;

    if (s->data && s->size - s->used >= n)
        return true;
    order = order_for_pages(PFN_UP(s->used + n));
    if (s->data)
        order = MAX(order, s->order + 1);
    data = order <= HEAP_MAX_ORDER ? heap_alloc(order, HEAP_NO_SCRUB) : NULL;
    if (!data)
        return false;
    if (s->data) {
        memcpy(data, s->data, s->used);
        heap_free(s->data, s->order);
    }
    s->data = data;
    s->order = order;
    s->size = PAGE_SIZE << order;
    return true;
}

/* Functions that the libraries want called before main (decompress.mk collects them). */
extern void (*const boot_ctors_start[])(void), (*const boot_ctors_end[])(void);

static void run_constructors_once(void)
{
    static bool done;

    if (done)
        return;
    done = true;
    for (void (*const *fn)(void) = boot_ctors_start; fn < boot_ctors_end; fn++)
        (*fn)();
}

/* Runs a decoder in what looks to it like a program's thread. */
static int decode_as_user_code(const struct format *f, const u8 *src, size_t n, struct sink *out)
{
    u64 fs_base = rdmsr(MSR_FS_BASE), cr0 = read_cr0();
    u64 *thread = heap_alloc(0, 0);
    int rc;

    if (!thread)
        return -ENOMEM;
    thread[0x28 / sizeof(u64)] = rdtsc() << 8; /* the lowest byte 0, as is usual for canaries */
    wrmsr(MSR_FS_BASE, (u64)thread);
    write_cr0(cr0 & ~(u64)(CR0_TS | CR0_EM));
    run_constructors_once();
    rc = f->decode(src, n, out);
    write_cr0(cr0);
    wrmsr(MSR_FS_BASE, fs_base);
    heap_free(thread, 0);
    return rc;
}

/* Called with a stack aligned to 8 bytes; from here on it is to 16, as libraries expect it (decompress.mk). */
__attribute__((force_align_arg_pointer)) int decompress(const u8 *src, size_t n, size_t size_hint, struct unpacked *out)
{
    const struct format *f = format_find(src, n);
    struct sink sink = { 0 };
    int rc = -ENOMEM;

    if (!f)
        return -EOPNOTSUPP;
    if (sink_reserve(&sink, MAX(size_hint, n)))
        rc = decode_as_user_code(f, src, n, &sink);
    *out = (struct unpacked){ sink.data, sink.used, sink.order };
    if (rc)
        decompress_free(out);
    return rc;
}

void decompress_free(struct unpacked *u)
{
    heap_free(u->data, u->order);
    *u = (struct unpacked){ 0 };
}
