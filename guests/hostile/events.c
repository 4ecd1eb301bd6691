/* SPDX-License-Identifier: MIT */
/* Event channels: numbers out of range, closed, reused, others'. */
#include "hostile.h"

static long event(unsigned cmd, void *arg)
{
    return HC2(event_channel_op, cmd, PTR(arg));
}

static uint32_t new_port(void)
{
    evtchn_bind_ipi_t ipi = { .vcpu = 0 };

    return event(EVTCHNOP_bind_ipi, &ipi) ? 0 : ipi.port;
}

static bool port_refused(uint32_t port)
{
    evtchn_close_t close = { port };
    evtchn_send_t send = { port };
    evtchn_unmask_t unmask = { port };
    evtchn_bind_vcpu_t bind = { port, 0 };
    sched_poll_t poll = { .nr_ports = 1, .timeout = 1 };

    set_xen_guest_handle(poll.ports, &port);
    REFUSED(EINVAL, event(EVTCHNOP_close, &close));
    REFUSED(EINVAL, event(EVTCHNOP_send, &send));
    REFUSED(EINVAL, event(EVTCHNOP_bind_vcpu, &bind));
    REFUSED(EINVAL, event(EVTCHNOP_unmask, &unmask));
    if (port > 1UL << 16) /* else one that is closed, or might be: a poll for it ends when its time has come */
        REFUSED(EINVAL, HC2(sched_op, SCHEDOP_poll, PTR(&poll)));
    return true;
}

static bool bad_ports(void)
{
    const uint32_t ports[] = { 0, 1UL << 17, (1UL << 17) - 1, 1UL << 20, 0x7fffffff, 0x80000000, ~0u };

    for (unsigned i = 0; i < ARRAY_SIZE(ports); i++)
        MUST(port_refused(ports[i]));
    return true;
}

/* A port that is closed is nobody's; when it is given out again it is what it is now. */
static bool reused(void)
{
    uint32_t port = new_port();
    evtchn_close_t close = { port };
    evtchn_send_t send = { port };
    evtchn_status_t status = { .dom = DOMID_SELF, .port = port };
    evtchn_alloc_unbound_t unbound = { .dom = DOMID_SELF, .remote_dom = 0 };

    MUST(port && !event(EVTCHNOP_close, &close));
    MUST(port_refused(port));
    MUST(!event(EVTCHNOP_status, &status) && status.status == EVTCHNSTAT_closed);
    MUST(!event(EVTCHNOP_alloc_unbound, &unbound));
    MUST(unbound.port == port);
    (void)event(EVTCHNOP_send, &send); /* to nobody yet */
    MUST(!event(EVTCHNOP_status, &status) && status.status == EVTCHNSTAT_unbound && status.u.unbound.dom == 0);
    return !event(EVTCHNOP_close, &close);
}

static bool bad_bindings(void)
{
    evtchn_bind_ipi_t ipi = { .vcpu = 77 };
    evtchn_bind_virq_t virq = { .virq = 24 };
    evtchn_bind_pirq_t pirq = { .pirq = 4 };
    evtchn_bind_interdomain_t inter = { .remote_dom = 0x7fef };
    evtchn_bind_vcpu_t vcpu = { new_port(), 0 };
    evtchn_close_t close = { vcpu.port };

    REFUSED(ENOENT, event(EVTCHNOP_bind_ipi, &ipi));
    ipi.vcpu = ~0u;
    REFUSED(ENOENT, event(EVTCHNOP_bind_ipi, &ipi));
    REFUSED(EINVAL, event(EVTCHNOP_bind_virq, &virq));
    virq.virq = ~0u;
    REFUSED(EINVAL, event(EVTCHNOP_bind_virq, &virq));
    virq = (evtchn_bind_virq_t){ .virq = VIRQ_TIMER, .vcpu = ~0u };
    REFUSED(ENOENT, event(EVTCHNOP_bind_virq, &virq));
    virq = (evtchn_bind_virq_t){ .virq = VIRQ_DOM_EXC, .vcpu = 1 }; /* a global one has vCPU 0 */
    REFUSED(EINVAL, event(EVTCHNOP_bind_virq, &virq));
    MUST(event(EVTCHNOP_bind_pirq, &pirq) < 0);
    pirq.pirq = ~0u;
    MUST(event(EVTCHNOP_bind_pirq, &pirq) < 0);
    pirq.flags = ~0u;
    REFUSED(EINVAL, event(EVTCHNOP_bind_pirq, &pirq));
    REFUSED(ESRCH, event(EVTCHNOP_bind_interdomain, &inter));
    inter.remote_dom = DOMID_INVALID;
    REFUSED(ESRCH, event(EVTCHNOP_bind_interdomain, &inter));
    vcpu.vcpu = 77;
    REFUSED(ENOENT, event(EVTCHNOP_bind_vcpu, &vcpu));
    vcpu.vcpu = 0;
    REFUSED(EINVAL, event(EVTCHNOP_bind_vcpu, &vcpu)); /* an IPI stays */
    MUST(!event(EVTCHNOP_close, &close));
    REFUSED(ENOSYS, event(77, &vcpu));
    return true;
}

