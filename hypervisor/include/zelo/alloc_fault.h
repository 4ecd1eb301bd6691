/* SPDX-License-Identifier: MIT */
/*
 * Debug builds can let any one allocation fail, and count small objects, so
 * that what follows a failure can be seen: a clean error, and nothing kept.
 * core/alloc_fault.c
 */
#ifndef ZELO_ALLOC_FAULT_H
#define ZELO_ALLOC_FAULT_H

#include <zelo/types.h>

#include <xen/xen.h>

#ifdef ZELO_DEBUG

/* Of the allocations that vCPUs of the domain ask for from now on, the n-th fails (0: none). Returns how
 * many there were since the call before. */
u64 alloc_fault_arm(domid_t id, u64 n);
/* Asked by the allocators, whatever is asked of them: true if it shall fail. */
bool alloc_fault_now(void);
/* core/slab.c tells what it gave and took back; how many there are. */
void alloc_objects_add(int n);
u64 alloc_objects(void);

#else

static inline bool alloc_fault_now(void) { return false; }
static inline void alloc_objects_add(int n) { (void)n; }

#endif

#endif
