/* SPDX-License-Identifier: MIT */
/* What the boot loader left, whichever protocol it speaks. Runs before anything can be printed. */
#include <zelo/lib.h>

#include "boot.h"

struct boot_info boot_info;
paddr_t trampoline_page;

const char *boot_string(const char *s, size_t max)
{
    size_t n = strnlen(s, max);
    char *copy = phys_to_virt(boot_alloc(n + 1, 1, BOOT_LIMIT_MAPPED));

    memcpy(copy, s, n);
    copy[n] = 0;
    return copy;
}

/* A page below 640 KiB that is RAM, as high as can be; page 0 belongs to the firmware. */
static void trampoline_page_find(void)
{
    paddr_t start, end;

    for (unsigned i = 0; e820_ram(i, &start, &end); i++) {
        end = MIN(end, (paddr_t)0xa0000);
        if (start < end && end - PAGE_SIZE >= MAX(start, (paddr_t)PAGE_SIZE))
            trampoline_page = end - PAGE_SIZE;
    }
}

const char *boot_info_read(u32 magic, paddr_t info)
{
    const char *wrong;
    bool mb2 = magic == MB2_LOADER_MAGIC;

    boot_info.cmdline = boot_info.loader = "";
    if (!mb2 && magic != MB1_LOADER_MAGIC)
        return "not started by a multiboot loader";
    boot_reserve(image_pa(__image_start), (u64)(__image_end - __image_start));
    wrong = mb2 ? multiboot2_find(info) : multiboot_find(info);
    if (wrong)
        return wrong;
    e820_finish();
    trampoline_page_find();
    if (mb2)
        multiboot2_read(info);
    else
        multiboot_read(info);
    return NULL;
}
