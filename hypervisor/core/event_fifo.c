/* SPDX-License-Identifier: MIT */
/*
 * The FIFO ABI: raising events.
 *
 * Each port has an event word in memory that the guest gave:
 *
 *     31 PENDING   30 MASKED   29 LINKED   28 BUSY   16..0 LINK (next port)
 *
 * Each vCPU has a queue for each of 16 priorities: a list of ports through
 * the LINK fields.  The guest takes from its head, which the control block
 * holds; the hypervisor adds at its tail, which it remembers itself, for the
 * guest's memory is not to be believed.
 *
 *     control block         words
 *     head[7] = 5    ->     5: LINKED, LINK = 9   ->   9: LINKED, LINK = 0      queue.tail = 9
 *
 * The guest takes port 5 by clearing LINKED and LINK in one step, and reads
 * what LINK was.  When the hypervisor adds port 12 behind 9, it sets 9's LINK
 * and learns in the same step whether 9 was still LINKED.  If so the guest
 * will find 12.  If not, the guest took the last one and the queue is empty:
 * 12 becomes the head, and its priority's bit in the control block's 'ready'
 * tells the guest.
 *
 * Who owns the linking of a port: evtchn.queue, the queue where it was linked
 * last, and only the holder of that queue's lock may set LINKED or change
 * evtchn.queue.  A port is the tail of no other queue than that one.  So when
 * it is to be linked elsewhere (its vCPU or priority changed), it first stops
 * being the old queue's tail and changes its queue under the old lock, then
 * everything starts again with the new one.  While it is still linked on the
 * old queue, it stays there: the guest takes it from there.
 *
 * The guest writes these words at any time.  Every step here is one atomic
 * instruction that cannot fail, so the guest cannot make it loop.
 */
#include "event_fifo.h"

#define WORD_PENDING (1u << EVTCHN_FIFO_PENDING)
#define WORD_MASKED (1u << EVTCHN_FIFO_MASKED)
#define WORD_LINKED (1u << EVTCHN_FIFO_LINKED)
#define WORD_LINK ((u32)EVTCHN_FIFO_LINK_MASK)

/* A port can be made to change queues only by a hypercall for each time round. */
#define QUEUE_TRIES 4

/* The queue that chn's events belong on now; NULL if that vCPU has no control block. */
static struct fifo_queue *fifo_queue_for(const struct evtchn *chn, const struct vcpu *v)
{
    struct evtchn_fifo_vcpu *f = atomic_read_acquire(&v->evt.fifo);

    return f ? &f->queue[READ_ONCE(chn->priority)] : NULL;
}

/* Sets LINK of the tail; false if the guest had taken it from the queue. */
static bool fifo_append(event_word_t *tail, u32 port)
{
    u32 was = atomic_fetch_or(tail, port); /* LINK of a last word is 0 */

    if (was & WORD_LINKED)
        return true;
    /* Not in the queue: nobody follows its LINK, and nobody else may link it now (queue lock). */
    (void)atomic_fetch_and(tail, ~WORD_LINK);
    return false;
}

/* q's lock held and chn->queue == q. True if the queue was empty, so the guest must be told. */
static bool fifo_link(struct evtchn_fifo *f, struct fifo_queue *q, u32 port, event_word_t *word)
{
    u32 was = atomic_fetch_or(word, WORD_LINKED);
    bool appended = false;

    if (was & WORD_LINKED)
        return false;
    if (was & WORD_LINK)
        (void)atomic_fetch_and(word, ~WORD_LINK);
    if (q->tail && q->tail != port)
        appended = fifo_append(fifo_word(f, q->tail), port);
    if (!appended)
        atomic_set_release(&q->block->head[q->priority], port);
    q->tail = port;
    return !appended;
}

/* q's lock held and chn->queue == q: hands chn over to another queue. */
static void fifo_leave(struct fifo_queue *q, struct evtchn *chn, struct fifo_queue *to)
{
    if (q->tail == chn->port)
        q->tail = 0;
    atomic_set_release(&chn->queue, to);
}

