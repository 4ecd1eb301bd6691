/* SPDX-License-Identifier: MIT */
/* Control operations on a domain as a whole: create, destroy, pause, describe. */
#include "xenctl.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>
#include <zelo/log.h>

#include <xen/vcpu.h>

/* --- createdomain --- */

static int createdomain_check(const struct xen_domctl_createdomain *c)
{
    const u32 hvm_only = XEN_DOMCTL_CDF_hap | XEN_DOMCTL_CDF_oos_off | XEN_DOMCTL_CDF_nested_virt;
    u32 version = XEN_DOMCTL_GRANT_version(c->grant_opts);

    if (c->flags & ~(XEN_DOMCTL_CDF_MAX | (XEN_DOMCTL_CDF_MAX - 1)))
        return -EINVAL;
    if (c->flags & (XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_iommu | XEN_DOMCTL_CDF_vpmu))
        return -EOPNOTSUPP;
    if ((c->flags & hvm_only) || c->iommu_opts || c->arch.emulation_flags || c->vmtrace_size)
        return -EINVAL;
    if (c->arch.misc_flags & ~XEN_X86_MISC_FLAGS_MAX)
        return -EINVAL;
    if (c->grant_opts & ~XEN_DOMCTL_GRANT_version_mask || version < 1 || version > 2)
        return -EINVAL;
    if (!c->max_vcpus || c->max_vcpus > DOMAIN_MAX_VCPUS)
        return -EINVAL;
    return 0;
}

/* The caller may name the domid; otherwise the next free one, going round. */
static struct domain *createdomain_make(domid_t wanted, const struct xen_domctl_createdomain *c, int *rc)
{
    static domid_t last; /* domctl lock */

    if (wanted > 0 && wanted < DOMID_FIRST_RESERVED)
        return domain_create(wanted, c, false, rc);
    for (unsigned tries = 1; tries < DOMID_FIRST_RESERVED; tries++) {
        domid_t id = (domid_t)((last + tries) % DOMID_FIRST_RESERVED);
        struct domain *d = id ? domain_get(id) : NULL;

        if (d)
            domain_put(d);
        if (d || !id)
            continue;
        d = domain_create(id, c, false, rc);
        if (d)
            last = id;
        if (d || *rc != -EEXIST)
            return d;
    }
    *rc = -ENOSPC;
    return NULL;
}

int domctl_createdomain(struct domain *none, struct xen_domctl *op, bool *copyback)
{
    struct xen_domctl_createdomain *c = &op->u.createdomain;
    int rc = createdomain_check(c);
    struct domain *d;

    (void)none;
    if (rc)
        return rc;
    d = createdomain_make(op->domain, c, &rc);
    if (!d)
        return rc;
    op->domain = d->id;
    *copyback = true;
    return 0;
}

/* --- life and death --- */

int domctl_destroydomain(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    (void)op, (void)copyback;
    return domain_kill(d);
}

int domctl_pausedomain(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    (void)op, (void)copyback;
    if (d == current->domain)
        return -EINVAL;
    return domain_pause_by_tools(d);
}

int domctl_unpausedomain(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    (void)op, (void)copyback;
    d->creation_finished = true;
    return domain_unpause_by_tools(d);
}

int domctl_resumedomain(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    (void)op, (void)copyback;
    if (d == current->domain)
        return -EINVAL;
    domain_resume(d);
    return 0;
}

/* --- description --- */

static u32 describe_flags(const struct domain *d, u32 vcpu_flags)
{
    u32 flags = vcpu_flags;

    if (READ_ONCE(d->dying) == DOMAIN_DEAD)
        flags |= XEN_DOMINF_dying;
    if (d->is_shut_down)
        flags |= XEN_DOMINF_shutdown;
    if (d->tools_pause_count)
        flags |= XEN_DOMINF_paused;
    if (d->options & XEN_DOMCTL_CDF_xs_domain)
        flags |= XEN_DOMINF_xs_domain;
    return flags | (u32)(u8)d->shutdown_code << XEN_DOMINF_shutdownshift;
}

/* Blocked only if every vCPU that is up is blocked, and there is one; running if any runs. */
static u32 describe_vcpus(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    u32 flags = XEN_DOMINF_blocked;
    struct vcpu *v;

    info->max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
    for_each_vcpu(d, v) {
        info->max_vcpu_id = v->id;
        info->cpu_time += vcpu_cpu_time(v);
        if (v->pause_flags & VPF_DOWN)
            continue;
        if (!(v->pause_flags & VPF_BLOCKED))
            flags &= ~XEN_DOMINF_blocked;
        if (v->is_running)
            flags |= XEN_DOMINF_running;
        info->nr_online_vcpus++;
    }
    return info->nr_online_vcpus ? flags : 0;
}

