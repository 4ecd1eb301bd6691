/* SPDX-License-Identifier: MIT */
/* One of two domains ends while it has the other's page mapped and port bound, or the other has its. */
#include "meeting.h"

static uint64_t *page, *seen;       /* REF_PAGE, REF_TABLE */
static uint32_t handle, table_handle, port;

/* The page for the CPU and for devices, the table for reading, the port. */
static bool take_hold(void)
{
    MUST(find_owner());
    page = page_alloc();
    seen = page_alloc();
    GIVES(GNTST_okay, map_ref(REF_PAGE, page, GNTMAP_host_map | GNTMAP_device_map, &handle));
    GIVES(GNTST_okay, map_ref(REF_TABLE, seen, GNTMAP_host_map | GNTMAP_readonly, &table_handle));
    MUST(!bind_owner_port(&port));
    page[0] = MAGIC;
    return true;
}

/* --- the owner's end --- */

/* Events to it all the while. */
static bool wait_for_its_end(void)
{
    evtchn_send_t send = { port };
    char *nowhere = page_alloc();

    while (map_ref(REF_NONE, nowhere, GNTMAP_host_map, NULL) != GNTST_bad_domain) {
        MUST(!HC2(event_channel_op, EVTCHNOP_send, PTR(&send)));
        rest();
    }
    return true;
}

static bool port_is_left(void)
{
    evtchn_send_t send = { port };
    uint32_t again;

    GIVES(EVTCHNSTAT_unbound, port_state(port));
    MUST(!HC2(event_channel_op, EVTCHNOP_send, PTR(&send))); /* to nobody */
    REFUSED(EINVAL, bind_owner_port(&again)); /* the domain is dead, but not gone: we have pages of it */
    GIVES(0, port_close(port));
    REFUSED(EINVAL, port_close(port));
    return true;
}

/* The dead domain's pages are still what they were, as far as they were granted, and no more than that. */
static bool pages_are_left(void)
{
    char *alias = page_alloc();

    MUST(meet->magic == MAGIC && page[0] == MAGIC && !seen[0]);
    page[1] = MAGIC;
    GIVES(TRAP_PF, catch_trap(do_write, seen));
    REFUSED(EINVAL, map_page(alias, pte(meet->page, PTE_RW | PTE_D)));
    REFUSED(EINVAL, map_page(alias, pte(meet->table, PTE_RW | PTE_D)));
    REFUSED(EINVAL, mmuext(MMUEXT_PIN_L1_TABLE, meet->page, 0));
    REFUSED(EPERM, HC4(update_va_mapping_otherdomain, PTR(alias), pte(meet->page, 0), UVMF_INVLPG, owner_id));
    GIVES(GNTST_bad_domain, copy_between(REF_PAGE, REF_PAGE));
    GIVES(0, give_up(meet->page));
    MUST(page[1] == MAGIC);
    return true;
}

static bool pages_given_back(void)
{
    uint64_t frame = meet->page;

    GIVES(GNTST_bad_dev_addr, unmap_at(handle, PTR(page), frame << 12 ^ PAGE_SIZE));
    GIVES(GNTST_okay, unmap(handle, page));
    GIVES(TRAP_PF, catch_trap(do_read, page));
    GIVES(GNTST_okay, unmap_at(handle, 0, frame << 12));
    GIVES(GNTST_bad_handle, unmap_at(handle, 0, frame << 12));
    GIVES(GNTST_okay, unmap(table_handle, seen));
    REFUSED(EINVAL, map_page(page, pte(frame, PTE_RW | PTE_D)));
    return true; /* the meeting page is still mapped when we end */
}

static bool outlive(uint32_t command)
{
    MUST(take_hold());
    meet->command = command;
    MUST(wait_for_its_end());
    return port_is_left() && pages_are_left() && pages_given_back();
}

static bool owner_powers_off(void) { return outlive(POWER_OFF); }
static bool owner_crashes(void) { return outlive(CRASH); }
static bool owner_destroyed(void) { return outlive(HANG); } /* by who made us both */

const struct attack owner_off_attacks[] = { { "owner powers off", owner_powers_off }, { NULL, NULL } };
const struct attack owner_crashed_attacks[] = { { "owner crashes", owner_crashes }, { NULL, NULL } };
const struct attack owner_gone_attacks[] = { { "owner is destroyed", owner_destroyed }, { NULL, NULL } };

/* --- the peer's: what is left of it is the owner's to see (owner.c) --- */

static bool end_crashed(void)
{
    MUST(take_hold());
    ask(SURVIVE, 0);
    __asm__ volatile("movq %0, %%rsp; ud2" :: "r"(DIRECT_MAP) : "memory");
    return false;
}

static bool end_off(void)
{
    MUST(take_hold());
    ask(SURVIVE, 0);
    guest_shutdown(SHUTDOWN_poweroff);
}

/* Until it is destroyed, at work with what it has. */
static bool end_destroyed(void)
{
    char *other = page_alloc();

    MUST(take_hold());
    ask(SURVIVE, 0);
    for (;;) {
        evtchn_send_t send = { port };
        uint32_t again;

        page[0]++;
        HC2(event_channel_op, EVTCHNOP_send, PTR(&send));
        if (map_ref(REF_READ_ONLY, other, GNTMAP_host_map | GNTMAP_readonly, &again) == GNTST_okay)
            unmap(again, other);
    }
}

const struct attack end_attacks[] = {
    { "end-crashed", end_crashed },
    { "end-off", end_off },
    { "end-destroyed", end_destroyed },
    { NULL, NULL },
};
