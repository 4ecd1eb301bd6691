/* SPDX-License-Identifier: MIT */
/* Pages of each kind that must not be written to, written to by each route that a single domain has. */
#include "hostile.h"

static char *window_page(void)
{
    static char *page;

    if (!page)
        page = page_alloc();
    return page;
}

static uint64_t writable(const uint64_t *page)
{
    return pte(virt_to_mfn(page), PTE_RW | PTE_D);
}

/* --- mappings --- */

static long by_window(uint64_t *page)
{
    return map_page(window_page(), writable(page));
}

static long by_itself(uint64_t *page)
{
    return set_writable(page, true);
}

static long by_name(uint64_t *page)
{
    return HC4(update_va_mapping_otherdomain, PTR(window_page()), writable(page), UVMF_INVLPG, DOMID_SELF);
}

static long by_update(uint64_t *page)
{
    return entry_set(pt_entry(window_page(), 1), writable(page));
}

static long by_update_keeping(uint64_t *page)
{
    const uint64_t *l1e = pt_entry(window_page(), 1);
    uint64_t at = virt_to_mfn(l1e) << 12 | (PTR(l1e) & (PAGE_SIZE - 1));
    mmu_update_t u = { .ptr = at | MMU_PT_UPDATE_PRESERVE_AD, .val = writable(page) };

    return HC4(mmu_update, PTR(&u), 1, 0, DOMID_SELF);
}

static long by_new_table(uint64_t *page)
{
    static uint64_t *table;
    long rc;

    if (!table)
        table = page_alloc();
    table[7] = writable(page);
    set_writable(table, false);
    rc = mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table), 0);
    set_writable(table, true);
    return rc;
}

/* As a linear table would: its words are entries then, which map it. */
static long as_table(uint64_t *page)
{
    const uint64_t *l2 = mfn_to_virt(table_of(_text, 2));

    return entry_set(&l2[508], pte(virt_to_mfn(page), PTE_TABLE));
}

/* --- what the hypervisor writes for us --- */

static long by_plain_update(uint64_t *page)
{
    return entry_set(&page[3], 0);
}

static long by_descriptor(uint64_t *page)
{
    return HC2(update_descriptor, virt_to_mfn(page) << 12, 0);
}

static long by_clearing(uint64_t *page)
{
    return mmuext(MMUEXT_CLEAR_PAGE, virt_to_mfn(page), 0);
}

static long by_copying(uint64_t *page)
{
    return mmuext(MMUEXT_COPY_PAGE, virt_to_mfn(page), virt_to_mfn(_text));
}

static long by_grant_copy(uint64_t *page)
{
    gnttab_copy_t copy = { .len = 8, .source = { .u.gmfn = virt_to_mfn(_text), .domid = DOMID_SELF },
                           .dest = { .u.gmfn = virt_to_mfn(page), .domid = DOMID_SELF } };

    return HC3(grant_table_op, GNTTABOP_copy, PTR(&copy), 1) ? 1 : copy.status;
}

static long by_answer(uint64_t *page)
{
    return HC2(xen_version, XENVER_extraversion, PTR(page));
}

static long by_vcpu_info(uint64_t *page)
{
    struct vcpu_register_vcpu_info info = { .mfn = virt_to_mfn(page) };

    return HC3(vcpu_op, VCPUOP_register_vcpu_info, 0, PTR(&info));
}

static long by_event_queue(uint64_t *page)
{
    evtchn_init_control_t control = { .control_gfn = virt_to_mfn(page) };

    return HC2(event_channel_op, EVTCHNOP_init_control, PTR(&control));
}

static long by_hypercall_page(uint64_t *page)
{
    struct code_regs r = { .rcx = 0x40000000, .rax = (uint32_t)(virt_to_mfn(page) << 12),
                           .rdx = virt_to_mfn(page) >> 20 };

    return RUN(&r, 0x0f, 0x30); /* wrmsr */
}

/* An address that may be registered; it is written to whenever we run again. */
static long by_runstate(uint64_t *page)
{
    static struct vcpu_runstate_info elsewhere;
    struct vcpu_register_runstate_memory_area area = { .addr.p = PTR(page) };

    (void)HC3(vcpu_op, VCPUOP_register_runstate_memory_area, 0, PTR(&area));
    for (unsigned i = 0; i < 3; i++)
        HC2(sched_op, SCHEDOP_yield, 0);
    area.addr.p = PTR(&elsewhere);
    return HC3(vcpu_op, VCPUOP_register_runstate_memory_area, 0, PTR(&area));
}

