/* SPDX-License-Identifier: MIT */
/* A vCPU's GDT: pv/gdt.c */
#ifndef ZELO_PV_GDT_H
#define ZELO_PV_GDT_H

#include <zelo/types.h>

struct vcpu;

#define PV_GDT_FRAMES 14UL /* the hypervisor's own page follows (arch/layout.h) */
#define PV_GDT_ENTRIES (PV_GDT_FRAMES * 512)

/* Takes the frames of v's domain as descriptor pages and puts them in place of the old GDT. 0, -EINVAL. */
int must_check pv_gdt_install(struct vcpu *v, const u64 *frames, unsigned entries);

#endif
