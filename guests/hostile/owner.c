/* SPDX-License-Identifier: MIT */
/* The owner of meeting.h: grants its pages, obeys, and says what became of it. */
#include "meeting.h"

uint32_t peer_id;

static grant_entry_v1_t *grants;
static uint64_t *page, *table;  /* of REF_PAGE and REF_TABLE */

static bool grant_table_map(void)
{
    xen_pfn_t frame = 0;
    gnttab_setup_table_t setup = { .dom = DOMID_SELF, .nr_frames = 1 };
    char *va = page_alloc();

    set_xen_guest_handle(setup.frame_list, &frame);
    HC3(grant_table_op, GNTTABOP_setup_table, PTR(&setup), 1);
    grants = (grant_entry_v1_t *)va;
    return !map_page(va, pte(frame, PTE_RW | PTE_D));
}

static void grant(uint32_t ref, domid_t to, uint64_t mfn, uint16_t flags)
{
    grant_entry_v1_t *e = &grants[ref];

    e->domid = to;
    e->frame = (uint32_t)mfn;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    e->flags = GTF_permit_access | flags;
}

static bool grant_in_use(uint32_t ref)
{
    return ((volatile grant_entry_v1_t *)grants)[ref].flags & (GTF_reading | GTF_writing);
}

/* As <xen/grant_table.h> wants it: false while it is in use. */
static bool grant_end(uint32_t ref)
{
    uint16_t unused = GTF_permit_access;

    return __atomic_compare_exchange_n(&grants[ref].flags, &unused, 0, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

static uint32_t port_for_peer(void)
{
    evtchn_alloc_unbound_t unbound = { .dom = DOMID_SELF, .remote_dom = (domid_t)peer_id };

    return HC2(event_channel_op, EVTCHNOP_alloc_unbound, PTR(&unbound)) ? 0 : unbound.port;
}

/* --- as long as the peer has no other command --- */

/* Ports opened and closed under the peer's hands; the last one stays. */
static long rebind(void)
{
    long rounds = 0;

    for (; meet->command == REBIND; rounds++) {
        for (volatile unsigned i = 0; i < 2000; i++)
            ;
        if (meet->port && port_close(meet->port))
            return -1;
        meet->port = 0;
        for (volatile unsigned i = 0; i < 2000; i++)
            ;
        meet->port = port_for_peer();
        if (!meet->port)
            return -1;
    }
    return rounds;
}

/* What nobody has any more can be made a page table. */
static long grant_and_end(void)
{
    for (meet->ended = 0; meet->command == GRANT_AND_END;) {
        rest();
        if (!grant_end(REF_PAGE))
            continue;
        if (kind_begin(&kinds[KIND_L1], page) || kind_end(&kinds[KIND_L1], page))
            meet->ended = -1;
        else if (meet->ended >= 0)
            meet->ended++;
        grant(REF_PAGE, (domid_t)peer_id, meet->page, 0);
    }
    return 0;
}

/* --- commands --- */

/* Given up while the peer has it mapped, it is not handed out again. */
static long give_up_page(void)
{
    long rc;

    map_page(page, 0);
    rc = give_up(meet->page);
    for (unsigned i = 0; rc == 1 && i < 8; i++) {
        char *other = page_alloc();

        if (give_up(virt_to_mfn(other)) != 1 || map_page(other, 0) || !refill(other))
            return -1;
        if (virt_to_mfn(other) == meet->page)
            return -2;
    }
    return rc;
}

static long give_up_table(void)
{
    long rc = give_up(meet->table);

    if (rc == 1 && (mmuext(MMUEXT_UNPIN_TABLE, meet->table, 0) || map_page(table, 0)))
        return -1;
    return rc;
}

static long new_version(void)
{
    gnttab_set_version_t version = { .version = 2 };

    return HC3(grant_table_op, GNTTABOP_set_version, PTR(&version), 1);
}

static long swap(void)
{
    gnttab_swap_grant_ref_t swap = { .ref_a = REF_PAGE, .ref_b = 100 };

    return HC3(grant_table_op, GNTTABOP_swap_grant_ref, PTR(&swap), 1) ? 1 : swap.status;
}

static void crash(void)
{
    __asm__ volatile("movq %0, %%rsp; ud2" :: "r"(DIRECT_MAP) : "memory");
}

static void hang(void)
{
    for (;;)
        rest();
}

static long obey(uint32_t command, uint64_t arg)
{
    switch (command) {
    case BECOME: return kind_begin(&kinds[arg % KINDS], page);
    case CEASE: return kind_end(&kinds[arg % KINDS], page);
    case SET_WRITABLE: return set_writable(page, arg);
    case EXCHANGE: return exchange(meet->page);
    case NEW_VERSION: return new_version();
    case SWAP: return swap();
    case REVOKE: grants[REF_PAGE].flags = 0; return 0;
    case GIVE_UP: return arg ? give_up_table() : give_up_page();
    case CLOSE: return port_close(meet->port);
    case REBIND: return rebind();
    case GRANT_AND_END: return grant_and_end();
    case CRASH: crash(); return 0;
    case HANG: hang(); return 0;
    default: guest_shutdown(SHUTDOWN_poweroff);
    }
}

/* --- the peer's end --- */

static bool unused_at_last(void)
{
    for (uint64_t end = coarse_time() + PATIENCE_NS; coarse_time() < end; rest()) {
        bool used = port_state(meet->port) == EVTCHNSTAT_interdomain;

        for (uint32_t ref = REF_MEETING; ref <= REF_TABLE; ref++)
            used = used || grant_in_use(ref);
        if (!used)
            return true;
    }
    return false;
}

/* Its mappings go with its page tables, which may be a little later. */
static bool page_free_at_last(void)
{
    for (uint64_t end = coarse_time() + PATIENCE_NS; coarse_time() < end; rest())
        if (!kind_begin(&kinds[KIND_L1], page))
            return !kind_end(&kinds[KIND_L1], page);
    return false;
}

/* The peer ends while it has our pages mapped and our port bound: all of that comes back. */
static bool survive(void)
{
    bool in_use = grant_in_use(REF_MEETING) && grant_in_use(REF_PAGE) && grant_in_use(REF_TABLE) &&
                  port_state(meet->port) == EVTCHNSTAT_interdomain;
    evtchn_send_t send = { meet->port };

    meet->command = NO_COMMAND; /* now it may */
    MUST(in_use);
    MUST(unused_at_last());
    GIVES(EVTCHNSTAT_unbound, port_state(meet->port));
    MUST(!HC2(event_channel_op, EVTCHNOP_send, PTR(&send))); /* to nobody */
    MUST(page_free_at_last());
    MUST(grant_end(REF_MEETING) && grant_end(REF_PAGE));
    MUST(!port_close(meet->port));
    MUST(!mmuext(MMUEXT_UNPIN_TABLE, meet->table, 0) && !set_writable(table, true));
    return !new_version(); /* no entry is in use */
}

/* --- the owner --- */

static void grant_all(void)
{
    uint64_t *secret = page_alloc();

    grant(REF_MEETING, (domid_t)peer_id, virt_to_mfn(meet), 0);
    grant(REF_PAGE, (domid_t)peer_id, meet->page, 0);
    grant(REF_READ_ONLY, (domid_t)peer_id, virt_to_mfn(secret), GTF_readonly);
    grant(REF_TABLE, (domid_t)peer_id, meet->table, 0);
    grant(REF_HYPERVISOR, (domid_t)peer_id, HYPERVISOR_MFN, 0);
    grant(REF_NOT_YOURS, 0, virt_to_mfn(secret), 0);
}

static bool owner(void)
{
    MUST(grant_table_map());
    meet = page_alloc();
    page = page_alloc();
    table = table_new();
    MUST(!mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table), 0));
    *meet = (struct meeting){ .magic = MAGIC, .page = virt_to_mfn(page), .table = virt_to_mfn(table),
                              .port = port_for_peer() };
    for (unsigned level = 1; level <= 4; level++)
        meet->tables[level] = table_of(_text, level);
    page[0] = MAGIC;
    grant_all();
    print("owner: ready\n");
    for (;;) {
        uint32_t command = meet->command;

        if (command == SURVIVE)
            return survive();
        if (command == NO_COMMAND) {
            rest();
            continue;
        }
        meet->answer = obey(command, meet->arg);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (meet->command == command)
            meet->command = NO_COMMAND;
    }
}

const struct attack owner_attacks[] = {
    { "owner", owner },
    { NULL, NULL },
};
