/* SPDX-License-Identifier: MIT */
/*
 * Event channels: a domain's table of them from birth to death, and the
 * hypercall.  event_private.h says how channels are found and locked.
 *
 *   event_alloc.c   ports: free ones, given ones
 *   event_bind.c    what a port is for: unbound, interdomain, VIRQ, IPI, PIRQ
 *   event_close.c   the way back, one port or all
 *   event_send.c    raising events, from guests and from the hypervisor
 *   event_2l.c, event_fifo.c   the two ways in which a guest sees them
 */
#include "event_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>
#include <zelo/log.h>

int event_domain_init(struct domain *d, u32 max_port)
{
    struct evtchn_domain *e = &d->evt;

    spin_lock_init(&e->lock, LOCK_EVENT);
    e->port_limit = MIN(max_port, (u32)EVTCHN_FIFO_NR_CHANNELS - 1) + 1;
    e->bucket_count = DIV_ROUND_UP(e->port_limit, EVTCHN_BUCKET_CHANNELS);
    e->search_from = 1; /* port 0 is never used: guests take it for 'none' */
    e->buckets = mem_alloc_array(struct evtchn *, e->bucket_count);
    return e->buckets ? 0 : -ENOMEM;
}

int event_vcpu_init(struct vcpu *v)
{
    tasklet_init(&v->evt.pirq_follow, event_pirqs_follow, v);
    return 0;
}

void event_domain_free(struct domain *d)
{
    for (u32 i = 0; i < d->evt.bucket_count; i++)
        mem_free(d->evt.buckets[i]);
    mem_free(d->evt.buckets);
    d->evt.buckets = NULL;
    d->evt.bucket_count = d->evt.port_limit = 0;
}

void event_lock_pair(struct domain *a, struct domain *b)
{
    spin_lock(a < b ? &a->evt.lock : &b->evt.lock);
    if (a != b)
        spin_lock(a < b ? &b->evt.lock : &a->evt.lock);
}

void event_unlock_pair(struct domain *a, struct domain *b)
{
    spin_unlock(&a->evt.lock);
    if (a != b)
        spin_unlock(&b->evt.lock);
}

/* --- status --- */

static void status_fill(const struct evtchn *chn, struct evtchn_status *st)
{
    st->status = chn->state;
    st->vcpu = chn->notify_vcpu;
    switch (chn->state) {
    case EVTCHNSTAT_unbound:
        st->u.unbound.dom = chn->u.unbound.remote;
        break;
    case EVTCHNSTAT_interdomain:
        st->u.interdomain.dom = chn->u.remote.domain->id;
        st->u.interdomain.port = chn->u.remote.chn->port;
        break;
    case EVTCHNSTAT_pirq:
        st->u.pirq = chn->u.pirq;
        break;
    case EVTCHNSTAT_virq:
        st->u.virq = chn->u.virq;
        break;
    default:
        break;
    }
}

int event_status(struct domain *d, struct evtchn_status *st)
{
    struct evtchn *chn;

    spin_lock(&d->evt.lock);
    chn = evtchn_find(d, st->port);
    if (chn)
        status_fill(chn, st);
    spin_unlock(&d->evt.lock);
    return chn ? 0 : -EINVAL;
}

void event_dump(struct domain *d)
{
    static const char *const names[] = { "closed", "unbound", "interdomain", "pirq", "virq", "ipi" };

    spin_lock(&d->evt.lock);
    log_info("d%u: %u event channels, %s\n", d->id, d->evt.active, d->evt.fifo ? "FIFO" : "2-level");
    for (u32 port = 1; port < d->evt.port_limit; port++) {
        const struct evtchn *chn = evtchn_find(d, port);
        bool fifo = d->evt.fifo;

        if (!chn) {
            port |= EVTCHN_BUCKET_CHANNELS - 1;
            continue;
        }
        if (chn->state == EVTCHNSTAT_closed)
            continue;
        log_info("  %4u %s v%u prio %u%s%s\n", port, names[chn->state], chn->notify_vcpu, chn->priority,
                 (fifo ? event_fifo_is_pending(d, chn) : event_2l_is_pending(d, port)) ? " pending" : "",
                 (fifo ? event_fifo_is_masked(d, chn) : event_2l_is_masked(d, port)) ? " masked" : "");
    }
    spin_unlock(&d->evt.lock);
}

/* --- the hypercall: one function for each operation, on the structure at guest address va --- */

/* A domain that the caller may act for: itself or one it controls. */
static int event_op_domain(domid_t id, struct domain **out)
{
    struct domain *d = domain_get(id);

    if (!d)
        return -ESRCH;
    if (d != current->domain && !domain_controls(current->domain, d)) {
        domain_put(d);
        return -EPERM;
    }
    *out = d;
    return 0;
}

static domid_t event_op_domid(domid_t id)
{
    return id == DOMID_SELF ? current->domain->id : id;
}

static long op_alloc_unbound(vaddr_t va)
{
    struct evtchn_alloc_unbound op;
    struct domain *d;
    int rc;

    if (copy_from_guest(&op, va))
        return -EFAULT;
    rc = event_op_domain(op.dom, &d);
    if (rc)
        return rc;
    rc = event_alloc_unbound(d, event_op_domid(op.remote_dom), &op.port);
    if (!rc && copy_field_to_guest(va, &op, port))
        rc = -EFAULT;
    domain_put(d);
    return rc;
}

