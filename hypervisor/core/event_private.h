/* SPDX-License-Identifier: MIT */
/*
 * What the files of the event channel room share.
 *
 * A channel is found by its port without a lock: buckets are filled but never
 * emptied while the domain lives.  Its state changes only with the domain's
 * lock (evtchn_domain.lock; for an interdomain pair both domains' locks) and
 * the channel's own lock held; so either lock is enough to read it.  Senders
 * hold only the own lock, of the channel they send on.
 *
 * That lock also keeps the far end in place: whoever disconnects a pair first
 * takes every sender's channel out of EVTCHNSTAT_interdomain under its lock,
 * and only then frees the other end.  So a sender never needs two channel
 * locks.
 */
#ifndef ZELO_CORE_EVENT_PRIVATE_H
#define ZELO_CORE_EVENT_PRIVATE_H

#include <zelo/atomic.h>
#include <zelo/domain.h>
#include <zelo/event.h>
#include <zelo/nospec.h>

struct fifo_queue;

struct evtchn {
    spinlock_t lock;          /* LOCK_EVENT_CHANNEL (irq) */
    u32 port;
    u16 notify_vcpu;          /* vCPU told of events; locks as state; readers without use READ_ONCE */
    u8 state;                 /* EVTCHNSTAT_*; see above; READ_ONCE without a lock */
    u8 priority;              /* FIFO: as notify_vcpu */
    union {                   /* as state */
        struct { domid_t remote; } unbound;
        struct { struct domain *domain; struct evtchn *chn; } remote;
        u32 pirq;
        u32 virq;
    } u;
    struct fifo_queue *queue; /* FIFO: the queue it was last linked on; see event_fifo.c */
    u32 undelivered;          /* FIFO: (a) raised before its event word or control block was there */
} aligned_to(64);
_Static_assert(sizeof(struct evtchn) == 64, "one channel, one cache line");

#define EVTCHN_BUCKET_CHANNELS (PAGE_SIZE / sizeof(struct evtchn))

/* The channel of a port that was ever allocated, or NULL. */
static inline struct evtchn *evtchn_find(const struct domain *d, u32 port)
{
    struct evtchn *bucket;

    if (port >= d->evt.port_limit)
        return NULL;
    port = array_index_nospec(port, d->evt.port_limit);
    bucket = atomic_read_acquire(&d->evt.buckets[port / EVTCHN_BUCKET_CHANNELS]);
    return bucket ? &bucket[port % EVTCHN_BUCKET_CHANNELS] : NULL;
}

/* The domain uses the FIFO ABI. Without its lock: it may turn to it right now, but not back while a channel is open. */
static inline bool evtchn_is_fifo(const struct domain *d)
{
    return atomic_read_acquire(&d->evt.fifo);
}

/* Ports that the domain's present ABI can name. */
static inline u32 evtchn_port_end(const struct domain *d)
{
    return d->evt.fifo ? d->evt.port_limit : MIN(d->evt.port_limit, (u32)EVTCHN_2L_NR_CHANNELS);
}

static inline bool virq_is_global(u32 virq)
{
    return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

/* --- event.c --- */
/* Two domains' locks in their order; a and b may be the same. */
void event_lock_pair(struct domain *a, struct domain *b);
void event_unlock_pair(struct domain *a, struct domain *b);

/* --- event_alloc.c; the domain's lock held --- */
/* A free channel with defaults set, still EVTCHNSTAT_closed: NULL and *err set if none. */
struct evtchn *must_check evtchn_alloc(struct domain *d, int *err);
/* Gives an allocated channel its state: from here on it can be sent to. */
void evtchn_set_state(struct evtchn *chn, u8 state);
/* Returns it to the free ones. */
void evtchn_free(struct domain *d, struct evtchn *chn);

/* --- event_bind.c, event_close.c: the operations, on the caller's behalf --- */
int event_alloc_unbound(struct domain *d, domid_t remote, u32 *port);
int event_bind_interdomain(struct domain *ld, domid_t remote, u32 remote_port, u32 *port);
int event_bind_virq(struct domain *d, u32 virq, u32 vcpu, u32 *port);
int event_bind_ipi(struct domain *d, u32 vcpu, u32 *port);
int event_bind_pirq(struct domain *d, u32 pirq, u32 flags, u32 *port);
int event_bind_vcpu(struct domain *d, u32 port, u32 vcpu);
int event_close(struct domain *d, u32 port);
void event_pirqs_follow(void *vcpu); /* tasklet */

/* --- event_send.c --- */
int event_send(struct domain *d, u32 port);
/* Makes the channel's event pending and tells its vCPU; chn cannot be freed meanwhile. */
void evtchn_raise(struct domain *d, struct evtchn *chn);
/* evtchn_raise for a channel whose vCPU is known by the caller's lock. */
void event_notify_vcpu(struct vcpu *v);

/* --- event_2l.c --- */
void event_2l_raise(struct domain *d, struct evtchn *chn, struct vcpu *v);
void event_2l_unmask(struct domain *d, struct evtchn *chn, struct vcpu *v);
void event_2l_clear_pending(struct domain *d, u32 port);
bool event_2l_is_pending(const struct domain *d, u32 port);
bool event_2l_is_masked(const struct domain *d, u32 port);
void event_2l_info_moved(struct vcpu *v);

/* --- event_fifo.c --- */
void event_fifo_raise(struct domain *d, struct evtchn *chn, struct vcpu *v);
void event_fifo_unmask(struct domain *d, struct evtchn *chn, struct vcpu *v);
void event_fifo_clear_pending(struct domain *d, struct evtchn *chn);
bool event_fifo_is_pending(const struct domain *d, const struct evtchn *chn);
bool event_fifo_is_masked(const struct domain *d, const struct evtchn *chn);
/* Still linked in a queue that the guest has not read so far: the port cannot be used anew. */
bool event_fifo_is_busy(const struct domain *d, u32 port);

/* --- event_fifo_setup.c --- */
int event_fifo_init_control(struct domain *d, struct evtchn_init_control *op);
int event_fifo_expand_array(struct domain *d, u64 gfn);
int event_fifo_set_priority(struct domain *d, u32 port, u32 priority);
/*
 * Back to the 2-level ABI, in two steps.  All channels are closed and the domain's lock is held; then, with no lock
 * held, what was taken out is freed: the guest may have given its frames up, and they go to the heap.
 */
struct evtchn_fifo *must_check event_fifo_detach(struct domain *d);
void event_fifo_free(struct evtchn_fifo *f);

#endif
