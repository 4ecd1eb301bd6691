/* SPDX-License-Identifier: MIT */
/* Log-dirty mode of PV domains: not there (docs/caveats.md). */
#include <zelo/domain.h>
#include <zelo/errno.h>

#include <xen/domctl.h>

int pv_shadow_op(struct domain *d, struct xen_domctl_shadow_op *op)
{
    (void)d, (void)op;
    return -EOPNOTSUPP;
}

/* Nobody can have asked to be told. */
void pv_mark_dirty(struct domain *d, mfn_t m)
{
    (void)d, (void)m;
}