void domain_describe(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    memset(info, 0, sizeof(*info));
    info->domain = d->id;
    info->flags = describe_flags(d, describe_vcpus(d, info));
    info->tot_pages = READ_ONCE(d->tot_pages);
    info->max_pages = d->max_pages;
    info->outstanding_pages = d->claimed_pages;
    info->shr_pages = d->shr_frames;
    info->shared_info_frame = virt_to_mfn(d->shared_info).n;
    info->ssidref = d->ssidref;
    memcpy(info->handle, d->handle, sizeof(info->handle));
    info->cpupool = domain_poolid(d);
    info->gpaddr_bits = (u8)arch_phys_addr_bits();
}

/* Answers for the named domain or the next one after it. */
int domctl_getdomaininfo(struct domain *none, struct xen_domctl *op, bool *copyback)
{
    struct domain *d = domain_next(op->domain);

    (void)none;
    if (!d)
        return -ESRCH;
    domain_describe(d, &op->u.getdomaininfo);
    op->domain = d->id;
    domain_put(d);
    *copyback = true;
    return 0;
}

/* --- attributes --- */

int domctl_setdomainhandle(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    (void)copyback;
    memcpy(d->handle, op->u.setdomainhandle.handle, sizeof(d->handle));
    return 0;
}

int domctl_settimeoffset(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    (void)copyback;
    d->time_offset_s = op->u.settimeoffset.time_offset_seconds;
    pvclock_wallclock_update(d);
    return 0;
}

/* Wanted instead of VIRQ_DOM_EXC when the domain suspends. */
int domctl_subscribe(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    (void)copyback;
    d->suspend_port = op->u.subscribe.port;
    return 0;
}

int domctl_set_target(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct domain *target = domain_get(op->u.set_target.target);
    int rc = -EINVAL;

    (void)copyback;
    if (!target)
        return -ESRCH;
    if (target != d && !d->target && d->dying == DOMAIN_ALIVE) {
        d->target = target; /* keeps the reference */
        return 0;
    }
    domain_put(target);
    return rc;
}

/* Only 64-bit PV kernels run. */
int domctl_set_address_size(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    (void)copyback;
    return op->u.address_size.size == pv_wordsize_bits(d) ? 0 : -EOPNOTSUPP;
}

int domctl_get_address_size(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    op->u.address_size.size = pv_wordsize_bits(d);
    *copyback = true;
    return 0;
}

/*
 * Time-stamp counter: guests read the real one; a PV guest converts it with
 * the scale in its time info, which follows it to another host.
 */
#define TSC_MODE_DEFAULT 0
#define TSC_MODE_ALWAYS_EMULATE 1
#define TSC_MODE_NEVER_EMULATE 2

int domctl_settscinfo(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    u32 mode = op->u.tsc_info.tsc_mode;

    (void)copyback;
    if (d == current->domain)
        return -EINVAL;
    if (mode == TSC_MODE_ALWAYS_EMULATE)
        return -EOPNOTSUPP;
    if (mode != TSC_MODE_DEFAULT && mode != TSC_MODE_NEVER_EMULATE)
        return -EINVAL;
    d->tsc_mode = mode;
    d->tsc_incarnation = op->u.tsc_info.incarnation;
    return 0;
}

int domctl_gettscinfo(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct xen_domctl_tsc_info *t = &op->u.tsc_info;

    *t = (struct xen_domctl_tsc_info){
        .tsc_mode = d->tsc_mode,
        .gtsc_khz = arch_tsc_khz(),
        .incarnation = d->tsc_incarnation,
    };
    *copyback = true;
    return 0;
}

int domctl_hypercall_init(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    mfn_t mfn = MFN(op->u.hypercall_init.gmfn);
    struct page *p;

    (void)copyback;
    if (!mfn_valid(mfn))
        return -EACCES;
    p = mfn_to_page(mfn);
    if (page_get_and_type(p, d, PGT_WRITABLE))
        return -EACCES;
    hypercall_page_fill(mfn_to_virt(mfn));
    page_put_written(p);
    return 0;
}

int domctl_sendtrigger(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct vcpu *v = domain_vcpu(d, op->u.sendtrigger.vcpu);

    (void)copyback;
    if (!v)
        return -ESRCH;
    if (op->u.sendtrigger.trigger != XEN_DOMCTL_SENDTRIGGER_NMI)
        return -EOPNOTSUPP;
    pv_raise_nmi(v);
    return 0;
}
