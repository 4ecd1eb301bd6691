/* SPDX-License-Identifier: MIT */
/* Control operations on a domain's memory and what of the machine it may touch. */
#include "xenctl.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>

int domctl_max_mem(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    u64 pages = op->u.max_mem.max_memkb >> (PAGE_SHIFT - 10);

    (void)copyback;
    spin_lock(&d->page_lock);
    WRITE_ONCE(d->max_pages, pages);
    spin_unlock(&d->page_lock);
    return 0;
}

/* Replaces each frame number of the array by what the frame is used as; goes on where it stopped. */
int domctl_getpageframeinfo3(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct xen_domctl_getpageframeinfo3 *q = &op->u.getpageframeinfo3;

    *copyback = true;
    while (q->num) {
        xen_pfn_t entry;

        if (copy_from_handle(&entry, q->array, 1))
            return -EFAULT;
        entry = mfn_valid(MFN(entry)) ? pv_frame_info(d, mfn_to_page(MFN(entry))) : XEN_DOMCTL_PFINFO_XTAB;
        if (copy_to_handle(q->array, &entry, 1))
            return -EFAULT;
        q->array.p++;
        q->num--;
        if (q->num && !(q->num % 64) && hypercall_should_preempt())
            return -E_PREEMPTED;
    }
    return 0;
}

int domctl_shadow_op(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    if (d == current->domain)
        return -EINVAL;
    *copyback = true;
    return pv_shadow_op(d, &op->u.shadow_op);
}

/* A caller can give only what it has itself. */
static int permission_change(struct rangeset *caller, struct rangeset *target, u64 first, u64 last, bool allow)
{
    if (!allow)
        return rangeset_remove(target, first, last);
    if (!rangeset_contains(caller, first, last))
        return -EPERM;
    return rangeset_add(target, first, last);
}

int domctl_irq_permission(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    const struct xen_domctl_irq_permission *p = &op->u.irq_permission;

    (void)copyback;
    if (p->pirq >= current->domain->pirqs.nr_max)
        return -EINVAL;
    return permission_change(&current->domain->irqs, &d->irqs, p->pirq, p->pirq, p->allow_access);
}

int domctl_iomem_permission(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    const struct xen_domctl_iomem_permission *p = &op->u.iomem_permission;
    u64 last = p->first_mfn + p->nr_mfns - 1;

    (void)copyback;
    if (!p->nr_mfns || last < p->first_mfn || last >> (arch_phys_addr_bits() - PAGE_SHIFT))
        return -EINVAL;
    return permission_change(&current->domain->io_frames, &d->io_frames, p->first_mfn, last, p->allow_access);
}

int domctl_ioport_permission(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    const struct xen_domctl_ioport_permission *p = &op->u.ioport_permission;
    u64 last = (u64)p->first_port + p->nr_ports - 1;

    (void)copyback;
    if (!p->nr_ports || last > 0xffff)
        return -EINVAL;
    return permission_change(&current->domain->io_ports, &d->io_ports, p->first_port, last, p->allow_access);
}
