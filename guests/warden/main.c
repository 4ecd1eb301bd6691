/* SPDX-License-Identifier: MIT */
/*
 * Runs as domain 0 with a guest's kernel as its initial ramdisk: makes a domain
 * of it for each part of the command line, shows what it writes to its console,
 * waits for its end and looks whether every page came back.  A domain 0 for
 * hostile guests, in seconds.  All the while a neighbour works in a domain of
 * its own (guests/hostile/neighbour.c).
 *
 * Command line: runs, with '/' between them, each the command line of a guest,
 * with marks before it:
 *   +  there are two: this one, and "peer=ID owner", which gets ready first
 *   =  the same, and this one controls the other
 *   !  this one has no end of its own: it is destroyed after a while
 *   -  the owner is
 *
 * Prints "warden: begin RUN", then the guests' lines; when all is quiet again,
 * "warden: run NUMBER ended with REASON, owner with REASON, lost PAGES" for each,
 * and "warden: done".  "warden: FAIL ..." ends everything.  The invariants are
 * checked while pairs are at work and after each run: the hypervisor prints that.
 */
#include "child.h"

#define ENDLESS_TURNS 100u
#define FIRST_CHECK 32u     /* of the invariants; then at each turn that is a power of two */

static struct child children[2], neighbour;
enum { FIRST, OWNER };

struct marks { bool pair, control, endless, endless_owner; };

static void rest(void)
{
    HC2(sched_op, SCHEDOP_yield, 0);
}

static void settle(uint64_t pages)
{
    for (unsigned i = 0; i < 1000 && tools_free_pages() < pages; i++)
        rest();
}

/* --- the neighbour --- */

/* It does two more rounds, and all of them right. */
static void neighbour_goes_on(void)
{
    struct work before, now;
    uint64_t end = coarse_time() + PATIENCE_NS;

    child_work(&neighbour, &before);
    do {
        rest();
        child_work(&neighbour, &now);
        must("the neighbour's work", (long)now.wrong);
        must("the neighbour's progress", coarse_time() > end);
    } while (now.rounds < before.rounds + 2);
}

/* --- one run --- */

static bool to_be_ended(unsigned which, const struct marks *m, unsigned turn)
{
    return turn >= ENDLESS_TURNS && (which == FIRST ? m->endless : m->endless_owner);
}

static void attend(const struct marks *m)
{
    for (unsigned turn = 0; children[FIRST].id || children[OWNER].id; turn++) {
        for (unsigned i = FIRST; i <= OWNER; i++) {
            struct child *c = &children[i];

            if (!c->id)
                continue;
            child_drain(c);
            if (to_be_ended(i, m, turn))
                neighbour_goes_on();
            if (child_is_over(c) || to_be_ended(i, m, turn))
                child_destroy(c);
        }
        if (m->pair && turn >= FIRST_CHECK && !(turn & (turn - 1)))
            tools_debug_key('v');
        rest();
    }
}

/* "peer=ID owner" */
static size_t owner_words(char *words, domid_t peer)
{
    size_t n = 5;
    unsigned scale = 10000;

    __builtin_memcpy(words, "peer=", 5);
    for (; scale; scale /= 10)
        words[n++] = (char)('0' + peer / scale % 10);
    __builtin_memcpy(words + n, " owner", 6);
    return n + 6;
}

static void prepare_owner(const struct marks *m)
{
    struct xen_domctl op = { 0 };
    char words[32];

    child_prepare(&children[OWNER], words, owner_words(words, children[FIRST].id));
    op.u.set_target.target = children[OWNER].id;
    if (m->control)
        must("set_target", tools_domctl(&op, XEN_DOMCTL_set_target, children[FIRST].id));
    child_start(&children[OWNER]);
    while (!child_has_spoken(&children[OWNER])) /* "owner: ready" */
        rest();
}

static struct result { uint32_t reason, owner_reason; int64_t lost; } results[64];
static unsigned runs;

static size_t marks_read(const char *words, struct marks *m)
{
    for (size_t n = 0;; n++) {
        switch (words[n]) {
        case '+': m->pair = true; break;
        case '=': m->pair = m->control = true; break;
        case '!': m->endless = true; break;
        case '-': m->endless_owner = true; break;
        default: return n;
        }
    }
}

static void run(const char *words, size_t n)
{
    struct marks m = { .pair = false };
    size_t skip = marks_read(words, &m);
    uint64_t before = tools_free_pages();
    char name[65] = { 0 };

    memcpy(name, words, n < sizeof(name) ? n : sizeof(name) - 1);
    print("warden: begin %s\n", name);
    children[OWNER].reason = XEN_DOMINF_shutdownmask; /* none, if there is no owner */
    child_prepare(&children[FIRST], words + skip, n - skip);
    if (m.pair)
        prepare_owner(&m);
    child_start(&children[FIRST]);
    attend(&m);
    settle(before);
    tools_debug_key('v');
    neighbour_goes_on();
    must("one run too many", runs == ARRAY_SIZE(results));
    results[runs++] = (struct result){ children[FIRST].reason, children[OWNER].reason,
                                       (int64_t)(before - tools_free_pages()) };
}

static void run_all(const char *s)
{
    while (*s) {
        size_t n = 0;

        while (s[n] && s[n] != '/')
            n++;
        if (n)
            run(s, n);
        s += n + !!s[n];
    }
}

void guest_main(void)
{
    HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    child_prepare(&neighbour, "neighbour", 9);
    child_start(&neighbour);
    run_all((const char *)start_info->cmd_line);
    child_drain(&neighbour); /* what it has to complain of */
    for (unsigned i = 0; i < runs; i++)
        print("warden: run %u ended with %u, owner with %u, lost %ld\n", i, results[i].reason,
              results[i].owner_reason, results[i].lost);
    print("warden: done\n");
}
