/* SPDX-License-Identifier: MIT */
/*
 * The invariant checker: goes through all domains and all frames, and counts
 * what it finds wrong.  zelo/check.h says when it may.
 */
#include "check_private.h"
#include "xenctl.h"

#include <zelo/console.h>
#include <zelo/lib.h>
#include <zelo/log.h>

static struct {
    unsigned domains;
    u64 frames; /* compared; 0: no memory to do it */
    u64 claimed;
} found;

static void each_domain(void (*fn)(struct domain *d))
{
    struct domain *d;

    for (unsigned id = 0; (d = domain_next(id)) != NULL;) {
        id = d->id + 1u;
        fn(d);
        domain_put(d);
    }
}

static void look_at(struct domain *d)
{
    found.domains++;
    found.claimed += d->claimed_pages;
    check_domain(d);
    pv_check(d);
    grant_check(d);
    event_check(d);
}

static void look_at_refs(struct domain *d)
{
    check_domain_refs(d, 1); /* each_domain's */
}

static void look_at_all_refs(void)
{
    each_domain(look_at_refs);
    if (dom_xen)
        check_domain_refs(dom_xen, 0);
}

static void look_at_all(void)
{
    each_domain(look_at);
    found.frames = census_compare();
    if (found.frames)
        look_at_all_refs();
    if (found.claimed != heap_claimed_page_count())
        check_violation("%lu pages are claimed, %lu by domains", (unsigned long)heap_claimed_page_count(),
                        (unsigned long)found.claimed);
}

unsigned invariants_check(void)
{
    memset(&found, 0, sizeof(found));
    check_report_begin();
    heap_check();
    if (census_begin())
        look_at_all();
    census_end();
    return check_report_end();
}

/* --- the debug key --- */

/*
 * A vCPU that does not run is between two hypercalls, and so is the one that
 * this CPU is about to go back to.  The lock keeps away the others that wait
 * for domains to pause, lest two of them wait for each other.
 */
static void check_pressed(u8 key)
{
    unsigned violations;

    (void)key;
    if (!domctl_trylock()) {
        log_info("invariants: a control operation is under way, try again\n");
        return;
    }
    each_domain(domain_pause);
    violations = invariants_check();
    each_domain(domain_unpause);
    domctl_unlock();
    if (!found.frames)
        log_info("invariants: not enough memory to check the frames\n");
    log_info("invariants: %lu frames, %u domains checked, %u violations\n", (unsigned long)found.frames,
             found.domains, violations);
}

void invariants_check_init(void)
{
    debug_key_register('v', "invariants: check all frames, page tables, grants and event channels", check_pressed);
}
