/* SPDX-License-Identifier: MIT */
/*
 * Measures all rows, then prints "bench: guest.NAME OPERATIONS" for each in the
 * order of their marks, and "bench: done".  Nothing is printed before, as the
 * hypervisor writes to its serial line while the guest goes on.
 *
 * On a machine whose time is a count of instructions a batch of operations takes
 * the same time again once everything is warm.  A batch that does not, since an
 * interrupt of the hypervisor's own came between, is begun anew.  If none ever
 * does, the last is taken, and "bench: unsteady guest.NAME" says so.
 */
#include "bench.h"

#include "../../bench/mark.h"

#define ATTEMPTS 32u
#define ROWS 128u

static struct { const char *name; unsigned operations; bool steady; } measured[ROWS];
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

/* How long a batch took. It is the measurement if it took as long as the one before, or must be. */
static uint64_t batch(const struct row *r, uint64_t before, bool last)
{
    uint64_t start, took;

    if (r->before)
        r->before();
    start = tsc();
    bench_begin();
    operate(r);
    took = tsc() - start;
    if (took == before || last)
        bench_end();
    if (r->after)
        r->after();
    return took;
}

/* False: no batch took as long as the one before. */
static bool measure(const struct row *r)
{
    uint64_t before = 0;

    for (unsigned left = ATTEMPTS; left--;) {
        uint64_t took = batch(r, before, !left);

        if (took == before)
            return true;
        before = took;
    }
    return false;
}

static void measure_row(const struct row *r)
{
    unsigned n = rows_measured++;

    must("room for rows", n == ROWS);
    measured[n].name = r->name;
    measured[n].operations = r->marks_itself ? 1 : repeats_of(r) * (r->each ? r->each : 1);
    measured[n].steady = true;
    if (r->marks_itself)
        operate(r);
    else
        measured[n].steady = measure(r);
}

static void measure_family(const struct family *f)
{
    if (f->prepare)
        f->prepare();
    for (const struct row *r = f->rows; r->name; r++)
        measure_row(r);
    if (f->finish)
        f->finish();
}

static void tell(void)
{
    for (unsigned i = 0; i < rows_measured; i++)
        print("bench: guest.%s %u\n", measured[i].name, measured[i].operations);
    for (unsigned i = 0; i < rows_measured; i++)
        if (!measured[i].steady)
            print("bench: unsteady guest.%s\n", measured[i].name);
    print("bench: done\n");
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
    tell();
}
