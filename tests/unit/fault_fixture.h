/* SPDX-License-Identifier: MIT */
/* Allocations that fail one by one (zelo/alloc_fault.h), and what must be true after each. */
#ifndef TESTS_FAULT_FIXTURE_H
#define TESTS_FAULT_FIXTURE_H

#include "unit.h"

#include <zelo/alloc_fault.h>

#define FAULTS_MAX 2000

struct usage { u64 pages, objects; };

static struct usage usage_now(void)
{
    return (struct usage){ heap_free_page_count(), alloc_objects() };
}

static void assert_usage(struct usage was)
{
    struct usage now = usage_now();

    assert_int_equal(now.pages, was.pages);
    assert_int_equal(now.objects, was.objects);
}

/* What an attempt may leave: nothing, what it made if it succeeds, also a part of that if it does not. */
enum keeps { KEEPS_NOTHING, KEEPS_ON_SUCCESS, KEEPS_PARTS };

struct faults {
    unsigned failed; /* allocations that did */
    unsigned did_without; /* of these, how often it succeeded all the same */
};

/*
 * The attempt's first allocation as the domain fails, then its second, until
 * it makes no more.  Before that it answers -ENOMEM, or does without.  Nothing
 * is kept but what it may, no lock is held and the invariants hold.
 */
static unused_arg struct faults each_allocation_fails(const struct domain *d, int (*attempt)(void), enum keeps keeps)
{
    struct faults f = { 0, 0 };

    for (unsigned n = 1; n < FAULTS_MAX; n++) {
        struct usage before = usage_now();
        u64 asked;
        int rc;

        alloc_fault_arm(d->id, n);
        rc = attempt();
        asked = alloc_fault_arm(DOMID_INVALID, 0);
        if (rc && (rc != -ENOMEM || asked < n))
            fail_msg("allocation %u of %lu: %d", n, (unsigned long)asked, rc);
        assert_int_equal(host_locks_held(), 0);
        if (keeps == KEEPS_NOTHING || (rc && keeps == KEEPS_ON_SUCCESS))
            assert_usage(before);
        assert_invariants();
        if (asked < n)
            return f;
        f.failed++;
        f.did_without += !rc;
    }
    fail_msg("no end of allocations");
    return f;
}

#endif
