/* SPDX-License-Identifier: MIT */
/* PCI configuration space beyond pci_read and pci_write (arch/machine.h). platform/pci.c */
#ifndef ARCH_PCI_H
#define ARCH_PCI_H

#include <zelo/lock.h>
#include <zelo/types.h>

#define PCI_VENDOR_ID 0x00
#define PCI_COMMAND 0x04
#define PCI_COMMAND_MEMORY 0x2u
#define PCI_STATUS 0x06
#define PCI_STATUS_CAP_LIST 0x10u
#define PCI_HEADER_TYPE 0x0e
#define PCI_BAR(n) ((u16)(0x10 + 4 * (n)))
#define PCI_CAP_POINTER 0x34
#define PCI_CAP_MSI 0x05
#define PCI_CAP_MSIX 0x11

extern spinlock_t pci_lock; /* LOCK_PCI: devices, their MSIs, mapping of interrupts to PIRQs */

struct pci_address { u16 seg; u8 bus, devfn; };

/* Clears and sets bits of a 32-bit register in one step. Any context. */
void pci_modify32(struct pci_address a, u16 reg, u32 clear, u32 set);
/* Makes the bus reachable where that takes MMCFG (segments other than 0). -ENXIO, -ENOMEM. pci_lock held. */
int must_check pci_map_bus(u16 seg, u8 bus);
/* Offset of a capability, 0 if the device has none. */
u16 pci_find_capability(struct pci_address a, u8 id);

#endif
