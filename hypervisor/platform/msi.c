/* SPDX-License-Identifier: MIT */
/*
 * MSI: up to 32 interrupts of a device that share one address and differ in the
 * low bits of the data.  The device's driver in domain 0 switches the
 * capability on and off; the hypervisor writes the message and the masks.
 */
#include "msi_private.h"

#include <arch/machine.h>

#include <zelo/errno.h>

#define MSI_CONTROL 2
#define MSI_ADDRESS 4
#define CONTROL_ENABLE 0x1u
#define CONTROL_CAPABLE(c) (1u << (((c) >> 1) & 7)) /* messages the device can send */
#define CONTROL_COUNT_SHIFT 4
#define CONTROL_COUNT_MASK 0x70u
#define CONTROL_64BIT 0x80u
#define CONTROL_MASKABLE 0x100u

static u16 msi_control(const struct pci_device *dev)
{
    return (u16)pci_read(dev->at.seg, dev->at.bus, dev->at.devfn, dev->msi_pos + MSI_CONTROL, 2);
}

static void msi_write(const struct pci_device *dev, u16 offset, unsigned bytes, u32 v)
{
    pci_write(dev->at.seg, dev->at.bus, dev->at.devfn, dev->msi_pos + offset, bytes, v);
}

static u16 msi_data_offset(u16 control)
{
    return control & CONTROL_64BIT ? 12 : 8;
}

/* Where the device has no mask bits nothing can be done: an unbound one is only counted. */
static void msi_set_masked(struct irq_desc *desc, bool masked)
{
    const struct pci_device *dev = desc->msi.dev;
    u16 control = msi_control(dev);
    u32 bit = 1u << desc->msi.index;

    desc->msi.masked = masked;
    if (control & CONTROL_MASKABLE)
        pci_modify32(dev->at, (u16)(dev->msi_pos + msi_data_offset(control) + 4), bit, masked ? bit : 0);
}

static void msi_mask(struct irq_desc *desc)
{
    msi_set_masked(desc, true);
}

static void msi_unmask(struct irq_desc *desc)
{
    msi_set_masked(desc, false);
}

/* The vector stays, so only the low word of the address changes, in one write. */
static void msi_set_dest(struct irq_desc *desc, u32 apicid)
{
    if (desc->msi.leader == desc)
        msi_write(desc->msi.dev, MSI_ADDRESS, 4, msi_address(apicid));
}

static const struct irq_chip msi_chip = {
    .name = "MSI",
    .mask = msi_mask,
    .unmask = msi_unmask,
    .set_dest = msi_set_dest,
    .movable = true,
};

/* Several interrupts behind one address: to move one would move all. */
static const struct irq_chip msi_group_chip = {
    .name = "MSI group",
    .mask = msi_mask,
    .unmask = msi_unmask,
    .set_dest = msi_set_dest,
    .movable = false,
};

/* All but the low word of the address, which set_dest wrote. */
static void msi_write_message(struct irq_desc *leader, unsigned count)
{
    const struct pci_device *dev = leader->msi.dev;
    u16 control = msi_control(dev);

    if (control & CONTROL_64BIT)
        msi_write(dev, MSI_ADDRESS + 4, 4, 0);
    msi_write(dev, msi_data_offset(control), 2, leader->vector);
    control = (u16)((control & ~CONTROL_COUNT_MASK) | (unsigned)__builtin_ctz(count) << CONTROL_COUNT_SHIFT);
    msi_write(dev, MSI_CONTROL, 2, control);
}

static void msi_discard(struct irq_desc **descs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        list_remove(&descs[i]->msi.link);
        irq_retire(descs[i]);
    }
}

int msi_create(struct pci_device *dev, unsigned count, struct irq_desc **out)
{
    unsigned i;
    int rc;

    if (!dev->msi_pos)
        return -ENODEV;
    if (!list_empty(&dev->msis))
        return -EEXIST;
    if (count > CONTROL_CAPABLE(msi_control(dev)))
        return -EINVAL;
    for (i = 0; i < count; i++) {
        rc = msi_desc_new(dev, i, count == 1 ? &msi_chip : &msi_group_chip, &out[i]);
        if (rc)
            goto fail;
        out[i]->msi.leader = out[0];
        msi_mask(out[i]);
    }
    rc = irq_place(out, count);
    if (rc)
        goto fail;
    msi_write_message(out[0], count);
    return 0;

fail:
    msi_discard(out, i);
    return rc;
}

static void msi_restore_group(struct pci_device *dev)
{
    struct irq_desc *desc, *leader = list_first(&dev->msis, struct irq_desc, msi.link)->msi.leader;
    unsigned count = 0;
    unsigned long flags;

    list_for_each(desc, &dev->msis, msi.link) {
        count++;
        spin_lock_irqsave(&desc->lock, flags);
        msi_set_dest(desc, cpu_apicid[desc->cpu]);
        msi_set_masked(desc, desc->msi.masked);
        spin_unlock_irqrestore(&desc->lock, flags);
    }
    msi_write_message(leader, count);
    msi_write(dev, MSI_CONTROL, 2, msi_control(dev) | CONTROL_ENABLE);
}

void msi_restore(struct pci_device *dev)
{
    if (list_empty(&dev->msis))
        return;
    if (list_first(&dev->msis, struct irq_desc, msi.link)->msi.slot)
        msix_restore(dev);
    else
        msi_restore_group(dev);
}

void msi_destroy(struct irq_desc *leader)
{
    struct pci_device *dev = leader->msi.dev;
    bool msix = leader->msi.slot;
    struct irq_desc *desc, *next;
    unsigned long flags;

    if (!msix) /* the message must not be sent once its vectors may be another's */
        msi_write(dev, MSI_CONTROL, 2, msi_control(dev) & ~(CONTROL_ENABLE | CONTROL_COUNT_MASK));
    list_for_each_safe(desc, next, &dev->msis, msi.link) {
        if (desc->msi.leader != leader)
            continue;
        spin_lock_irqsave(&desc->lock, flags);
        desc->chip->mask(desc);
        spin_unlock_irqrestore(&desc->lock, flags);
        list_remove(&desc->msi.link);
        irq_retire(desc);
    }
    if (msix)
        msix_release_table(dev);
}

int msi_desc_new(struct pci_device *dev, unsigned index, const struct irq_chip *chip, struct irq_desc **out)
{
    struct irq_desc *desc = irq_desc_alloc(chip);

    if (!desc)
        return -ENOMEM;
    desc->msi.dev = dev;
    desc->msi.index = (u16)index;
    desc->msi.leader = desc;
    desc->msi.slot = NULL;
    list_push_back(&dev->msis, &desc->msi.link);
    *out = desc;
    return 0;
}
