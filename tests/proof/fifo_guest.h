/* SPDX-License-Identifier: MIT */
/*
 * A guest that takes events from one vCPU's queues the way the ABI says, one
 * step at a time, so that it can be stopped between any two of its accesses.
 */
#ifndef TESTS_PROOF_FIFO_GUEST_H
#define TESTS_PROOF_FIFO_GUEST_H

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED (1u << EVTCHN_FIFO_MASKED)
#define LINKED (1u << EVTCHN_FIFO_LINKED)
#define LINK ((u32)EVTCHN_FIFO_LINK_MASK)

#define PORTS 2u              /* 1..PORTS */
static struct { event_word_t word[PORTS + 1]; struct evtchn_fifo_control_block block; bool upcall; } shared;
static struct { u32 ready, head, port; enum { IDLE, LOOK, HEAD, UNLINK, HANDLE } at; } guest;
static u8 raised[PORTS + 1], seen[PORTS + 1]; /* what the sender did before it raised, and the receiver saw after */

static u32 guest_queue(void) { return (u32)__builtin_ctz(guest.ready); }

static void guest_unlink(void)
{
    guest.head = shared.word[guest.port] & LINK;
    shared.word[guest.port] &= ~(LINKED | LINK);
    if (!guest.head)
        guest.ready = 0;
}

static void guest_handle(void)
{
    if ((shared.word[guest.port] & (PENDING | MASKED)) == PENDING) {
        shared.word[guest.port] &= ~PENDING;
        seen[guest.port] = raised[guest.port];
    }
}

static void guest_step(void)
{
    switch (guest.at) {
    case IDLE:
        if (shared.upcall)
            guest.at = LOOK;
        shared.upcall = false;
        break;
    case LOOK:
        guest.ready |= shared.block.ready;
        shared.block.ready = 0;
        guest.at = guest.ready ? HEAD : IDLE;
        break;
    case HEAD:
        if (!guest.head)
            guest.head = shared.block.head[QUEUE];
        guest.port = guest.head;
        prove(guest.port && guest.port <= PORTS); /* it is never led astray */
        assume(guest.port && guest.port <= PORTS);
        guest.at = UNLINK;
        break;
    case UNLINK:
        guest_unlink();
        guest.at = HANDLE;
        break;
    case HANDLE:
        guest_handle();
        guest.at = LOOK;
        break;
    }
}

static void guest_some_steps(unsigned most)
{
    for (unsigned i = 0; i < most && nondet_bool(); i++)
        guest_step();
}

/* Until it finds nothing more. */
static void guest_rest(unsigned most)
{
    for (unsigned i = 0; i < most && (guest.at != IDLE || shared.upcall); i++)
        guest_step();
    prove(guest.at == IDLE && !shared.upcall);
}

#endif
