/* SPDX-License-Identifier: MIT */
/* The MADT: CPUs, IO-APICs and how ISA interrupts are wired. */
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/page.h>
#include <arch/machine.h>

#include "acpi.h"

typedef void entry_fn(const struct madt_entry *e);

/* Calls fn for each whole entry of the type that is at least 'size' long; returns how many there are. */
static unsigned entries_for_each(const struct acpi_madt *t, u8 type, size_t size, entry_fn *fn)
{
    const char *at = (const char *)(t + 1), *end = (const char *)t + t->h.length;
    unsigned n = 0;

    while (end - at >= (ssize_t)sizeof(struct madt_entry)) {
        const struct madt_entry *e = (const struct madt_entry *)at;

        if (e->length < sizeof(*e) || e->length > end - at)
            break;
        if (e->type == type && e->length >= size) {
            n++;
            if (fn)
                fn(e);
        }
        at += e->length;
    }
    return n;
}

static void cpu_add(u32 apicid, u32 uid, u32 flags)
{
    for (unsigned i = 0; i < acpi_info.cpu_count; i++)
        if (acpi_info.cpus[i].apicid == apicid)
            return; /* listed in both forms */
    acpi_info.cpus[acpi_info.cpu_count].apicid = apicid;
    acpi_info.cpus[acpi_info.cpu_count].acpi_uid = uid;
    acpi_info.cpus[acpi_info.cpu_count].enabled = flags & MADT_CPU_ENABLED;
    acpi_info.cpu_count++;
}

static void lapic_read(const struct madt_entry *e)
{
    const struct madt_lapic *l = (const struct madt_lapic *)e;

    if (l->id != 0xff)
        cpu_add(l->id, l->uid, l->flags);
}

static void x2apic_read(const struct madt_entry *e)
{
    const struct madt_x2apic *l = (const struct madt_x2apic *)e;

    if (l->id != 0xffffffff)
        cpu_add(l->id, l->uid, l->flags);
}

static void ioapic_read(const struct madt_entry *e)
{
    const struct madt_ioapic *i = (const struct madt_ioapic *)e;

    acpi_info.ioapics[acpi_info.ioapic_count].id = i->id;
    acpi_info.ioapics[acpi_info.ioapic_count].addr = i->addr;
    acpi_info.ioapics[acpi_info.ioapic_count].gsi_base = i->gsi_base;
    acpi_info.ioapic_count++;
}

static void override_read(const struct madt_entry *e)
{
    const struct madt_override *o = (const struct madt_override *)e;

    acpi_info.overrides[acpi_info.override_count].bus = o->bus;
    acpi_info.overrides[acpi_info.override_count].irq = o->irq;
    acpi_info.overrides[acpi_info.override_count].flags = o->flags;
    acpi_info.overrides[acpi_info.override_count].gsi = o->gsi;
    acpi_info.override_count++;
}

static void lapic_addr_read(const struct madt_entry *e)
{
    acpi_info.lapic_addr = ((const struct madt_lapic_addr *)e)->addr;
}

static void *room_for(size_t size, unsigned n)
{
    void *p = mem_alloc_array_bytes(size, MAX(n, 1u));

    if (!p)
        panic("No memory for the list of CPUs and IO-APICs\n");
    return p;
}

void acpi_madt_read(const struct acpi_madt *t)
{
    unsigned cpus = entries_for_each(t, MADT_LAPIC, sizeof(struct madt_lapic), NULL) +
                    entries_for_each(t, MADT_X2APIC, sizeof(struct madt_x2apic), NULL);
    unsigned ioapics = entries_for_each(t, MADT_IOAPIC, sizeof(struct madt_ioapic), NULL);
    unsigned overrides = entries_for_each(t, MADT_OVERRIDE, sizeof(struct madt_override), NULL);

    acpi_info.cpus = room_for(sizeof(*acpi_info.cpus), cpus);
    acpi_info.ioapics = room_for(sizeof(*acpi_info.ioapics), ioapics);
    acpi_info.overrides = room_for(sizeof(*acpi_info.overrides), overrides);
    acpi_info.lapic_addr = t->lapic_addr;
    acpi_info.pcat_compat = t->flags & MADT_PCAT_COMPAT;
    entries_for_each(t, MADT_LAPIC, sizeof(struct madt_lapic), lapic_read);
    entries_for_each(t, MADT_X2APIC, sizeof(struct madt_x2apic), x2apic_read);
    entries_for_each(t, MADT_IOAPIC, sizeof(struct madt_ioapic), ioapic_read);
    entries_for_each(t, MADT_OVERRIDE, sizeof(struct madt_override), override_read);
    entries_for_each(t, MADT_LAPIC_ADDR, sizeof(struct madt_lapic_addr), lapic_addr_read);
}