/* Locks the queue that owns chn's linking; target becomes the owner if there is none. */
static struct fifo_queue *fifo_lock_owner(struct evtchn *chn, struct fifo_queue *target)
{
    for (;;) {
        struct fifo_queue *q = atomic_read_acquire(&chn->queue);

        if (!q && atomic_cas(&chn->queue, &q, target))
            q = target;
        spin_lock(&q->lock);
        if (likely(q == READ_ONCE(chn->queue)))
            return q;
        spin_unlock(&q->lock);
    }
}

static void fifo_tell(struct fifo_queue *q)
{
    u32 *ready = &q->block->ready;

    if (!(atomic_fetch_or(ready, 1u << q->priority) & (1u << q->priority)))
        event_notify_vcpu(q->vcpu);
}

/* Interrupts off. */
static void fifo_enqueue(struct evtchn_fifo *f, struct evtchn *chn, struct fifo_queue *target, event_word_t *word)
{
    struct fifo_queue *q;
    bool tell;

    for (int tries = 0;; tries++) {
        q = fifo_lock_owner(chn, target);
        if (likely(q == target) || (atomic_read(word) & WORD_LINKED) || tries == QUEUE_TRIES)
            break;
        fifo_leave(q, chn, target);
        spin_unlock(&q->lock);
    }
    tell = fifo_link(f, q, chn->port, word);
    spin_unlock(&q->lock);
    if (tell)
        fifo_tell(q);
}

/* False if the guest has not given the event's word or the vCPU's control block. */
static bool fifo_find(const struct evtchn_fifo *f, const struct evtchn *chn, const struct vcpu *v,
                      event_word_t **word, struct fifo_queue **target)
{
    *word = fifo_word(f, chn->port);
    *target = fifo_queue_for(chn, v);
    return *word && *target;
}

void event_fifo_raise(struct domain *d, struct evtchn *chn, struct vcpu *v)
{
    struct evtchn_fifo *f = d->evt.fifo;
    struct fifo_queue *target;
    event_word_t *word;
    unsigned long flags;
    u32 was;

    if (unlikely(!fifo_find(f, chn, v, &word, &target))) {
        /* Whoever brings what is missing looks for this after publishing it; so this looks again after. */
        (void)atomic_xchg(&chn->undelivered, 1);
        if (!fifo_find(f, chn, v, &word, &target))
            return;
    }
    was = atomic_fetch_or(word, WORD_PENDING);
    /* LINKED in the same step: the guest clears it before it looks at PENDING. */
    if (!(was & (WORD_MASKED | WORD_LINKED))) {
        flags = arch_irq_save();
        fifo_enqueue(f, chn, target, word);
        arch_irq_restore(flags);
    }
    if (!(was & WORD_PENDING))
        sched_poll_wake(d, chn->port);
}

void event_fifo_unmask(struct domain *d, struct evtchn *chn, struct vcpu *v)
{
    event_word_t *word = fifo_word(d->evt.fifo, chn->port);

    if (!word)
        return;
    if (atomic_fetch_and(word, ~WORD_MASKED) & WORD_PENDING)
        event_fifo_raise(d, chn, v);
}

void event_fifo_clear_pending(struct domain *d, struct evtchn *chn)
{
    event_word_t *word = fifo_word(d->evt.fifo, chn->port);

    atomic_set(&chn->undelivered, 0);
    if (word)
        (void)atomic_fetch_and(word, ~WORD_PENDING);
}

bool event_fifo_is_pending(const struct domain *d, const struct evtchn *chn)
{
    event_word_t *word = fifo_word(d->evt.fifo, chn->port);

    return word ? atomic_read(word) & WORD_PENDING : atomic_read(&chn->undelivered);
}

bool event_fifo_is_masked(const struct domain *d, const struct evtchn *chn)
{
    event_word_t *word = fifo_word(d->evt.fifo, chn->port);

    return !word || (atomic_read(word) & WORD_MASKED);
}

bool event_fifo_is_busy(const struct domain *d, u32 port)
{
    event_word_t *word = fifo_word(d->evt.fifo, port);

    return word && (atomic_read(word) & WORD_LINKED);
}
