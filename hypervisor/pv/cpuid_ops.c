/* SPDX-License-Identifier: MIT */
/*
 * The tools' view of CPU policies: XEN_SYSCTL_get_cpu_policy,
 * get_cpu_featureset and get_cpu_levelling_caps, XEN_DOMCTL_get_cpu_policy and
 * set_cpu_policy.  A null array asks for the largest size it may need; one too
 * short gets -ENOBUFS and the size needed.
 */
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/nospec.h>
#include <arch/cpu.h>

#include <xen/domctl.h>
#include <xen/sysctl.h>

#include "cpuid.h"

/* --- handing out --- */

static int give_leaves(const struct cpuid_policy *p, u32 *nr, XEN_GUEST_HANDLE_64(xen_cpuid_leaf_t) h)
{
    xen_cpuid_leaf_t *buf;
    u32 room = *nr;
    int rc;

    if (handle_is_null(h)) {
        *nr = CPUID_SERIALISED_MAX;
        return 0;
    }
    buf = mem_alloc_array(xen_cpuid_leaf_t, CPUID_SERIALISED_MAX);
    if (!buf)
        return -ENOMEM;
    *nr = cpuid_serialise(p, buf);
    if (*nr > room)
        rc = -ENOBUFS;
    else
        rc = copy_to_handle(h, buf, *nr);
    mem_free(buf);
    return rc;
}

static int give_msrs(const struct cpuid_policy *p, u32 *nr, XEN_GUEST_HANDLE_64(xen_msr_entry_t) h)
{
    xen_msr_entry_t buf[CPUID_SERIALISED_MSRS];
    u32 room = *nr;

    *nr = cpuid_serialise_msrs(p, buf);
    if (handle_is_null(h))
        return 0;
    if (*nr > room)
        return -ENOBUFS;
    return copy_to_handle(h, buf, *nr);
}

static int sysctl_policy(u32 index, const struct cpuid_policy **out)
{
    static const struct cpuid_policy *const policies[] = {
        [XEN_SYSCTL_cpu_policy_raw] = &cpuid_raw_policy,
        [XEN_SYSCTL_cpu_policy_host] = &cpuid_host_policy,
        [XEN_SYSCTL_cpu_policy_pv_max] = &cpuid_pv_max,
        [XEN_SYSCTL_cpu_policy_hvm_max] = NULL,
        [XEN_SYSCTL_cpu_policy_pv_default] = &cpuid_pv_default,
        [XEN_SYSCTL_cpu_policy_hvm_default] = NULL,
    };

    if (index >= ARRAY_SIZE(policies))
        return -EINVAL;
    *out = policies[array_index_nospec(index, ARRAY_SIZE(policies))];
    return *out ? 0 : -EOPNOTSUPP;
}

static int get_policy(struct xen_sysctl_cpu_policy *op)
{
    const struct cpuid_policy *p;
    int rc;

    if (op->_rsvd)
        return -EINVAL;
    rc = sysctl_policy(op->index, &p);
    if (!rc)
        rc = give_leaves(p, &op->nr_leaves, op->leaves);
    if (!rc)
        rc = give_msrs(p, &op->nr_msrs, op->msrs);
    return rc;
}

static int featureset_policy(u32 index, const struct cpuid_policy **out)
{
    switch (index) {
    case XEN_SYSCTL_cpu_featureset_raw:
        return sysctl_policy(XEN_SYSCTL_cpu_policy_raw, out);
    case XEN_SYSCTL_cpu_featureset_host:
        return sysctl_policy(XEN_SYSCTL_cpu_policy_host, out);
    case XEN_SYSCTL_cpu_featureset_pv:
        return sysctl_policy(XEN_SYSCTL_cpu_policy_pv_default, out);
    case XEN_SYSCTL_cpu_featureset_pv_max:
        return sysctl_policy(XEN_SYSCTL_cpu_policy_pv_max, out);
    case XEN_SYSCTL_cpu_featureset_hvm:
    case XEN_SYSCTL_cpu_featureset_hvm_max:
        return -EOPNOTSUPP;
    default:
        return -EINVAL;
    }
}

