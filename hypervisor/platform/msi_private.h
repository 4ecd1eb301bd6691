/* SPDX-License-Identifier: MIT */
/* What MSI and MSI-X share. */
#ifndef ZELO_PLATFORM_MSI_PRIVATE_H
#define ZELO_PLATFORM_MSI_PRIVATE_H

#include <arch/msi.h>

/* Fixed delivery to one CPU by physical APIC ID; the data is the bare vector: fixed, edge. */
static inline u32 msi_address(u32 apicid)
{
    return 0xfee00000u | apicid << 12;
}

/* A descriptor in dev's list, its own leader, not placed yet. -ENOMEM. */
int must_check msi_desc_new(struct pci_device *dev, unsigned index, const struct irq_chip *chip,
                            struct irq_desc **out);
void msix_restore(struct pci_device *dev);
void msix_release_table(struct pci_device *dev); /* unmaps it if nothing needs it */

#endif
