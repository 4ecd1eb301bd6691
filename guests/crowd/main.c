/* SPDX-License-Identifier: MIT */
/*
 * Runs as domain 0 and does what the tools do, with nothing between it and the
 * hypervisor: makes many domains, fills each, lets it run, and destroys them
 * all.  Around each it reads the time-stamp counter; on a machine whose counter
 * counts instructions (QEMU's -icount) the differences are the hypervisor's own
 * cost, the same at each run.
 *
 * Prints "crowd: NUMBER made COST" and "crowd: NUMBER destroyed COST" for each,
 * "crowd: N alive" while all are, and at last "crowd: free pages BEFORE AFTER".
 */
#include "../common/tools.h"

#define CROWD 100
#define PAGES 256u /* of each: 1 MiB */

static domid_t ids[CROWD];
static uint64_t cost_made[CROWD], cost_destroyed[CROWD];

static uint64_t tsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) :: "memory");
    return (uint64_t)hi << 32 | lo;
}

static void must(const char *what, long rc)
{
    if (!rc)
        return;
    print("crowd: FAIL %s gives %ld\n", what, rc);
    guest_shutdown(SHUTDOWN_crash);
}

/* --- all of them --- */

static void wait_until(const char *what, bool (*done)(uint64_t), uint64_t arg)
{
    if (wait_for(done, arg))
        return;
    print("crowd: FAIL never %s\n", what);
    guest_shutdown(SHUTDOWN_crash);
}

static bool lives(uint64_t id) { return tools_domain_waits((domid_t)id); }
static bool all_back(uint64_t pages) { return tools_free_pages() >= pages; }

static void make_one(unsigned i)
{
    static xen_pfn_t frames[PAGES];
    uint64_t before = tsc();

    must("making", tools_create(&ids[i], PAGES));
    must("filling", tools_populate(ids[i], frames, PAGES));
    must("building", tools_build(ids[i], frames, SCHEDOP_block));
    must("starting", tools_start(ids[i], frames));
    cost_made[i] = tsc() - before;
    wait_until("runs", lives, ids[i]);
}

static void destroy_one(unsigned i, uint64_t pages)
{
    uint64_t before = tsc();

    must("destroying", tools_destroy(ids[i]));
    wait_until("destroyed", all_back, pages); /* the last of it goes after the call */
    cost_destroyed[i] = tsc() - before;
}

void guest_main(void)
{
    static uint64_t pages[CROWD + 1]; /* free with so many domains */
    unsigned alive = 0;

    HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    for (unsigned i = 0; i < CROWD; i++) {
        pages[i] = tools_free_pages();
        make_one(i);
    }
    for (unsigned i = 0; i < CROWD; i++)
        alive += tools_domain_waits(ids[i]);
    for (unsigned i = CROWD; i--;)
        destroy_one(i, pages[i]);
    for (unsigned i = 0; i < CROWD; i++)
        print("crowd: %u made %lu destroyed %lu\n", i + 1, cost_made[i], cost_destroyed[i]);
    print("crowd: %u alive\n", alive);
    print("crowd: free pages %lu %lu\n", pages[0], tools_free_pages());
}
