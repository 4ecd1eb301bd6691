/* SPDX-License-Identifier: MIT */
/* The per-domain area: pv/perdomain.c */
#ifndef ZELO_PV_PERDOMAIN_H
#define ZELO_PV_PERDOMAIN_H

#include <zelo/types.h>

struct domain;
struct vcpu;

/* Windows for all of d's vCPUs. -ENOMEM. */
int must_check perdomain_init(struct domain *d);
void perdomain_free(struct domain *d);
/* Log-dirty mode: notes the frames of v's GDT and LDT, whose accessed bits the CPU sets. v does not run. */
void perdomain_mark_dirty(struct vcpu *v);

/* A page of v's window, as the CPU finds it: for the invariant checker. */
#define WINDOW_LDT 16 /* the first of the LDT's; the GDT's begin at 0 */
#define LDT_PAGES 16
u64 perdomain_window_entry(struct vcpu *v, unsigned page);

#endif
