/* SPDX-License-Identifier: MIT */
/*
 * XEN_DOMCTL_* (<xen/domctl.h>): how the tools build, change and destroy
 * domains.  One table of operations; access is checked here, in one place:
 * only a domain that controls the target may call, and what hands out the
 * machine's resources only a privileged one.  Operations that this table does
 * not name answer -EOPNOTSUPP.
 */
#include "xenctl.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>
#include <zelo/nospec.h>

#define NO_DOMAIN (1u << 0)  /* the operation takes none, or makes it */
#define PRIVILEGED (1u << 1) /* not for a domain that only acts for the target */

static const struct domctl_entry {
    domctl_fn *fn;
    u32 flags;
} domctl_table[] = {
    [XEN_DOMCTL_createdomain] = { domctl_createdomain, NO_DOMAIN },
    [XEN_DOMCTL_destroydomain] = { domctl_destroydomain, 0 },
    [XEN_DOMCTL_pausedomain] = { domctl_pausedomain, 0 },
    [XEN_DOMCTL_unpausedomain] = { domctl_unpausedomain, 0 },
    [XEN_DOMCTL_getdomaininfo] = { domctl_getdomaininfo, NO_DOMAIN },
    [XEN_DOMCTL_resumedomain] = { domctl_resumedomain, 0 },
    [XEN_DOMCTL_setdomainhandle] = { domctl_setdomainhandle, 0 },
    [XEN_DOMCTL_settimeoffset] = { domctl_settimeoffset, 0 },
    [XEN_DOMCTL_subscribe] = { domctl_subscribe, 0 },
    [XEN_DOMCTL_set_target] = { domctl_set_target, PRIVILEGED },
    [XEN_DOMCTL_set_address_size] = { domctl_set_address_size, 0 },
    [XEN_DOMCTL_get_address_size] = { domctl_get_address_size, 0 },
    [XEN_DOMCTL_settscinfo] = { domctl_settscinfo, PRIVILEGED },
    [XEN_DOMCTL_gettscinfo] = { domctl_gettscinfo, 0 },
    [XEN_DOMCTL_hypercall_init] = { domctl_hypercall_init, 0 },
    [XEN_DOMCTL_sendtrigger] = { domctl_sendtrigger, 0 },
    [XEN_DOMCTL_max_vcpus] = { domctl_max_vcpus, 0 },
    [XEN_DOMCTL_setvcpucontext] = { domctl_setvcpucontext, 0 },
    [XEN_DOMCTL_getvcpucontext] = { domctl_getvcpucontext, 0 },
    [XEN_DOMCTL_getvcpuinfo] = { domctl_getvcpuinfo, 0 },
    [XEN_DOMCTL_setvcpuaffinity] = { domctl_setvcpuaffinity, 0 },
    [XEN_DOMCTL_getvcpuaffinity] = { domctl_getvcpuaffinity, 0 },
    [XEN_DOMCTL_setnodeaffinity] = { domctl_setnodeaffinity, 0 },
    [XEN_DOMCTL_getnodeaffinity] = { domctl_getnodeaffinity, 0 },
    [XEN_DOMCTL_scheduler_op] = { domctl_scheduler_op, 0 },
    [XEN_DOMCTL_get_cpu_policy] = { domctl_cpu_policy, 0 },
    [XEN_DOMCTL_set_cpu_policy] = { domctl_cpu_policy, 0 },
    [XEN_DOMCTL_get_vcpu_msrs] = { domctl_get_vcpu_msrs, 0 },
    [XEN_DOMCTL_set_vcpu_msrs] = { domctl_set_vcpu_msrs, 0 },
    [XEN_DOMCTL_getvcpuextstate] = { domctl_getvcpuextstate, 0 },
    [XEN_DOMCTL_setvcpuextstate] = { domctl_setvcpuextstate, 0 },
    [XEN_DOMCTL_set_ext_vcpucontext] = { domctl_set_ext_vcpucontext, 0 },
    [XEN_DOMCTL_get_ext_vcpucontext] = { domctl_get_ext_vcpucontext, 0 },
    [XEN_DOMCTL_max_mem] = { domctl_max_mem, PRIVILEGED },
    [XEN_DOMCTL_getpageframeinfo3] = { domctl_getpageframeinfo3, 0 },
    [XEN_DOMCTL_shadow_op] = { domctl_shadow_op, 0 },
    [XEN_DOMCTL_irq_permission] = { domctl_irq_permission, PRIVILEGED },
    [XEN_DOMCTL_iomem_permission] = { domctl_iomem_permission, PRIVILEGED },
    [XEN_DOMCTL_ioport_permission] = { domctl_ioport_permission, PRIVILEGED },
};

static spinlock_t domctl_lock = SPINLOCK(LOCK_DOMCTL);

bool domctl_trylock(void)
{
    return spin_trylock(&domctl_lock);
}

void domctl_unlock(void)
{
    spin_unlock(&domctl_lock);
}

static int domctl_run(const struct domctl_entry *e, struct xen_domctl *op, bool *copyback)
{
    struct domain *d = NULL;
    int rc;

    if ((e->flags & (NO_DOMAIN | PRIVILEGED)) && !current->domain->is_privileged)
        return -EPERM;
    if (!(e->flags & NO_DOMAIN)) {
        d = domain_get(op->domain);
        if (!d)
            return -ESRCH;
        if (!domain_controls(current->domain, d)) {
            domain_put(d);
            return -EPERM;
        }
    }
    rc = e->fn(d, op, copyback);
    if (d)
        domain_put(d);
    return rc;
}

long do_domctl(const struct hypercall_args *a)
{
    const struct domctl_entry *e;
    struct xen_domctl op;
    bool copyback = false;
    int rc;

    if (!current->domain->is_privileged && !current->domain->target)
        return -EPERM;
    if (copy_from_guest(&op, a->arg[0]))
        return -EFAULT;
    if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
        return -EACCES;
    if (op.cmd >= ARRAY_SIZE(domctl_table))
        return -EOPNOTSUPP;
    e = &domctl_table[array_index_nospec(op.cmd, ARRAY_SIZE(domctl_table))];
    if (!e->fn)
        return -EOPNOTSUPP;

    /* A vCPU that waits for the lock goes round through its continuation, so that it stays preemptible. */
    if (!domctl_trylock())
        return hypercall_continue(__HYPERVISOR_domctl, a);
    rc = domctl_run(e, &op, &copyback);
    domctl_unlock();
    if (copyback && copy_to_guest(a->arg[0], &op))
        return -EFAULT;
    if (rc == -E_PREEMPTED)
        return hypercall_continue(__HYPERVISOR_domctl, a);
    return rc;
}
