/* SPDX-License-Identifier: MIT */
/* core/log.c: what loglvl= and guest_loglvl= let through and how much of it, wrong words in them, panics, lines. */
#include "unit.h"

#define log_msg tested_log_msg
#define log_guest tested_log_guest
#include "core/log.c"

static char said[16384];
static bool in_panic;

void console_write(const char *s, size_t n)
{
    assert_true(strlen(said) + n < sizeof(said));
    strncat(said, s, n);
}

bool console_in_panic(void) { return in_panic; }

static bool hears(enum log_level level, bool guest)
{
    said[0] = 0;
    if (guest)
        log_guest(level, "x\n");
    else
        log_msg(level, "x\n");
    return said[0];
}

static int setup(void **state)
{
    host_init(1);
    return 0;
}

static void test_levels(void **state)
{
    assert_true(hears(LOG_INFO, false));
    assert_false(hears(LOG_DEBUG, false));
    assert_true(hears(LOG_WARNING, true));
    assert_false(hears(LOG_INFO, true));
    console_set_levels("error", "all");
    assert_true(hears(LOG_ERR, false));
    assert_false(hears(LOG_WARNING, false));
    assert_true(hears(LOG_DEBUG, true));
    console_set_levels("error/info", "none/error");
    assert_true(hears(LOG_INFO, false));
    assert_false(hears(LOG_WARNING, true));
}

static void expect_complaint(const char *loglvl, const char *guest_loglvl, const char *about)
{
    console_set_levels("info", NULL);
    said[0] = 0;
    console_set_levels(loglvl, guest_loglvl);
    if (about)
        assert_non_null(strstr(said, about));
    else
        assert_string_equal(said, "");
}

static void test_wrong_words(void **state)
{
    expect_complaint("al", NULL, "loglvl=al:");
    assert_true(hears(LOG_INFO, false)); /* left as it was */
    expect_complaint("none/", NULL, "loglvl=none/");
    expect_complaint("info/all/none", NULL, "loglvl=info/all/none");
    expect_complaint(NULL, "loud", "guest_loglvl=loud");
    expect_complaint("none", "bad/worse", "guest_loglvl=bad/worse");
    expect_complaint("all", "error/all", NULL);
}

static void test_panic_is_heard(void **state)
{
    console_set_levels("none", "none");
    assert_false(hears(LOG_ERR, false));
    in_panic = true;
    assert_true(hears(LOG_ERR, false));
    assert_true(hears(LOG_INFO, false));
    in_panic = false;
}

/* --- how much --- */

static unsigned count_of(char c)
{
    unsigned n = 0;

    for (const char *at = said; *at; at++)
        n += *at == c;
    return n;
}

/* A guest that makes the hypervisor complain all the time: a burst, then so many a second, and how many were left out. */
static void test_a_flood_of_guests(void **state)
{
    said[0] = 0;
    console_set_levels("info", "none/all");
    host_time += 1000000000LL * 3600;
    for (unsigned i = 0; i < 1000; i++)
        log_guest(LOG_ERR, "x\n");
    assert_in_range(count_of('x'), 100, 500);
    assert_null(strstr(said, "suppressed"));
    said[0] = 0;
    host_time += 1000000000;
    for (unsigned i = 0; i < 1000; i++)
        log_guest(LOG_ERR, "x\n");
    assert_in_range(count_of('x'), 10, 100);
    assert_non_null(strstr(said, "messages suppressed\n"));
    assert_true(hears(LOG_ERR, false)); /* the host's own are not held back */
}

static void test_a_flood_of_what_is_always_wanted(void **state)
{
    said[0] = 0;
    console_set_levels(NULL, "error/all");
    for (unsigned i = 0; i < 300; i++)
        log_guest(LOG_ERR, "x\n");
    assert_int_equal(count_of('x'), 300);
}

/* An NMI in the middle of the count must not wait for what it interrupted. */
static void test_in_an_interrupt(void **state)
{
    console_set_levels("info", "none/all");
    spin_lock(&guest_filter.lock);
    assert_true(hears(LOG_ERR, true));
    spin_unlock(&guest_filter.lock);
}

/* --- lines --- */

static void test_lines(void **state)
{
    console_set_levels("info", NULL);
    said[0] = 0;
    log_msg(LOG_ERR, "one, ");
    log_msg(LOG_ERR, "%s", "");
    log_msg(LOG_ERR, "two\n");
    log_msg(LOG_ERR, "three\n");
    assert_string_equal(said, "(ZELO) one, two\n(ZELO) three\n");
}

static void test_a_line_that_is_too_long(void **state)
{
    char much[2000];

    memset(much, 'y', sizeof(much) - 1);
    much[sizeof(much) - 1] = 0;
    said[0] = 0;
    log_msg(LOG_ERR, "%s", much);
    assert_in_range(strlen(said), 400, 600);
    assert_int_equal(said[strlen(said) - 1], '\n'); /* what comes next begins a line */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_wrong_words),
        cmocka_unit_test(test_panic_is_heard),
        cmocka_unit_test(test_a_flood_of_guests),
        cmocka_unit_test(test_a_flood_of_what_is_always_wanted),
        cmocka_unit_test(test_in_an_interrupt),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_a_line_that_is_too_long),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
