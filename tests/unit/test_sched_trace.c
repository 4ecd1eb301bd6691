/* SPDX-License-Identifier: MIT */
/* What the scheduler tells: trace records of its switches, the debug key's list while vCPUs run. */
#include "sched_fixture.h"
#include "said_fixture.h"

#include <zelo/trace.h>

/* --- records, as they come --- */

bool trace_on;
static struct record { u32 event, words[TRACE_EXTRA_MAX]; unsigned n; } records[4096];
static unsigned record_count;

void trace_record(u32 event, const u32 *data, unsigned n)
{
    if (record_count == ARRAY_SIZE(records))
        return;
    records[record_count].event = event;
    records[record_count].n = n;
    memcpy(records[record_count++].words, data, n * sizeof(*data));
}

static int end(void **state)
{
    trace_on = false;
    return each_end(state);
}

/* How many records there are of the event with these first two words. */
static unsigned recorded(u32 event, const struct vcpu *v)
{
    unsigned n = 0;

    for (unsigned i = 0; i < record_count; i++)
        n += records[i].event == event && records[i].n >= 2 && records[i].words[0] == v->domain->id &&
             records[i].words[1] == v->id;
    return n;
}

static void test_two_on_one_cpu(void **state)
{
    struct domain *a = make_domain(1), *b = make_domain(1);

    pin(a->vcpu[0], 1);
    pin(b->vcpu[0], 1);
    settle();
    record_count = 0;
    trace_on = true;
    run_for(MILLISECS(200));
    trace_on = false;
    assert_true(recorded(TRC_SCHED_SWITCH_INFPREV, a->vcpu[0]) > 2);
    assert_true(recorded(TRC_SCHED_SWITCH_INFNEXT, a->vcpu[0]) > 2);
    assert_true(recorded(TRC_SCHED_SWITCH, b->vcpu[0]) > 2);
    for (unsigned i = 0; i < record_count; i++) {
        if (records[i].event != TRC_SCHED_SWITCH)
            continue;
        assert_int_equal(records[i].n, 4);
        /* from one to the other */
        assert_int_equal(records[i].words[0] + records[i].words[2], a->id + b->id);
    }
}

/* Each says how long it ran: in sum the time that passed. */
static void test_times_add_up(void **state)
{
    struct domain *a = make_domain(1), *b = make_domain(1);
    u64 ran = 0;

    pin(a->vcpu[0], 1);
    pin(b->vcpu[0], 1);
    settle();
    run_for(MILLISECS(100));
    record_count = 0;
    trace_on = true;
    run_for(MILLISECS(500));
    trace_on = false;
    for (unsigned i = 0; i < record_count; i++)
        if (records[i].event == TRC_SCHED_SWITCH_INFPREV)
            ran += records[i].words[2];
    assert_near(ran / 1000000, 500, 10);
}

static void test_one_goes_on(void **state)
{
    struct domain *a = make_domain(1);
    struct vcpu *v = a->vcpu[0];

    settle();
    record_count = 0;
    trace_on = true;
    softirq_raise_on(v->processor, SOFTIRQ_SCHEDULE); /* nobody else wants the CPU */
    settle();
    trace_on = false;
    assert_int_equal(recorded(TRC_SCHED_SWITCH_INFCONT, v), 1);
    assert_int_equal(recorded(TRC_SCHED_SWITCH_INFPREV, v), 0);
}

static void test_dump_while_running(void **state)
{
    struct domain *a = make_domain(1), *b = make_domain(1);
    char line[64];

    pin(a->vcpu[0], 1);
    pin(b->vcpu[0], 1);
    set_params(b, 1000, 0);
    settle();
    said[0] = 0;
    sched_dump('r');
    assert_int_equal(host_locks_held(), 0);
    snprintf(line, sizeof(line), "runs  d%uv0", on_cpu[1]->domain->id);
    assert_non_null(strstr(said, line));
    snprintf(line, sizeof(line), "waits d%dv0", a->id + b->id - on_cpu[1]->domain->id);
    assert_non_null(strstr(said, line));
    assert_non_null(strstr(said, "weight 1000"));
    assert_non_null(strstr(said, ", runs\n"));
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, end)
    const struct CMUnitTest tests[] = {
        T(test_two_on_one_cpu), T(test_times_add_up), T(test_one_goes_on), T(test_dump_while_running),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
