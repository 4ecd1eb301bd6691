/* SPDX-License-Identifier: MIT */
/* Control operations on a domain's vCPUs: make, load and read state, place. */
#include "xenctl.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>

int domctl_max_vcpus(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    (void)copyback;
    if (d == current->domain || op->u.max_vcpus.max != d->max_vcpus)
        return -EINVAL;
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (d->vcpu[i])
            continue;
        if (!vcpu_create(d, i))
            return -ENOMEM;
        if (hypercall_should_preempt() && i + 1 < d->max_vcpus)
            return -E_PREEMPTED;
    }
    return 0;
}

/* --- register state --- */

/* The domain is paused; its unpausing wakes v. */
static void vcpu_set_online(struct vcpu *v, bool online)
{
    if (online)
        (void)atomic_fetch_and(&v->pause_flags, ~VPF_DOWN);
    else
        (void)atomic_fetch_or(&v->pause_flags, VPF_DOWN);
}

int domctl_setvcpucontext(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct vcpu *v = domain_vcpu(d, op->u.vcpucontext.vcpu);
    vcpu_guest_context_t *ctxt;
    int rc;

    (void)copyback;
    if (!v)
        return -ESRCH;
    if (d == current->domain)
        return -EINVAL;
    if (handle_is_null(op->u.vcpucontext.ctxt))
        return -EOPNOTSUPP;
    ctxt = mem_alloc_type(vcpu_guest_context_t);
    if (!ctxt)
        return -ENOMEM;
    rc = -EFAULT;
    if (!copy_from_handle(ctxt, op->u.vcpucontext.ctxt, 1)) {
        domain_pause(d);
        rc = pv_set_context(v, ctxt);
        if (!rc)
            vcpu_set_online(v, ctxt->flags & VGCF_online);
        domain_unpause(d);
    }
    mem_free(ctxt);
    return rc;
}

int domctl_getvcpucontext(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct vcpu *v = domain_vcpu(d, op->u.vcpucontext.vcpu);
    vcpu_guest_context_t *ctxt;
    int rc = 0;

    (void)copyback;
    if (!v)
        return -ESRCH;
    if (v == current)
        return -EINVAL;
    if (!v->is_initialised)
        return -ENODATA;
    ctxt = mem_alloc_type(vcpu_guest_context_t);
    if (!ctxt)
        return -ENOMEM;
    vcpu_pause(v);
    pv_get_context(v, ctxt);
    vcpu_unpause(v);
    if (copy_to_handle(op->u.vcpucontext.ctxt, ctxt, 1))
        rc = -EFAULT;
    mem_free(ctxt);
    return rc;
}

/* The callbacks that vcpu_guest_context has no room for. */
int domctl_set_ext_vcpucontext(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct xen_domctl_ext_vcpucontext *e = &op->u.ext_vcpucontext;
    struct vcpu *v = domain_vcpu(d, e->vcpu);
    int rc = 0;

    (void)copyback;
    if (!v)
        return -ESRCH;
    if (v == current || e->size < offsetof(struct xen_domctl_ext_vcpucontext, mcg_cap))
        return -EINVAL;
    domain_pause(d);
    rc = pv_set_ext_callbacks(v, e->syscall32_callback_eip, e->syscall32_disables_events,
                              e->sysenter_callback_eip, e->sysenter_disables_events);
    domain_unpause(d);
    return rc;
}

int domctl_get_ext_vcpucontext(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct xen_domctl_ext_vcpucontext *e = &op->u.ext_vcpucontext;
    struct vcpu *v = domain_vcpu(d, e->vcpu);
    u32 id = e->vcpu;

    if (!v)
        return -ESRCH;
    if (v == current)
        return -EINVAL;
    memset(e, 0, sizeof(*e));
    e->vcpu = id;
    e->size = sizeof(*e);
    vcpu_pause(v);
    e->syscall32_callback_eip = v->pv.syscall32_callback;
    e->syscall32_disables_events = !!(v->pv.flags & PVF_SYSCALL32_MASKS);
    e->sysenter_callback_eip = v->pv.sysenter_callback;
    e->sysenter_disables_events = !!(v->pv.flags & PVF_SYSENTER_MASKS);
    vcpu_unpause(v);
    *copyback = true;
    return 0;
}

static int vcpu_state_op(struct domain *d, u32 id, struct vcpu **out)
{
    *out = domain_vcpu(d, id);
    if (!*out)
        return -ESRCH;
    return *out == current ? -EINVAL : 0;
}

static int domctl_vcpu_msrs(struct domain *d, struct xen_domctl *op, bool *copyback, bool set)
{
    struct vcpu *v;
    int rc = vcpu_state_op(d, op->u.vcpu_msrs.vcpu, &v);

    if (rc)
        return rc;
    vcpu_pause(v);
    rc = pv_vcpu_msrs(v, &op->u.vcpu_msrs, set);
    vcpu_unpause(v);
    *copyback = true;
    return rc;
}

