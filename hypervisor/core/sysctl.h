/* SPDX-License-Identifier: MIT */
/* The operations behind do_sysctl. */
#ifndef ZELO_CORE_SYSCTL_H
#define ZELO_CORE_SYSCTL_H

#include "xenctl.h"

#include <xen/physdev.h>

/* op is a private copy, handed back to the caller on success. */
typedef int sysctl_fn(struct xen_sysctl *op);

sysctl_fn sysctl_physinfo, sysctl_getdomaininfolist, sysctl_debug_keys, sysctl_getcpuinfo, sysctl_availheap,
    sysctl_cputopoinfo, sysctl_numainfo, sysctl_pcitopoinfo, sysctl_get_pmstat, sysctl_pm_op;

/* One more than the highest CPU number the tools may meet. */
unsigned cpu_limit(void);

#endif
