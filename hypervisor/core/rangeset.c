/* SPDX-License-Identifier: MIT */
/*
 * Sets of numbers as ranges, in a list that is sorted, disjoint and maximal:
 * between two neighbours lies at least one number that is not in the set.
 *
 * Memory is allocated before the lock is taken, for the lock is a leaf.
 */
#include <zelo/rangeset.h>

#include <zelo/errno.h>
#include <zelo/log.h>
#include <zelo/page.h>

struct range { struct list link; u64 first, last; };

void rangeset_init(struct rangeset *r)
{
    spin_lock_init(&r->lock, LOCK_LEAF);
    list_init(&r->ranges);
}

/* True if a range ending at last reaches a range starting at first, or touches it. */
static bool range_reaches(u64 last, u64 first)
{
    return last >= first || last + 1 == first;
}

static void range_unlink(struct range *x, struct list *dead)
{
    list_remove(&x->link);
    list_push_back(dead, &x->link);
}

static void ranges_free(struct list *dead)
{
    struct range *x, *tmp;

    list_for_each_safe(x, tmp, dead, link)
        mem_free(x);
}

int rangeset_add(struct rangeset *r, u64 first, u64 last)
{
    struct range *fresh, *x, *tmp;
    struct list dead = LIST_INIT(dead), *at = &r->ranges;
    unsigned long flags;

    if (first > last)
        return -EINVAL;
    fresh = mem_alloc_type(struct range);
    if (!fresh)
        return -ENOMEM;
    spin_lock_irqsave(&r->lock, flags);
    list_for_each_safe(x, tmp, &r->ranges, link) {
        if (!range_reaches(x->last, first)) {
            at = &x->link;
            continue;
        }
        if (!range_reaches(last, x->first))
            break;
        first = MIN(first, x->first);
        last = MAX(last, x->last);
        range_unlink(x, &dead);
    }
    fresh->first = first;
    fresh->last = last;
    list_insert_after(at, &fresh->link);
    spin_unlock_irqrestore(&r->lock, flags);
    ranges_free(&dead);
    return 0;
}

/* Takes [first, last] out of x, which overlaps it; *spare becomes the upper part of a split. */
static void range_cut(struct range *x, u64 first, u64 last, struct range **spare, struct list *dead)
{
    if (x->first < first && x->last > last) {
        BUG_ON(!*spare); /* ranges are disjoint: one at most is split */
        (*spare)->first = last + 1;
        (*spare)->last = x->last;
        list_insert_after(&x->link, &(*spare)->link);
        *spare = NULL;
        x->last = first - 1;
    } else if (x->first < first) {
        x->last = first - 1;
    } else if (x->last > last) {
        x->first = last + 1;
    } else {
        range_unlink(x, dead);
    }
}

int rangeset_remove(struct rangeset *r, u64 first, u64 last)
{
    struct range *spare, *x, *tmp;
    struct list dead = LIST_INIT(dead);
    unsigned long flags;

    if (first > last)
        return -EINVAL;
    spare = mem_alloc_type(struct range);
    if (!spare)
        return -ENOMEM;
    spin_lock_irqsave(&r->lock, flags);
    list_for_each_safe(x, tmp, &r->ranges, link) {
        if (x->first > last)
            break;
        if (x->last >= first)
            range_cut(x, first, last, &spare, &dead);
    }
    spin_unlock_irqrestore(&r->lock, flags);
    mem_free(spare);
    ranges_free(&dead);
    return 0;
}

bool rangeset_contains(struct rangeset *r, u64 first, u64 last)
{
    unsigned long flags;
    bool found = false;
    struct range *x;

    spin_lock_irqsave(&r->lock, flags);
    list_for_each(x, &r->ranges, link) {
        if (x->last < first)
            continue;
        found = x->first <= first && last <= x->last;
        break;
    }
    spin_unlock_irqrestore(&r->lock, flags);
    return found && first <= last;
}

bool rangeset_is_empty(struct rangeset *r)
{
    return list_empty(&r->ranges);
}

void rangeset_destroy(struct rangeset *r)
{
    struct list dead = LIST_INIT(dead);
    struct range *x, *tmp;
    unsigned long flags;

    spin_lock_irqsave(&r->lock, flags);
    list_for_each_safe(x, tmp, &r->ranges, link)
        range_unlink(x, &dead);
    spin_unlock_irqrestore(&r->lock, flags);
    ranges_free(&dead);
}

/* The first range that ends at or after from. */
static bool rangeset_next(struct rangeset *r, u64 from, u64 *first, u64 *last)
{
    unsigned long flags;
    bool found = false;
    struct range *x;

    spin_lock_irqsave(&r->lock, flags);
    list_for_each(x, &r->ranges, link) {
        if (x->last < from)
            continue;
        *first = x->first;
        *last = x->last;
        found = true;
        break;
    }
    spin_unlock_irqrestore(&r->lock, flags);
    return found;
}

/* fn runs without the lock, so it may change the set; it then sees the ranges above the last one as they are. */
int rangeset_for_each(struct rangeset *r, int (*fn)(u64 first, u64 last, void *ctx), void *ctx)
{
    u64 from = 0, first, last;

    while (rangeset_next(r, from, &first, &last)) {
        int rc = fn(first, last, ctx);

        if (rc || last == ~0ULL)
            return rc;
        from = last + 1;
    }
    return 0;
}