/* Domain 0's channels: each port it may have, and its table as a whole. */
static bool others_channels(void)
{
    evtchn_bind_interdomain_t inter = { .remote_dom = 0 };
    evtchn_status_t status = { .dom = 0, .port = 1 };
    evtchn_reset_t reset = { .dom = 0 };
    evtchn_alloc_unbound_t unbound = { .dom = 0, .remote_dom = DOMID_SELF };

    for (uint32_t port = 0; port < 2048; port++) {
        inter.remote_port = port;
        REFUSED(EINVAL, event(EVTCHNOP_bind_interdomain, &inter));
    }
    inter.remote_port = ~0u;
    REFUSED(EINVAL, event(EVTCHNOP_bind_interdomain, &inter));
    REFUSED(EPERM, event(EVTCHNOP_status, &status));
    REFUSED(EPERM, event(EVTCHNOP_reset, &reset));
    REFUSED(EPERM, event(EVTCHNOP_alloc_unbound, &unbound));
    return true;
}

/* All that there are; then they come back. */
static bool exhausted(void)
{
    uint32_t first = new_port(), port, last = first, n = 0;

    MUST(first);
    while ((port = new_port()) && n < 1UL << 18) {
        last = port;
        n++;
    }
    MUST(n > 100 && !port);
    evtchn_bind_ipi_t ipi = { .vcpu = 0 };

    REFUSED(ENOSPC, event(EVTCHNOP_bind_ipi, &ipi));
    for (port = first; port <= last; port++) {
        evtchn_close_t close = { port };

        (void)event(EVTCHNOP_close, &close);
    }
    MUST(new_port() == first);
    evtchn_close_t close = { first };

    return !event(EVTCHNOP_close, &close);
}

/* The FIFO ABI with rubbish in its words: whatever the queues are made to say, the hypervisor goes on. */
static bool fifo_rubbish(void)
{
    uint32_t *words = page_alloc(), *block = page_alloc(), port;
    evtchn_init_control_t control = { .control_gfn = virt_to_mfn(block) };
    evtchn_expand_array_t expand = { .array_gfn = virt_to_mfn(words) };
    evtchn_send_t send;
    evtchn_set_priority_t priority;
    evtchn_close_t close;

    REFUSED(EOPNOTSUPP, event(EVTCHNOP_expand_array, &expand));
    control.offset = 4;
    REFUSED(EINVAL, event(EVTCHNOP_init_control, &control));
    control.offset = PAGE_SIZE - 8;
    REFUSED(EINVAL, event(EVTCHNOP_init_control, &control));
    control.offset = 0;
    control.vcpu = 77;
    REFUSED(ENOENT, event(EVTCHNOP_init_control, &control));
    control.vcpu = 0;
    MUST(!event(EVTCHNOP_init_control, &control));
    REFUSED(EINVAL, event(EVTCHNOP_init_control, &control));
    MUST(!event(EVTCHNOP_expand_array, &expand));
    REFUSED(EBUSY, mmuext(MMUEXT_PIN_L1_TABLE, expand.array_gfn, 0));
    port = send.port = priority.port = close.port = new_port();
    MUST(port);
    for (unsigned i = 0; i < 2000; i++) {
        uint32_t rubbish = i * 2654435761u;

        priority.priority = i % 16;
        MUST(!event(EVTCHNOP_set_priority, &priority));
        for (unsigned w = 0; w < 64; w++)
            words[w] = rubbish ^ w * 40503u;
        for (unsigned w = 0; w < 20; w++)
            block[w] = rubbish >> w % 7;
        words[port] &= 0x3fffffffu; /* neither pending nor masked */
        MUST(!event(EVTCHNOP_send, &send));
    }
    priority.priority = 16;
    REFUSED(EINVAL, event(EVTCHNOP_set_priority, &priority));
    for (unsigned w = 0; w < 1024; w++)
        words[w] = 0xffffffffu;
    return !event(EVTCHNOP_close, &close);
}

const struct attack event_attacks[] = {
    { "ports out of range", bad_ports },
    { "ports reused", reused },
    { "bad bindings", bad_bindings },
    { "others' channels", others_channels },
    { "all ports", exhausted },
    { "rubbish in event words", fifo_rubbish },
    { NULL, NULL },
};
