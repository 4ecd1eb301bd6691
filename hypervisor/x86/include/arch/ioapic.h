/* SPDX-License-Identifier: MIT */
/* The IO-APICs beyond their irq_chip. platform/ioapic.c */
#ifndef ARCH_IOAPIC_H
#define ARCH_IOAPIC_H

#include <zelo/types.h>

/*
 * Trigger and polarity of a GSI, as domain 0's AML says.  -EINVAL: no such pin;
 * -EBUSY: in use in another mode.
 */
int must_check ioapic_setup_gsi(u32 gsi, bool level, bool active_low);
/* Domain 0's look at an IO-APIC through PHYSDEVOP_apic_read and apic_write. -EINVAL, -EPERM. */
int must_check ioapic_guest_read(paddr_t base, u32 reg, u32 *value);
int must_check ioapic_guest_write(paddr_t base, u32 reg, u32 value);

#endif
