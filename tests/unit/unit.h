/* SPDX-License-Identifier: MIT */
/* What every unit test includes: cmocka, the host machine, and the contract's headers. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host.h"

#include <zelo/check.h>
#include <zelo/softirq.h>

static unused_arg bool host_softirq_pending(unsigned cpu) { return atomic_read(cpu_softirqs(cpu)); }

/* What the invariant checker says of the machine now; the test holds nothing that it did not give to a domain. */
static unused_arg void assert_invariants(void)
{
    unsigned violations = invariants_check();

    if (violations)
        fail_msg("%u violations, the last one told: %s", violations, host_log);
}

/* For after a test, or all of a group. */
static unused_arg int invariants_hold(void **state)
{
    (void)state;
    assert_invariants();
    return 0;
}

#endif
