/* SPDX-License-Identifier: MIT */
/* domain_info DOMID...: what xl rounds, exactly.  For each domain a line with
 * its pages, its limit of pages, the pages still claimed for it and the time its
 * vCPUs ran; at last the machine's clock.  Times in nanoseconds, all taken within
 * one call to the next, so that a ratio of them needs no other clock. */
#include "privcmd.h"

#include <time.h>

static struct xen_domctl calls[64];

int main(int argc, char **argv)
{
    struct timespec now;

    if (argc > 1 + (int)(sizeof(calls) / sizeof(calls[0])))
        return 2;
    for (int i = 1; i < argc; i++) {
        struct xen_domctl *c = &calls[i - 1];
        domid_t id = (domid_t)strtoul(argv[i], NULL, 10);

        c->cmd = XEN_DOMCTL_getdomaininfo;
        c->domain = id;
        if (domctl(c) || c->domain != id) { /* it answers the next domain that there is */
            fprintf(stderr, "domain_info: no domain %u\n", id);
            return 1;
        }
    }
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    for (int i = 1; i < argc; i++) {
        const struct xen_domctl_getdomaininfo *d = &calls[i - 1].u.getdomaininfo;

        printf("%llu %llu %llu %llu\n", (unsigned long long)d->tot_pages, (unsigned long long)d->max_pages,
               (unsigned long long)d->outstanding_pages, (unsigned long long)d->cpu_time);
    }
    printf("%llu\n", now.tv_sec * 1000000000ULL + (unsigned long long)now.tv_nsec);
    return 0;
}
