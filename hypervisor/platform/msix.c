/* SPDX-License-Identifier: MIT */
/*
 * MSI-X: a table in the device's memory with address, data and mask of each
 * interrupt.  It is mapped while an entry is in use, or while domain 0 has
 * pinned it (PHYSDEVOP_prepare_msix).
 */
#include "msi_private.h"

#include <arch/machine.h>

#include <zelo/errno.h>
#include <zelo/memory.h>
#include <arch/seam.h>

#define MSIX_CONTROL 2
#define MSIX_TABLE 4
#define CONTROL_ENTRIES(c) (((c) & 0x7ffu) + 1)
#define ENTRY_WORDS 4UL /* address low, address high, data, control */
#define ENTRY_MASKED 0x1u
#define BAR_IO 0x1u
#define BAR_TYPE 0x6u
#define BAR_64BIT 0x4u

static u32 msix_read_config(const struct pci_device *dev, u16 reg, unsigned bytes)
{
    return pci_read(dev->at.seg, dev->at.bus, dev->at.devfn, reg, bytes);
}

/* Changing an entry that is not masked is undefined; the read back makes the mask take effect. */
static void msix_set_masked(struct irq_desc *desc, bool masked)
{
    desc->msi.masked = masked;
    desc->msi.slot[3] = masked ? ENTRY_MASKED : 0;
    (void)desc->msi.slot[3];
}

static void msix_mask(struct irq_desc *desc)
{
    msix_set_masked(desc, true);
}

static void msix_unmask(struct irq_desc *desc)
{
    msix_set_masked(desc, false);
}

static void msix_set_dest(struct irq_desc *desc, u32 apicid)
{
    bool masked = desc->msi.masked;

    if (!masked)
        msix_mask(desc);
    desc->msi.slot[0] = msi_address(apicid);
    desc->msi.slot[1] = 0;
    desc->msi.slot[2] = desc->vector;
    if (!masked)
        msix_unmask(desc);
}

static const struct irq_chip msix_chip = {
    .name = "MSI-X",
    .mask = msix_mask,
    .unmask = msix_unmask,
    .set_dest = msix_set_dest,
    .movable = true,
};

/* --- the table --- */

/* Base of a memory BAR of a type 0 header; 0 if it has none. */
static paddr_t msix_bar_base(const struct pci_device *dev, unsigned bar)
{
    u32 low = msix_read_config(dev, PCI_BAR(bar), 4), high = 0;

    if (low & BAR_IO)
        return 0;
    if ((low & BAR_TYPE) == BAR_64BIT && bar < 5)
        high = msix_read_config(dev, PCI_BAR(bar + 1), 4);
    return ((paddr_t)high << 32) | (low & ~0xfu);
}

/* Domain 0 placed it; over RAM it cannot be. */
static bool msix_range_sane(paddr_t base, u64 bytes)
{
    if (!base || base + bytes < base || (base + bytes) >> cpu_features.phys_bits)
        return false;
    for (unsigned i = 0; i < e820_count; i++) {
        const struct e820_range *r = &e820_map[i];

        if (r->type != E820_RESERVED && base < r->addr + r->size && r->addr < base + bytes)
            return false;
    }
    return true;
}

static int msix_map_table(struct pci_device *dev, paddr_t bar_base)
{
    u32 where = msix_read_config(dev, dev->msix_pos + MSIX_TABLE, 4);
    paddr_t base = dev->is_virtfn ? bar_base : msix_bar_base(dev, where & 7);
    u64 bytes;

    if (dev->msix_table)
        return 0;
    if ((where & 7) > 5)
        return -EINVAL;
    dev->msix_entries = CONTROL_ENTRIES(msix_read_config(dev, dev->msix_pos + MSIX_CONTROL, 2));
    bytes = dev->msix_entries * ENTRY_WORDS * sizeof(u32);
    base += base ? where & ~7u : 0;
    if (!msix_range_sane(base, bytes))
        return -EINVAL;
    dev->msix_table = vmap_io(base, bytes, MAP_RW | MAP_UC);
    return dev->msix_table ? 0 : -ENOMEM;
}

void msix_release_table(struct pci_device *dev)
{
    if (!dev->msix_table || dev->msix_pinned || !list_empty(&dev->msis))
        return;
    vunmap_io(dev->msix_table, dev->msix_entries * ENTRY_WORDS * sizeof(u32));
    dev->msix_table = NULL;
}

int msix_pin_table(struct pci_device *dev, bool pin)
{
    int rc = 0;

    if (!dev->msix_pos)
        return -ENODEV;
    if (pin && dev->is_virtfn && !dev->msix_table)
        return -EOPNOTSUPP; /* nothing tells where its table lies before an entry is set up */
    if (pin)
        rc = msix_map_table(dev, 0);
    else if (!list_empty(&dev->msis))
        rc = -EBUSY;
    if (rc)
        return rc;
    dev->msix_pinned = pin;
    msix_release_table(dev);
    return 0;
}

/* --- entries --- */

static bool msix_entry_in_use(struct pci_device *dev, unsigned entry)
{
    struct irq_desc *desc;

    list_for_each(desc, &dev->msis, msi.link)
        if (!desc->msi.slot || desc->msi.index == entry) /* MSI excludes MSI-X */
            return true;
    return false;
}

static int msix_entry_new(struct pci_device *dev, unsigned entry, struct irq_desc **out)
{
    int rc = msi_desc_new(dev, entry, &msix_chip, out);

    if (rc)
        return rc;
    (*out)->msi.slot = dev->msix_table + entry * ENTRY_WORDS;
    msix_mask(*out);
    rc = irq_place(out, 1);
    if (rc) {
        list_remove(&(*out)->msi.link);
        irq_retire(*out);
    }
    return rc;
}

int msix_create(struct pci_device *dev, unsigned entry, paddr_t table_bar_base, struct irq_desc **out)
{
    int rc;

    if (!dev->msix_pos)
        return -ENODEV;
    /* A virtual function has no memory enable of its own. */
    if (!dev->is_virtfn && !(msix_read_config(dev, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY))
        return -ENXIO;
    rc = msix_map_table(dev, table_bar_base);
    if (rc)
        return rc;
    rc = entry < dev->msix_entries ? 0 : -EINVAL;
    if (!rc && msix_entry_in_use(dev, entry))
        rc = -EEXIST;
    if (!rc)
        rc = msix_entry_new(dev, entry, out);
    if (rc)
        msix_release_table(dev);
    return rc;
}

/* The driver has the function masked as a whole meanwhile. */
void msix_restore(struct pci_device *dev)
{
    struct irq_desc *desc;
    unsigned long flags;

    if (!dev->is_virtfn && !(msix_read_config(dev, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY))
        return;
    list_for_each(desc, &dev->msis, msi.link) {
        bool masked;

        spin_lock_irqsave(&desc->lock, flags);
        masked = desc->msi.masked;
        msix_mask(desc);
        msix_set_dest(desc, cpu_apicid[desc->cpu]);
        msix_set_masked(desc, masked);
        spin_unlock_irqrestore(&desc->lock, flags);
    }
}