static long op_bind_interdomain(vaddr_t va)
{
    struct evtchn_bind_interdomain op;
    int rc;

    if (copy_from_guest(&op, va))
        return -EFAULT;
    rc = event_bind_interdomain(current->domain, op.remote_dom, op.remote_port, &op.local_port);
    if (!rc && copy_field_to_guest(va, &op, local_port))
        rc = -EFAULT;
    return rc;
}

static long op_bind_virq(vaddr_t va)
{
    struct evtchn_bind_virq op;
    int rc;

    if (copy_from_guest(&op, va))
        return -EFAULT;
    rc = event_bind_virq(current->domain, op.virq, op.vcpu, &op.port);
    if (!rc && copy_field_to_guest(va, &op, port))
        rc = -EFAULT;
    return rc;
}

static long op_bind_ipi(vaddr_t va)
{
    struct evtchn_bind_ipi op;
    int rc;

    if (copy_from_guest(&op, va))
        return -EFAULT;
    rc = event_bind_ipi(current->domain, op.vcpu, &op.port);
    if (!rc && copy_field_to_guest(va, &op, port))
        rc = -EFAULT;
    return rc;
}

static long op_bind_pirq(vaddr_t va)
{
    struct evtchn_bind_pirq op;
    int rc;

    if (copy_from_guest(&op, va))
        return -EFAULT;
    rc = event_bind_pirq(current->domain, op.pirq, op.flags, &op.port);
    if (!rc && copy_field_to_guest(va, &op, port))
        rc = -EFAULT;
    return rc;
}

static long op_close(vaddr_t va)
{
    struct evtchn_close op;

    return copy_from_guest(&op, va) ? -EFAULT : event_close(current->domain, op.port);
}

static long op_send(vaddr_t va)
{
    struct evtchn_send op;

    return copy_from_guest(&op, va) ? -EFAULT : event_send(current->domain, op.port);
}

static long op_status(vaddr_t va)
{
    struct evtchn_status op;
    struct domain *d;
    int rc;

    if (copy_from_guest(&op, va))
        return -EFAULT;
    rc = event_op_domain(op.dom, &d);
    if (rc)
        return rc;
    rc = event_status(d, &op);
    if (!rc && copy_to_guest(va, &op))
        rc = -EFAULT;
    domain_put(d);
    return rc;
}

static long op_bind_vcpu(vaddr_t va)
{
    struct evtchn_bind_vcpu op;

    return copy_from_guest(&op, va) ? -EFAULT : event_bind_vcpu(current->domain, op.port, op.vcpu);
}

static long op_unmask(vaddr_t va)
{
    struct evtchn_unmask op;

    return copy_from_guest(&op, va) ? -EFAULT : event_unmask(current->domain, op.port);
}

static long op_reset(vaddr_t va)
{
    struct evtchn_reset op;
    struct domain *d;
    int rc;

    if (copy_from_guest(&op, va))
        return -EFAULT;
    rc = event_op_domain(op.dom, &d);
    if (rc)
        return rc;
    rc = event_reset(d);
    domain_put(d);
    return rc;
}

static long op_init_control(vaddr_t va)
{
    struct evtchn_init_control op;
    int rc;

    if (copy_from_guest(&op, va))
        return -EFAULT;
    rc = event_fifo_init_control(current->domain, &op);
    if (!rc && copy_field_to_guest(va, &op, link_bits))
        rc = -EFAULT;
    return rc;
}

static long op_expand_array(vaddr_t va)
{
    struct evtchn_expand_array op;

    return copy_from_guest(&op, va) ? -EFAULT : event_fifo_expand_array(current->domain, op.array_gfn);
}

static long op_set_priority(vaddr_t va)
{
    struct evtchn_set_priority op;

    return copy_from_guest(&op, va) ? -EFAULT : event_fifo_set_priority(current->domain, op.port, op.priority);
}

static long (*const event_ops[])(vaddr_t) = {
    [EVTCHNOP_bind_interdomain] = op_bind_interdomain,
    [EVTCHNOP_bind_virq] = op_bind_virq,
    [EVTCHNOP_bind_pirq] = op_bind_pirq,
    [EVTCHNOP_close] = op_close,
    [EVTCHNOP_send] = op_send,
    [EVTCHNOP_status] = op_status,
    [EVTCHNOP_alloc_unbound] = op_alloc_unbound,
    [EVTCHNOP_bind_ipi] = op_bind_ipi,
    [EVTCHNOP_bind_vcpu] = op_bind_vcpu,
    [EVTCHNOP_unmask] = op_unmask,
    [EVTCHNOP_reset] = op_reset,
    [EVTCHNOP_init_control] = op_init_control,
    [EVTCHNOP_expand_array] = op_expand_array,
    [EVTCHNOP_set_priority] = op_set_priority,
};

static long event_op(unsigned long cmd, vaddr_t va)
{
    if (cmd >= ARRAY_SIZE(event_ops))
        return -ENOSYS;
    return event_ops[cmd](va);
}

long do_event_channel_op(const struct hypercall_args *a)
{
    long rc;

    if (likely(a->arg[0] == EVTCHNOP_send)) /* by far the most frequent */
        return op_send(a->arg[1]);
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
