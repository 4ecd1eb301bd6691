/* SPDX-License-Identifier: MIT */
/*
 * Two domains.  The owner grants pages to the peer, waits at an event channel
 * for it, and does to itself what the peer asks for; the peer tries to have more
 * of the owner's memory and channels than it was given.
 *
 * The owner is told who the peer is; the peer finds the owner by trying the
 * grant of every domain.
 */
#include "hostile.h"

enum { REF_MEETING = 8, REF_PAGE, REF_READ_ONLY, REF_TABLE, REF_HYPERVISOR, REF_NOT_YOURS };
enum { NO_COMMAND, BECOME_TABLE, EXCHANGE, NEW_VERSION, SWAP, REVOKE, GIVE_UP, REBIND, CLOSE, DIE };

#define MAGIC 0x7a656c6f68656c6fUL

struct meeting {
    uint64_t magic;
    uint64_t page, table;       /* frames */
    volatile uint32_t port;     /* for the peer to bind */
    volatile uint32_t command;  /* of the peer; the owner sets NO_COMMAND when it is done */
    volatile int64_t answer;
};

uint32_t peer_id;
static domid_t owner_id;
static struct meeting *meet;
static uint64_t *page;          /* the owner's REF_PAGE, in either domain */

static void rest(void)
{
    HC2(sched_op, SCHEDOP_yield, 0);
}

/* --- the owner --- */

static grant_entry_v1_t *grant_table_map(void)
{
    xen_pfn_t frame = 0;
    gnttab_setup_table_t setup = { .dom = DOMID_SELF, .nr_frames = 1 };
    char *va = page_alloc();

    set_xen_guest_handle(setup.frame_list, &frame);
    HC3(grant_table_op, GNTTABOP_setup_table, PTR(&setup), 1);
    map_page(va, pte(frame, PTE_RW | PTE_D));
    return (grant_entry_v1_t *)va;
}

static void grant(grant_entry_v1_t *e, domid_t to, uint64_t mfn, uint16_t flags)
{
    e->domid = to;
    e->frame = (uint32_t)mfn;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    e->flags = GTF_permit_access | flags;
}

static uint32_t port_for_peer(void)
{
    evtchn_alloc_unbound_t unbound = { .dom = DOMID_SELF, .remote_dom = (domid_t)peer_id };

    return HC2(event_channel_op, EVTCHNOP_alloc_unbound, PTR(&unbound)) ? 0 : unbound.port;
}

static long port_close(uint32_t port)
{
    evtchn_close_t close = { port };

    return HC2(event_channel_op, EVTCHNOP_close, PTR(&close));
}

/* Ports opened and closed under the peer's hands, as long as it has no other command. */
static long rebind(void)
{
    long rounds = 0;

    while (meet->command == REBIND) {
        uint32_t port = port_for_peer();

        if (!port)
            return -1;
        meet->port = port;
        for (volatile unsigned i = 0; i < 2000; i++)
            ;
        if (port_close(port))
            return -1;
        rounds++;
    }
    return rounds;
}

static long give_up(uint64_t mfn)
{
    xen_pfn_t frame = mfn;
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(r.extent_start, &frame);
    map_page(page, 0);
    return HC2(memory_op, XENMEM_decrease_reservation, PTR(&r));
}

static long exchange(uint64_t mfn)
{
    xen_pfn_t in = mfn, out = 0;
    struct xen_memory_exchange x = { .in = { .nr_extents = 1, .domid = DOMID_SELF },
                                     .out = { .nr_extents = 1, .domid = DOMID_SELF } };

    set_xen_guest_handle(x.in.extent_start, &in);
    set_xen_guest_handle(x.out.extent_start, &out);
    return HC2(memory_op, XENMEM_exchange, PTR(&x));
}

static long obey(uint32_t command, grant_entry_v1_t *table)
{
    gnttab_set_version_t version = { .version = 2 };
    gnttab_swap_grant_ref_t swap = { .ref_a = REF_PAGE, .ref_b = 100 };

    switch (command) {
    case BECOME_TABLE:
        map_page(page, pte(meet->page, 0));
        return mmuext(MMUEXT_PIN_L1_TABLE, meet->page, 0);
    case EXCHANGE:
        return exchange(meet->page);
    case NEW_VERSION:
        return HC3(grant_table_op, GNTTABOP_set_version, PTR(&version), 1);
    case SWAP:
        HC3(grant_table_op, GNTTABOP_swap_grant_ref, PTR(&swap), 1);
        return swap.status;
    case REVOKE:
        table[REF_PAGE].flags = 0;
        return 0;
    case GIVE_UP:
        return give_up(meet->page);
    case REBIND:
        return rebind();
    case CLOSE:
        return port_close(meet->port);
    default:
        guest_shutdown(SHUTDOWN_poweroff);
    }
}

