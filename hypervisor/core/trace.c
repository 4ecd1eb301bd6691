/* SPDX-License-Identifier: MIT */
/*
 * Trace records: each CPU writes its own into its own ring of frames, domain 0
 * reads them there and moves the reader's end.
 *
 *   record: event and number of data words, the CPU's cycles (two words), data
 *
 * A record never wraps around the ring's end: where it would, TRC_TRACE_WRAP_BUFFER
 * fills what is left.  Where there is no room records are counted, and once
 * there is room TRC_LOST_RECORDS tells how many are missing since when.
 */
#include "trace_private.h"

#include <zelo/domain.h>
#include <zelo/event.h>
#include <zelo/softirq.h>

#define WORD sizeof(u32)
#define HEAD_WORDS 1
#define TIMED_WORDS 3 /* the head with its cycles */
#define RECORD_WORDS_MAX (TIMED_WORDS + TRACE_EXTRA_MAX)

DEFINE_PER_CPU(struct trace_cpu, trace_cpus);
bool trace_on;
u32 trace_events = TRC_ALL;
cpumask_t trace_cpu_mask;

/* --- the ring --- */

/* The word at an offset from the struct t_buf; offsets are multiples of a word, so none lies on two frames. */
static u32 *ring_word(const struct trace_cpu *t, u32 offset)
{
    u8 *frame = mfn_to_virt(MFN(t->frames[offset >> PAGE_SHIFT]));

    return (u32 *)(frame + (offset & PAGE_OFFSET_MASK));
}

static u32 ring_position(const struct trace_cpu *t, u32 end)
{
    return end < t->bytes ? end : end - t->bytes;
}

/* Bytes that the reader has not taken yet; all of them if what it says cannot be. */
static u32 ring_used(const struct trace_cpu *t)
{
    u32 read = READ_ONCE(*ring_word(t, offsetof(struct t_buf, cons))), used;

    if (read >= 2 * t->bytes || read % WORD)
        return t->bytes;
    used = t->written >= read ? t->written - read : t->written + 2 * t->bytes - read;
    return MIN(used, t->bytes);
}

static void ring_put(struct trace_cpu *t, const u32 *words, unsigned n)
{
    u32 at = ring_position(t, t->written);

    for (unsigned i = 0; i < n; i++)
        WRITE_ONCE(*ring_word(t, (u32)(sizeof(struct t_buf) + at + i * WORD)), words[i]);
    t->written += (u32)(n * WORD);
    if (t->written >= 2 * t->bytes)
        t->written -= 2 * t->bytes;
    smp_wmb(); /* the record is there before the reader, who reads prod first, is told of it */
    WRITE_ONCE(*ring_word(t, offsetof(struct t_buf, prod)), t->written);
}

/* --- records --- */

/* Lays a record out; returns its words. */
static unsigned record_make(u32 *out, u32 event, bool timed, u64 cycles, const u32 *data, unsigned n)
{
    unsigned head = timed ? TIMED_WORDS : HEAD_WORDS;

    out[0] = event | (u32)n << TRACE_EXTRA_SHIFT | (timed ? (u32)TRC_HD_CYCLE_FLAG : 0);
    if (timed) {
        out[1] = (u32)cycles;
        out[2] = (u32)(cycles >> 32);
    }
    for (unsigned i = 0; i < n; i++)
        out[head + i] = data[i];
    return head + n;
}

/* Fills the ring's last words, fewer than a record may have. */
static void ring_fill_end(struct trace_cpu *t, unsigned words, u64 cycles)
{
    static const u32 nothing[TRACE_EXTRA_MAX];
    bool timed = words > HEAD_WORDS + TRACE_EXTRA_MAX;
    u32 record[RECORD_WORDS_MAX];

    record_make(record, TRC_TRACE_WRAP_BUFFER, timed, cycles, nothing,
                words - (timed ? TIMED_WORDS : HEAD_WORDS));
    ring_put(t, record, words);
}

static void record_put(struct trace_cpu *t, u32 event, u64 cycles, const u32 *data, unsigned n)
{
    u32 record[RECORD_WORDS_MAX];
    unsigned words = record_make(record, event, true, cycles, data, n);
    u32 left = (u32)((t->bytes - ring_position(t, t->written)) / WORD);

    if (left < words)
        ring_fill_end(t, left, cycles);
    ring_put(t, record, words);
}

/* How many, which vCPU ran then, since when. */
static void record_put_lost(struct trace_cpu *t, u64 cycles)
{
    const struct vcpu *v = current;
    u32 data[4] = { t->lost, v->domain->id | v->id << 16, (u32)t->lost_since, (u32)(t->lost_since >> 32) };

    record_put(t, TRC_LOST_RECORDS, cycles, data, ARRAY_SIZE(data));
    t->lost = 0;
}

static void record_append(struct trace_cpu *t, u32 event, const u32 *data, unsigned n)
{
    /* Two records, if some were lost, and the filling of the end. */
    u32 room = (t->lost ? 3 : 2) * (u32)(RECORD_WORDS_MAX * WORD), before = ring_used(t);
    u64 cycles = arch_cycles();

    if (t->bytes - before < room) {
        if (!t->lost++)
            t->lost_since = cycles;
        return;
    }
    if (t->lost)
        record_put_lost(t, cycles);
    record_put(t, event, cycles, data, n);
    /* Half full: time to read.  Locks may be held here, so the event is sent on the way out. */
    if (before < t->bytes / 2 && ring_used(t) >= t->bytes / 2)
        softirq_raise(SOFTIRQ_TRACE);
}

/* An event is asked for if the mask has its class and its subclass. */
static bool event_wanted(u32 event)
{
    u32 both = READ_ONCE(trace_events) & event;

    return both >> TRC_CLS_SHIFT && both >> TRC_SUBCLS_SHIFT & 0xf;
}

void trace_record(u32 event, const u32 *data, unsigned n)
{
    unsigned long flags = arch_irq_save();
    struct trace_cpu *t = &this_cpu_var(trace_cpus);

    if (atomic_read_acquire(&t->frames) && cpumask_test(&trace_cpu_mask, this_cpu()) && event_wanted(event))
        record_append(t, event, data, n);
    arch_irq_restore(flags);
}

static void trace_softirq(void)
{
    event_send_host_virq(VIRQ_TBUF);
}

void trace_room_init(void)
{
    cpumask_fill(&trace_cpu_mask);
    softirq_register(SOFTIRQ_TRACE, trace_softirq);
}
