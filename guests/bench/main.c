/* SPDX-License-Identifier: MIT */
/*
 * Measures all rows, then prints "bench: guest.NAME OPERATIONS" for each in the
 * order of their marks, and "bench: done".  Nothing is printed before, as the
 * hypervisor writes to its serial line while the guest goes on.
 *
 * On a machine whose time is a count of instructions a batch of operations takes
 * the same time again once everything is warm.  A batch that does not, since an
 * interrupt of the hypervisor's own came between, is begun anew.
 */
#include "bench.h"

#include "../../bench/mark.h"

#define ATTEMPTS 32u
#define ROWS 128u

static struct { const char *name; unsigned operations; } measured[ROWS];
static unsigned rows_measured;

void must(const char *what, long rc)
{
    if (!rc)
        return;
    print("bench: FAIL %s gives %ld\n", what, rc);
    guest_shutdown(SHUTDOWN_crash);
}

static uint64_t tsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) :: "memory");
    return (uint64_t)hi << 32 | lo;
}

static unsigned repeats_of(const struct row *r) { return r->repeats ? r->repeats : REPEATS; }

static void operate(const struct row *r)
{
    unsigned n = repeats_of(r);
    long bad = 0;

    for (unsigned i = 0; i < n; i++)
        bad |= r->operate(i);
    must(r->name, bad);
}

/* True: it was the measurement. *took is of the batch before, and then of this one. */
static bool batch(const struct row *r, uint64_t *took)
{
    uint64_t start, now;
    bool again;

    if (r->before)
        r->before();
    start = tsc();
    bench_begin();
    operate(r);
    now = tsc() - start;
    again = now == *took;
    if (again)
        bench_end();
    *took = now;
    if (r->after)
        r->after();
    return again;
}

static void measure(const struct row *r)
{
    uint64_t took = 0;

    for (unsigned i = 0; i < ATTEMPTS; i++)
        if (batch(r, &took))
            return;
    must(r->name, -1); /* never the same twice */
}

static void measure_family(const struct family *f)
{
    if (f->prepare)
        f->prepare();
    for (const struct row *r = f->rows; r->name; r++) {
        if (r->marks_itself)
            operate(r);
        else
            measure(r);
        measured[rows_measured].name = r->name;
        measured[rows_measured++].operations = r->marks_itself ? 1 : repeats_of(r) * (r->each ? r->each : 1);
        must("room for rows", rows_measured == ROWS);
    }
    if (f->finish)
        f->finish();
}

void guest_main(void)
{
    static const struct family *const families[] = {
        &hypercalls, &memory_operations, &traps, &user_mode, &events, &grants, &switches, &two_vcpus,
    };

    if (!(start_info->flags & SIF_INITDOMAIN))
        child_main();
    HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(families); i++)
        measure_family(families[i]);
    for (unsigned i = 0; i < rows_measured; i++)
        print("bench: guest.%s %u\n", measured[i].name, measured[i].operations);
    print("bench: done\n");
}
