/* SPDX-License-Identifier: MIT */
/*
 * Event channels (<xen/event_channel.h>): core/event.c (the table and the
 * hypercall), core/event_2l.c and core/event_fifo.c (the two ABIs of pending
 * bits).
 */
#ifndef ZELO_EVENT_H
#define ZELO_EVENT_H

#include <zelo/hypercall.h>
#include <zelo/lock.h>
#include <zelo/softirq.h>
#include <zelo/types.h>

#include <xen/event_channel.h>
#include <xen/xen.h>

struct domain;
struct vcpu;
struct evtchn;      /* private to the room: core/event_private.h */
struct evtchn_fifo;

struct evtchn_domain {
    spinlock_t lock;               /* LOCK_EVENT: allocation and state changes of channels */
    struct evtchn **buckets;       /* the channels; filled on demand, never emptied before event_domain_free */
    u32 bucket_count;              /* fixed at creation, as port_limit */
    u32 port_limit;                /* ports 1..port_limit-1 may exist */
    u32 active;                    /* channels not free */
    u32 search_from;               /* no port below it is free */
    struct evtchn_fifo *fifo;      /* NULL: 2-level */
    bool dying;                    /* no new channels */
};
struct evtchn_vcpu {
    u32 virq_port[NR_VIRQS];       /* 0: not bound; written under the domain's lock, read by senders without */
    struct evtchn_fifo_vcpu *fifo; /* its queues; NULL: no control block yet (domain's lock) */
    u32 pirqs;                     /* PIRQ channels that notify it (domain's lock) */
    struct tasklet pirq_follow;    /* moves its PIRQs to its CPU */
};

int event_domain_init(struct domain *d, u32 max_port);
void event_domain_destroy(struct domain *d);     /* closes all; at domain_kill */
void event_domain_free(struct domain *d);        /* memory; at the last reference */
int event_vcpu_init(struct vcpu *v);
void event_vcpu_move(struct vcpu *v);            /* v changed its pCPU: PIRQs follow */

/* Sends a VIRQ: per-vCPU ones to v, global ones to the domain's bound vCPU. Any context. */
void event_send_vcpu_virq(struct vcpu *v, u32 virq);
void event_send_global_virq(struct domain *d, u32 virq);
/* VIRQs that the hypervisor sends to whoever may handle them (dom0): DOM_EXC, CONSOLE, DEBUGGER ... */
void event_send_host_virq(u32 virq);
/* A physical interrupt arrived: marks d's PIRQ port pending. Any context. */
void event_send_pirq(struct domain *d, u32 port);
/* Kicks the far end of d's own channel, as if d had sent on it (suspend port). Any context. */
void event_send_hypervisor(struct domain *d, u32 port);
/* True if the port's pending bit is set; used by SCHEDOP_poll. -EINVAL for a bad port. */
int event_port_pending(struct domain *d, u32 port);
/* Log-dirty mode: notes the guest's frames that the FIFO ABI keeps its events in. */
void event_mark_dirty(struct domain *d);
/* Re-raises the upcall after vcpu_info moved (VCPUOP_register_vcpu_info). */
void event_vcpu_info_moved(struct vcpu *v);
/* EVTCHNOP_unmask, and a PIRQ's EOI that unmasks too. -EINVAL for a bad port. */
int event_unmask(struct domain *d, u32 port);
/* Channel interfaces for the hypervisor's own use of a domU port (console etc.): */
int event_status(struct domain *d, struct evtchn_status *st);
/* Closes all channels and loses all FIFO state: EVTCHNOP_reset. 0 or -E_PREEMPTED. */
int must_check event_reset(struct domain *d);
void event_dump(struct domain *d); /* debug key 'e' */

hypercall_fn do_event_channel_op, do_event_channel_op_compat;

#endif
