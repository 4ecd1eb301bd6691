/* SPDX-License-Identifier: MIT */
/* core/timer.c, core/softirq.c, core/tasklet.c: order, moving, killing, several CPUs at once. */
#include "unit.h"

#include <zelo/softirq.h>
#include <zelo/timer.h>

#define CPUS 4
#define MANY 500

struct alarm { struct timer timer; unsigned fired; ns_t at; };

static struct alarm alarms[MANY];
static ns_t last_fired;
static bool in_order;

static void alarm_fires(void *data)
{
    struct alarm *a = data;

    a->fired++;
    a->at = time_now();
    in_order = in_order && a->timer.expires >= last_fired;
    last_fired = a->timer.expires;
}

static void nothing(void) {}

static int group_setup(void **state)
{
    host_init(CPUS);
    timer_room_init();
    tasklet_room_init();
    softirq_register(SOFTIRQ_SCHEDULE, nothing);
    softirq_register(SOFTIRQ_TIME_CALIBRATE, nothing);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        timer_cpu_init(cpu);
    return 0;
}

static int setup(void **state)
{
    host_set_cpu(0);
    memset(alarms, 0, sizeof(alarms));
    last_fired = 0;
    in_order = true;
    return 0;
}

static int teardown(void **state)
{
    assert_int_equal(host_locks_held(), 0);
    return 0;
}

static void run_until(ns_t t)
{
    host_time = t;
    timer_interrupt();
    softirq_run();
}

static void test_one(void **state)
{
    ns_t now = host_time;
    struct alarm *a = &alarms[0];

    timer_init(&a->timer, alarm_fires, a, 0);
    timer_set(&a->timer, now + 1000);
    assert_int_equal(host_timer_deadline[0], now + 1000);
    assert_false(host_softirq_pending(0));
    run_until(now + 999);
    assert_int_equal(a->fired, 0);
    assert_int_equal(host_timer_deadline[0], now + 1000);
    run_until(now + 1000);
    assert_int_equal(a->fired, 1);
    assert_int_equal(host_timer_deadline[0], 0);
    run_until(now + 5000);
    assert_int_equal(a->fired, 1);
}

static void test_past_fires_at_once(void **state)
{
    struct alarm *a = &alarms[0];

    timer_init(&a->timer, alarm_fires, a, 0);
    timer_set(&a->timer, host_time - 5);
    assert_true(host_softirq_pending(0));
    softirq_run();
    assert_int_equal(a->fired, 1);
    timer_set(&a->timer, -1);
    softirq_run();
    assert_int_equal(a->fired, 2);
}

static void test_many_random(void **state)
{
    unsigned seed = 99;
    ns_t now = host_time;
    bool set[MANY] = { false };

    for (unsigned i = 0; i < MANY; i++)
        timer_init(&alarms[i].timer, alarm_fires, &alarms[i], 0);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned n = rand_r(&seed) % MANY;

        set[n] = rand_r(&seed) % 3 != 0;
        if (set[n])
            timer_set(&alarms[n].timer, now + 1 + rand_r(&seed) % 10000);
        else
            timer_stop(&alarms[n].timer);
    }
    for (ns_t t = 0; t <= 10000; t += 500) {
        run_until(now + t);
        for (unsigned i = 0; i < MANY; i++)
            assert_int_equal(alarms[i].fired, set[i] && alarms[i].timer.expires <= now + t);
    }
    assert_true(in_order);
}

static void test_set_again_replaces(void **state)
{
    struct alarm *a = &alarms[0];
    ns_t now = host_time;

    timer_init(&a->timer, alarm_fires, a, 0);
    timer_set(&a->timer, now + 10);
    timer_set(&a->timer, now + 50);
    run_until(now + 40);
    assert_int_equal(a->fired, 0);
    run_until(now + 60);
    assert_int_equal(a->fired, 1);
}

static void test_other_cpu_is_kicked(void **state)
{
    struct alarm *a = &alarms[0];
    u64 kicks = host_kicks[2];
    ns_t now = host_time;

    timer_init(&a->timer, alarm_fires, a, 2);
    timer_set(&a->timer, now + 100);
    assert_int_equal(host_kicks[2], kicks + 1);
    assert_true(host_softirq_pending(2));
    host_set_cpu(2);
    softirq_run();
    assert_int_equal(host_timer_deadline[2], now + 100);
    run_until(now + 100);
    assert_int_equal(a->fired, 1);
}