static bool owner(void)
{
    grant_entry_v1_t *table = grant_table_map();
    uint64_t *l1 = table_new(), *secret = page_alloc();

    meet = page_alloc();
    page = page_alloc();
    MUST(!mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l1), 0));
    *meet = (struct meeting){ .magic = MAGIC, .page = virt_to_mfn(page), .table = virt_to_mfn(l1),
                              .port = port_for_peer() };
    page[0] = MAGIC;
    grant(&table[REF_MEETING], (domid_t)peer_id, virt_to_mfn(meet), 0);
    grant(&table[REF_PAGE], (domid_t)peer_id, virt_to_mfn(page), 0);
    grant(&table[REF_READ_ONLY], (domid_t)peer_id, virt_to_mfn(secret), GTF_readonly);
    grant(&table[REF_TABLE], (domid_t)peer_id, virt_to_mfn(l1), 0);
    grant(&table[REF_HYPERVISOR], (domid_t)peer_id, HYPERVISOR_MFN, 0);
    grant(&table[REF_NOT_YOURS], 0, virt_to_mfn(secret), 0);
    print("owner: ready\n");
    for (;;) {
        uint32_t command = meet->command;

        if (command == NO_COMMAND) {
            rest();
            continue;
        }
        meet->answer = obey(command, table);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (meet->command == command)
            meet->command = NO_COMMAND;
    }
}

/* --- the peer --- */

static gnttab_map_grant_ref_t map_op(uint32_t ref, const void *at, uint32_t flags)
{
    return (gnttab_map_grant_ref_t){ .host_addr = PTR(at), .flags = flags, .ref = ref, .dom = owner_id };
}

static int map_ref(uint32_t ref, const void *at, uint32_t flags, uint32_t *handle)
{
    gnttab_map_grant_ref_t map = map_op(ref, at, flags);

    if (HC3(grant_table_op, GNTTABOP_map_grant_ref, PTR(&map), 1))
        return 1;
    if (handle)
        *handle = map.handle;
    return map.status;
}

static int unmap(uint32_t handle, const void *at)
{
    gnttab_unmap_grant_ref_t u = { .host_addr = PTR(at), .handle = handle };

    return HC3(grant_table_op, GNTTABOP_unmap_grant_ref, PTR(&u), 1) ? 1 : u.status;
}

static int64_t ask(uint32_t command)
{
    meet->command = command;
    while (meet->command == command)
        rest();
    return meet->answer;
}

static bool find_owner(void)
{
    void *va = page_alloc();

    for (owner_id = 1; owner_id < DOMID_FIRST_RESERVED; owner_id++) {
        int status = map_ref(REF_MEETING, va, GNTMAP_host_map, NULL);

        if (status == GNTST_okay) {
            meet = va;
            break;
        }
        MUST(status == GNTST_bad_domain || status == GNTST_general_error || status == GNTST_bad_gntref);
    }
    MUST(meet && meet->magic == MAGIC);
    return true;
}

static bool copy_refused(uint32_t from, uint32_t to, int status)
{
    gnttab_copy_t c = { .source = { .u.ref = from, .domid = owner_id },
                        .dest = { .u.ref = to, .domid = owner_id },
                        .len = 8, .flags = GNTCOPY_source_gref | GNTCOPY_dest_gref };

    MUST(!HC3(grant_table_op, GNTTABOP_copy, PTR(&c), 1));
    GIVES(status, c.status);
    return true;
}

