/* SPDX-License-Identifier: MIT */
/*
 * No event is lost: core/event_fifo.c and an honest guest.
 *
 * One CPU raises (or unmasks) port 1.  Between any two of its accesses the
 * guest goes on taking events.  With TWO, at one place where no lock keeps it
 * away, another CPU raises port 2.  Before that, port 2 was perhaps raised already,
 * and the guest has got somewhere with it.  When all are through, the guest
 * takes what it is told of, and has then seen all that was raised.
 */
#include "proof.h"

#include "core/event_fifo.c"

#define FIRST_STEPS 5          /* up to after its first event */
#define LAST_STEPS (TWO ? 18 : 13) /* two or three events, and told anew in between */
#define QUEUE EVTCHN_FIFO_PRIORITY_DEFAULT
#include "fifo_guest.h"

static struct domain d;
static struct vcpu v;
static struct evtchn_fifo fifo;
static struct evtchn_fifo_vcpu queues;
static struct evtchn chn[PORTS + 1];

void *proof_frame_object(u64 n) { return NULL; }
u64 proof_object_frame(const void *o) { return 0; }

static bool alone = true;      /* nobody else does anything */
static bool other_raises;      /* another CPU raises port 2 some time */
static bool nested;            /* it does so now */

static void raise_port(u32 port)
{
    raised[port]++;
    event_fifo_raise(&d, &chn[port], &v);
}

void proof_others(const volatile void *at)
{
    bool guests = __CPROVER_same_object(at, &shared);

    if (alone || !(guests || at == &chn[1].queue))
        return; /* the guest's turns before any other access may as well be those before the next of these */
    if (guests)
        guest_some_steps(nested ? 1 : DEPTH);
    if (!TWO || nested || queues.queue[QUEUE].lock.raw.mine)
        return;
    if (other_raises && nondet_bool()) {
        nested = true;
        other_raises = false;
        raise_port(2);
        nested = false;
    }
}
void proof_stepped(const volatile void *at, u64 was, u64 is) { }
void proof_lock_taken(arch_spinlock_t *l) { }
void proof_lock_given(arch_spinlock_t *l) { }

void event_notify_vcpu(struct vcpu *to)
{
    prove(to == &v);
    proof_others(&shared.upcall);
    shared.upcall = true;
}
void sched_poll_wake(struct domain *of, u32 port) { }

static void make(void)
{
    d.evt.fifo = &fifo;
    v.evt.fifo = &queues;
    fifo.words[0] = shared.word;
    fifo.pages = 1;
    queues.queue[QUEUE].priority = QUEUE;
    queues.queue[QUEUE].vcpu = &v;
    queues.queue[QUEUE].block = &shared.block;
    for (u32 port = 1; port <= PORTS; port++) {
        chn[port].port = port;
        chn[port].priority = QUEUE;
    }
}


/* Raised while it was masked, which the guest now ends. */
static void raise_masked(void)
{
    shared.word[1] |= MASKED;
    raise_port(1);
}

int main(void)
{
    make();
    if (nondet_bool())
        raise_port(2);
    guest_some_steps(FIRST_STEPS);
    if (UNMASK)
        raise_masked();
    other_raises = nondet_bool();
    alone = false;
    if (UNMASK)
        event_fifo_unmask(&d, &chn[1], &v);
    else
        raise_port(1);
    alone = true;
    guest_rest(LAST_STEPS);
    prove(seen[1] == raised[1] && seen[2] == raised[2]);
    proof_end();
    return 0;
}
