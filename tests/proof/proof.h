/* SPDX-License-Identifier: MIT */
/* What every proof includes.  README.md tells how they are made. */
#ifndef TESTS_PROOF_H
#define TESTS_PROOF_H

#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/log.h>
#include <zelo/page.h>

#define prove(c) __CPROVER_assert((c), #c)
#define assume(c) __CPROVER_assume(c)

/* Anything at all. */
bool nondet_bool(void);
u8 nondet_u8(void);
u16 nondet_u16(void);
u32 nondet_u32(void);
u64 nondet_u64(void);
int nondet_int(void);

struct vcpu *proof_current;

/* BUG_ON and its like are claims. */
void panic(const char *fmt, ...)
{
    (void)fmt;
    __CPROVER_assert(0, "no BUG");
    assume(0);
}

/* The end of a proof, which must be reached: prove.sh wants this one claim to fail. */
#define proof_end() __CPROVER_assert(0, "reached")

#endif
