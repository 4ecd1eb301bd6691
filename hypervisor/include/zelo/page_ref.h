/* SPDX-License-Identifier: MIT */
/*
 * References and uses of frames (zelo/page.h) in line, as they mostly go, for the files that take and drop them entry
 * by entry. What is not usual goes to the functions of core/page.c and pv/page_type.c.
 */
#ifndef ZELO_PAGE_REF_H
#define ZELO_PAGE_REF_H

#include <zelo/errno.h>
#include <zelo/page.h>

/* Is the frame's owner d?  The caller holds a reference, or a lock that keeps the frame where it is. */
static inline bool page_is_owned_by(const struct page *p, const struct domain *d)
{
    return READ_ONCE(p->owner) == (u32)virt_to_mfn(d).n;
}

/* Neither none nor all that can be counted. */
static inline bool page_count_is_usual(u64 count)
{
    return (count & PGC_COUNT_MASK) - 1 < PGC_COUNT_MASK - 1;
}

/* page_get; d is a domain. */
static inline bool must_check page_ref_get(struct page *p, struct domain *d)
{
    u64 count = atomic_read(&p->count);

    if (!page_is_owned_by(p, d))
        return false;
    do {
        if (unlikely((count & PGC_HEAP) || !page_count_is_usual(count)))
            return page_get(p, d);
    } while (!atomic_cas(&p->count, &count, count + 1));
    if (likely(page_is_owned_by(p, d)))
        return true;
    page_put(p);
    return false;
}

/* page_get_and_type */
static inline int must_check page_ref_get_and_type(struct page *p, struct domain *d, u64 type)
{
    int rc;

    if (!page_ref_get(p, d))
        return -EINVAL;
    rc = page_get_type(p, type);
    if (unlikely(rc))
        page_put(p);
    return rc;
}

/* page_put */
static inline void page_ref_put(struct page *p)
{
    u64 count = atomic_read(&p->count);

    if (unlikely(count & PGC_HEAP)) {
        page_put(p);
        return;
    }
    count = atomic_sub_return(&p->count, 1);
    if (unlikely(!page_count_is_usual(count)))
        page_put_last(p, count);
}

/* page_get_type of PGT_WRITABLE */
static inline int must_check page_get_writable(struct page *p)
{
    u64 x = atomic_read(&p->type), next;

    do {
        if (x == PGT_WRITABLE || x == PGT_NONE)
            next = PGT_WRITABLE | PGT_VALIDATED | 1; /* as it was, or nothing: no flush is due */
        else if (likely((x & ~PGT_COUNT_MASK) == (PGT_WRITABLE | PGT_VALIDATED)))
            next = x + 1;
        else
            return page_get_type(p, PGT_WRITABLE);
    } while (!atomic_cas(&p->type, &x, next));
    return 0;
}

/* page_put_type of a use as PGT_WRITABLE */
static inline void page_put_writable(struct page *p)
{
    u64 x = atomic_read(&p->type);

    do {
        if (unlikely(!(x & PGT_COUNT_MASK))) {
            page_put_type(p); /* which panics */
            return;
        }
    } while (!atomic_cas(&p->type, &x, (x & PGT_COUNT_MASK) == 1 ? PGT_WRITABLE : x - 1));
}

#endif
