/* SPDX-License-Identifier: MIT */
/* Between check_pt.c and check_shadow.c. */
#ifndef ZELO_PV_CHECK_PRIVATE_H
#define ZELO_PV_CHECK_PRIVATE_H

#include "perdomain.h"
#include "shadow.h"

#include <zelo/check.h>
#include <arch/machine.h>

/* The shadows of a domain in log-dirty mode; pt_lock held. */
void shadow_check(struct domain *d);

#endif
