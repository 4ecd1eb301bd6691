/* SPDX-License-Identifier: MIT */
/*
 * XEN_FW_EFI_INFO: where domain 0 finds the tables that UEFI firmware left
 * (ACPI, SMBIOS), and its memory map.  Runtime services are not offered.
 */
#include "platform_op.h"

#include <arch/machine.h>

#include <zelo/errno.h>
#include <zelo/lib.h>

/* The part of the EFI system table (UEFI specification, 4.3) that is of use. */
struct efi_system_table {
    u64 signature;
    u32 revision, header_size, crc32, reserved;
    u64 vendor;
    u32 firmware_revision, pad;
    u64 con_in_handle, con_in, con_out_handle, con_out, stderr_handle, std_err;
    u64 runtime_services, boot_services;
    u64 table_count, tables;
};
_Static_assert(offsetof(struct efi_system_table, table_count) == 104, "UEFI specification");

struct efi_memory_descriptor {
    u32 type, pad;
    u64 physical, virtual, pages, attribute;
};

#define EFI_SIGNATURE 0x5453595320494249ULL /* "IBI SYST" */
#define VENDOR_MAX_CHARS 128u

/* Firmware memory need not be in the direct map. */
static int efi_read(paddr_t from, void *to, size_t n)
{
    void *p = vmap_io(from, n, MAP_RO);

    if (!p)
        return -ENOMEM;
    memcpy(to, p, n);
    vunmap_io(p, n);
    return 0;
}

static int efi_read_system_table(struct efi_system_table *st)
{
    int rc;

    if (!boot_info.efi || !boot_info.efi_system_table)
        return -EOPNOTSUPP;
    rc = efi_read(boot_info.efi_system_table, st, sizeof(*st));
    if (!rc && st->signature != EFI_SIGNATURE)
        rc = -EOPNOTSUPP;
    return rc;
}

/* The vendor's name in 16-bit characters, cut to the guest's buffer, always ended by a zero. */
static int efi_vendor(const struct efi_system_table *st, union xenpf_efi_info *info)
{
    u16 name[VENDOR_MAX_CHARS];
    u32 max = MIN(info->vendor.bufsz / 2, VENDOR_MAX_CHARS), len = 0;
    int rc;

    info->vendor.revision = st->firmware_revision;
    if (!max)
        return 0;
    rc = efi_read(st->vendor, name, sizeof(name));
    if (rc)
        return rc;
    while (len + 1 < max && name[len])
        len++;
    name[len] = 0;
    return guest_write(handle_va(info->vendor.name), name, (len + 1) * sizeof(name[0]));
}

static int efi_mem_info(union xenpf_efi_info *info)
{
    u64 addr = info->mem.addr;

    if (!boot_info.efi_mmap || boot_info.efi_desc_size < sizeof(struct efi_memory_descriptor))
        return -EOPNOTSUPP;
    for (u32 at = 0; at + boot_info.efi_desc_size <= boot_info.efi_mmap_size; at += boot_info.efi_desc_size) {
        const struct efi_memory_descriptor *d = phys_to_virt(boot_info.efi_mmap + at);

        if (addr < d->physical || addr - d->physical >= d->pages << PAGE_SHIFT)
            continue;
        info->mem.addr = d->physical;
        info->mem.size = d->pages << PAGE_SHIFT;
        info->mem.attr = d->attribute;
        info->mem.type = d->type;
        return 0;
    }
    return -ESRCH;
}

int platform_efi_info(struct xenpf_firmware_info *fi)
{
    union xenpf_efi_info *info = &fi->u.efi_info;
    struct efi_system_table st;
    int rc = efi_read_system_table(&st);

    if (rc)
        return rc;
    switch (fi->index) {
    case XEN_FW_EFI_VERSION:
        info->version = st.revision;
        return 0;
    case XEN_FW_EFI_CONFIG_TABLE:
        info->cfg.addr = st.tables;
        info->cfg.nent = (u32)st.table_count;
        return 0;
    case XEN_FW_EFI_VENDOR:
        return efi_vendor(&st, info);
    case XEN_FW_EFI_MEM_INFO:
        return efi_mem_info(info);
    case XEN_FW_EFI_PCI_ROM:
    case XEN_FW_EFI_APPLE_PROPERTIES:
        return -ESRCH;
    default: /* XEN_FW_EFI_RT_VERSION too: there are no runtime services */
        return -EOPNOTSUPP;
    }
}
