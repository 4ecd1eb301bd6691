/* SPDX-License-Identifier: MIT */
/*
 * From a boot module to an ELF file: a Linux bzImage (its payload is a
 * compressed ELF file, found through the boot protocol's header), a compressed
 * file, or an ELF file as it is.
 */
#include "dom0.h"

#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/log.h>

#include <arch/machine.h>
#include <arch/seam.h>

/* Linux boot protocol, from byte 0x1f1 of the file. */
#define BZ_SETUP_SECTS 0x1f1
#define BZ_MAGIC 0x202
#define BZ_VERSION 0x206
#define BZ_PAYLOAD_OFFSET 0x248
#define BZ_PAYLOAD_LENGTH 0x24c
#define BZ_HEADER_END 0x250
#define BZ_VERSION_PAYLOAD 0x0208 /* the first with a payload's place in the header */
#define BZ_SECTOR 512

#define HINT_MAX GiB(1)

struct bytes { const u8 *data; size_t size; };

static u32 read_le32(const u8 *p)
{
    u32 v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static bool is_elf(const struct bytes *b)
{
    return b->size > 4 && !memcmp(b->data, "\177ELF", 4);
}

/* If b is a bzImage, makes it its payload. */
static void bzimage_payload(struct bytes *b)
{
    u64 sectors, offset, length;

    if (b->size < BZ_HEADER_END || memcmp(b->data + BZ_MAGIC, "HdrS", 4))
        return;
    if ((read_le32(b->data + BZ_VERSION) & 0xffff) < BZ_VERSION_PAYLOAD)
        boot_refuse("Domain 0 kernel: bzImage older than boot protocol 2.08 (Linux 2.6.25)\n");
    sectors = b->data[BZ_SETUP_SECTS] ? b->data[BZ_SETUP_SECTS] : 4;
    offset = (sectors + 1) * BZ_SECTOR + read_le32(b->data + BZ_PAYLOAD_OFFSET);
    length = read_le32(b->data + BZ_PAYLOAD_LENGTH);
    if (!length || offset > b->size || length > b->size - offset)
        boot_refuse("Domain 0 kernel: bzImage is cut short\n");
    *b = (struct bytes){ b->data + offset, length };
}

/* Images carry their unpacked size in their last four bytes, of gzip's own or put there by Linux's build. */
static size_t unpacked_hint(const struct bytes *b)
{
    u32 n;

    if (b->size < sizeof(n))
        return 0;
    n = read_le32(b->data + b->size - sizeof(n));
    return n >= b->size && n <= HINT_MAX ? n : 0;
}

void dom0_kernel_unpack(const struct boot_module *m, struct dom0_file *out)
{
    struct bytes b = { phys_to_virt(m->start), m->size };
    const char *format;
    int rc;

    *out = (struct dom0_file){ 0 };
    bzimage_payload(&b);
    if (!is_elf(&b)) {
        format = decompress_format(b.data, b.size);
        if (!format)
            boot_refuse("Domain 0 kernel: no ELF file, and unknown compression "
                        "(known: xz, zstd, gzip, lz4, lzma)\n");
        rc = decompress(b.data, b.size, unpacked_hint(&b), &out->unpacked);
        if (rc)
            boot_refuse("Domain 0 kernel: %s\n", rc == -ENOMEM ? "too little memory to unpack it"
                                                                : "its compressed data are damaged");
        log_info("Domain 0 kernel: %s, %lu KiB, unpacked %lu KiB\n", format, b.size >> 10,
                 out->unpacked.size >> 10);
        b = (struct bytes){ out->unpacked.data, out->unpacked.size };
    }
    if (!is_elf(&b))
        boot_refuse("Domain 0 kernel: there is no ELF file in it\n");
    out->data = b.data;
    out->size = b.size;
}