static void test_migrate(void **state)
{
    struct alarm *a = &alarms[0];
    ns_t now = host_time;

    timer_init(&a->timer, alarm_fires, a, 0);
    timer_migrate(&a->timer, 1); /* not set */
    timer_set(&a->timer, now + 100);
    timer_migrate(&a->timer, 3);
    timer_migrate(&a->timer, 3);
    host_set_cpu(1);
    run_until(now + 200);
    assert_int_equal(a->fired, 0);
    host_set_cpu(3);
    softirq_run();
    assert_int_equal(a->fired, 1);
}

static void test_kill(void **state)
{
    struct alarm *a = &alarms[0];

    timer_init(&a->timer, alarm_fires, a, 0);
    timer_set(&a->timer, host_time + 10);
    timer_kill(&a->timer);
    timer_kill(&a->timer);
    timer_set(&a->timer, host_time + 10);
    timer_migrate(&a->timer, 1);
    run_until(host_time + 100);
    assert_int_equal(a->fired, 0);
    timer_kill(&alarms[1].timer); /* never initialised */
}

static void periodic_fires(void *data)
{
    struct alarm *a = data;

    a->fired++;
    timer_set(&a->timer, a->timer.expires + 10);
}

static void test_sets_itself(void **state)
{
    struct alarm *a = &alarms[0];
    ns_t now = host_time;

    timer_init(&a->timer, periodic_fires, a, 0);
    timer_set(&a->timer, now + 10);
    run_until(now + 105); /* catches up */
    assert_int_equal(a->fired, 10);
    assert_int_equal(host_timer_deadline[0], now + 110);
    timer_kill(&a->timer);
}

static void killed_by_itself(void *data)
{
    struct alarm *a = data;

    a->fired++;
    timer_kill(&a->timer); /* does not wait for itself */
}

static void test_kills_itself(void **state)
{
    struct alarm *a = &alarms[0];

    timer_init(&a->timer, killed_by_itself, a, 0);
    timer_set(&a->timer, host_time);
    softirq_run();
    assert_int_equal(a->fired, 1);
}

/* CPU 0 kills while the callback runs on CPU 1: it must wait for its end. */
static bool slow_entered, slow_left;

static void slow_callback(void *data)
{
    atomic_set_release(&slow_entered, true);
    for (unsigned i = 0; i < 2000; i++)
        cpu_relax();
    atomic_set_release(&slow_left, true);
}

static void kill_race(void *arg)
{
    struct alarm *a = arg;

    if (this_cpu() == 1) {
        timer_set(&a->timer, host_time - 1);
        softirq_run();
        return;
    }
    while (!atomic_read_acquire(&slow_entered))
        cpu_relax();
    timer_kill(&a->timer);
    if (!atomic_read_acquire(&slow_left))
        abort();
}

static void test_kill_waits(void **state)
{
    timer_init(&alarms[0].timer, slow_callback, NULL, 1);
    host_run_cpus(2, kill_race, &alarms[0]);
}

/* All CPUs set, stop and move the same timers. */
static void hammer(void *arg)
{
    unsigned seed = this_cpu() + 1;

    for (unsigned i = 0; i < 20000; i++) {
        struct alarm *a = &alarms[rand_r(&seed) % 50];

        switch (rand_r(&seed) % 4) {
        case 0: timer_set(&a->timer, host_time + rand_r(&seed) % 3 - 1); break;
        case 1: timer_stop(&a->timer); break;
        case 2: timer_migrate(&a->timer, rand_r(&seed) % CPUS); break;
        default: softirq_run(); break;
        }
    }
}

static void count_up(void *data) { atomic_add(&((struct alarm *)data)->fired, 1); }

