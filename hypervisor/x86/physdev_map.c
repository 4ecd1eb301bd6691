/* SPDX-License-Identifier: MIT */
/*
 * PHYSDEVOP_map_pirq and its relatives.  A domain maps for itself the GSIs that
 * it has been given (XEN_DOMCTL_irq_permission); all else is for domains that
 * control the one the PIRQ is for, and have the hardware.
 */
#include "physdev.h"
#include "pirq.h"

#include <arch/msi.h>

#include <zelo/errno.h>

/* The domain an operation is for, referenced; NULL with *rc set. */
static struct domain *physdev_target(domid_t domid, int *rc)
{
    struct domain *d = domain_get(domid);

    *rc = -ESRCH;
    if (!d)
        return NULL;
    if (d == current->domain || (current->domain->is_privileged && !d->is_system))
        return d;
    domain_put(d);
    *rc = -EPERM;
    return NULL;
}

static int map_gsi(struct domain *d, struct physdev_map_pirq *op)
{
    if (op->index < 0)
        return -EINVAL;
    if (!current->domain->is_privileged && !rangeset_contains(&current->domain->irqs, (u32)op->index, (u32)op->index))
        return -EPERM;
    return pirq_map_gsi(d, (u32)op->index, &op->pirq);
}

/* Segment in the high half of 'bus' for the newer types; the original one knows no segments. */
static struct pci_address map_address(const struct physdev_map_pirq *op)
{
    return (struct pci_address){
        .seg = op->type == MAP_PIRQ_TYPE_MSI ? 0 : (u16)((u32)op->bus >> 16),
        .bus = (u8)op->bus,
        .devfn = (u8)op->devfn,
    };
}

/* Creates the MSIs; *count is how many of them get PIRQs. */
static int map_create_msis(struct pci_device *dev, const struct physdev_map_pirq *op, struct irq_desc **descs,
                           unsigned *count)
{
    *count = 1;
    if (op->type != MAP_PIRQ_TYPE_MULTI_MSI) {
        if (op->table_base)
            return op->entry_nr < 0 ? -EINVAL : msix_create(dev, (u32)op->entry_nr, op->table_base, descs);
        return msi_create(dev, 1, descs);
    }
    if (op->table_base || op->entry_nr < 1 || op->entry_nr > MSI_MAX_COUNT)
        return -EINVAL;
    *count = (unsigned)op->entry_nr;
    return msi_create(dev, 1u << order_for_pages(*count), descs); /* the device counts in powers of two */
}

static int map_msi(struct domain *d, struct physdev_map_pirq *op)
{
    struct irq_desc *descs[MSI_MAX_COUNT];
    struct pci_device *dev;
    unsigned count;
    int rc;

    if (!current->domain->is_privileged)
        return -EPERM;
    rc = pci_device_add(map_address(op), false, &dev);
    if (!rc)
        rc = map_create_msis(dev, op, descs, &count);
    if (rc)
        return rc;
    rc = pirq_map_msi(d, descs, count, &op->pirq);
    if (rc)
        msi_destroy(descs[0]);
    return rc;
}

static int map_by_type(struct domain *d, struct physdev_map_pirq *op)
{
    switch (op->type) {
    case MAP_PIRQ_TYPE_GSI:
        return map_gsi(d, op);
    case MAP_PIRQ_TYPE_MSI:
    case MAP_PIRQ_TYPE_MSI_SEG:
    case MAP_PIRQ_TYPE_MULTI_MSI:
        return map_msi(d, op);
    default:
        return -EINVAL;
    }
}

int physdev_map_pirq(vaddr_t arg)
{
    struct physdev_map_pirq op;
    struct domain *d;
    int rc;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    d = physdev_target(op.domid, &rc);
    if (!d)
        return rc;
    spin_lock(&pci_lock);
    rc = map_by_type(d, &op);
    spin_unlock(&pci_lock);
    domain_put(d);
    return rc ? rc : copy_field_to_guest(arg, &op, pirq);
}

int physdev_unmap_pirq(vaddr_t arg)
{
    struct physdev_unmap_pirq op;
    struct domain *d;
    int rc;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    d = physdev_target(op.domid, &rc);
    if (!d)
        return rc;
    spin_lock(&pci_lock);
    rc = op.pirq < 0 ? -EINVAL : pirq_unmap(d, (u32)op.pirq);
    spin_unlock(&pci_lock);
    domain_put(d);
    return rc;
}

int physdev_get_free_pirq(vaddr_t arg)
{
    struct physdev_get_free_pirq op;
    int rc, nr;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    if (op.type != MAP_PIRQ_TYPE_GSI && op.type != MAP_PIRQ_TYPE_MSI)
        return -EINVAL;
    spin_lock(&pci_lock);
    rc = pirq_reserve(current->domain, &nr);
    spin_unlock(&pci_lock);
    if (rc)
        return rc;
    op.pirq = (u32)nr;
    return copy_to_guest(arg, &op);
}

/* Linux asks for each GSI it sets up; kernels before PHYSDEVOP_map_pirq get their PIRQ by it. */
int physdev_alloc_irq_vector(vaddr_t arg)
{
    physdev_irq_t op;
    int rc, nr;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    nr = (int)op.irq;
    if (nr < 0)
        return -EINVAL;
    spin_lock(&pci_lock);
    rc = pirq_map_gsi(current->domain, op.irq, &nr);
    spin_unlock(&pci_lock);
    if (rc && rc != -EEXIST) /* mapped under another number: all the better */
        return rc;
    op.vector = irq_gsi_desc(op.irq)->vector;
    return copy_to_guest(arg, &op);
}
