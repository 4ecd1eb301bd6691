/* SPDX-License-Identifier: MIT */
/*
 * Events until they are handled: to oneself, from a timer, to another domain and
 * back.  The guest has them masked but while it waits for them.
 */
#include "bench.h"

#include "../../bench/mark.h"

#define TIMER_NS 100000u
#define WARM 64u /* events to the other domain, before the one that is measured */

static evtchn_port_t self_port, timer_port;
static volatile uint64_t self_events, timer_events;

uint64_t system_time(void)
{
    volatile vcpu_time_info_t *t = &vcpu_info()->time;
    uint32_t version, lo, hi;
    uint64_t ns, delta;

    do {
        version = t->version;
        __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) :: "memory");
        delta = ((uint64_t)hi << 32 | lo) - t->tsc_timestamp;
        delta = t->tsc_shift >= 0 ? delta << t->tsc_shift : delta >> -t->tsc_shift;
        ns = t->system_time + (uint64_t)(((unsigned __int128)delta * t->tsc_to_system_mul) >> 32);
    } while ((version & 1) || version != t->version);
    return ns;
}

long port_send(evtchn_port_t port)
{
    evtchn_send_t send = { port };

    return HC2(event_channel_op, EVTCHNOP_send, PTR(&send));
}

bool port_take(evtchn_port_t port)
{
    uint64_t bit = 1UL << port % 64;

    return __atomic_fetch_and(&shared_info->evtchn_pending[port / 64], ~bit, __ATOMIC_SEQ_CST) & bit;
}

void port_open(evtchn_port_t port)
{
    port_take(port);
    __atomic_fetch_and(&shared_info->evtchn_mask[port / 64], ~(1UL << port % 64), __ATOMIC_SEQ_CST);
}

static void handle_self(struct frame *f)
{
    (void)f;
    if (port_take(self_port))
        self_events++;
}

static void handle_timer(struct frame *f)
{
    (void)f;
    if (port_take(timer_port))
        timer_events++;
}

static void prepare(void)
{
    evtchn_bind_ipi_t ipi = { .vcpu = 0 };
    evtchn_bind_virq_t virq = { .virq = VIRQ_TIMER, .vcpu = 0 };

    must("bind_ipi", HC2(event_channel_op, EVTCHNOP_bind_ipi, PTR(&ipi)));
    must("bind_virq", HC2(event_channel_op, EVTCHNOP_bind_virq, PTR(&virq)));
    must("no timer", HC1(set_timer_op, 0));
    self_port = ipi.port;
    timer_port = virq.port;
    port_open(self_port);
    port_open(timer_port);
    child_make();
}

/* Left pending from before by whoever; the event's own is handled. */
static void events_unmask(void (*handler)(struct frame *))
{
    event_handler = handler;
    vcpu_info()->evtchn_upcall_mask = 0;
    __asm__ volatile("" ::: "memory");
    if (vcpu_info()->evtchn_upcall_pending)
        HC2(xen_version, XENVER_version, 0);
}

static void before_self(void) { events_unmask(handle_self); }
static void before_timer(void) { events_unmask(handle_timer); }
static void mask(void) { vcpu_info()->evtchn_upcall_mask = 1; }

static long event_self(unsigned i)
{
    uint64_t before = self_events;

    (void)i;
    return port_send(self_port) | (self_events != before + 1);
}

/* Its time has come when it is set. */
static long timer_due(unsigned i)
{
    uint64_t before = timer_events;
    long rc = HC1(set_timer_op, 1);

    (void)i;
    while (timer_events == before)
        HC2(sched_op, SCHEDOP_yield, 0);
    return rc;
}

static void sleep_until(uint64_t when)
{
    uint64_t before = timer_events;

    must("set_timer_op", HC1(set_timer_op, when));
    for (;;) {
        mask();
        if (timer_events != before)
            break;
        HC2(sched_op, SCHEDOP_block, 0);
    }
    vcpu_info()->evtchn_upcall_mask = 0;
}

/* While the CPU is idle no instruction is executed, so its length does not matter. */
static long timer_sleep(unsigned i)
{
    (void)i;
    sleep_until(system_time() + TIMER_NS);
    return 0;
}

/* --- the other domain --- */

static long event_round_trip(unsigned i)
{
    uint64_t before = child_answers();
    long rc = port_send(child_port);

    (void)i;
    child_wait_for_answer(before);
    return rc;
}

/* The other end has the mark of the measurement's end in its handler. */
static long event_one_way(unsigned i)
{
    uint64_t before = child_answers();
    bool measured = i == WARM - 1;
    long rc;

    child->mode = measured ? CHILD_MARKS : CHILD_ANSWERS;
    if (measured)
        bench_begin();
    rc = port_send(child_port);
    child_wait_for_answer(before);
    child->mode = CHILD_ANSWERS;
    return rc;
}

#define ROW(f) { .name = #f, .operate = f }
static const struct row rows[] = {
    { .name = "event_self", .operate = event_self, .before = before_self, .after = mask },
    { .name = "timer_due", .operate = timer_due, .before = before_timer, .after = mask },
    { .name = "timer_sleep", .operate = timer_sleep, .before = before_timer, .after = mask },
    ROW(event_round_trip),
    { .name = "event_to_domain", .operate = event_one_way, .repeats = WARM, .marks_itself = true },
    { .name = NULL },
};

const struct family events = { prepare, rows, NULL };
