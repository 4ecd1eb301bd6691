/* SPDX-License-Identifier: MIT */
/* PHYSDEVOP_* about PCI devices: domain 0 tells which there are and what becomes of them. */
#include "physdev.h"

#include <arch/machine.h>
#include <arch/msi.h>

#include <zelo/errno.h>

/* The fixed part of PHYSDEVOP_pci_device_add's argument; what follows (proximity) is of no use without NUMA. */
struct device_add_head {
    u16 seg;
    u8 bus, devfn;
    u32 flags;
    struct { u8 bus, devfn; } physfn;
};
_Static_assert(offsetof(struct device_add_head, flags) == offsetof(physdev_pci_device_add_t, flags), "ABI");
_Static_assert(offsetof(struct device_add_head, physfn) == offsetof(physdev_pci_device_add_t, physfn), "ABI");

static int device_add(struct pci_address a, bool is_virtfn)
{
    struct pci_device *dev;
    int rc;

    spin_lock(&pci_lock);
    rc = pci_device_add(a, is_virtfn, &dev);
    spin_unlock(&pci_lock);
    return rc;
}

static int device_remove(struct pci_address a)
{
    int rc;

    spin_lock(&pci_lock);
    rc = pci_device_remove(a);
    spin_unlock(&pci_lock);
    return rc;
}

static int device_restore_msi(struct pci_address a)
{
    struct pci_device *dev;

    spin_lock(&pci_lock);
    dev = pci_device_find(a);
    if (dev)
        msi_restore(dev);
    spin_unlock(&pci_lock);
    return dev ? 0 : -ENODEV;
}

static int device_pin_msix(struct pci_address a, bool pin)
{
    struct pci_device *dev;
    int rc;

    spin_lock(&pci_lock);
    dev = pci_device_find(a);
    rc = dev ? msix_pin_table(dev, pin) : -ENODEV;
    spin_unlock(&pci_lock);
    return rc;
}

/* --- arguments --- */

static int read_pci_device(vaddr_t arg, struct pci_address *a)
{
    physdev_pci_device_t op;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    *a = (struct pci_address){ op.seg, op.bus, op.devfn };
    return 0;
}

static int read_manage_pci(vaddr_t arg, struct pci_address *a)
{
    physdev_manage_pci_t op;

    _Static_assert(sizeof(op) == sizeof(physdev_restore_msi_t), "one layout for both");
    if (copy_from_guest(&op, arg))
        return -EFAULT;
    *a = (struct pci_address){ 0, op.bus, op.devfn };
    return 0;
}

int physdev_manage_pci_add(vaddr_t arg)
{
    struct pci_address a;

    return read_manage_pci(arg, &a) ? -EFAULT : device_add(a, false);
}

int physdev_manage_pci_add_ext(vaddr_t arg)
{
    physdev_manage_pci_ext_t op;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    if (op.is_extfn > 1 || op.is_virtfn > 1)
        return -EINVAL;
    return device_add((struct pci_address){ 0, op.bus, op.devfn }, op.is_virtfn);
}

int physdev_manage_pci_remove(vaddr_t arg)
{
    struct pci_address a;

    return read_manage_pci(arg, &a) ? -EFAULT : device_remove(a);
}

int physdev_pci_device_add(vaddr_t arg)
{
    struct device_add_head op;

    if (guest_read(&op, arg, offsetof(struct device_add_head, physfn) + sizeof(op.physfn)))
        return -EFAULT;
    return device_add((struct pci_address){ op.seg, op.bus, op.devfn }, op.flags & XEN_PCI_DEV_VIRTFN);
}

int physdev_pci_device_remove(vaddr_t arg)
{
    struct pci_address a;

    return read_pci_device(arg, &a) ? -EFAULT : device_remove(a);
}

int physdev_restore_msi(vaddr_t arg)
{
    struct pci_address a;

    return read_manage_pci(arg, &a) ? -EFAULT : device_restore_msi(a);
}

int physdev_restore_msi_ext(vaddr_t arg)
{
    struct pci_address a;

    return read_pci_device(arg, &a) ? -EFAULT : device_restore_msi(a);
}

int physdev_prepare_msix(vaddr_t arg)
{
    struct pci_address a;

    return read_pci_device(arg, &a) ? -EFAULT : device_pin_msix(a, true);
}

int physdev_release_msix(vaddr_t arg)
{
    struct pci_address a;

    return read_pci_device(arg, &a) ? -EFAULT : device_pin_msix(a, false);
}

/* Only domain 0 can tell whether the AML reserves the window, as it must to be believed. */
int physdev_pci_mmcfg_reserved(vaddr_t arg)
{
    struct physdev_pci_mmcfg_reserved op;
    int rc;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    if (op.flags & ~XEN_PCI_MMCFG_RESERVED || op.end_bus < op.start_bus)
        return -EINVAL;
    if (!(op.flags & XEN_PCI_MMCFG_RESERVED))
        return 0;
    spin_lock(&pci_lock);
    rc = pci_set_mmcfg(op.segment, op.start_bus, op.end_bus, op.address);
    spin_unlock(&pci_lock);
    return rc;
}
