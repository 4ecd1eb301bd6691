/* SPDX-License-Identifier: MIT */
/* The domains that the warden makes, and what it sees of them. */
#ifndef CHILD_H
#define CHILD_H

#include "../common/tools.h"
#include "../hostile/work.h"

#define PAGES 1024u /* of each: 4 MiB */

struct child {
    domid_t id;                 /* 0: none */
    uint32_t reason;            /* of its shutdown */
    uint32_t seen;              /* of its console */
    xen_pfn_t frames[PAGES];
};

void must(const char *what, long rc); /* be 0 */

/* With these words for its command line, paused. */
void child_prepare(struct child *c, const char *words, size_t n);
void child_start(const struct child *c);
void child_work(const struct child *c, struct work *w);
bool child_has_spoken(const struct child *c);
void child_drain(struct child *c);      /* prints what it wrote */
bool child_is_over(struct child *c);    /* it has shut down */
void child_destroy(struct child *c);

#endif
