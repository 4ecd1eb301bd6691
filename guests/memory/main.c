/* SPDX-License-Identifier: MIT */
/*
 * Runs as domain 0 and tells, in pages, what memory the hypervisor takes (labkit/bench/memory.py):
 *
 *   memory: FREE free OWN own                          before any other domain is there; OWN: domain 0's
 *   memory: N domains of V vCPUs take PAGES            what is no longer free beside their own memory
 */
#include "../common/tools.h"

#define DOMAINS 20u
#define PAGES 256u /* of each: 1 MiB */

static domid_t ids[DOMAINS];

static void must(const char *what, long rc)
{
    if (!rc)
        return;
    print("memory: FAIL %s gives %ld\n", what, rc);
    guest_shutdown(SHUTDOWN_crash);
}

static bool all_back(uint64_t pages) { return tools_free_pages() >= pages; }

static uint64_t own_pages(domid_t id)
{
    struct xen_domctl_getdomaininfo info;

    must("describing", tools_describe(id, &info) ? 0 : -1);
    return info.tot_pages;
}

static void make(unsigned i, unsigned vcpus)
{
    static xen_pfn_t frames[PAGES];

    must("making", tools_create_smp(&ids[i], PAGES, vcpus));
    must("filling", tools_populate(ids[i], frames, PAGES));
    must("building", tools_build(ids[i], frames, SCHEDOP_block));
    must("starting", tools_start(ids[i], frames));
}

static void measure(unsigned vcpus)
{
    uint64_t before = tools_free_pages(), taken, own = 0;

    for (unsigned i = 0; i < DOMAINS; i++)
        make(i, vcpus);
    taken = before - tools_free_pages();
    for (unsigned i = 0; i < DOMAINS; i++)
        own += own_pages(ids[i]);
    print("memory: %u domains of %u vCPUs take %lu\n", DOMAINS, vcpus, taken - own);
}

/* All of them, until there is as much free memory as before: the last of it goes after the call. */
static void destroy(uint64_t before)
{
    for (unsigned i = 0; i < DOMAINS; i++)
        must("destroying", tools_destroy(ids[i]));
    must("waiting", wait_for(all_back, before) ? 0 : -1);
}

void guest_main(void)
{
    uint64_t before = tools_free_pages();

    print("memory: %lu free %lu own\n", before, own_pages(0));
    measure(1);
    destroy(before);
    measure(5);
    print("memory: done\n");
}
