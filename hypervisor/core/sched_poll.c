/* SPDX-License-Identifier: MIT */
/*
 * SCHEDOP_poll: a vCPU sleeps until one of some ports is pending, masked or
 * not, or a time has come.  Guests' spinlocks wait that way.
 *
 * The vCPU blocks, enters itself in the domain's set of pollers, then looks at
 * the ports; a sender sets the port pending, then looks at the set.  So one of
 * them sees the other.  Waking for nothing is allowed; sleeping on is not.  The
 * set may still name one whose poll is over (vcpu_unblock): its flags tell.
 */
#include "sched_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>

#include <xen/sched.h>

#define POLL_MAX_PORTS 128

static bool poll_is_for(const struct vcpu *v, u32 port)
{
    u32 waits_for;

    if (!(atomic_read_acquire(&v->pause_flags) & VPF_POLL)) /* the port before the flag: sched_op_poll */
        return false;
    waits_for = READ_ONCE(v->poll_port);
    return !waits_for || waits_for == port;
}

void sched_poll_wake(struct domain *d, u32 port)
{
    const unsigned long *pollers = d->sched.pollers;
    unsigned n = d->max_vcpus;

    for (unsigned base = 0; base < n; base += BITS_PER_LONG) {
        unsigned long word = atomic_read(&pollers[base / BITS_PER_LONG]);

        for (; word; word &= word - 1) {
            struct vcpu *v = d->vcpu[base + (unsigned)__builtin_ctzl(word)];

            if (poll_is_for(v, port))
                vcpu_unblock(v);
        }
    }
}

/* 1: one is pending, 0: none, or an error. */
static int poll_any_pending(struct domain *d, const struct sched_poll *op)
{
    for (u32 i = 0; i < op->nr_ports; i++) {
        evtchn_port_t port;
        int rc;

        if (copy_from_handle_offset(&port, op->ports, i, 1))
            return -EFAULT;
        rc = event_port_pending(d, port);
        if (rc)
            return rc;
    }
    return 0;
}

static int poll_first_port(const struct sched_poll *op, u32 *port)
{
    *port = 0;
    if (op->nr_ports != 1)
        return 0;
    return copy_from_handle(port, op->ports, 1);
}

long sched_op_poll(vaddr_t arg)
{
    struct vcpu *v = current;
    struct sched_poll op;
    u32 port;
    int rc;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    if (op.nr_ports > POLL_MAX_PORTS)
        return -EINVAL;
    if (poll_first_port(&op, &port))
        return -EFAULT;
    WRITE_ONCE(v->poll_port, port); /* who comes late to the last poll may see either: a wake too many */
    vcpu_poll_timer_set(v, 0);
    (void)atomic_fetch_or(&v->pause_flags, VPF_BLOCKED | VPF_POLL);
    atomic_set_bit(v->domain->sched.pollers, v->id);

    rc = vcpu_event_deliverable(v) ? 1 : poll_any_pending(v->domain, &op);
    if (rc) {
        vcpu_unblock(v);
        return MIN(rc, 0);
    }
    if (op.timeout)
        vcpu_poll_timer_set(v, op.timeout);
    softirq_raise(SOFTIRQ_SCHEDULE);
    return 0;
}