static int get_featureset(struct xen_sysctl_cpu_featureset *op)
{
    const struct cpuid_policy *p;
    u32 set[FEATURESET_WORDS], room = op->nr_features;
    int rc = featureset_policy(op->index, &p);

    if (rc)
        return rc;
    op->nr_features = FEATURESET_WORDS;
    if (handle_is_null(op->features))
        return 0;
    cpuid_get_features(p, set);
    /* What fits is given even if not all does: tools built for fewer words go on with those. */
    if (copy_to_handle(op->features, set, MIN(room, (u32)FEATURESET_WORDS)))
        return -EFAULT;
    return room < FEATURESET_WORDS ? -ENOBUFS : 0;
}

int pv_sysctl_cpu_policy(struct xen_sysctl *op)
{
    switch (op->cmd) {
    case XEN_SYSCTL_get_cpu_policy:
        return get_policy(&op->u.cpu_policy);
    case XEN_SYSCTL_get_cpu_featureset:
        return get_featureset(&op->u.cpu_featureset);
    case XEN_SYSCTL_get_cpu_levelling_caps:
        op->u.cpu_levelling_caps.caps = cpu_features.cpuid_faulting ? XEN_SYSCTL_CPU_LEVELCAP_faulting : 0;
        return 0;
    default:
        return -EOPNOTSUPP;
    }
}

/* --- taking in --- */

static int take_leaves(struct cpuid_policy *p, const struct xen_domctl_cpu_policy *op,
                       struct cpuid_error *err)
{
    xen_cpuid_leaf_t leaf;

    for (u32 i = 0; i < op->nr_leaves; i++) {
        if (copy_from_handle_offset(&leaf, op->leaves, i, 1))
            return -EFAULT;
        if (cpuid_deserialise(p, &leaf)) {
            *err = (struct cpuid_error){ leaf.leaf, leaf.subleaf, ~0u };
            return -ERANGE;
        }
    }
    return 0;
}

static int take_msrs(struct cpuid_policy *p, const struct xen_domctl_cpu_policy *op, struct cpuid_error *err)
{
    xen_msr_entry_t msr;
    int rc;

    for (u32 i = 0; i < op->nr_msrs; i++) {
        if (copy_from_handle_offset(&msr, op->msrs, i, 1))
            return -EFAULT;
        rc = cpuid_deserialise_msr(p, &msr);
        if (rc) {
            err->msr = msr.idx;
            return rc;
        }
    }
    return 0;
}

/* Leaves that the caller does not name stay as they are. */
static int set_policy(struct domain *d, struct xen_domctl_cpu_policy *op)
{
    struct cpuid_error err = CPUID_NO_ERROR;
    struct cpuid_policy *p;
    int rc;

    if (op->nr_leaves > CPUID_SERIALISED_MAX || op->nr_msrs > CPUID_SERIALISED_MSRS)
        return -E2BIG;
    /* A CPU does not change under a running kernel. */
    if (d->creation_finished)
        return -EEXIST;
    p = mem_alloc_type(struct cpuid_policy);
    if (!p)
        return -ENOMEM;
    *p = *d->pv.cpuid;
    rc = take_leaves(p, op, &err);
    if (!rc)
        rc = take_msrs(p, op, &err);
    if (!rc)
        rc = cpuid_policy_check(p, &err);
    if (!rc) {
        cpuid_policy_sanitise(p);
        *d->pv.cpuid = *p;
    }
    op->err_leaf = err.leaf;
    op->err_subleaf = err.subleaf;
    op->err_msr = err.msr;
    mem_free(p);
    return rc;
}

int pv_domctl_cpu_policy(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_cpu_policy *cp = &op->u.cpu_policy;
    int rc;

    if (op->cmd == XEN_DOMCTL_set_cpu_policy)
        return set_policy(d, cp);
    rc = give_leaves(d->pv.cpuid, &cp->nr_leaves, cp->leaves);
    if (!rc)
        rc = give_msrs(d->pv.cpuid, &cp->nr_msrs, cp->msrs);
    return rc;
}
