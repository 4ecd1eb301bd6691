/* SPDX-License-Identifier: MIT */
/*
 * PHYSDEVOP_* (<xen/physdev.h>): what guests ask about physical interrupts and
 * devices.  An operation that is not here answers -ENOSYS, on which Linux tries
 * the older form of the call and then does without.
 */
#include "physdev.h"
#include "pirq.h"

#include <arch/ioapic.h>

#include <zelo/errno.h>
#include <zelo/nospec.h>

/* --- any PV guest --- */

static int physdev_eoi(vaddr_t arg)
{
    struct domain *d = current->domain;
    struct physdev_eoi op;
    bool level;
    u32 port;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    if (pirq_query(d, op.irq, &level, &port))
        return -EINVAL;
    if (d->pirqs.eoi_unmasks && port && event_unmask(d, port))
        return -EINVAL;
    pirq_eoi(d, op.irq);
    return 0;
}

static int physdev_irq_status_query(vaddr_t arg)
{
    physdev_irq_status_query_t op;
    bool level;
    u32 port;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    if (pirq_query(current->domain, op.irq, &level, &port))
        return -EINVAL;
    op.flags = level ? XENIRQSTAT_needs_eoi : 0;
    return copy_to_guest(arg, &op);
}

static int physdev_eoi_map(vaddr_t arg, bool unmasks)
{
    struct physdev_pirq_eoi_gmfn op;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    return pirq_eoi_map_set(current->domain, op.gmfn, unmasks);
}

static int physdev_pirq_eoi_gmfn_v1(vaddr_t arg)
{
    return physdev_eoi_map(arg, true);
}

static int physdev_pirq_eoi_gmfn_v2(vaddr_t arg)
{
    return physdev_eoi_map(arg, false);
}

static int physdev_set_iopl(vaddr_t arg)
{
    physdev_set_iopl_t op;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    if (op.iopl > 3)
        return -EINVAL;
    current->pv.iopl = op.iopl;
    return 0;
}

/* The bitmap stays the guest's: it is read anew at each access that asks for it. */
static int physdev_set_iobitmap(vaddr_t arg)
{
    physdev_set_iobitmap_t op;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    if (op.nr_ports > 65536 || !guest_range_ok(handle_va(op.bitmap), DIV_ROUND_UP(op.nr_ports, 8)))
        return -EINVAL;
    current->pv.iobitmap_va = op.bitmap.p;
    current->pv.iobitmap_nports = op.nr_ports;
    return 0;
}

/* --- domain 0 --- */

static int physdev_apic_read(vaddr_t arg)
{
    physdev_apic_t op;
    int rc;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    rc = ioapic_guest_read(op.apic_physbase, op.reg, &op.value);
    return rc ? rc : copy_to_guest(arg, &op);
}

static int physdev_apic_write(vaddr_t arg)
{
    physdev_apic_t op;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    return ioapic_guest_write(op.apic_physbase, op.reg, op.value);
}

static int physdev_setup_gsi(vaddr_t arg)
{
    struct physdev_setup_gsi op;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    if (op.gsi < 0)
        return -EINVAL;
    return ioapic_setup_gsi((u32)op.gsi, op.triggering, op.polarity);
}

/* The hypervisor uses no USB debug port, so there is none to get out of the way of. */
static int physdev_dbgp_op(vaddr_t arg)
{
    (void)arg;
    return -EOPNOTSUPP;
}

/* --- dispatch --- */

static const struct physdev_entry {
    physdev_fn *fn;
    bool any_guest;  /* else privileged domains only */
    bool compat;     /* reachable through the old call too */
} physdev_table[] = {
    [PHYSDEVOP_irq_status_query] = { physdev_irq_status_query, true, true },
    [PHYSDEVOP_set_iopl] = { physdev_set_iopl, true, true },
    [PHYSDEVOP_set_iobitmap] = { physdev_set_iobitmap, true, true },
    [PHYSDEVOP_apic_read] = { physdev_apic_read, false, true },
    [PHYSDEVOP_apic_write] = { physdev_apic_write, false, true },
    [PHYSDEVOP_alloc_irq_vector] = { physdev_alloc_irq_vector, false, true },
    [PHYSDEVOP_eoi] = { physdev_eoi, true, false },
    [PHYSDEVOP_pirq_eoi_gmfn_v1] = { physdev_pirq_eoi_gmfn_v1, true, false },
    [PHYSDEVOP_pirq_eoi_gmfn_v2] = { physdev_pirq_eoi_gmfn_v2, true, false },
    [PHYSDEVOP_map_pirq] = { physdev_map_pirq, true, false }, /* checks by itself what may be mapped */
    [PHYSDEVOP_unmap_pirq] = { physdev_unmap_pirq, true, false },
    [PHYSDEVOP_get_free_pirq] = { physdev_get_free_pirq, true, false },
    [PHYSDEVOP_setup_gsi] = { physdev_setup_gsi, false, false },
    [PHYSDEVOP_manage_pci_add] = { physdev_manage_pci_add, false, false },
    [PHYSDEVOP_manage_pci_add_ext] = { physdev_manage_pci_add_ext, false, false },
    [PHYSDEVOP_manage_pci_remove] = { physdev_manage_pci_remove, false, false },
    [PHYSDEVOP_pci_device_add] = { physdev_pci_device_add, false, false },
    [PHYSDEVOP_pci_device_remove] = { physdev_pci_device_remove, false, false },
    [PHYSDEVOP_restore_msi] = { physdev_restore_msi, false, false },
    [PHYSDEVOP_restore_msi_ext] = { physdev_restore_msi_ext, false, false },
    [PHYSDEVOP_prepare_msix] = { physdev_prepare_msix, false, false },
    [PHYSDEVOP_release_msix] = { physdev_release_msix, false, false },
    [PHYSDEVOP_pci_mmcfg_reserved] = { physdev_pci_mmcfg_reserved, false, false },
    [PHYSDEVOP_dbgp_op] = { physdev_dbgp_op, false, false },
};

static long physdev_dispatch(u32 cmd, vaddr_t arg, bool compat)
{
    const struct physdev_entry *e;

    if (cmd >= ARRAY_SIZE(physdev_table))
        return -ENOSYS;
    e = &physdev_table[array_index_nospec(cmd, ARRAY_SIZE(physdev_table))];
    if (!e->fn || (compat && !e->compat))
        return -ENOSYS;
    if (!e->any_guest && !current->domain->is_privileged)
        return -EPERM;
    return e->fn(arg);
}

long do_physdev_op(const struct hypercall_args *a)
{
    return physdev_dispatch((u32)a->arg[0], a->arg[1], false);
}

/* One structure holds the command and, after it, the same argument. */
long do_physdev_op_compat(const struct hypercall_args *a)
{
    u32 cmd;

    if (copy_from_guest(&cmd, a->arg[0]))
        return -EFAULT;
    return physdev_dispatch(cmd, a->arg[0] + offsetof(physdev_op_t, u), true);
}
