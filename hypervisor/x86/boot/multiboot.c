/* SPDX-License-Identifier: MIT */
/* The information structure of multiboot 1 (Multiboot Specification 0.6.96, 3.3). */
#include <zelo/lib.h>

#include "boot.h"

#define MB1_MEMORY (1u << 0)
#define MB1_CMDLINE (1u << 2)
#define MB1_MODULES (1u << 3)
#define MB1_MMAP (1u << 6)
#define MB1_LOADER (1u << 9)
#define MB1_FRAMEBUFFER (1u << 12)

struct mb1_info {
    u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
    u32 mmap_length, mmap_addr, drives_length, drives_addr, config_table, loader, apm_table;
    u32 vbe_control_info, vbe_mode_info;
    u16 vbe_mode, vbe_interface_seg, vbe_interface_off, vbe_interface_len;
    u64 fb_addr;
    u32 fb_pitch, fb_width, fb_height;
    u8 fb_bpp, fb_type;
} packed_struct;
struct mb1_module { u32 start, end, string, reserved; };
struct mb1_mmap { u32 size; u64 addr, len; u32 type; } packed_struct;

#define FB_EGA_TEXT 2
#define STRING_MAX 65536 /* no loader hands over more; bounds the search for the end */

static void mmap_read(const struct mb1_info *mb)
{
    u32 at = 0;

    while (at + sizeof(struct mb1_mmap) <= mb->mmap_length) {
        const struct mb1_mmap *m = phys_to_virt(mb->mmap_addr + at);

        e820_add(m->addr, m->len, m->type);
        at += m->size + (u32)sizeof(m->size);
    }
}

static void string_reserve(u32 addr)
{
    if (addr)
        boot_reserve(addr, strnlen(phys_to_virt(addr), STRING_MAX) + 1);
}

static void modules_reserve(const struct mb1_info *mb)
{
    const struct mb1_module *m = phys_to_virt(mb->mods_addr);

    boot_reserve(mb->mods_addr, mb->mods_count * sizeof(*m));
    for (u32 i = 0; i < mb->mods_count; i++) {
        string_reserve(m[i].string);
        if (m[i].end > m[i].start)
            boot_reserve(m[i].start, m[i].end - m[i].start);
    }
}

const char *multiboot_find(paddr_t info)
{
    const struct mb1_info *mb = phys_to_virt(info);

    boot_reserve(info, sizeof(*mb));
    if (mb->flags & MB1_MMAP) {
        mmap_read(mb);
    } else if (mb->flags & MB1_MEMORY) {
        e820_add(0, KiB(mb->mem_lower), E820_RAM);
        e820_add(MiB(1), KiB(mb->mem_upper), E820_RAM);
    } else {
        return "the boot loader gave no memory map";
    }
    if (mb->flags & MB1_CMDLINE)
        string_reserve(mb->cmdline);
    if (mb->flags & MB1_LOADER)
        string_reserve(mb->loader);
    if (mb->flags & MB1_MODULES)
        modules_reserve(mb);
    return NULL;
}

/*
 * Most loaders put the file's name before its arguments, GRUB 2 does not: it
 * is left out here.
 */
static const char *arguments(u32 addr)
{
    const char *s = addr ? phys_to_virt(addr) : "";

    if (strncmp(boot_info.loader, "GRUB 2", 6)) {
        while (*s == ' ')
            s++;
        while (*s && *s != ' ')
            s++;
    }
    while (*s == ' ')
        s++;
    return boot_string(s, STRING_MAX);
}

static void modules_read(const struct mb1_info *mb)
{
    const struct mb1_module *m = phys_to_virt(mb->mods_addr);

    if (!mb->mods_count)
        return;
    boot_info.modules = phys_to_virt(boot_alloc(mb->mods_count * sizeof(*boot_info.modules), 1, BOOT_LIMIT_MAPPED));
    for (u32 i = 0; i < mb->mods_count; i++)
        boot_info.modules[i] = (struct boot_module){
            .start = m[i].start,
            .size = m[i].end > m[i].start ? m[i].end - m[i].start : 0,
            .cmdline = arguments(m[i].string),
        };
    boot_info.module_count = mb->mods_count;
}

/* A loader that says nothing of the screen, as QEMU, left the BIOS's text mode. */
static void framebuffer_read(const struct mb1_info *mb)
{
    boot_info.fb.present = true;
    boot_info.fb.text = !(mb->flags & MB1_FRAMEBUFFER) || mb->fb_type == FB_EGA_TEXT;
    if (!(mb->flags & MB1_FRAMEBUFFER)) {
        boot_info.fb.addr = 0xb8000;
        boot_info.fb.width = 80;
        boot_info.fb.height = 25;
        boot_info.fb.pitch = 160;
        boot_info.fb.bpp = 16;
        return;
    }
    boot_info.fb.addr = mb->fb_addr;
    boot_info.fb.width = mb->fb_width;
    boot_info.fb.height = mb->fb_height;
    boot_info.fb.pitch = mb->fb_pitch;
    boot_info.fb.bpp = mb->fb_bpp;
}

void multiboot_read(paddr_t info)
{
    const struct mb1_info *mb = phys_to_virt(info);

    if (mb->flags & MB1_LOADER)
        boot_info.loader = boot_string(phys_to_virt(mb->loader), STRING_MAX);
    if (mb->flags & MB1_CMDLINE)
        boot_info.cmdline = arguments(mb->cmdline);
    if (mb->flags & MB1_MODULES)
        modules_read(mb);
    framebuffer_read(mb);
}
