/* SPDX-License-Identifier: MIT */
/* The per-domain area: pv/perdomain.c */
#ifndef ZELO_PV_PERDOMAIN_H
#define ZELO_PV_PERDOMAIN_H

#include <zelo/types.h>

struct domain;

/* Windows for all of d's vCPUs. -ENOMEM. */
int must_check perdomain_init(struct domain *d);
void perdomain_free(struct domain *d);

#endif
