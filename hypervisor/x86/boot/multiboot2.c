/* SPDX-License-Identifier: MIT */
/* The boot information of multiboot 2 (Multiboot2 Specification 2.0, 3.6): a list of tags. */
#include <zelo/lib.h>

#include "boot.h"

enum {
    TAG_END, TAG_CMDLINE, TAG_LOADER, TAG_MODULE, TAG_MMAP = 6, TAG_FRAMEBUFFER = 8,
    TAG_EFI32 = 11, TAG_EFI64 = 12, TAG_RSDP_OLD = 14, TAG_RSDP_NEW = 15, TAG_EFI_MMAP = 17,
};

struct tag { u32 type, size; };
struct tag_module { struct tag t; u32 start, end; char cmdline[]; };
struct tag_mmap { struct tag t; u32 entry_size, version; u8 entries[]; };
struct mmap_entry { u64 addr, len; u32 type, zero; };
struct tag_framebuffer {
    struct tag t;
    u64 addr;
    u32 pitch, width, height;
    u8 bpp, type, reserved;
} packed_struct;
struct tag_efi_mmap { struct tag t; u32 entry_size, version; u8 entries[]; };
struct info_head { u32 total_size, reserved; };

#define FB_EGA_TEXT 2


/* The tag after t, or the first for NULL; NULL at the end. Tags that pass the end of the information end it. */
static const struct tag *tag_next(paddr_t info, const struct tag *t)
{
    const char *start = phys_to_virt(info);
    const struct info_head *head = phys_to_virt(info);
    size_t at;

    at = t ? (size_t)((const char *)t - start) + ALIGN_UP((size_t)t->size, 8) : sizeof(*head);
    if (at + sizeof(*t) > head->total_size)
        return NULL;
    t = (const struct tag *)(start + at);
    if (t->type == TAG_END || t->size < sizeof(*t) || at + t->size > head->total_size)
        return NULL;
    return t;
}

static void mmap_read(const struct tag_mmap *m)
{
    size_t n = m->t.size - sizeof(*m);

    if (m->entry_size < sizeof(struct mmap_entry))
        return;
    for (size_t at = 0; at + m->entry_size <= n; at += m->entry_size) {
        const struct mmap_entry *e = (const struct mmap_entry *)(m->entries + at);

        e820_add(e->addr, e->len, e->type);
    }
}

const char *multiboot2_find(paddr_t info)
{
    const struct info_head *head = phys_to_virt(info);
    bool has_map = false;

    boot_reserve(info, head->total_size);
    for (const struct tag *t = tag_next(info, NULL); t; t = tag_next(info, t)) {
        const struct tag_module *m = (const struct tag_module *)t;

        if (t->type == TAG_MMAP) {
            mmap_read((const struct tag_mmap *)t);
            has_map = true;
        } else if (t->type == TAG_MODULE && m->end > m->start) {
            boot_reserve(m->start, m->end - m->start);
        }
        boot_info.module_count += t->type == TAG_MODULE;
    }
    return has_map ? NULL : "the boot loader gave no memory map";
}

static const char *tag_string(const struct tag *t, size_t header)
{
    return t->size > header ? boot_string((const char *)t + header, t->size - header) : "";
}

static void module_read(const struct tag_module *m, struct boot_module *out)
{
    *out = (struct boot_module){
        .start = m->start,
        .size = m->end > m->start ? m->end - m->start : 0,
        .cmdline = tag_string(&m->t, sizeof(*m)),
    };
}

static void framebuffer_read(const struct tag_framebuffer *f)
{
    boot_info.fb.present = true;
    boot_info.fb.text = f->type == FB_EGA_TEXT;
    boot_info.fb.addr = f->addr;
    boot_info.fb.pitch = f->pitch;
    boot_info.fb.width = f->width;
    boot_info.fb.height = f->height;
    boot_info.fb.bpp = f->bpp;
}

/* The tag holds a copy of the RSDP; this makes one of it that stays. */
static void rsdp_read(const struct tag *t)
{
    u64 size = t->size - sizeof(*t);

    boot_info.rsdp = boot_alloc(size, 1, BOOT_LIMIT_MAPPED);
    memcpy(phys_to_virt(boot_info.rsdp), t + 1, size);
}

static void efi_mmap_read(const struct tag_efi_mmap *m)
{
    u32 size = m->t.size - (u32)sizeof(*m);

    boot_info.efi_mmap = boot_alloc(size, 1, BOOT_LIMIT_MAPPED);
    boot_info.efi_mmap_size = size;
    boot_info.efi_desc_size = m->entry_size;
    boot_info.efi_desc_version = m->version;
    memcpy(phys_to_virt(boot_info.efi_mmap), m->entries, size);
}

static void tag_read(const struct tag *t, unsigned *module)
{
    switch (t->type) {
    case TAG_CMDLINE:
        boot_info.cmdline = tag_string(t, sizeof(*t));
        break;
    case TAG_LOADER:
        boot_info.loader = tag_string(t, sizeof(*t));
        break;
    case TAG_MODULE:
        module_read((const struct tag_module *)t, &boot_info.modules[(*module)++]);
        break;
    case TAG_FRAMEBUFFER:
        framebuffer_read((const struct tag_framebuffer *)t);
        break;
    case TAG_RSDP_NEW:
        rsdp_read(t);
        break;
    case TAG_RSDP_OLD:
        if (!boot_info.rsdp)
            rsdp_read(t);
        break;
    case TAG_EFI32:
    case TAG_EFI64:
        boot_info.efi = true;
        if (t->type == TAG_EFI64)
            memcpy(&boot_info.efi_system_table, t + 1, sizeof(u64));
        break;
    case TAG_EFI_MMAP:
        efi_mmap_read((const struct tag_efi_mmap *)t);
        break;
    }
}

void multiboot2_read(paddr_t info)
{
    unsigned module = 0;

    if (boot_info.module_count)
        boot_info.modules = phys_to_virt(boot_alloc(boot_info.module_count * sizeof(*boot_info.modules), 1,
                                                    BOOT_LIMIT_MAPPED));
    for (const struct tag *t = tag_next(info, NULL); t; t = tag_next(info, t))
        tag_read(t, &module);
}
