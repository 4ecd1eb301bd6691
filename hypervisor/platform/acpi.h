/* SPDX-License-Identifier: MIT */
/* ACPI tables as they lie in memory (ACPI Specification 6.4, chapter 5). Private to platform/acpi*.c and power.c. */
#ifndef ZELO_PLATFORM_ACPI_H
#define ZELO_PLATFORM_ACPI_H

#include <zelo/types.h>

struct acpi_header {
    char signature[4];
    u32 length;
    u8 revision, checksum;
    char oem_id[6], oem_table_id[8];
    u32 oem_revision, creator_id, creator_revision;
} packed_struct;
_Static_assert(sizeof(struct acpi_header) == 36, "ACPI 5.2.6");

struct acpi_address {
    u8 space, bit_width, bit_offset, access_size;
    u64 address;
} packed_struct;

struct acpi_rsdp {
    char signature[8];
    u8 checksum;
    char oem_id[6];
    u8 revision;
    u32 rsdt;
    u32 length;
    u64 xsdt;
    u8 extended_checksum, reserved[3];
} packed_struct;
#define RSDP_V1_SIZE 20
_Static_assert(sizeof(struct acpi_rsdp) == 36, "ACPI 5.2.5.3");

struct acpi_fadt {
    struct acpi_header h;
    u32 firmware_ctrl, dsdt;
    u8 reserved0, preferred_profile;
    u16 sci_int;
    u32 smi_cmd;
    u8 acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
    u32 pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr, gpe0, gpe1;
    u8 pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_len, gpe1_len, gpe1_base, cst_cnt;
    u16 c2_lat, c3_lat, flush_size, flush_stride;
    u8 duty_offset, duty_width, day_alarm, month_alarm, century;
    u16 boot_flags;
    u8 reserved1;
    u32 flags;
    struct acpi_address reset;
    u8 reset_value;
    u16 arm_boot_flags;
    u8 minor;
    u64 x_firmware_ctrl, x_dsdt;
    struct acpi_address x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt, x_pm2_cnt, x_pm_tmr, x_gpe0, x_gpe1;
    struct acpi_address sleep_control, sleep_status;
} packed_struct;
_Static_assert(offsetof(struct acpi_fadt, flags) == 112, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, x_pm1a_evt) == 148, "ACPI 5.2.9");
_Static_assert(sizeof(struct acpi_fadt) == 268, "ACPI 5.2.9");
#define FADT_TMR_32BIT (1u << 8)
#define FADT_RESET_SUPPORTED (1u << 10)
#define FADT_HW_REDUCED (1u << 20)

struct acpi_madt { struct acpi_header h; u32 lapic_addr, flags; } packed_struct;
#define MADT_PCAT_COMPAT 1u
struct madt_entry { u8 type, length; } packed_struct;
enum {
    MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_ADDR = 5, MADT_X2APIC = 9,
};
#define MADT_CPU_ENABLED 1u
struct madt_lapic { struct madt_entry e; u8 uid, id; u32 flags; } packed_struct;
struct madt_ioapic { struct madt_entry e; u8 id, reserved; u32 addr, gsi_base; } packed_struct;
struct madt_override { struct madt_entry e; u8 bus, irq; u32 gsi; u16 flags; } packed_struct;
struct madt_lapic_addr { struct madt_entry e; u16 reserved; u64 addr; } packed_struct;
struct madt_x2apic { struct madt_entry e; u16 reserved; u32 id, flags, uid; } packed_struct;

struct acpi_hpet { struct acpi_header h; u32 block_id; struct acpi_address addr; } packed_struct;

struct acpi_mcfg { struct acpi_header h; u64 reserved; } packed_struct;
struct mcfg_entry { u64 base; u16 segment; u8 bus_first, bus_last; u32 reserved; } packed_struct;

#define ACPI_SPACE_IO 1

/* --- acpi_madt.c --- */
void acpi_madt_read(const struct acpi_madt *t);

#endif
