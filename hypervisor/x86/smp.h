/* SPDX-License-Identifier: MIT */
/* Private to start.c, smp.c, smp_boot.c, tlb.c and reboot.c. */
#ifndef ZELO_X86_SMP_H
#define ZELO_X86_SMP_H

#include <zelo/types.h>

/* --- tlb.c --- */
void tlb_room_init(void);
void tlb_serve(void);            /* does what other CPUs wait for, in place of the interrupt */

/* --- smp.c --- */
void smp_room_init(void);        /* the vectors */
void smp_call_serve(void);

/* --- smp_boot.c --- */
unsigned smp_find_cpus(void);    /* numbers the MADT's CPUs, this one first; returns how many */
void percpu_begin(void); /* the very first thing */

/* --- reboot.c --- */
void reboot_room_init(void);     /* maps what a reset may need */

#endif
