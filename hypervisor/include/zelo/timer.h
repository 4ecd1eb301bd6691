/* SPDX-License-Identifier: MIT */
/* One-shot timers, a pairing heap for each CPU. Callbacks run in softirq context. core/timer.c */
#ifndef ZELO_TIMER_H
#define ZELO_TIMER_H

#include <zelo/types.h>

struct timer {
    ns_t expires;
    void (*fn)(void *);
    void *data;
    unsigned cpu;
    struct timer *child, *sibling, *prev; /* links of the heap; heap lock of cpu, as all of this */
    bool queued, killed, moving;          /* moving: between two heaps */
};

void timer_room_init(void);
void timer_cpu_init(unsigned cpu); /* before the CPU sets its first timer */
void timer_init(struct timer *t, void (*fn)(void *), void *data, unsigned cpu);
void timer_set(struct timer *t, ns_t expires);   /* absolute system time; past: at once */
void timer_stop(struct timer *t);
void timer_migrate(struct timer *t, unsigned cpu);
void timer_kill(struct timer *t);                /* stops it and waits for its callback */
/* From the timer interrupt: raises SOFTIRQ_TIMER. */
void timer_interrupt(void);

#endif
