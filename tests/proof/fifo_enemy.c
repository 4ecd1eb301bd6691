/* SPDX-License-Identifier: MIT */
/*
 * Whatever the guest writes: core/event_fifo.c raises or unmasks one event
 * while all words and control blocks read as anything, and any number of other
 * CPUs raise events on the same queues and move this one between them.
 *
 *   - Nothing is written but the event's own word, the word of the queue's
 *     tail, and the queue's head and ready; and no bits but those meant.
 *   - The queue's tail is always a port whose word is there.
 *   - A channel changes queues only with the lock of the one it leaves; it is
 *     the tail of no other queue.
 *   - The loops end: each further round is another CPU's move of the channel,
 *     of which there are DEPTH.
 */
#include "proof.h"

#include "core/event_fifo.c"

#define PAGE_WORDS 3u          /* ports of the page that are looked at; the object ends there */

static struct domain d;
static struct vcpu vcpu;       /* whom the event is for */
static struct evtchn_fifo fifo;
static struct evtchn_fifo_vcpu here, there;    /* the queues of that vCPU, and of another */
static struct evtchn chn;
static event_word_t words[PAGE_WORDS];
static struct evtchn_fifo_control_block block, block_there;

static struct fifo_queue *locked;
static unsigned moves = DEPTH;
static bool unmasking;

void *proof_frame_object(u64 n) { return NULL; }
u64 proof_object_frame(const void *o) { return 0; }

static bool port_is_there(u32 port) { return port && port < PAGE_WORDS && fifo.pages; }

static struct fifo_queue *any_queue(void) { return nondet_bool() ? &here.queue[0] : &there.queue[0]; }

/* --- everybody else --- */

static void memory_comes(void)
{
    if (nondet_bool())
        fifo.pages = 1;
    if (nondet_bool())
        vcpu.evt.fifo = &here;
}

static void channel_moves(void)
{
    if (!moves || (locked && locked == chn.queue) || !nondet_bool())
        return;
    moves--;
    chn.queue = any_queue();
    if (locked == chn.queue && locked)
        assume(locked->tail != chn.port);
}

static void guest_writes(void)
{
    for (unsigned n = 0; n < PAGE_WORDS; n++)
        words[n] = nondet_u32();
    block.ready = nondet_u32();
    block.head[0] = nondet_u32();
    block_there.ready = nondet_u32();
    block_there.head[0] = nondet_u32();
}

/* What is not looked at next may as well change later. */
void proof_others(const volatile void *at)
{
    if (at == &chn.queue)
        channel_moves();
    else if (at == &fifo.pages || at == &vcpu.evt.fifo)
        memory_comes();
    else if (at != &chn.priority)
        guest_writes();
}

/* --- this CPU --- */

static struct fifo_queue *queue_of(const arch_spinlock_t *l)
{
    return container_of(l, struct fifo_queue, lock.raw);
}

static void tail_is_sound(const struct fifo_queue *q)
{
    prove(!q->tail || port_is_there(q->tail));
    prove(q->tail != chn.port || chn.queue == q);
}

void proof_lock_taken(arch_spinlock_t *l)
{
    channel_moves();
    locked = queue_of(l);
    locked->tail = nondet_u32();
    assume(!locked->tail || port_is_there(locked->tail));
    assume(locked->tail != chn.port || chn.queue == locked);
}

void proof_lock_given(arch_spinlock_t *l)
{
    tail_is_sound(queue_of(l));
    locked = NULL;
}

static void word_stepped(const event_word_t *at, u32 changed)
{
    if (at == &words[chn.port]) {
        prove(!(changed & ~(WORD_PENDING | WORD_LINKED | WORD_LINK | (unmasking ? WORD_MASKED : 0))));
        prove(!(changed & WORD_LINKED) || (locked && chn.queue == locked));
    } else {
        prove(locked && at == &words[locked->tail]);
        prove(!(changed & ~WORD_LINK));
    }
}

void proof_stepped(const volatile void *at, u64 was, u64 is)
{
    if (__CPROVER_same_object(at, words)) {
        word_stepped((const event_word_t *)at, (u32)(was ^ is));
    } else if ((__CPROVER_same_object(at, &block) || __CPROVER_same_object(at, &block_there))) {
        if (locked)
            prove(at == &locked->block->head[locked->priority] && is == chn.port);
        else
            prove(at == &block.ready || at == &block_there.ready);
    } else if (at == &chn.queue) {
        prove(!was || (locked && was == (u64)locked && locked->tail != chn.port));
    } else if (!__CPROVER_same_object(at, &here) && !__CPROVER_same_object(at, &there)) { /* else the lock's holder */
        prove(at == &chn.undelivered);
    }
}

void event_notify_vcpu(struct vcpu *to) { prove(to == &vcpu); }
void sched_poll_wake(struct domain *of, u32 port) { prove(of == &d && port == chn.port); }

static void make_queue(struct evtchn_fifo_vcpu *f, struct evtchn_fifo_control_block *b)
{
    f->queue[0].vcpu = &vcpu;
    f->queue[0].block = b;
}

static void make(void)
{
    d.evt.fifo = &fifo;
    fifo.words[0] = words;
    make_queue(&here, &block);
    make_queue(&there, &block_there);
    chn.port = 1;
    chn.queue = nondet_bool() ? NULL : any_queue();
}

static void raise_it(struct vcpu *v) { event_fifo_raise(&d, &chn, v); }

static void unmask_it(struct vcpu *v)
{
    unmasking = true;
    event_fifo_unmask(&d, &chn, v);
}

int main(void)
{
    make();
    OP(&vcpu);
    prove(!locked);
    proof_end();
    return 0;
}
