/* SPDX-License-Identifier: MIT */
/* Hypercalls that stop half-way: when they do is the test's choice, and what they ask for is kept. */
#ifndef TESTS_PREEMPT_FIXTURE_H
#define TESTS_PREEMPT_FIXTURE_H

#include "unit.h"

/* True at every preempt_every-th question, never if 0. */
static unsigned preempt_every, preempt_asked;
bool hypercall_should_preempt(void) { return preempt_every && ++preempt_asked % preempt_every == 0; }

static unused_arg unsigned continued_nr;
static struct hypercall_args continued;
static unused_arg unsigned continuations;
long hypercall_continue(unsigned nr, const struct hypercall_args *next)
{
    continued_nr = nr;
    continued = *next;
    continuations++;
    return -E_PREEMPTED; /* for the tests to see; guests do not */
}

/* Repeats a hypercall until it does not ask to be continued. */
static unused_arg long call_through(hypercall_fn *fn, struct hypercall_args a)
{
    long rc;

    while ((rc = fn(&a)) == -E_PREEMPTED)
        a = continued;
    assert_int_equal(host_locks_held(), 0);
    return rc;
}

#endif
