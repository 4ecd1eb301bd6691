/* SPDX-License-Identifier: MIT */
/* XEN_DOMCTL_shadow_op of PV domains (<xen/domctl.h>): log-dirty mode, and nothing else. */
#include "shadow.h"

#include <zelo/errno.h>
#include <zelo/sched.h>

static int log_dirty_on(struct domain *d)
{
    int rc;

    if (d->pv.shadow)
        return -EINVAL;
    rc = log_dirty_start(d);
    return rc ? rc : shadow_enable(d);
}

static int report(struct domain *d, struct xen_domctl_shadow_op *op, bool clean)
{
    int rc;

    if (!d->pv.shadow)
        return -EINVAL;
    rc = log_dirty_report(d, op, clean);
    if (clean)
        shadow_revoke_writes(d); /* paused: no write comes between */
    return rc;
}

static int shadow_op(struct domain *d, struct xen_domctl_shadow_op *op)
{
    switch (op->op) {
    case XEN_DOMCTL_SHADOW_OP_OFF:
        shadow_disable(d);
        return 0;
    case XEN_DOMCTL_SHADOW_OP_ENABLE:
        return op->mode == XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY ? log_dirty_on(d) : -EOPNOTSUPP;
    case XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY:
        return log_dirty_on(d);
    case XEN_DOMCTL_SHADOW_OP_CLEAN:
    case XEN_DOMCTL_SHADOW_OP_PEEK:
        return report(d, op, op->op == XEN_DOMCTL_SHADOW_OP_CLEAN);
    default:
        return -EOPNOTSUPP;
    }
}

/* domctl lock held: one at a time. */
int pv_shadow_op(struct domain *d, struct xen_domctl_shadow_op *op)
{
    int rc = -EINVAL;

    domain_pause(d);
    if (READ_ONCE(d->dying) == DOMAIN_ALIVE)
        rc = shadow_op(d, op);
    domain_unpause(d);
    return rc;
}
