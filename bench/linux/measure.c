/* SPDX-License-Identifier: MIT */
/*
 * Between the marks is the work and nothing else. The kernel's timer, at 250 Hz, would fall into some rows of one
 * machine and not of another; so each begins right after a tick, and the short ones end before the next. What the
 * kernel does less often may still fall into a short row: it is measured several times, and the least of them counts.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "../mark.h"
#include "linuxbench.h"

/* For what earlier work left to the kernel's threads. */
#define SETTLE_MICROSECONDS 50000

static long coarse_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_nsec;
}

static void wait_for_tick(void)
{
    long before;

    usleep(SETTLE_MICROSECONDS);
    before = coarse_time();
    while (coarse_time() == before)
        ;
}

static void repeat(const struct row *row)
{
    for (unsigned i = 0; i < row->repeats; i++)
        row->once();
}

static void prepare(const struct row *row)
{
    if (row->prepare)
        row->prepare();
}

static void finish(const struct row *row)
{
    if (row->finish)
        row->finish();
}

static void measure_once(const struct row *row)
{
    prepare(row);
    wait_for_tick();
    bench_begin();
    repeat(row);
    bench_end();
    finish(row);
    printf("bench: %s %u\n", row->name, row->repeats * row->operations);
    need(!fflush(stdout), "output");
}

void measure(const struct row *row)
{
    prepare(row);
    repeat(row);
    finish(row);
    for (unsigned i = 0; i < row->tries; i++)
        measure_once(row);
}
