/* SPDX-License-Identifier: MIT */
/* Sets of numbers as sorted ranges: I/O ports, I/O frames, IRQs a domain may use. core/rangeset.c */
#ifndef ZELO_RANGESET_H
#define ZELO_RANGESET_H

#include <zelo/list.h>
#include <zelo/lock.h>

struct rangeset { spinlock_t lock; struct list ranges; };

void rangeset_init(struct rangeset *r);
int must_check rangeset_add(struct rangeset *r, u64 first, u64 last);    /* -ENOMEM */
int must_check rangeset_remove(struct rangeset *r, u64 first, u64 last); /* -ENOMEM (a split) */
bool rangeset_contains(struct rangeset *r, u64 first, u64 last);
bool rangeset_is_empty(struct rangeset *r);
void rangeset_destroy(struct rangeset *r);
/* Calls fn for each maximal range until it returns nonzero; returns that. */
int rangeset_for_each(struct rangeset *r, int (*fn)(u64 first, u64 last, void *ctx), void *ctx);

#endif
