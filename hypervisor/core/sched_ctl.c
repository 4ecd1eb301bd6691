/* SPDX-License-Identifier: MIT */
/* The tools' view of the scheduler: a domain's weight and cap, the rate limit, names. */
#include "sched_private.h"

#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/trace.h>

#include <xen/domctl.h>

unsigned sched_id(void)
{
    return XEN_SCHEDULER_CREDIT2;
}

const char *sched_name(void)
{
    return "credit2";
}

/* --- domains --- */

int sched_domain_init(struct domain *d, unsigned poolid)
{
    int rc;

    d->sched.weight = SCHED_WEIGHT_DEFAULT;
    d->sched.pollers = mem_alloc_array(unsigned long, BITMAP_LONGS(d->max_vcpus));
    if (!d->sched.pollers)
        return -ENOMEM;
    rc = cpupool_join(d, poolid);
    if (rc) {
        mem_free(d->sched.pollers);
        return rc;
    }
    sched_cap_init(d);
    trace(TRC_SCHED_DOM_ADD, d->id);
    return 0;
}

void sched_domain_stop(struct domain *d)
{
    sched_cap_stop(d);
}

void sched_domain_destroy(struct domain *d)
{
    trace(TRC_SCHED_DOM_REM, d->id);
    cpupool_leave(d);
    mem_free(d->sched.pollers);
    d->sched.pollers = NULL;
}

/* What is queued or running was counted with the old weight, and is until it is queued again. */
static int domain_put_info(struct domain *d, const struct xen_domctl_sched_credit2 *p)
{
    trace(TRC_SCHED_ADJDOM, d->id);
    if (p->weight)
        WRITE_ONCE(d->sched.weight, p->weight);
    if (p->cap != (u16)~0 && p->cap != d->sched.cap)
        sched_cap_set(d, p->cap);
    return 0;
}

int sched_domctl(struct domain *d, struct xen_domctl_scheduler_op *op)
{
    if (op->sched_id != sched_id() || d->is_system)
        return -EINVAL;
    switch (op->cmd) {
    case XEN_DOMCTL_SCHEDOP_putinfo:
        return domain_put_info(d, &op->u.credit2);
    case XEN_DOMCTL_SCHEDOP_getinfo:
        op->u.credit2 = (struct xen_domctl_sched_credit2){ .weight = d->sched.weight, .cap = d->sched.cap };
        return 0;
    default: /* weights and caps are a domain's, not a vCPU's */
        return -EINVAL;
    }
}

/* --- the scheduler as a whole --- */

static int sched_put_params(const struct xen_sysctl_credit2_schedule *p)
{
    if (p->ratelimit_us && (p->ratelimit_us < XEN_SYSCTL_SCHED_RATELIMIT_MIN ||
                            p->ratelimit_us > XEN_SYSCTL_SCHED_RATELIMIT_MAX))
        return -EINVAL;
    WRITE_ONCE(sched_ratelimit, MICROSECS(p->ratelimit_us));
    return 0;
}

/* One rate limit holds for all pools. */
int sched_sysctl(struct xen_sysctl_scheduler_op *op)
{
    int rc = 0;

    if (!cpupool_exists(op->cpupool_id))
        return -ESRCH;
    if (op->sched_id != sched_id())
        return -EINVAL;
    switch (op->cmd) {
    case XEN_SYSCTL_SCHEDOP_putinfo:
        rc = sched_put_params(&op->u.sched_credit2);
        break;
    case XEN_SYSCTL_SCHEDOP_getinfo:
        break;
    default:
        return -EINVAL;
    }
    op->u.sched_credit2.ratelimit_us = (u32)(sched_ratelimit / 1000);
    return rc;
}
