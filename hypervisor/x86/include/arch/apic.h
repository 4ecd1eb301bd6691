/* SPDX-License-Identifier: MIT */
/* The local APIC's registers, for x86/apic.c and x86/apic_timer.c. */
#ifndef ARCH_APIC_H
#define ARCH_APIC_H

#include <zelo/types.h>

/* Offsets in the xAPIC's page; the x2APIC's MSR is 0x800 + offset / 16. */
#define APIC_ID 0x20
#define APIC_VERSION 0x30
#define APIC_TPR 0x80
#define APIC_EOI 0xb0
#define APIC_LDR 0xd0
#define APIC_DFR 0xe0
#define APIC_SVR 0xf0
#define APIC_ISR 0x100
#define APIC_IRR 0x200
#define APIC_ESR 0x280
#define APIC_LVT_CMCI 0x2f0
#define APIC_ICR 0x300
#define APIC_ICR_HIGH 0x310 /* xAPIC only */
#define APIC_LVT_TIMER 0x320
#define APIC_LVT_PMC 0x340
#define APIC_LVT_LINT0 0x350
#define APIC_LVT_LINT1 0x360
#define APIC_LVT_ERROR 0x370
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_CURRENT 0x390
#define APIC_TIMER_DIVIDE 0x3e0

#define APIC_SVR_ENABLE 0x100u
#define APIC_ICR_BUSY 0x1000u
#define APIC_ICR_SELF 0x40000u
#define APIC_LVT_MASKED 0x10000u
#define APIC_LVT_NMI 0x400u
#define APIC_LVT_EXTINT 0x700u
#define APIC_LVT_TSC_DEADLINE 0x40000u
#define APIC_DIVIDE_BY_1 0xbu

#define APIC_MSR(reg) (0x800u + ((reg) >> 4))

u32 apic_read(unsigned reg);
void apic_write(unsigned reg, u32 v);
/* The highest APIC ID that devices can address without interrupt remapping. */
#define APIC_ID_DEVICE_MAX 254u

#endif
