/* SPDX-License-Identifier: MIT */
/*
 * Work that a CPU does on its way out of the hypervisor (and in the idle
 * loop), with interrupts enabled and no locks held.  core/softirq.c.
 */
#ifndef ZELO_SOFTIRQ_H
#define ZELO_SOFTIRQ_H

#include <zelo/atomic.h>
#include <zelo/list.h>
#include <zelo/types.h>
#include <arch/seam.h>

enum softirq {
    SOFTIRQ_TIMER, SOFTIRQ_SCHEDULE, SOFTIRQ_TASKLET, SOFTIRQ_TIME_CALIBRATE, SOFTIRQ_NMI, SOFTIRQ_TRACE,
    SOFTIRQ_COUNT
};

void softirq_register(enum softirq nr, void (*fn)(void));
void softirq_raise(enum softirq nr);               /* on this CPU; any context */
void softirq_raise_on(unsigned cpu, enum softirq nr); /* kicks the CPU */
static inline bool softirq_pending(void) { return atomic_read(this_cpu_softirqs()); } /* on this CPU */
/* Runs all pending softirqs of this CPU; may switch vCPUs and then not return. */
void softirq_run(void);
/* Runs all but SOFTIRQ_SCHEDULE: for long work of the hypervisor itself. */
void softirq_run_no_schedule(void);

/* A function run once for each time it is scheduled, on the chosen CPU, never twice at a time. */
struct tasklet {
    struct list link; /* queue lock */
    void (*fn)(void *);
    void *data;
    int cpu;          /* where queued or running; -1: neither */
    bool running, dead;
};
void tasklet_init(struct tasklet *t, void (*fn)(void *), void *data);
void tasklet_schedule(struct tasklet *t);              /* on this CPU */
void tasklet_schedule_on(struct tasklet *t, unsigned cpu);
void tasklet_kill(struct tasklet *t);                  /* waits until it does not run */
void tasklet_room_init(void);

#endif