static bool more_than_granted(void)
{
    void *va = page_alloc();
    uint64_t own = virt_to_mfn(va);
    uint32_t handle;

    MUST(meet);
    GIVES(GNTST_bad_page, map_ref(REF_TABLE, va, GNTMAP_host_map, NULL)); /* it is a page table there */
    GIVES(GNTST_bad_page, map_ref(REF_TABLE, va, GNTMAP_device_map, NULL));
    GIVES(GNTST_bad_page, map_ref(REF_HYPERVISOR, va, GNTMAP_host_map, NULL));
    GIVES(GNTST_bad_page, map_ref(REF_HYPERVISOR, va, GNTMAP_host_map | GNTMAP_readonly, NULL));
    GIVES(GNTST_general_error, map_ref(REF_NOT_YOURS, va, GNTMAP_host_map | GNTMAP_readonly, NULL));
    GIVES(GNTST_general_error, map_ref(REF_READ_ONLY, va, GNTMAP_host_map, NULL));
    GIVES(GNTST_general_error, map_ref(REF_NOT_YOURS + 1, va, GNTMAP_host_map, NULL));
    MUST(copy_refused(REF_PAGE, REF_TABLE, GNTST_bad_page));
    MUST(copy_refused(REF_PAGE, REF_READ_ONLY, GNTST_general_error));
    MUST(copy_refused(REF_NOT_YOURS, REF_PAGE, GNTST_general_error));
    MUST(copy_refused(REF_HYPERVISOR, REF_PAGE, GNTST_bad_page));
    /* For reading it may be had, and that is all. */
    GIVES(GNTST_okay, map_ref(REF_TABLE, va, GNTMAP_host_map | GNTMAP_readonly, &handle));
    GIVES(TRAP_NONE, catch_trap(do_read, va));
    GIVES(TRAP_PF, catch_trap(do_write, va));
    REFUSED(EINVAL, map_page(va, pte(meet->table, PTE_RW | PTE_D)));
    REFUSED(EINVAL, entry_set(pt_entry(va, 1), pte(meet->table, PTE_RW | PTE_D)));
    GIVES(TRAP_PF, catch_trap(do_write, va));
    GIVES(GNTST_okay, unmap(handle, va));
    GIVES(GNTST_bad_handle, unmap(handle, va));
    return !map_page(va, pte(own, PTE_RW | PTE_D));
}

/* The owner's frames by their numbers. */
static bool by_number(void)
{
    const uint64_t mfns[] = { meet->page, meet->table };
    void *va = page_alloc();

    for (unsigned i = 0; i < ARRAY_SIZE(mfns); i++) {
        struct vcpu_register_vcpu_info info = { .mfn = mfns[i] };
        mmu_update_t update = { .ptr = mfns[i] << 12 };

        REFUSED(EINVAL, map_page(va, pte(mfns[i], 0)));
        REFUSED(EINVAL, map_page(va, pte(mfns[i], PTE_RW | PTE_D)));
        REFUSED(EPERM, HC4(update_va_mapping_otherdomain, PTR(va), pte(mfns[i], 0), UVMF_INVLPG, owner_id));
        REFUSED(EINVAL, HC4(mmu_update, PTR(&update), 1, 0, DOMID_SELF));
        for (unsigned cmd = MMUEXT_PIN_L1_TABLE; cmd <= MMUEXT_NEW_BASEPTR; cmd++)
            REFUSED(EINVAL, mmuext(cmd, mfns[i], 0));
        REFUSED(EINVAL, mmuext(MMUEXT_CLEAR_PAGE, mfns[i], 0));
        REFUSED(EINVAL, HC2(set_gdt, PTR(&mfns[i]), 1));
        REFUSED(EINVAL, HC2(update_descriptor, mfns[i] << 12, 0));
        REFUSED(EINVAL, HC3(vcpu_op, VCPUOP_register_vcpu_info, 0, PTR(&info)));
        GIVES(0, give_up(mfns[i])); /* none done */
        for (unsigned level = 2; level <= 4; level++)
            REFUSED(EINVAL, entry_set((uint64_t *)mfn_to_virt(table_of(_text, level)) + 300,
                                      pte(mfns[i], PTE_TABLE)));
    }
    return true;
}

/* A granted page where only one's own will do: another alias of it, tables, descriptors. */
static bool grant_as_own(void)
{
    uint64_t *alias = page_alloc();
    uint32_t handle;

    page = page_alloc();
    GIVES(GNTST_okay, map_ref(REF_PAGE, page, GNTMAP_host_map, &handle));
    MUST(page[0] == MAGIC);
    REFUSED(EINVAL, map_page(alias, *pt_entry(page, 1)));
    MUST(!mmuext(MMUEXT_SET_LDT, PTR(page), 512));
    page[1] = 0x00cff2000000ffffUL;
    /* mov %eax, %ds: from the LDT */
    GIVES(TRAP_GP, RUN((&(struct code_regs){ .rax = 1 * 8 | 7 }), 0x8e, 0xd8));
    MUST(!mmuext(MMUEXT_SET_LDT, 0, 0));
    GIVES(GNTST_general_error, unmap(handle, alias));
    GIVES(GNTST_bad_virt_addr, unmap(handle, (void *)HYPERVISOR_IMAGE));
    GIVES(GNTST_bad_virt_addr, map_ref(REF_PAGE, (void *)HYPERVISOR_IMAGE, GNTMAP_host_map, NULL));
    GIVES(GNTST_bad_virt_addr, map_ref(REF_PAGE, (void *)NOT_CANONICAL, GNTMAP_host_map, NULL));
    GIVES(GNTST_bad_virt_addr, map_ref(REF_PAGE, (void *)(meet->table << 12),
                                       GNTMAP_host_map | GNTMAP_contains_pte, NULL));
    GIVES(GNTST_bad_virt_addr, map_ref(REF_PAGE, (void *)(HYPERVISOR_MFN << 12),
                                       GNTMAP_host_map | GNTMAP_contains_pte, NULL));
    GIVES(GNTST_bad_virt_addr, map_ref(REF_PAGE, (void *)(table_of(_text, 2) << 12),
                                       GNTMAP_host_map | GNTMAP_contains_pte, NULL));
    GIVES(GNTST_okay, unmap(handle, page));
    GIVES(TRAP_PF, catch_trap(do_read, page));
    return true;
}

