/* SPDX-License-Identifier: MIT */
/* The real one, with accesses to shared memory as <zelo/atomic.h> beside this has them. */
#ifndef PROOF_ZELO_TYPES_H
#define PROOF_ZELO_TYPES_H

#include_next <zelo/types.h>

#undef READ_ONCE
#undef WRITE_ONCE
#define READ_ONCE(x) atomic_read(&(x))
#define WRITE_ONCE(x, v) atomic_set(&(x), (v))

#include <zelo/atomic.h>

#endif
