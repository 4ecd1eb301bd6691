/* SPDX-License-Identifier: MIT */
/* What domain 0 is told about the screen, so that it can take it over: what the boot loader left. */
#include "dom0.h"

#include <xen/xen.h>

#include <arch/machine.h>

#define FONT_HEIGHT 16
#define LFB_UNIT_SHIFT 16 /* lfb_size counts 64 KiB */

static void describe_text(struct dom0_vga_console_info *info)
{
    info->video_type = XEN_VGATYPE_TEXT_MODE_3;
    info->u.text_mode_3.font_height = FONT_HEIGHT;
    info->u.text_mode_3.columns = (u16)boot_info.fb.width;
    info->u.text_mode_3.rows = (u16)boot_info.fb.height;
    info->u.text_mode_3.cursor_y = (u16)(boot_info.fb.height ? boot_info.fb.height - 1 : 0);
}

/* Colour masks: the loaders' direct-colour modes are 8:8:8 and 5:6:5. */
static void describe_colours(struct dom0_vga_console_info *info)
{
    bool wide = boot_info.fb.bpp >= 24;

    info->u.vesa_lfb.blue_size = wide ? 8 : 5;
    info->u.vesa_lfb.green_size = wide ? 8 : 6;
    info->u.vesa_lfb.red_size = wide ? 8 : 5;
    info->u.vesa_lfb.green_pos = info->u.vesa_lfb.blue_size;
    info->u.vesa_lfb.red_pos = info->u.vesa_lfb.green_pos + info->u.vesa_lfb.green_size;
    if (boot_info.fb.bpp == 32) {
        info->u.vesa_lfb.rsvd_pos = 24;
        info->u.vesa_lfb.rsvd_size = 8;
    }
}

static void describe_graphics(struct dom0_vga_console_info *info)
{
    u64 bytes = (u64)boot_info.fb.pitch * boot_info.fb.height;

    info->video_type = boot_info.efi ? XEN_VGATYPE_EFI_LFB : XEN_VGATYPE_VESA_LFB;
    info->u.vesa_lfb.width = (u16)boot_info.fb.width;
    info->u.vesa_lfb.height = (u16)boot_info.fb.height;
    info->u.vesa_lfb.bytes_per_line = (u16)boot_info.fb.pitch;
    info->u.vesa_lfb.bits_per_pixel = (u16)boot_info.fb.bpp;
    info->u.vesa_lfb.lfb_base = (u32)boot_info.fb.addr;
    info->u.vesa_lfb.ext_lfb_base = (u32)(boot_info.fb.addr >> 32);
    info->u.vesa_lfb.lfb_size = (u32)((bytes + (1u << LFB_UNIT_SHIFT) - 1) >> LFB_UNIT_SHIFT);
    describe_colours(info);
}

bool dom0_console_describe(struct dom0_vga_console_info *info)
{
    *info = (struct dom0_vga_console_info){ 0 };
    if (!boot_info.fb.present)
        return false;
    if (boot_info.fb.text)
        describe_text(info);
    else
        describe_graphics(info);
    return true;
}
