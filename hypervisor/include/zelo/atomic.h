/* SPDX-License-Identifier: MIT */
/* Atomic operations, all sequentially consistent unless named otherwise. */
#ifndef ZELO_ATOMIC_H
#define ZELO_ATOMIC_H

#include <zelo/types.h>

#define atomic_read(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define atomic_read_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define atomic_set(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define atomic_set_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define atomic_add(p, v) ((void)__atomic_add_fetch((p), (v), __ATOMIC_SEQ_CST))
#define atomic_sub(p, v) ((void)__atomic_sub_fetch((p), (v), __ATOMIC_SEQ_CST))
#define atomic_add_return(p, v) __atomic_add_fetch((p), (v), __ATOMIC_SEQ_CST)
#define atomic_sub_return(p, v) __atomic_sub_fetch((p), (v), __ATOMIC_SEQ_CST)
#define atomic_fetch_or(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define atomic_fetch_and(p, v) __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
#define atomic_xchg(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
/* Stores v if *p equals *expect and returns true; else loads *expect. */
#define atomic_cas(p, expect, v) \
    __atomic_compare_exchange_n((p), (expect), (v), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

static inline bool atomic_test_bit(const unsigned long *m, unsigned i)
{
    return (atomic_read(&m[i / 64]) >> (i % 64)) & 1;
}
/* Each returns the bit's earlier value. */
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

#define smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

#endif
