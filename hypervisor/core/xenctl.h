/* SPDX-License-Identifier: MIT */
/* What the control operations (domctl*.c, sysctl*.c) share. */
#ifndef ZELO_CORE_XENCTL_H
#define ZELO_CORE_XENCTL_H

#include <zelo/cpumask.h>
#include <zelo/domain.h>

#include <xen/domctl.h>
#include <xen/sysctl.h>

/*
 * One control operation.  d is referenced, NULL where the operation needs no
 * domain.  op is a private copy; set *copyback to hand it back to the caller.
 * -E_PREEMPTED makes the dispatcher issue the call again, with the op copied
 * back first if asked.
 */
typedef int domctl_fn(struct domain *d, struct xen_domctl *op, bool *copyback);

domctl_fn domctl_createdomain, domctl_destroydomain, domctl_pausedomain, domctl_unpausedomain,
    domctl_getdomaininfo, domctl_resumedomain, domctl_setdomainhandle, domctl_settimeoffset,
    domctl_subscribe, domctl_set_target, domctl_set_address_size, domctl_get_address_size,
    domctl_settscinfo, domctl_gettscinfo, domctl_hypercall_init, domctl_sendtrigger;
domctl_fn domctl_max_vcpus, domctl_setvcpucontext, domctl_getvcpucontext, domctl_getvcpuinfo,
    domctl_setvcpuaffinity, domctl_getvcpuaffinity, domctl_setnodeaffinity, domctl_getnodeaffinity,
    domctl_scheduler_op, domctl_cpu_policy, domctl_get_vcpu_msrs, domctl_set_vcpu_msrs,
    domctl_getvcpuextstate, domctl_setvcpuextstate, domctl_set_ext_vcpucontext, domctl_get_ext_vcpucontext;
domctl_fn domctl_max_mem, domctl_getpageframeinfo3, domctl_shadow_op, domctl_irq_permission,
    domctl_iomem_permission, domctl_ioport_permission;

/* Fills the public description of d. */
void domain_describe(struct domain *d, struct xen_domctl_getdomaininfo *info);

/* CPU sets of the tools: any number of bits, bytes in guest memory. -EFAULT, -EINVAL. */
int must_check cpumask_from_xenctl(cpumask_t *out, const struct xenctl_bitmap *in);
int must_check cpumask_to_xenctl(const struct xenctl_bitmap *out, const cpumask_t *in);
int must_check bitmap_to_xenctl(const struct xenctl_bitmap *out, const unsigned long *bits, unsigned nbits);

/* Held over every domctl and sysctl that changes something; false: busy, issue the call again. */
bool must_check domctl_trylock(void);
void domctl_unlock(void);

#endif
