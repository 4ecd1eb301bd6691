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

#endif