int domctl_get_vcpu_msrs(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    return domctl_vcpu_msrs(d, op, copyback, false);
}

int domctl_set_vcpu_msrs(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    return domctl_vcpu_msrs(d, op, copyback, true);
}

static int domctl_vcpuextstate(struct domain *d, struct xen_domctl *op, bool *copyback, bool set)
{
    struct vcpu *v;
    int rc = vcpu_state_op(d, op->u.vcpuextstate.vcpu, &v);

    if (rc)
        return rc;
    vcpu_pause(v);
    rc = pv_vcpu_extstate(v, &op->u.vcpuextstate, set);
    vcpu_unpause(v);
    *copyback = true;
    return rc;
}

int domctl_getvcpuextstate(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    return domctl_vcpuextstate(d, op, copyback, false);
}

int domctl_setvcpuextstate(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    return domctl_vcpuextstate(d, op, copyback, true);
}

int domctl_cpu_policy(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    int rc;

    if (op->cmd == XEN_DOMCTL_set_cpu_policy && d == current->domain)
        return -EINVAL;
    rc = pv_domctl_cpu_policy(d, op);
    *copyback = true;
    return rc;
}

/* --- scheduling --- */

int domctl_getvcpuinfo(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct xen_domctl_getvcpuinfo *i = &op->u.getvcpuinfo;
    struct vcpu *v = domain_vcpu(d, i->vcpu);

    if (!v)
        return -ESRCH;
    i->online = !(v->pause_flags & VPF_DOWN);
    i->blocked = !!(v->pause_flags & VPF_BLOCKED);
    i->running = v->is_running;
    i->cpu_time = vcpu_cpu_time(v);
    i->cpu = READ_ONCE(v->processor);
    *copyback = true;
    return 0;
}

int domctl_setvcpuaffinity(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct xen_domctl_vcpuaffinity *aff = &op->u.vcpuaffinity;
    struct vcpu *v = domain_vcpu(d, aff->vcpu);
    cpumask_t m;
    int rc;

    (void)copyback;
    if (!v)
        return -ESRCH;
    if (!(aff->flags & (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)))
        return -EINVAL;
    if (aff->flags & XEN_VCPUAFFINITY_HARD) {
        rc = cpumask_from_xenctl(&m, &aff->cpumap_hard);
        if (!rc)
            rc = vcpu_set_hard_affinity(v, &m);
        if (rc)
            return rc;
        cpumask_and(&m, &v->sched.hard, &cpu_online);
        rc = cpumask_to_xenctl(&aff->cpumap_hard, &m);
        if (rc)
            return rc;
    }
    if (aff->flags & XEN_VCPUAFFINITY_SOFT) {
        rc = cpumask_from_xenctl(&m, &aff->cpumap_soft);
        if (!rc)
            rc = vcpu_set_soft_affinity(v, &m);
        if (rc)
            return rc;
        cpumask_and(&m, &v->sched.soft, &v->sched.hard);
        cpumask_and(&m, &m, &cpu_online);
        rc = cpumask_to_xenctl(&aff->cpumap_soft, &m);
        if (rc)
            return rc;
    }
    return 0;
}

int domctl_getvcpuaffinity(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct xen_domctl_vcpuaffinity *aff = &op->u.vcpuaffinity;
    struct vcpu *v = domain_vcpu(d, aff->vcpu);
    int rc = 0;

    (void)copyback;
    if (!v)
        return -ESRCH;
    if (aff->flags & XEN_VCPUAFFINITY_HARD)
        rc = cpumask_to_xenctl(&aff->cpumap_hard, &v->sched.hard);
    if (!rc && (aff->flags & XEN_VCPUAFFINITY_SOFT))
        rc = cpumask_to_xenctl(&aff->cpumap_soft, &v->sched.soft);
    return rc;
}

/* All memory is one node, number 0. */
int domctl_setnodeaffinity(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    cpumask_t nodes;
    int rc = cpumask_from_xenctl(&nodes, &op->u.nodeaffinity.nodemap);

    (void)d, (void)copyback;
    if (rc)
        return rc;
    return cpumask_test(&nodes, 0) ? 0 : -EINVAL;
}

int domctl_getnodeaffinity(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    static const unsigned long node0 = 1;

    (void)d, (void)copyback;
    return bitmap_to_xenctl(&op->u.nodeaffinity.nodemap, &node0, 1);
}

int domctl_scheduler_op(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    *copyback = true;
    return sched_domctl(d, &op->u.scheduler_op);
}