/* What the owner does with a page that we have mapped: it is in use, and stays what it is. */
static bool owner_changes_its_mind(void)
{
    uint32_t handle, port = meet->port;
    evtchn_bind_interdomain_t bind = { .remote_dom = owner_id, .remote_port = port };
    evtchn_send_t send;

    MUST(!HC2(event_channel_op, EVTCHNOP_bind_interdomain, PTR(&bind)));
    send.port = bind.local_port;
    MUST(!HC2(event_channel_op, EVTCHNOP_send, PTR(&send)));
    REFUSED(EINVAL, HC2(event_channel_op, EVTCHNOP_bind_interdomain, PTR(&bind))); /* it is taken */
    GIVES(GNTST_okay, map_ref(REF_PAGE, page, GNTMAP_host_map, &handle));
    REFUSED(EBUSY, ask(BECOME_TABLE));
    REFUSED(EBUSY, ask(EXCHANGE));
    REFUSED(EBUSY, ask(NEW_VERSION));
    GIVES(GNTST_eagain, ask(SWAP));
    GIVES(0, ask(CLOSE));
    (void)HC2(event_channel_op, EVTCHNOP_send, PTR(&send)); /* to nobody */
    GIVES(0, port_close(bind.local_port));
    REFUSED(EINVAL, HC2(event_channel_op, EVTCHNOP_send, PTR(&send)));
    GIVES(0, ask(REVOKE));
    GIVES(1, ask(GIVE_UP));
    page[0] = 1; /* still there, and still nobody else's */
    for (unsigned i = 0; i < 1000; i++)
        rest();
    MUST(page[0] == 1 && page[511] == 0);
    GIVES(GNTST_okay, unmap(handle, page));
    GIVES(GNTST_general_error, map_ref(REF_PAGE, page, GNTMAP_host_map, NULL));
    return true;
}

/* Binding, sending and closing while the other end is closed and opened again. */
static bool racing_unbind(void)
{
    unsigned bound = 0, refused = 0;

    meet->command = REBIND;
    for (unsigned i = 0; i < 20000 && bound + refused < 4000; i++) {
        evtchn_bind_interdomain_t bind = { .remote_dom = owner_id, .remote_port = meet->port };
        long rc = HC2(event_channel_op, EVTCHNOP_bind_interdomain, PTR(&bind));
        evtchn_send_t send = { bind.local_port };

        if (i % 16 == 0)
            rest();
        if (rc) {
            GIVES(-XEN_EINVAL, rc);
            refused++;
            continue;
        }
        bound++;
        for (unsigned n = 0; n < 3; n++)
            MUST(!HC2(event_channel_op, EVTCHNOP_send, PTR(&send)));
        GIVES(0, port_close(bind.local_port));
    }
    meet->command = CLOSE; /* of a port that is closed already */
    while (meet->command == CLOSE)
        rest();
    MUST(bound > 0 && refused > 0);
    return true;
}

/* The owner ends while we hold a page of it: that stays, the owner's name does not. */
static bool owner_dies(void)
{
    static uint64_t *held;
    uint32_t handle;
    int status;

    held = page_alloc();
    GIVES(GNTST_okay, map_ref(REF_TABLE, held, GNTMAP_host_map | GNTMAP_readonly, &handle));
    meet->command = DIE;
    do {
        rest();
        status = map_ref(REF_NOT_YOURS + 1, page, GNTMAP_host_map, NULL);
    } while (status != GNTST_bad_domain);
    MUST(meet->magic == MAGIC && held[0] == 0);
    GIVES(TRAP_PF, catch_trap(do_write, held));
    GIVES(GNTST_okay, unmap(handle, held));
    return true; /* the meeting page is still mapped when we end */
}

const struct attack peer_attacks[] = {
    { "find the owner", find_owner },
    { "more than granted", more_than_granted },
    { "owner's frames by number", by_number },
    { "grant as one's own", grant_as_own },
    { "owner changes its mind", owner_changes_its_mind },
    { "racing with unbind", racing_unbind },
    { "owner dies", owner_dies },
    { NULL, NULL },
};

const struct attack owner_attacks[] = {
    { "owner", owner },
    { NULL, NULL },
};
