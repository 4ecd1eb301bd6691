/* SPDX-License-Identifier: MIT */
/* What the files of the invariant checker (core/check*.c) share. */
#ifndef ZELO_CORE_CHECK_PRIVATE_H
#define ZELO_CORE_CHECK_PRIVATE_H

#include <zelo/check.h>
#include <zelo/domain.h>

/* --- check_report.c --- */
void check_report_begin(void);
unsigned check_report_end(void); /* how many there were */

/* --- check_census.c --- */
/* False: no memory for the notes.  They are to be ended in any case. */
bool must_check census_begin(void);
void census_end(void);
/* The frame is in the list of the domain that owns it; once only. */
void census_list(const struct domain *d, struct page *p);
/* The hypervisor's own reference and use of a frame that it shares with a domain. */
void census_own(mfn_t m);
/* All frames against the notes: how many there are; 0 if the memory for the notes ran out. */
u64 census_compare(void);
/* References to the domain that were noted. */
u64 census_domain_refs(const struct domain *d);

/* --- check_domain.c --- */
/* What the domain has, apart from what the rooms check. */
void check_domain(struct domain *d);
/* A page of the hypervisor's that it shares with the domain. */
void check_shared(const struct domain *d, const void *page);
/* After all domains were gone through; 'held': references of the checker's own. */
void check_domain_refs(const struct domain *d, u64 held);

#endif
