/* SPDX-License-Identifier: MIT */
/* HYPERVISOR_event_channel_op (<xen/event_channel.h>): its structures in and out, and who may name whom. */
#include "event_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>
#include <zelo/nospec.h>

union event_arg {
    struct evtchn_alloc_unbound alloc_unbound;
    struct evtchn_bind_interdomain bind_interdomain;
    struct evtchn_bind_virq bind_virq;
    struct evtchn_bind_ipi bind_ipi;
    struct evtchn_bind_pirq bind_pirq;
    struct evtchn_close close;
    struct evtchn_send send;
    struct evtchn_status status;
    struct evtchn_bind_vcpu bind_vcpu;
    struct evtchn_unmask unmask;
    struct evtchn_reset reset;
    struct evtchn_init_control init_control;
    struct evtchn_expand_array expand_array;
    struct evtchn_set_priority set_priority;
};

/* --- operations on a domain that the caller names: itself or one it controls --- */

static int op_alloc_unbound(union event_arg *u)
{
    domid_t remote = u->alloc_unbound.remote_dom;
    struct domain *d;
    int rc = domain_target_get(u->alloc_unbound.dom, &d);

    if (rc)
        return rc;
    rc = event_alloc_unbound(d, remote == DOMID_SELF ? current->domain->id : remote, &u->alloc_unbound.port);
    domain_put(d);
    return rc;
}

static int op_status(union event_arg *u)
{
    struct domain *d;
    int rc = domain_target_get(u->status.dom, &d);

    if (rc)
        return rc;
    rc = event_status(d, &u->status);
    domain_put(d);
    return rc;
}

static int op_reset(union event_arg *u)
{
    struct domain *d;
    int rc = domain_target_get(u->reset.dom, &d);

    if (rc)
        return rc;
    rc = event_reset(d);
    domain_put(d);
    return rc;
}

/* --- on the caller's own channels --- */

static int op_bind_interdomain(union event_arg *u)
{
    return event_bind_interdomain(current->domain, u->bind_interdomain.remote_dom, u->bind_interdomain.remote_port,
                                  &u->bind_interdomain.local_port);
}

static int op_bind_virq(union event_arg *u)
{
    return event_bind_virq(current->domain, u->bind_virq.virq, u->bind_virq.vcpu, &u->bind_virq.port);
}

static int op_bind_ipi(union event_arg *u)
{
    return event_bind_ipi(current->domain, u->bind_ipi.vcpu, &u->bind_ipi.port);
}

static int op_bind_pirq(union event_arg *u)
{
    return event_bind_pirq(current->domain, u->bind_pirq.pirq, u->bind_pirq.flags, &u->bind_pirq.port);
}

static int op_close(union event_arg *u) { return event_close(current->domain, u->close.port); }

static int op_send(union event_arg *u) { return event_send(current->domain, u->send.port); }

static int op_bind_vcpu(union event_arg *u)
{
    return event_bind_vcpu(current->domain, u->bind_vcpu.port, u->bind_vcpu.vcpu);
}

static int op_unmask(union event_arg *u) { return event_unmask(current->domain, u->unmask.port); }

static int op_init_control(union event_arg *u) { return event_fifo_init_control(current->domain, &u->init_control); }

static int op_expand_array(union event_arg *u)
{
    return event_fifo_expand_array(current->domain, u->expand_array.array_gfn);
}

static int op_set_priority(union event_arg *u)
{
    return event_fifo_set_priority(current->domain, u->set_priority.port, u->set_priority.priority);
}

/* --- the table: what to run, the structure's size, and the part of it that goes back --- */

#define IN(name) [EVTCHNOP_##name] = { op_##name, sizeof(struct evtchn_##name), 0, 0 }
#define IN_OUT(name, field)                                                                      \
    [EVTCHNOP_##name] = { op_##name, sizeof(struct evtchn_##name), offsetof(struct evtchn_##name, field), \
                          sizeof(((struct evtchn_##name *)0)->field) }

static const struct {
    int (*run)(union event_arg *u);
    u8 size, out_at, out_size;
} event_ops[] = {
    IN_OUT(bind_interdomain, local_port),
    IN_OUT(bind_virq, port),
    IN_OUT(bind_pirq, port),
    IN(close),
    IN(send),
    [EVTCHNOP_status] = { op_status, sizeof(struct evtchn_status), 0, sizeof(struct evtchn_status) },
    IN_OUT(alloc_unbound, port),
    IN_OUT(bind_ipi, port),
    IN(bind_vcpu),
    IN(unmask),
    IN(reset),
    IN_OUT(init_control, link_bits),
    IN(expand_array),
    IN(set_priority),
};

static int event_op(unsigned long cmd, vaddr_t va)
{
    union event_arg u;
    int rc;

    if (cmd >= ARRAY_SIZE(event_ops))
        return -ENOSYS;
    cmd = array_index_nospec(cmd, ARRAY_SIZE(event_ops));
    if (guest_read(&u, va, event_ops[cmd].size))
        return -EFAULT;
    rc = event_ops[cmd].run(&u);
    if (!rc && event_ops[cmd].out_size &&
        guest_write(va + event_ops[cmd].out_at, (u8 *)&u + event_ops[cmd].out_at, event_ops[cmd].out_size))
        rc = -EFAULT;
    return rc;
}

/* By far the most frequent. */
static long event_op_send(vaddr_t va)
{
    struct evtchn_send op;

    return copy_from_guest(&op, va) ? -EFAULT : event_send(current->domain, op.port);
}

long do_event_channel_op(const struct hypercall_args *a)
{
    int rc;

    if (likely(a->arg[0] == EVTCHNOP_send))
        return event_op_send(a->arg[1]);
    rc = event_op(a->arg[0], a->arg[1]);
    return rc == -E_PREEMPTED ? hypercall_continue(__HYPERVISOR_event_channel_op, a) : rc;
}

/* The old form: number and structure in one. */
long do_event_channel_op_compat(const struct hypercall_args *a)
{
    u32 cmd;

    if (copy_from_guest(&cmd, a->arg[0]))
        return -EFAULT;
    if (cmd > EVTCHNOP_unmask)
        return -ENOSYS;
    return event_op(cmd, a->arg[0] + offsetof(struct evtchn_op, u));
}
