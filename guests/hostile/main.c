/* SPDX-License-Identifier: MIT */
/*
 * Runs the attacks that the command line names, in its order: groups of those
 * that the hypervisor answers, or one that does not come back.  Prints "HELD
 * name" or "BROKEN name" for each of a group and at last "hostile: N held, N
 * broken", and powers off, or shuts down as its watchdog would if one was broken.
 *
 * Other words: peer=DOMID, the domain that the owner grants pages to; neighbour,
 * who does no harm and works for ever (neighbour.c).
 */
#include "meeting.h"

static const struct { const char *name; const struct attack *attacks; } groups[] = {
    { "tables", table_attacks }, { "frames", frame_attacks }, { "protected", protected_attacks },
    { "descriptors", descriptor_attacks }, { "returns", return_attacks }, { "debug", debug_attacks },
    { "pointers", pointer_attacks }, { "continuations", continuation_attacks }, { "cpu", cpu_attacks },
    { "ports", port_attacks }, { "events", event_attacks }, { "grants", grant_attacks },
    { "storms", storm_attacks }, { "races", race_attacks },
    /* of two domains */
    { "owner", owner_attacks }, { "peer", peer_attacks }, { "aliases", alias_attacks },
    { "peer-races", peer_race_attacks }, { "parting", parting_attacks },
    { "foreign-aliases", foreign_alias_attacks }, { "foreign", foreign_attacks },
    { "owner-off", owner_off_attacks }, { "owner-crashed", owner_crashed_attacks },
    { "owner-destroyed", owner_gone_attacks },
};

static unsigned held, broken;

static void run_group(const struct attack *a)
{
    for (; a->name; a++) {
        if (a->run()) {
            print("HELD %s\n", a->name);
            held++;
        } else {
            print("BROKEN %s\n", a->name);
            broken++;
        }
    }
}

/* --- the command line --- */

static bool word_is(const char *s, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] != name[i])
            return false;
    return !name[n];
}

static uint32_t number(const char *s, size_t n)
{
    uint32_t value = 0;

    while (n--)
        value = value * 10 + (uint32_t)(*s++ - '0');
    return value;
}

/* What comes back from these is an escape. */
static void run_lethal(const struct attack *a)
{
    print("hostile: now %s\n", a->name);
    print_flush(); /* it may be our last word */
    a->run();
    print("BROKEN %s: still alive\n", a->name);
    broken++;
}

static void run_lethal_word(const char *s, size_t n, const struct attack *a)
{
    for (; a->name; a++)
        if (word_is(s, n, a->name))
            run_lethal(a);
}

static void run_word(const char *s, size_t n)
{
    static const char peer[] = "peer=";
    const size_t skip = sizeof(peer) - 1;

    if (n > skip && word_is(s, skip, peer))
        peer_id = number(s + skip, n - skip);
    for (unsigned i = 0; i < ARRAY_SIZE(groups); i++)
        if (word_is(s, n, groups[i].name))
            run_group(groups[i].attacks);
    if (word_is(s, n, "neighbour"))
        neighbour();
    run_lethal_word(s, n, lethal_attacks);
    run_lethal_word(s, n, end_attacks);
}

void guest_main(void)
{
    const char *s = (const char *)start_info->cmd_line;

    HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    while (*s) {
        size_t n = 0;

        while (s[n] && s[n] != ' ')
            n++;
        if (n)
            run_word(s, n);
        s += n + !!s[n];
    }
    owner_dismiss();
    print("hostile: %u held, %u broken\n", held, broken);
    print_flush(); /* whoever takes it may end us as soon as we are down */
    guest_shutdown(broken ? SHUTDOWN_watchdog : SHUTDOWN_poweroff); /* neither is a crash */
}
