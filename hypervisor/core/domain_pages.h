/* SPDX-License-Identifier: MIT */
/* Between core/page.c, core/domain_pages.c and core/memory_exchange.c. */
#ifndef ZELO_CORE_DOMAIN_PAGES_H
#define ZELO_CORE_DOMAIN_PAGES_H

#include <zelo/types.h>

struct domain;
struct page;

/* Takes a frame that nobody refers to any more out of d's list and count; d may go with its last one. */
void domain_forget_page(struct domain *d, struct page *p);
/* domain_steal_page without the TLB flush: the frame goes back to d, or to the heap as a mapped one. */
int must_check domain_take_page(struct domain *d, struct page *p);

#endif
