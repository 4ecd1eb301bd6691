/* SPDX-License-Identifier: MIT */
/* The peer of meeting.h, alone at it: more than was granted, and what the owner does meanwhile. */
#include "meeting.h"

static uint64_t *page;  /* REF_PAGE, mapped */

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
    GIVES(GNTST_general_error, map_ref(REF_NONE, va, GNTMAP_host_map, NULL));
    GIVES(GNTST_bad_page, copy_between(REF_PAGE, REF_TABLE));
    GIVES(GNTST_general_error, copy_between(REF_PAGE, REF_READ_ONLY));
    GIVES(GNTST_general_error, copy_between(REF_NOT_YOURS, REF_PAGE));
    GIVES(GNTST_bad_page, copy_between(REF_HYPERVISOR, REF_PAGE));
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
    const uint64_t mfns[] = { meet->page, meet->table, meet->tables[1], meet->tables[2], meet->tables[3],
                              meet->tables[4] };
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

/* Tables that lead to the owner's: each level of ours to each level of its. */
static bool tables_of_two(void)
{
    uint64_t *table = page_alloc();

    for (unsigned cmd = MMUEXT_PIN_L1_TABLE; cmd <= MMUEXT_PIN_L4_TABLE; cmd++) {
        for (unsigned level = 1; level <= 4; level++) {
            table[5] = pte(meet->tables[level], cmd == MMUEXT_PIN_L1_TABLE ? 0 : PTE_TABLE);
            MUST(!set_writable(table, false));
            REFUSED(EINVAL, mmuext(cmd, virt_to_mfn(table), 0));
            MUST(!set_writable(table, true));
        }
    }
    table[5] = 0;
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
    uint32_t handle;

    page = page_alloc();
    GIVES(GNTST_okay, map_ref(REF_PAGE, page, GNTMAP_host_map, &handle));
    page[0] = MAGIC;
    REFUSED(EBUSY, ask(EXCHANGE, 0));
    REFUSED(EBUSY, ask(NEW_VERSION, 0));
    GIVES(GNTST_eagain, ask(SWAP, 0));
    MUST(page[0] == MAGIC);
    GIVES(GNTST_okay, unmap(handle, page));
    return true;
}

static bool owner_closes(void)
{
    evtchn_send_t send;
    uint32_t port, other;

    MUST(!bind_owner_port(&port));
    send.port = port;
    MUST(!HC2(event_channel_op, EVTCHNOP_send, PTR(&send)));
    REFUSED(EINVAL, bind_owner_port(&other)); /* it is taken */
    GIVES(0, ask(CLOSE, 0));
    GIVES(EVTCHNSTAT_unbound, port_state(port));
    MUST(!HC2(event_channel_op, EVTCHNOP_send, PTR(&send))); /* to nobody */
    REFUSED(EINVAL, bind_owner_port(&other));
    GIVES(0, port_close(port));
    REFUSED(EINVAL, HC2(event_channel_op, EVTCHNOP_send, PTR(&send)));
    REFUSED(EINVAL, ask(CLOSE, 0)); /* it is closed already */
    return true;
}

/* A handle that was given back is nobody's, until it is somebody else's. */
static bool handles_reused(void)
{
    uint32_t first, second;
    char *one = page_alloc(), *two = page_alloc();

    GIVES(GNTST_okay, map_ref(REF_PAGE, one, GNTMAP_host_map, &first));
    GIVES(GNTST_okay, unmap(first, one));
    GIVES(GNTST_bad_handle, unmap(first, one));
    GIVES(GNTST_okay, map_ref(REF_READ_ONLY, two, GNTMAP_host_map | GNTMAP_readonly, &second));
    GIVES(first, second);
    GIVES(GNTST_general_error, unmap(first, one));      /* nothing is there */
    GIVES(GNTST_general_error, unmap(first, pt_entry)); /* something else is */
    GIVES(TRAP_NONE, catch_trap(do_read, two));
    GIVES(GNTST_okay, unmap(second, two));
    return true;
}

/* What any of its words has. */
static uint64_t bits_of(const uint64_t *words)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*words); i++)
        bits |= words[i];
    return bits;
}

/* The owner gives up pages that we have mapped: they stay what they are, and are nobody else's. */
static bool owner_gives_up(void)
{
    uint64_t *seen = page_alloc();
    uint32_t handle, table;

    page = page_alloc();
    GIVES(GNTST_okay, map_ref(REF_PAGE, page, GNTMAP_host_map, &handle));
    GIVES(GNTST_okay, map_ref(REF_TABLE, seen, GNTMAP_host_map | GNTMAP_readonly, &table));
    GIVES(0, ask(REVOKE, 0));
    GIVES(1, ask(GIVE_UP, 0));
    GIVES(1, ask(GIVE_UP, 1));
    memset(page, 0, PAGE_SIZE);
    page[0] = 1;
    for (unsigned i = 0; i < 1000; i++)
        rest();
    MUST(bits_of(page) == 1 && !bits_of(seen));
    GIVES(TRAP_PF, catch_trap(do_write, seen));
    GIVES(0, give_up(meet->page)); /* not ours to give up */
    REFUSED(EINVAL, exchange(meet->page));
    REFUSED(EINVAL, map_page(page_alloc(), pte(meet->page, PTE_RW | PTE_D)));
    GIVES(GNTST_okay, unmap(table, seen));
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
        evtchn_send_t send;
        long rc = bind_owner_port(&send.port);

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
        GIVES(0, port_close(send.port));
    }
    meet->command = NO_COMMAND;
    MUST(bound > 0 && refused > 0);
    return true;
}

const struct attack peer_attacks[] = {
    { "find the owner", find_owner },
    { "more than granted", more_than_granted },
    { "owner's frames by number", by_number },
    { "tables of two domains", tables_of_two },
    { "grant as one's own", grant_as_own },
    { "handles reused", handles_reused },
    { "owner changes its mind", owner_changes_its_mind },
    { "racing with unbind", racing_unbind },
    { NULL, NULL },
};

/* After which the owner has less to give. */
const struct attack parting_attacks[] = {
    { "find the owner", find_owner },
    { "owner closes a port", owner_closes },
    { "owner gives up pages", owner_gives_up },
    { NULL, NULL },
};
