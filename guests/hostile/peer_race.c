/* SPDX-License-Identifier: MIT */
/* Both vCPUs of the peer at the owner's grants and ports, while the owner takes them away. */
#include "meeting.h"

#define WINDOWS 8u

static char *window, *racer_window;

static bool begin(void)
{
    MUST(find_owner() && racer_start());
    window = page_alloc();
    racer_window = page_alloc();
    return true;
}

/* Nobody has the page: it can be made what nobody may write to. */
static bool page_is_free(void)
{
    GIVES(0, ask(BECOME, KIND_L1));
    GIVES(0, ask(CEASE, KIND_L1));
    return true;
}

/* --- mapping --- */

static void job_map(void)
{
    uint32_t handle;

    if (map_ref(REF_PAGE, racer_window, GNTMAP_host_map, &handle) == GNTST_okay)
        unmap(handle, racer_window);
}

/* The same grant mapped from both. */
static bool map_from_both(void)
{
    race_begin(job_map);
    for (unsigned round = 0; race_goes_on(round); round++) {
        uint32_t handle;

        GIVES(GNTST_okay, map_ref(REF_PAGE, window, GNTMAP_host_map, &handle));
        GIVES(TRAP_NONE, catch_trap(do_write, window));
        GIVES(GNTST_okay, unmap(handle, window));
    }
    race_end();
    return page_is_free();
}

/* The last mapping made: its handle, and above it which of the windows it is at. */
static volatile uint64_t racer_mapping;
static uint64_t racer_unmapped;
static char *windows[WINDOWS];

static void job_unmap(void)
{
    uint64_t m = racer_mapping;

    if (unmap((uint32_t)m, windows[m >> 32]) == GNTST_okay)
        racer_unmapped++;
}

/* A handle that the other is just trying is busy; who has it in vain leaves it mapped. */
static int unmap_whoever(uint32_t handle, const void *at)
{
    const volatile uint64_t *l1e = pt_entry(at, 1);
    int status;

    do
        status = unmap(handle, at);
    while (status == GNTST_bad_handle && (*l1e & PTE_P));
    return status;
}

/* The same handle given back from both: once each. */
static bool unmap_from_both(void)
{
    uint64_t mapped = 0, unmapped = 0;

    for (unsigned i = 0; i < WINDOWS; i++)
        windows[i] = page_alloc();
    racer_mapping = ~0u;
    racer_unmapped = 0;
    race_begin(job_unmap);
    for (unsigned round = 0; race_goes_on(round); round++) {
        uint32_t handle;
        int status;

        GIVES(GNTST_okay, map_ref(REF_PAGE, windows[round % WINDOWS], GNTMAP_host_map, &handle));
        mapped++;
        racer_mapping = (uint64_t)(round % WINDOWS) << 32 | handle;
        if (round % 4 == 0)
            rest();
        status = unmap_whoever(handle, windows[round % WINDOWS]);
        unmapped += status == GNTST_okay;
        MUST(status == GNTST_okay || status == GNTST_bad_handle);
    }
    race_end();
    GIVES(mapped, unmapped + racer_unmapped);
    for (unsigned i = 0; i < WINDOWS; i++)
        GIVES(TRAP_PF, catch_trap(do_read, windows[i]));
    return page_is_free();
}

/* --- while the owner ends access --- */

static unsigned mapped, refused;

/* Writes to the page, if it gets it: what the owner has back must not change any more. */
static bool map_once(void)
{
    uint32_t handle;
    int status = map_ref(REF_PAGE, window, GNTMAP_host_map, &handle);

    if (status) {
        GIVES(GNTST_general_error, status);
        refused++;
        return true;
    }
    mapped++;
    for (unsigned i = 0; i < 3; i++) {
        *(volatile uint64_t *)window = pte(HYPERVISOR_MFN, PTE_RW);
        rest();
    }
    *(volatile uint64_t *)window = 0;
    GIVES(GNTST_okay, unmap(handle, window));
    return true;
}

static bool end_access(void)
{
    MUST(meet);
    mapped = refused = 0;
    meet->ended = 0;
    meet->command = GRANT_AND_END;
    race_begin(job_map);
    for (unsigned round = 0; round < 20000 && (mapped < 50 || meet->ended < 50); round++) {
        MUST(map_once());
        if (round % 2)
            rest();
    }
    race_end();
    meet->command = NO_COMMAND;
    MUST(mapped >= 50 && meet->ended >= 50);
    return page_is_free();
}

/* --- ports --- */

static volatile uint32_t racer_port;
static volatile unsigned racer_wrong;

/* Done, or there is no such port any more. */
static bool either(long rc)
{
    return !rc || rc == -XEN_EINVAL;
}

static void job_send(void)
{
    evtchn_send_t send = { racer_port };
    evtchn_bind_vcpu_t bind = { send.port, 1 };

    for (unsigned i = 0; i < 5; i++)
        if (!either(HC2(event_channel_op, EVTCHNOP_send, PTR(&send))))
            racer_wrong++;
    if (!either(HC2(event_channel_op, EVTCHNOP_bind_vcpu, PTR(&bind))) ||
        !either(HC2(event_channel_op, EVTCHNOP_unmask, PTR(&send))) || !either(port_close(send.port)))
        racer_wrong++;
}

/* One sends and closes, the other binds and closes, the owner closes the far end. */
static bool send_while_closed(void)
{
    unsigned bound = 0;

    MUST(meet);
    meet->command = REBIND;
    race_begin(job_send);
    for (unsigned round = 0; round < 20000 && bound < 500; round++) {
        evtchn_send_t send;
        long rc = bind_owner_port(&send.port);

        if (round % 8 == 0)
            rest();
        if (rc) {
            GIVES(-XEN_EINVAL, rc);
            continue;
        }
        bound++;
        racer_port = send.port;
        if (bound % 4 == 0)
            rest();
        MUST(either(HC2(event_channel_op, EVTCHNOP_send, PTR(&send))));
        MUST(either(port_close(send.port)));
    }
    race_end();
    meet->command = NO_COMMAND;
    GIVES(0, racer_wrong);
    MUST(bound >= 500);
    return true;
}

/* --- entries under a mapping --- */

static void job_zap(void)
{
    map_page(window, 0);
}

/*
 * The entry of a mapping taken away from under it: then its handle cannot be
 * given back.  It is ours to lose until we end, and does not keep the page.
 */
static bool zapped(void)
{
    unsigned lost = 0;

    race_begin(job_zap);
    for (unsigned round = 0; race_goes_on(round) && lost < 100; round++) {
        uint32_t handle;
        int status;

        GIVES(GNTST_okay, map_ref(REF_READ_ONLY, window, GNTMAP_host_map | GNTMAP_readonly, &handle));
        if (round % 4 == 0)
            rest();
        status = unmap(handle, window);
        MUST(status == GNTST_okay || status == GNTST_general_error);
        lost += status != GNTST_okay;
    }
    race_end();
    MUST(lost);
    GIVES(TRAP_PF, catch_trap(do_read, window));
    return true;
}

const struct attack peer_race_attacks[] = {
    { "two vCPUs and the owner", begin },
    { "grant mapped from both", map_from_both },
    { "grant unmapped from both", unmap_from_both },
    { "grant ended by the owner", end_access },
    { "sending while ports are closed", send_while_closed },
    { "mappings taken away", zapped },
    { NULL, NULL },
};
