/* SPDX-License-Identifier: MIT */
/* Between core/page.c, core/domain_pages.c and core/memory_exchange.c. */
#ifndef ZELO_CORE_DOMAIN_PAGES_H
#define ZELO_CORE_DOMAIN_PAGES_H

#include <zelo/types.h>

struct domain;
struct page;

/* Takes a frame that nobody refers to any more out of d's list and count; d may go with its last one. */
void domain_forget_page(struct domain *d, struct page *p);
/*
 * Takes a frame away from d for an exchange: only if nothing refers to it, not even the caller.  It is then nobody's,
 * with count 0; what TLBs may have of it, its type and stamp still say: it goes back to d, or to the heap as one that
 * was mapped.  -EINVAL (not d's), -EBUSY.
 */
int must_check domain_take_page(struct domain *d, struct page *p);

#endif
