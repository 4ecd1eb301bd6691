/* SPDX-License-Identifier: MIT */
/*
 * The invariants of docs/architecture.md, looked at from scratch.
 *
 * Every room goes through what it has and notes each reference that it holds
 * to a frame, and each use of the frame as a type; what it sees that cannot be
 * it reports.  In the end the notes are compared with the frame table.
 *
 * All of this is exact only between hypercalls: a call under way holds
 * references that nothing shows.  One that was preempted shows all it has.
 */
#ifndef ZELO_CHECK_H
#define ZELO_CHECK_H

#include <zelo/types.h>

struct domain;

/*
 * How many violations there are; the first ones are in the log.  The caller
 * sees to it that no hypercall is under way but its own, that it holds nothing
 * itself, and that nobody else checks at the same time.
 */
unsigned must_check invariants_check(void);
/* Debug key 'v', which pauses all domains for as long as it takes. */
void invariants_check_init(void);

/* --- core/check_report.c: a contradiction, as one line without its newline --- */
void check_violation(const char *fmt, ...) printf_like(1, 2);

/* --- core/check_census.c: what should be in the frame table --- */
/* d holds a reference to the frame; 'what' says by what. */
void check_ref(const struct domain *d, const char *what, mfn_t m);
/* The same with a use of the frame as 'type' (PGT_). */
void check_use(const struct domain *d, const char *what, mfn_t m, u64 type);
/* Something refers to the domain. */
void check_domain_ref(const struct domain *d);

/* --- the rooms, each for one domain --- */
void grant_check(struct domain *d);     /* core/grant_check.c */
bool grant_maps_frame(const struct domain *d, mfn_t m); /* has d a grant mapped that was of this frame? */
void event_check(struct domain *d);     /* core/event_check.c */
void pv_check(struct domain *d);        /* pv/check_pt.c: tables, roots, descriptor tables */
void heap_check(void);                  /* core/heap.c: the lists of free frames */

#endif
