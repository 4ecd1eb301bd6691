/* SPDX-License-Identifier: MIT */
/* What the tests of the invariant checker share: what it said of a contradiction that was planted. */
#ifndef TESTS_CHECK_FIXTURE_H
#define TESTS_CHECK_FIXTURE_H

#include "unit.h"

#include "said_fixture.h"

/* The checker reports something, and this among it. */
static bool reports(const char *text)
{
    said[0] = 0;
    return invariants_check() && strstr(said, text) && !host_locks_held();
}

/* While the variable has the value, the checker finds the text; before and after it finds nothing. */
#define FINDS_WITH(variable, value, text)                                     \
    do {                                                                      \
        __typeof__(variable) was_ = (variable);                               \
        bool found_;                                                          \
        assert_invariants();                                                  \
        (variable) = (__typeof__(variable))(value);                           \
        found_ = reports(text);                                               \
        (variable) = was_;                                                    \
        if (!found_)                                                          \
            fail_msg("\"%s\" is not in:\n%s", text, said);                    \
        assert_invariants();                                                  \
    } while (0)

#endif
