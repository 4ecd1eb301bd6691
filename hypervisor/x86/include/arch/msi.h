/* SPDX-License-Identifier: MIT */
/*
 * PCI devices as domain 0 makes them known, and their message-signalled
 * interrupts.  All under pci_lock.  platform/pci_device.c, platform/msi.c
 */
#ifndef ARCH_MSI_H
#define ARCH_MSI_H

#include <arch/irq_desc.h>
#include <arch/pci.h>

struct pci_device {
    struct list link;              /* pci_lock, as all below */
    struct pci_address at;
    bool is_virtfn;                /* its BARs are described in the physical function */
    u16 msi_pos, msix_pos;         /* offsets of the capabilities, 0: none */
    struct list msis;              /* irq_desc.msi.link */
    volatile u32 *msix_table;      /* mapped while an entry is in use or the table is pinned */
    bool msix_pinned;              /* PHYSDEVOP_prepare_msix */
    u32 msix_entries;
};

/* Finds the device or, if it answers on the bus, makes it known. -ENODEV, -ENOMEM, -ENXIO. */
int must_check pci_device_add(struct pci_address a, bool is_virtfn, struct pci_device **out);
struct pci_device *pci_device_find(struct pci_address a);
/* -ENODEV; -EBUSY while it has MSIs. */
int must_check pci_device_remove(struct pci_address a);

#define MSI_MAX_COUNT 32 /* by the PCI specification */

/* A group of MSIs (power of two, 1 for most), masked, unbound: out[0] leads it. */
int must_check msi_create(struct pci_device *dev, unsigned count, struct irq_desc **out);
/* One MSI-X entry; table_bar_base: where the table's BAR lies, for virtual functions. */
int must_check msix_create(struct pci_device *dev, unsigned entry, paddr_t table_bar_base, struct irq_desc **out);
/* Masks and retires the whole group of desc; none of it is bound. */
void msi_destroy(struct irq_desc *leader);
/* Writes every message of the device again after it lost its state. */
void msi_restore(struct pci_device *dev);
int must_check msix_pin_table(struct pci_device *dev, bool pin);

#endif