static void test_hammer(void **state)
{
    for (unsigned i = 0; i < 50; i++)
        timer_init(&alarms[i].timer, count_up, &alarms[i], i % CPUS);
    host_run_cpus(CPUS, hammer, NULL);
    for (unsigned i = 0; i < 50; i++)
        timer_set(&alarms[i].timer, host_time + 100);
    host_time += 200;
    for (unsigned i = 0; i < 50; i++)
        alarms[i].fired = 0;
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        host_set_cpu(cpu);
        timer_interrupt();
        softirq_run();
    }
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(alarms[i].fired, 1);
}

/* --- tasklets --- */

struct job { struct tasklet t; unsigned ran; bool again; };

static void job_runs(void *data)
{
    struct job *j = data;

    j->ran++;
    if (j->again) {
        j->again = false;
        tasklet_schedule(&j->t);
    }
}

static void test_tasklet(void **state)
{
    struct job j = { .ran = 0 };

    tasklet_init(&j.t, job_runs, &j);
    tasklet_schedule(&j.t);
    tasklet_schedule(&j.t);
    softirq_run();
    assert_int_equal(j.ran, 1);
    j.again = true;
    tasklet_schedule(&j.t);
    softirq_run();
    assert_int_equal(j.ran, 3);
    tasklet_schedule_on(&j.t, 3);
    softirq_run();
    assert_int_equal(j.ran, 3);
    host_set_cpu(3);
    softirq_run();
    assert_int_equal(j.ran, 4);
    host_set_cpu(0);
    tasklet_schedule(&j.t);
    tasklet_kill(&j.t);
    tasklet_schedule(&j.t);
    softirq_run();
    assert_int_equal(j.ran, 4);
}

static void frees_itself(void *data) { free(data); }

static void test_tasklet_frees_itself(void **state)
{
    struct job *j = malloc(sizeof(*j));

    tasklet_init(&j->t, frees_itself, j);
    tasklet_schedule(&j->t);
    softirq_run(); /* the sanitizer watches */
}

static struct job shared_job;
static unsigned at_once, most_at_once;

static void shared_runs(void *data)
{
    unsigned n = atomic_add_return(&at_once, 1);

    if (n > most_at_once)
        most_at_once = n;
    cpu_relax();
    atomic_sub(&at_once, 1);
    atomic_add(&shared_job.ran, 1);
}

static void tasklet_hammer(void *arg)
{
    for (unsigned i = 0; i < 5000; i++) {
        tasklet_schedule_on(&shared_job.t, (this_cpu() + i) % CPUS);
        softirq_run();
    }
}

static void test_tasklet_never_twice_at_once(void **state)
{
    tasklet_init(&shared_job.t, shared_runs, NULL);
    host_run_cpus(CPUS, tasklet_hammer, NULL);
    assert_int_equal(most_at_once, 1);
    assert_true(shared_job.ran > 0);
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        host_set_cpu(cpu);
        softirq_run();
    }
}

/* The scheduler's softirq comes after the others, and not at all where it must not. */
static char sequence[8];
static void note_schedule(void) { strcat(sequence, "S"); }
static void note_calibrate(void) { strcat(sequence, "C"); }

static void test_softirq_order(void **state)
{
    softirq_register(SOFTIRQ_SCHEDULE, note_schedule);
    softirq_register(SOFTIRQ_TIME_CALIBRATE, note_calibrate);
    softirq_raise(SOFTIRQ_SCHEDULE);
    softirq_raise(SOFTIRQ_TIME_CALIBRATE);
    softirq_run_no_schedule();
    assert_string_equal(sequence, "C");
    assert_true(host_softirq_pending(0));
    softirq_raise(SOFTIRQ_TIME_CALIBRATE);
    softirq_run();
    assert_string_equal(sequence, "CCS");
    assert_false(host_softirq_pending(0));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_one), T(test_past_fires_at_once), T(test_many_random), T(test_set_again_replaces),
        T(test_other_cpu_is_kicked), T(test_migrate), T(test_kill), T(test_sets_itself), T(test_kills_itself),
        T(test_kill_waits), T(test_hammer), T(test_tasklet), T(test_tasklet_frees_itself),
        T(test_tasklet_never_twice_at_once), T(test_softirq_order),
    };

    return cmocka_run_group_tests(tests, group_setup, NULL);
}
