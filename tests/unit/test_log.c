/* SPDX-License-Identifier: MIT */
/* core/log.c: what loglvl= and guest_loglvl= let through, wrong words in them, and that a panic is heard in any case. */
#include "unit.h"

#define log_msg tested_log_msg
#define log_guest tested_log_guest
#include "core/log.c"

static char said[4096];
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_wrong_words),
        cmocka_unit_test(test_panic_is_heard),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
