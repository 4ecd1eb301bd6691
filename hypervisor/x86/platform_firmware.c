/* SPDX-License-Identifier: MIT */
/*
 * XENPF_firmware_info.  The hypervisor makes no BIOS calls, so of disks,
 * signatures and displays there are none to enumerate: -ESRCH is how an
 * enumeration ends.  What EFI left behind is in x86/platform_efi.c.
 */
#include "platform_op.h"

#include <arch/machine.h>

#include <zelo/errno.h>

#define BDA_KEYBOARD_FLAGS 0x417

/* Int 16h function 2 reads this byte of the BIOS data area. */
static int firmware_kbd_shift_flags(struct xenpf_firmware_info *fi)
{
    if (fi->index)
        return -ESRCH;
    if (boot_info.efi)
        return -EOPNOTSUPP;
    fi->u.kbd_shift_flags = *(const volatile u8 *)phys_to_virt(BDA_KEYBOARD_FLAGS);
    return 0;
}

int platform_firmware_info(struct xen_platform_op *op)
{
    struct xenpf_firmware_info *fi = &op->u.firmware_info;

    switch (fi->type) {
    case XEN_FW_DISK_INFO:
    case XEN_FW_DISK_MBR_SIGNATURE:
    case XEN_FW_VBEDDC_INFO:
        return -ESRCH;
    case XEN_FW_EFI_INFO:
        return platform_efi_info(fi);
    case XEN_FW_KBD_SHIFT_FLAGS:
        return firmware_kbd_shift_flags(fi);
    default:
        return -EINVAL;
    }
}
