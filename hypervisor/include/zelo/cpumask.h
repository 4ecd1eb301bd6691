/* SPDX-License-Identifier: MIT */
/* Sets of physical CPUs.  Bits change atomically; what reads a mask whole reads each word once. */
#ifndef ZELO_CPUMASK_H
#define ZELO_CPUMASK_H

#include <zelo/atomic.h>
#include <zelo/lib.h>

#define MAX_CPUS 256u /* physical CPUs this build can drive; more are reported and left off */

typedef struct { unsigned long bits[BITMAP_LONGS(MAX_CPUS)]; } cpumask_t;

extern cpumask_t cpu_online;   /* CPUs that run the scheduler */
extern cpumask_t cpu_possible; /* CPUs found in the MADT and not cut by maxcpus= */

static inline bool cpumask_test(const cpumask_t *m, unsigned cpu) { return atomic_test_bit(m->bits, cpu); }
static inline void cpumask_set(cpumask_t *m, unsigned cpu) { atomic_set_bit(m->bits, cpu); }
static inline void cpumask_clear(cpumask_t *m, unsigned cpu) { atomic_clear_bit(m->bits, cpu); }
static inline unsigned cpumask_next(const cpumask_t *m, unsigned from) { return bitmap_next_set(m->bits, MAX_CPUS, from); }
static inline unsigned cpumask_first(const cpumask_t *m) { return cpumask_next(m, 0); }
static inline bool cpumask_empty(const cpumask_t *m) { return cpumask_first(m) >= MAX_CPUS; }
static inline unsigned cpumask_weight(const cpumask_t *m) { return bitmap_weight(m->bits, MAX_CPUS); }
static inline void cpumask_zero(cpumask_t *m) { memset(m, 0, sizeof(*m)); }
static inline void cpumask_fill(cpumask_t *m) { memset(m, 0xff, sizeof(*m)); }
static inline void cpumask_and(cpumask_t *d, const cpumask_t *a, const cpumask_t *b)
{
    for (size_t i = 0; i < ARRAY_SIZE(d->bits); i++)
        d->bits[i] = READ_ONCE(a->bits[i]) & READ_ONCE(b->bits[i]);
}
/* Of a mask that others change bits of; d is the caller's own. */
static inline void cpumask_copy(cpumask_t *d, const cpumask_t *s)
{
    for (size_t i = 0; i < ARRAY_SIZE(d->bits); i++)
        d->bits[i] = READ_ONCE(s->bits[i]);
}
static inline bool cpumask_equal(const cpumask_t *a, const cpumask_t *b) { return !memcmp(a, b, sizeof(*a)); }
#define for_each_cpu(cpu, mask) \
    for (cpu = cpumask_first(mask); cpu < MAX_CPUS; cpu = cpumask_next(mask, cpu + 1))
#define for_each_online_cpu(cpu) for_each_cpu(cpu, &cpu_online)

#endif
