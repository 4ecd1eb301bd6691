/* SPDX-License-Identifier: MIT */
/* Between core/page.c and core/domain_pages.c. */
#ifndef ZELO_CORE_DOMAIN_PAGES_H
#define ZELO_CORE_DOMAIN_PAGES_H

struct domain;
struct page;

/* Takes a frame that nobody refers to any more out of d's list and count; d may go with its last one. */
void domain_forget_page(struct domain *d, struct page *p);

#endif
