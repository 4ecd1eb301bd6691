/* SPDX-License-Identifier: MIT */
/* The operations behind do_physdev_op, each with the guest address of its argument. */
#ifndef ZELO_X86_PHYSDEV_H
#define ZELO_X86_PHYSDEV_H

#include <zelo/domain.h>
#include <zelo/guest.h>

#include <xen/physdev.h>

typedef int physdev_fn(vaddr_t arg);

/* x86/physdev_map.c */
physdev_fn physdev_map_pirq, physdev_unmap_pirq, physdev_get_free_pirq, physdev_alloc_irq_vector;
/* x86/physdev_pci.c */
physdev_fn physdev_manage_pci_add, physdev_manage_pci_add_ext, physdev_manage_pci_remove, physdev_pci_device_add,
    physdev_pci_device_remove, physdev_restore_msi, physdev_restore_msi_ext, physdev_prepare_msix,
    physdev_release_msix, physdev_pci_mmcfg_reserved;

#endif
