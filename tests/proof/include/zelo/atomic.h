/* SPDX-License-Identifier: MIT */
/*
 * The operations of hypervisor/include/zelo/atomic.h, for the proofs.  Before
 * each one everybody else gets a turn: proof_others(at) changes whatever other
 * CPUs and guests may change at that moment.  After each one that writes,
 * proof_stepped() judges what this CPU did.
 */
#ifndef ZELO_ATOMIC_H
#define ZELO_ATOMIC_H

#include <zelo/types.h>

void proof_others(const volatile void *at);
void proof_stepped(const volatile void *at, u64 was, u64 is);

#define smp_mb() ((void)0)
#define smp_rmb() ((void)0)
#define smp_wmb() ((void)0)

/* One step: *p becomes the expression 'to', in which was_ is what was there; gives was_. */
#define proof_step(p, to)                               \
    ({                                                  \
        proof_others(p);                                 \
        __typeof__(*(p)) was_ = *(p);                   \
        *(p) = (__typeof__(*(p)))(to);                  \
        proof_stepped((p), (u64)was_, (u64)*(p));       \
        was_;                                           \
    })

#define atomic_read(p) ({ proof_others(p); *(p); })
#define atomic_read_acquire(p) atomic_read(p)
#define atomic_set(p, v) ((void)proof_step(p, v))
#define atomic_set_release(p, v) atomic_set(p, v)
#define atomic_add(p, v) ((void)proof_step(p, was_ + (v)))
#define atomic_sub(p, v) ((void)proof_step(p, was_ - (v)))
#define atomic_add_return(p, v) ((__typeof__(*(p)))(proof_step(p, was_ + (v)) + (v)))
#define atomic_sub_return(p, v) ((__typeof__(*(p)))(proof_step(p, was_ - (v)) - (v)))
#define atomic_fetch_or(p, v) proof_step(p, was_ | (v))
#define atomic_fetch_and(p, v) proof_step(p, was_ & (v))
#define atomic_xchg(p, v) proof_step(p, v)
#define atomic_cas(p, expect, v)                                \
    ({                                                          \
        proof_others(p);                                         \
        __typeof__(*(p)) found_ = *(p);                         \
        bool same_ = found_ == *(expect);                       \
        if (same_) {                                            \
            *(p) = (v);                                         \
            proof_stepped((p), (u64)found_, (u64)*(p));         \
        }                                                       \
        *(expect) = found_;                                     \
        same_;                                                  \
    })

static inline bool atomic_test_bit(const unsigned long *m, unsigned i)
{
    return (atomic_read(&m[i / 64]) >> (i % 64)) & 1;
}
static inline bool atomic_test_set_bit(unsigned long *m, unsigned i)
{
    return (atomic_fetch_or(&m[i / 64], 1UL << (i % 64)) >> (i % 64)) & 1;
}
static inline bool atomic_test_clear_bit(unsigned long *m, unsigned i)
{
    return (atomic_fetch_and(&m[i / 64], ~(1UL << (i % 64))) >> (i % 64)) & 1;
}
static inline void atomic_set_bit(unsigned long *m, unsigned i) { (void)atomic_test_set_bit(m, i); }
static inline void atomic_clear_bit(unsigned long *m, unsigned i) { (void)atomic_test_clear_bit(m, i); }

#endif
