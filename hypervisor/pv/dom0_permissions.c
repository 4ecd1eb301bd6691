/* SPDX-License-Identifier: MIT */
/*
 * What domain 0 may touch of the machine: everything but what the hypervisor
 * drives itself.  Ports and frames that are left out behave as if nothing were
 * there.  RAM is no I/O memory, except the first MiB, where firmware leaves
 * tables that domain 0 looks for.
 */
#include "dom0.h"

#include <zelo/domain.h>
#include <zelo/log.h>
#include <zelo/memory.h>

#include <arch/machine.h>

/* The hypervisor's own devices at fixed ports. PCI configuration (0xcf8-0xcff) and RTC are emulated. */
static const struct { u16 first, last; } own_ports[] = {
    { 0x20, 0x21 }, { 0xa0, 0xa1 }, /* interrupt controllers */
    { 0x40, 0x43 },                 /* timer */
    { 0x61, 0x61 },                 /* its gate, and the speaker */
};

static void must_do(int rc)
{
    if (rc)
        boot_refuse("Domain 0: no memory for the list of what it may touch\n");
}

static void grant_ports(struct domain *d)
{
    must_do(rangeset_add(&d->io_ports, 0, 0xffff));
    for (size_t i = 0; i < ARRAY_SIZE(own_ports); i++)
        must_do(rangeset_remove(&d->io_ports, own_ports[i].first, own_ports[i].last));
    for (u32 port = 0; port <= 0xffff; port++)
        if (uart_uses_port((u16)port))
            must_do(rangeset_remove(&d->io_ports, port, port));
}

/* Frames that lie wholly in the range. */
static void deny_frames(struct domain *d, paddr_t start, paddr_t end)
{
    if (PFN_UP(start) < PFN_DOWN(end))
        must_do(rangeset_remove(&d->io_frames, PFN_UP(start), PFN_DOWN(end) - 1));
}

static void grant_frames(struct domain *d)
{
    must_do(rangeset_add(&d->io_frames, 0, (1ULL << (arch_phys_addr_bits() - PAGE_SHIFT)) - 1));
    for (unsigned i = 0; i < e820_count; i++)
        if (e820_map[i].type == E820_RAM)
            deny_frames(d, MAX(e820_map[i].addr, MiB(1)), e820_map[i].addr + e820_map[i].size);
    if (acpi_info.lapic_addr)
        deny_frames(d, acpi_info.lapic_addr, acpi_info.lapic_addr + PAGE_SIZE);
    for (unsigned i = 0; i < acpi_info.ioapic_count; i++) {
        paddr_t page = acpi_info.ioapics[i].addr & PAGE_MASK;

        deny_frames(d, page, page + PAGE_SIZE);
    }
}

void dom0_permissions_grant(struct domain *d)
{
    grant_ports(d);
    grant_frames(d);
    must_do(rangeset_add(&d->irqs, 0, d->pirqs.nr_max - 1));
}
