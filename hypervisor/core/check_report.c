/* SPDX-License-Identifier: MIT */
/* What the invariant checker has to say: counted, and the first few in the log. */
#include "check_private.h"

#include <zelo/lib.h>
#include <zelo/log.h>

#define VIOLATIONS_TOLD 32 /* one mistake often shows in many frames */

static unsigned violations;

void check_violation(const char *fmt, ...)
{
    char what[160];
    va_list ap;

    if (violations++ >= VIOLATIONS_TOLD)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    log_err("invariants: %s\n", what);
}

void check_report_begin(void)
{
    violations = 0;
}

unsigned check_report_end(void)
{
    if (violations > VIOLATIONS_TOLD)
        log_err("invariants: and %u more\n", violations - VIOLATIONS_TOLD);
    return violations;
}
