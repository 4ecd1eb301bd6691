/* SPDX-License-Identifier: MIT */
/* The log as a test reads it: all messages, one after the other, since it was last emptied. */
#ifndef TESTS_SAID_FIXTURE_H
#define TESTS_SAID_FIXTURE_H

#include <zelo/log.h>

static char said[65536];

void log_msg(enum log_level level, const char *fmt, ...)
{
    size_t n = strlen(said);
    va_list ap;

    (void)level;
    va_start(ap, fmt);
    assert_true(n + (size_t)vsnprintf(said + n, sizeof(said) - n, fmt, ap) < sizeof(said) - 1);
    va_end(ap);
}

#endif