static long by_exchange(uint64_t *page)
{
    xen_pfn_t in = virt_to_mfn(page), out = 0;
    struct xen_memory_exchange x = { .in = { .nr_extents = 1, .domid = DOMID_SELF },
                                     .out = { .nr_extents = 1, .domid = DOMID_SELF } };

    set_xen_guest_handle(x.in.extent_start, &in);
    set_xen_guest_handle(x.out.extent_start, &out);
    return HC2(memory_op, XENMEM_exchange, PTR(&x));
}

static long by_store(uint64_t *page)
{
    return catch_trap(do_write, page);
}

/* --- each by each --- */

enum { ANY, TABLES, DESCRIPTORS };

static const struct route {
    const char *name;
    unsigned kinds;
    long refusal;
    long (*write)(uint64_t *page);
} routes[] = {
    { "another mapping", ANY, -XEN_EBUSY, by_window },
    { "its mapping", ANY, -XEN_EBUSY, by_itself },
    { "its owner's name", ANY, -XEN_EBUSY, by_name },
    { "mmu_update", ANY, -XEN_EBUSY, by_update },
    { "mmu_update keeping A and D", ANY, -XEN_EBUSY, by_update_keeping },
    { "an entry of a new table", ANY, -XEN_EBUSY, by_new_table },
    { "a table of it", DESCRIPTORS, -XEN_EBUSY, as_table },
    { "mmu_update of its words", DESCRIPTORS, -XEN_EBUSY, by_plain_update },
    { "update_descriptor", TABLES, -XEN_EINVAL, by_descriptor },
    { "CLEAR_PAGE", ANY, -XEN_EINVAL, by_clearing },
    { "COPY_PAGE", ANY, -XEN_EINVAL, by_copying },
    { "a grant copy", ANY, GNTST_bad_page, by_grant_copy },
    { "a hypercall's answer", ANY, -XEN_EFAULT, by_answer },
    { "vcpu_info", ANY, -XEN_EINVAL, by_vcpu_info },
    { "event queues", ANY, -XEN_EINVAL, by_event_queue },
    { "the hypercall page", ANY, TRAP_GP, by_hypercall_page },
    { "runstate", ANY, 0, by_runstate },
    { "an exchange", ANY, -XEN_EBUSY, by_exchange },
    { "a store", ANY, TRAP_PF, by_store },
};

static uint64_t sum(const uint64_t *page)
{
    uint64_t s = 0;

    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*page); i++)
        s = s * 31 + ((volatile const uint64_t *)page)[i];
    return s;
}

static bool route_held(const struct kind *k, const struct route *r, uint64_t *page)
{
    uint64_t before = sum(page);
    long got = r->write(page);

    if (got != r->refusal || sum(page) != before)
        print("  %s by %s\n", k->name, r->name);
    GIVES(r->refusal, got);
    MUST(sum(page) == before);
    return true;
}

static bool by_every_route(void)
{
    uint64_t *page = page_alloc();

    for (unsigned n = 0; n < KINDS; n++) {
        const struct kind *k = &kinds[n];

        GIVES(0, kind_begin(k, page));
        for (unsigned i = 0; i < ARRAY_SIZE(routes); i++)
            if (routes[i].kinds == ANY || (routes[i].kinds == TABLES) == k->table)
                MUST(route_held(k, &routes[i], page));
        GIVES(0, kind_end(k, page));
    }
    return true;
}

/* The other way round: a page that can be written to somewhere is not believed. */
static bool while_mapped(void)
{
    uint64_t *page = page_alloc();
    char *window = window_page();

    for (unsigned n = 0; n < KINDS; n++) {
        uint64_t own = virt_to_mfn(window);

        MUST(!map_page(window, writable(page)));
        GIVES(kinds[n].refusal, kind_begin(&kinds[n], page));
        MUST(!map_page(window, pte(own, PTE_RW | PTE_D)));
    }
    return true;
}

const struct attack protected_attacks[] = {
    { "protected pages by every route", by_every_route },
    { "protected pages that are mapped", while_mapped },
    { NULL, NULL },
};
