/* SPDX-License-Identifier: MIT */
/* A kernel for domain 0, as small as one can be, made byte by byte so that tests can spoil each of them. */
#ifndef TESTS_DOM0_FIXTURE_H
#define TESTS_DOM0_FIXTURE_H

#include "unit.h"

#include "pv/dom0.h"

#include <xen/elfnote.h>
#include <xen/features.h>

#define MB(x) ((x) * 256ULL) /* MiB in pages */

#define BASE 0xffffffff80000000ULL

static unused_arg u8 file[8192];

static unused_arg u64 put(u64 at, const void *data, size_t n)
{
    memcpy(file + at, data, n);
    return at + n;
}
static unused_arg u64 put32(u64 at, u32 v) { return put(at, &v, 4); }
static unused_arg u64 put64(u64 at, u64 v) { return put(at, &v, 8); }

static unused_arg u64 put_note(u64 at, u32 type, const void *desc, u32 size)
{
    at = put32(put32(put32(at, 4), size), type);
    at = put(at, "Xen", 4);
    put(at, desc, size);
    return at + ALIGN_UP(size, 4u);
}
static unused_arg u64 put_note64(u64 at, u32 type, u64 v) { return put_note(at, type, &v, 8); }
static unused_arg u64 put_note32(u64 at, u32 type, u32 v) { return put_note(at, type, &v, 4); }

static unused_arg u64 put_program(u64 at, u32 type, u64 offset, u64 paddr, u64 filesz, u64 memsz)
{
    at = put32(put32(at, type), 5);
    return put64(put64(put64(put64(put64(put64(at, offset), paddr), paddr), filesz), memsz), 4096);
}

/* A kernel with Linux's notes: 16 MiB up, one page of file, 3 MiB of memory. Returns the file's size. */
static unused_arg u64 make_kernel(void)
{
    u64 at, notes = 0x200, end;

    memset(file, 0, sizeof(file));
    put(0, "\177ELF\2\1\1", 7);
    at = put32(16, 2 | 62 << 16);
    at = put64(put64(put64(put32(at, 1), 0x1000000), 64), 0);
    at = put32(at, 0);
    put(at, (u16[]){ 64, 56, 2, 64, 0, 0 }, 12);
    end = put_note64(notes, XEN_ELFNOTE_ENTRY, BASE + 0x1000100);
    end = put_note64(end, XEN_ELFNOTE_VIRT_BASE, BASE);
    end = put_note64(end, XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x1001000);
    end = put_note64(end, XEN_ELFNOTE_INIT_P2M, 0x8000000000);
    end = put_note32(end, XEN_ELFNOTE_MOD_START_PFN, 1);
    end = put_note32(end, XEN_ELFNOTE_SUPPORTED_FEATURES, 1u << XENFEAT_dom0 | 1);
    end = put_note(end, XEN_ELFNOTE_LOADER, "generic", 8);
    at = put_program(64, 1, 0x1000, 0x1000000, 0x1000, MiB(3));
    put_program(at, 4, notes, 0, end - notes, end - notes);
    return 8192;
}

#endif
