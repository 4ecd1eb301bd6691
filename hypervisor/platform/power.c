/* SPDX-License-Identifier: MIT */
/*
 * Entering an ACPI sleep state for domain 0, which has run the AML and gives
 * the values for the registers. Only S5, soft off.
 */
#include <zelo/errno.h>
#include <zelo/log.h>
#include <arch/machine.h>
#include <arch/seam.h>

#include <xen/platform.h>

#include "acpi.h"

#define PM1_SLP_TYP 0x1c00u
#define PM1_SLP_EN 0x2000u
#define SLEEP_CONTROL_TYP(x) (((x) & 7u) << 2)
#define SLEEP_CONTROL_EN 0x20u
#define S5 5

static void pm1_write(u32 port, u32 value, u32 enable)
{
    if (port)
        outw((u16)port, (u16)((inw((u16)port) & ~(PM1_SLP_TYP | PM1_SLP_EN)) | (value & PM1_SLP_TYP) | enable));
}

/* The sleep type first, then the bit that makes it happen: ACPI 4.8.3.2. */
static void off_by_pm1(const struct xenpf_enter_acpi_sleep *s)
{
    pm1_write(acpi_info.pm1a_cnt, s->val_a, 0);
    pm1_write(acpi_info.pm1b_cnt, s->val_b, 0);
    pm1_write(acpi_info.pm1a_cnt, s->val_a, PM1_SLP_EN);
    pm1_write(acpi_info.pm1b_cnt, s->val_b, PM1_SLP_EN);
}

/* Machines without the PM1 registers ("hardware-reduced"). */
static const struct acpi_address *sleep_control_register(void)
{
    const struct acpi_fadt *f = acpi_find_table("FACP");

    if (!f || f->h.length < sizeof(*f) || !f->sleep_control.address)
        return NULL;
    return f->sleep_control.space <= ACPI_SPACE_IO ? &f->sleep_control : NULL;
}

static void off_by_sleep_control(const struct acpi_address *r, volatile u8 *mapped, u32 type)
{
    u8 value = (u8)(SLEEP_CONTROL_TYP(type) | SLEEP_CONTROL_EN);

    if (r->space == ACPI_SPACE_IO)
        outb((u16)r->address, value);
    else
        *mapped = value;
}

int power_enter_sleep(const struct xenpf_enter_acpi_sleep *s)
{
    bool extended = s->flags & XENPF_ACPI_SLEEP_EXTENDED;
    const struct acpi_address *r = extended ? sleep_control_register() : NULL;
    volatile u8 *mapped = NULL;

    if (s->flags & ~XENPF_ACPI_SLEEP_EXTENDED)
        return -EINVAL;
    if (s->sleep_state != S5 || (extended ? !r : !acpi_info.pm1a_cnt))
        return -EOPNOTSUPP;
    if (extended && r->space != ACPI_SPACE_IO) {
        mapped = vmap_io(r->address, 1, MAP_RW | MAP_UC);
        if (!mapped)
            return -ENOMEM;
    }
    log_info("Domain 0 switches the machine off\n");
    arch_irq_disable();
    machine_stop_others();
    if (extended)
        off_by_sleep_control(r, mapped, s->val_a);
    else
        off_by_pm1(s);
    machine_halt();
}
