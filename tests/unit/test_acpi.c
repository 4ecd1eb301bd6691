/* SPDX-License-Identifier: MIT */
/* platform/acpi_madt.c on tables that are right, and on tables that lie about their lengths. */
#include "unit.h"

#include "platform/acpi_madt.c"

struct acpi_info acpi_info;

static union { struct acpi_madt madt; u8 bytes[512]; } table;

static void *entry_add(u8 type, u8 length)
{
    struct madt_entry *e = (struct madt_entry *)(table.bytes + table.madt.h.length);

    e->type = type;
    e->length = length;
    table.madt.h.length += length;
    return e;
}

static int start(void **state)
{
    memset(&table, 0, sizeof(table));
    memset(&acpi_info, 0, sizeof(acpi_info));
    table.madt.h.length = sizeof(table.madt);
    table.madt.lapic_addr = 0xfee00000;
    return 0;
}

static void lapic_add(u8 id, u32 flags)
{
    struct madt_lapic *l = entry_add(MADT_LAPIC, sizeof(*l));

    l->id = id;
    l->uid = id;
    l->flags = flags;
}

static void x2apic_add(u32 id, u32 flags)
{
    struct madt_x2apic *l = entry_add(MADT_X2APIC, sizeof(*l));

    l->id = id;
    l->flags = flags;
}

static void reads_cpus(void **state)
{
    lapic_add(0, MADT_CPU_ENABLED);
    lapic_add(2, 0);
    lapic_add(0xff, MADT_CPU_ENABLED);  /* "not this form" */
    x2apic_add(2, MADT_CPU_ENABLED);    /* listed before */
    x2apic_add(300, MADT_CPU_ENABLED);
    acpi_madt_read(&table.madt);
    assert_int_equal(acpi_info.cpu_count, 3);
    assert_true(acpi_info.cpus[0].enabled);
    assert_false(acpi_info.cpus[1].enabled);
    assert_int_equal(acpi_info.cpus[2].apicid, 300);
    assert_int_equal(acpi_info.lapic_addr, 0xfee00000);
}

static void reads_ioapics_and_overrides(void **state)
{
    struct madt_ioapic *i = entry_add(MADT_IOAPIC, sizeof(*i));
    struct madt_override *o = entry_add(MADT_OVERRIDE, sizeof(*o));
    struct madt_lapic_addr *a = entry_add(MADT_LAPIC_ADDR, sizeof(*a));

    i->addr = 0xfec00000;
    i->gsi_base = 24;
    o->irq = 0;
    o->gsi = 2;
    a->addr = 0x1fee00000;
    entry_add(0x7f, 9); /* of a later ACPI */
    acpi_madt_read(&table.madt);
    assert_int_equal(acpi_info.ioapic_count, 1);
    assert_int_equal(acpi_info.ioapics[0].gsi_base, 24);
    assert_int_equal(acpi_info.override_count, 1);
    assert_int_equal(acpi_info.overrides[0].gsi, 2);
    assert_int_equal(acpi_info.lapic_addr, 0x1fee00000);
}

static void bad_lengths_end_it(void **state)
{
    struct madt_entry *e;

    lapic_add(0, MADT_CPU_ENABLED);
    e = entry_add(MADT_LAPIC, 4); /* too short for what it says it is */
    e = entry_add(MADT_IOAPIC, sizeof(struct madt_ioapic));
    e->length = 200; /* past the table */
    acpi_madt_read(&table.madt);
    assert_int_equal(acpi_info.cpu_count, 1);
    assert_int_equal(acpi_info.ioapic_count, 0);

    acpi_info.cpu_count = 0;
    e->length = 0; /* would never end */
    acpi_madt_read(&table.madt);
    assert_int_equal(acpi_info.cpu_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reads_cpus, start),
        cmocka_unit_test_setup(reads_ioapics_and_overrides, start),
        cmocka_unit_test_setup(bad_lengths_end_it, start),
    };

    return cmocka_run_group_tests(tests, host_group_setup, NULL);
}
