/* SPDX-License-Identifier: MIT */
/* The PCI devices that domain 0 has made known, for their interrupts' sake. */
#include <arch/msi.h>
#include <arch/machine.h>

#include <zelo/errno.h>
#include <zelo/page.h>

static struct list devices = LIST_INIT(devices); /* pci_lock */

static bool address_eq(struct pci_address a, struct pci_address b)
{
    return a.seg == b.seg && a.bus == b.bus && a.devfn == b.devfn;
}

struct pci_device *pci_device_find(struct pci_address a)
{
    struct pci_device *dev;

    list_for_each(dev, &devices, link)
        if (address_eq(dev->at, a))
            return dev;
    return NULL;
}

int pci_device_add(struct pci_address a, bool is_virtfn, struct pci_device **out)
{
    int rc = pci_map_bus(a.seg, a.bus);

    *out = pci_device_find(a);
    if (rc || *out)
        return rc;
    /* The vendor ID of a virtual function reads as all ones. */
    if (!is_virtfn && (u16)pci_read(a.seg, a.bus, a.devfn, PCI_VENDOR_ID, 2) == 0xffff)
        return -ENODEV;
    *out = mem_alloc_type(struct pci_device);
    if (!*out)
        return -ENOMEM;
    (*out)->at = a;
    (*out)->is_virtfn = is_virtfn;
    (*out)->msi_pos = pci_find_capability(a, PCI_CAP_MSI);
    (*out)->msix_pos = pci_find_capability(a, PCI_CAP_MSIX);
    list_init(&(*out)->msis);
    list_push_back(&devices, &(*out)->link);
    return 0;
}

int pci_device_remove(struct pci_address a)
{
    struct pci_device *dev = pci_device_find(a);

    if (!dev)
        return -ENODEV;
    if (!list_empty(&dev->msis))
        return -EBUSY;
    if (dev->msix_pinned && msix_pin_table(dev, false))
        return -EBUSY;
    list_remove(&dev->link);
    mem_free(dev);
    return 0;
}
