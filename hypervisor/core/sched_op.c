/* SPDX-License-Identifier: MIT */
/* HYPERVISOR_sched_op (<xen/sched.h>): what a guest tells the scheduler. */
#include "sched_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/nospec.h>
#include <zelo/trace.h>

#include <xen/sched.h>

#define SECONDS(x) ((ns_t)(x) * 1000000000)

static long op_yield(vaddr_t arg)
{
    (void)arg;
    vcpu_yield();
    return 0;
}

static long op_block(vaddr_t arg)
{
    (void)arg;
    vcpu_block();
    return 0;
}

/* --- shutdown --- */

static long op_shutdown(vaddr_t arg)
{
    struct sched_shutdown op;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    if (op.reason > SHUTDOWN_MAX)
        return -EINVAL;
    trace_vcpu(TRC_SCHED_SHUTDOWN, current, op.reason);
    domain_shutdown(current->domain, (int)op.reason);
    return 0;
}

/* The reason is kept for when the domain shuts down, however that comes. */
static long op_shutdown_code(vaddr_t arg)
{
    struct domain *d = current->domain;
    struct sched_shutdown op;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    if (op.reason > SHUTDOWN_MAX)
        return -EINVAL;
    trace_vcpu(TRC_SCHED_SHUTDOWN_CODE, current, op.reason);
    spin_lock(&d->lock);
    if (d->shutdown_code < 0)
        d->shutdown_code = (int)op.reason;
    spin_unlock(&d->lock);
    return 0;
}

static long op_remote_shutdown(vaddr_t arg)
{
    struct sched_remote_shutdown op;
    struct domain *d;
    long rc = 0;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    if (op.reason > SHUTDOWN_MAX)
        return -EINVAL;
    d = domain_get(op.domain_id);
    if (!d)
        return -ESRCH;
    if (d == current->domain || !domain_controls(current->domain, d))
        rc = -EPERM;
    else
        domain_shutdown(d, (int)op.reason);
    domain_put(d);
    return rc;
}

/* --- watchdogs --- */

static void watchdog_fired(void *data)
{
    domain_shutdown(data, SHUTDOWN_watchdog);
}

/* Domain lock held. */
static long watchdog_new(struct domain *d, u32 timeout)
{
    if (!timeout)
        return -EINVAL;
    for (u32 i = 0; i < ARRAY_SIZE(d->watchdog); i++) {
        if (d->watchdog_inuse & (1u << i))
            continue;
        timer_init(&d->watchdog[i], watchdog_fired, d, this_cpu());
        timer_set(&d->watchdog[i], time_now() + SECONDS(timeout));
        d->watchdog_inuse |= (u8)(1u << i);
        return i + 1;
    }
    return -ENOSPC;
}

static long watchdog_change(struct domain *d, u32 id, u32 timeout)
{
    if (id > ARRAY_SIZE(d->watchdog) || !(d->watchdog_inuse & (1u << (id - 1))))
        return -EINVAL;
    id = array_index_nospec(id, ARRAY_SIZE(d->watchdog) + 1);
    if (timeout) {
        timer_set(&d->watchdog[id - 1], time_now() + SECONDS(timeout));
    } else {
        timer_stop(&d->watchdog[id - 1]);
        d->watchdog_inuse &= (u8)~(1u << (id - 1));
    }
    return 0;
}

static long op_watchdog(vaddr_t arg)
{
    struct domain *d = current->domain;
    struct sched_watchdog op;
    long rc;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    spin_lock(&d->lock);
    rc = op.id ? watchdog_change(d, op.id, op.timeout) : watchdog_new(d, op.timeout);
    spin_unlock(&d->lock);
    return rc;
}

static long op_pin_override(vaddr_t arg)
{
    struct sched_pin_override op;

    if (!current->domain->is_dom0)
        return -EPERM;
    return copy_from_guest(&op, arg) ? -EFAULT : vcpu_pin_override(current, op.pcpu);
}

static long (*const sched_ops[])(vaddr_t) = {
    [SCHEDOP_yield] = op_yield,
    [SCHEDOP_block] = op_block,
    [SCHEDOP_shutdown] = op_shutdown,
    [SCHEDOP_poll] = sched_op_poll,
    [SCHEDOP_remote_shutdown] = op_remote_shutdown,
    [SCHEDOP_shutdown_code] = op_shutdown_code,
    [SCHEDOP_watchdog] = op_watchdog,
    [SCHEDOP_pin_override] = op_pin_override,
};

long do_sched_op(const struct hypercall_args *a)
{
    if (a->arg[0] >= ARRAY_SIZE(sched_ops))
        return -ENOSYS;
    return sched_ops[array_index_nospec(a->arg[0], ARRAY_SIZE(sched_ops))](a->arg[1]);
}

/* The old form: the reason in the argument itself. */
long do_sched_op_compat(const struct hypercall_args *a)
{
    switch (a->arg[0]) {
    case SCHEDOP_yield:
        return op_yield(0);
    case SCHEDOP_block:
        return op_block(0);
    case SCHEDOP_shutdown:
        if (a->arg[1] > SHUTDOWN_MAX)
            return -EINVAL;
        trace_vcpu(TRC_SCHED_SHUTDOWN, current, (u32)a->arg[1]);
        domain_shutdown(current->domain, (int)a->arg[1]);
        return 0;
    default:
        return -ENOSYS;
    }
}
