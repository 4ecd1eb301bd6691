/* SPDX-License-Identifier: MIT */
/* Making a page table writable, or something else into a page table, by every route a single domain has. */
#include "hostile.h"

#include <xen/event_channel.h>

/* The frames of the tables that map this kernel, from L1 to L4. */
static uint64_t own_table(unsigned level)
{
    return table_of(_text, level);
}

static char *window_page(void)
{
    static char *page;

    if (!page)
        page = page_alloc();
    return page;
}

static bool by_mapping(void)
{
    char *window = window_page();
    uint64_t *l1e = pt_entry(window, 1), before = *l1e;
    mmu_update_t keep_ad = { .ptr = table_of(window,
                                             1) << 12 | (PTR(l1e) & 0xfff) | MMU_PT_UPDATE_PRESERVE_AD };

    for (unsigned level = 1; level <= 4; level++) {
        uint64_t want = pte(own_table(level), PTE_RW | PTE_D);

        REFUSED(EBUSY, map_page(window, want));
        REFUSED(EBUSY, HC4(update_va_mapping_otherdomain, PTR(window), want, UVMF_INVLPG, DOMID_SELF));
        REFUSED(EBUSY, entry_set(l1e, want));
        keep_ad.val = want;
        REFUSED(EBUSY, HC4(mmu_update, PTR(&keep_ad), 1, 0, DOMID_SELF));
    }
    MUST(*l1e == before);
    return true;
}

struct store { uint64_t *at, value; };

static void do_store(void *p) { const struct store *s = p; *(volatile uint64_t *)s->at = s->value; }
static void do_store_across(void *p)
{
    const struct store *s = p;

    *(volatile uint64_t *)((char *)s->at + 4) = s->value;
}
static void do_movs(void *p)
{
    struct store *s = p;
    uint64_t *to = s->at, *from = &s->value, n = 1;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) :: "memory");
}
static void do_cmpxchg16(void *p)
{
    struct store *s = p;
    uint64_t a = s->at[0], d = s->at[1];

    __asm__ volatile("lock cmpxchg16b (%[at])" : "+a"(a), "+d"(d) : [at] "r"(s->at), "b"(s->value),
                     "c"(s->value) : "memory");
}

/* Writes that the hypervisor does for us if they are right: else a page fault, as if it did not know how. */
static bool store_refused(uint64_t *table, unsigned slot)
{
    static void (*const ways[])(void *) = { do_store, do_store_across, do_movs, do_cmpxchg16 };
    struct store s = { &table[slot], pte(virt_to_mfn(table), PTE_TABLE) };

    MUST(!table[slot] && !table[slot + 1]);
    for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
        GIVES(TRAP_PF, catch_trap(ways[i], &s));
        MUST(last_trap.error == 3);
        MUST(!table[slot] && !table[slot + 1]);
    }
    return true;
}

static bool by_store(void)
{
    uint64_t *l1 = table_new();

    MUST(!mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l1), 0));
    MUST(store_refused(l1, 6));
    MUST(!mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(l1), 0));
    MUST(store_refused(mfn_to_virt(own_table(2)), 508)); /* unused ones */
    MUST(store_refused(mfn_to_virt(own_table(3)), 508));
    MUST(store_refused(mfn_to_virt(own_table(4)), 300));
    return !set_writable(l1, true);
}

/* Linear page tables (docs/caveats.md): a table in itself, or in one of its own level. */
static bool linear(void)
{
    for (unsigned level = 2; level <= 4; level++) {
        uint64_t *table = mfn_to_virt(own_table(level));
        unsigned slot = level == 4 ? 300 : 508;

        MUST(!table[slot]);
        REFUSED(EBUSY, entry_set(&table[slot], pte(own_table(level), PTE_TABLE)));
        REFUSED(EBUSY, entry_set(&table[slot], pte(own_table(level), PTE_US)));
        MUST(!table[slot]);
    }
    return true;
}

/* The same in new ones: two of each level that name each other, and one that names itself. */
static bool rings(void)
{
    uint64_t *tables[2] = { page_alloc(), page_alloc() };

    for (unsigned cmd = MMUEXT_PIN_L1_TABLE; cmd <= MMUEXT_PIN_L4_TABLE; cmd++) {
        uint64_t flags = cmd == MMUEXT_PIN_L1_TABLE ? PTE_RW : PTE_TABLE;

        for (unsigned i = 0; i < 2; i++) {
            tables[i][9] = pte(virt_to_mfn(tables[1 - i]), flags);
            tables[i][8] = pte(virt_to_mfn(tables[i]), flags);
            MUST(!set_writable(tables[i], false));
        }
        for (unsigned i = 0; i < 2; i++)
            REFUSED(EBUSY, mmuext(cmd, virt_to_mfn(tables[i]), 0));
        for (unsigned i = 0; i < 2; i++) {
            MUST(!set_writable(tables[i], true));
            tables[i][8] = 0; /* now only each other */
            MUST(!set_writable(tables[i], false));
        }
        for (unsigned i = 0; i < 2; i++)
            MUST(cmd == MMUEXT_PIN_L1_TABLE || mmuext(cmd, virt_to_mfn(tables[i]), 0) < 0);
        for (unsigned i = 0; i < 2; i++)
            MUST(!set_writable(tables[i], true));
    }
    tables[0][9] = tables[1][9] = 0;
    return true;
}

/* Entries of upper levels that lead to anything but a table of the next lower level. */
static bool wrong_level(void)
{
    uint64_t plain = virt_to_mfn(page_alloc());

    for (unsigned level = 2; level <= 4; level++) {
        uint64_t *table = mfn_to_virt(own_table(level));
        unsigned slot = level == 4 ? 300 : 508;

        REFUSED(EBUSY, entry_set(&table[slot], pte(plain, PTE_TABLE)));
        for (unsigned other = 1; other <= 4; other++)
            if (other != level - 1)
                REFUSED(EBUSY, entry_set(&table[slot], pte(own_table(other), PTE_TABLE)));
        REFUSED(EINVAL, entry_set(&table[slot], pte(HYPERVISOR_MFN, PTE_TABLE)));
        REFUSED(EINVAL, entry_set(&table[slot], pte(PTE_FRAME >> 12, PTE_TABLE)));
        REFUSED(EINVAL, entry_set(&table[slot], pte(own_table(level - 1), PTE_TABLE | PTE_PSE)));
        REFUSED(EINVAL, entry_set(&table[slot], pte(own_table(level - 1), PTE_TABLE | PTE_PCD)));
        MUST(!table[slot]);
    }
    return true;
}

/* The hypervisor's slots of the root in use. */
static bool hypervisor_slots(void)
{
    uint64_t *root = mfn_to_virt(own_table(4));
    struct store s;

    for (unsigned slot = 256; slot < 272; slot++) {
        uint64_t before = root[slot];

        REFUSED(EINVAL, entry_set(&root[slot], 0));
        REFUSED(EINVAL, entry_set(&root[slot], pte(own_table(3), PTE_TABLE)));
        s = (struct store){ &root[slot], pte(own_table(3), PTE_TABLE) };
        GIVES(TRAP_PF, catch_trap(do_store, &s));
        MUST(root[slot] == before);
    }
    return true;
}

/* A root that brings its own entries in those slots: they do not survive, and the hypervisor's do not stay. */
static bool hypervisor_slots_of_new(void)
{
    uint64_t *root = page_alloc(), *current_root = mfn_to_virt(own_table(4));

    for (unsigned slot = 256; slot < 272; slot++)
        root[slot] = pte(HYPERVISOR_MFN + slot, PTE_TABLE);
    MUST(!set_writable(root, false));
    MUST(!mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(root), 0));
    for (unsigned slot = 256; slot < 272; slot++)
        MUST(root[slot] == current_root[slot]);
    MUST(!mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(root), 0));
    for (unsigned slot = 256; slot < 272; slot++)
        MUST(!root[slot]);
    return !set_writable(root, true);
}

/* Pages that must not become tables: mapped writable, or with contents that no table may have. */
static bool pin_bad(void)
{
    uint64_t *page = page_alloc(), mfn = virt_to_mfn(page);
    const uint64_t bad[] = {
        pte(HYPERVISOR_MFN, PTE_RW), pte(HYPERVISOR_MFN, 0), pte(mfn, PTE_RW), pte(own_table(4), PTE_RW),
        pte(PTE_FRAME >> 12, 0),
    };

    for (unsigned cmd = MMUEXT_PIN_L1_TABLE; cmd <= MMUEXT_PIN_L4_TABLE; cmd++)
        REFUSED(EBUSY, mmuext(cmd, mfn, 0));
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        MUST(!set_writable(page, true));
        page[511] = bad[i];
        MUST(!set_writable(page, false));
        for (unsigned cmd = MMUEXT_PIN_L1_TABLE; cmd <= MMUEXT_PIN_L4_TABLE; cmd++)
            REFUSED_EITHER(EINVAL, EBUSY, mmuext(cmd, mfn, 0));
        MUST(page[511] == bad[i]);
    }
    MUST(!set_writable(page, true));
    page[511] = 0;
    return true;
}

static bool pin_twice(void)
{
    uint64_t *table = table_new(), mfn = virt_to_mfn(table);

    REFUSED(EINVAL, mmuext(MMUEXT_UNPIN_TABLE, mfn, 0));
    MUST(!mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0));
    REFUSED(EINVAL, mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0));
    REFUSED(EBUSY, mmuext(MMUEXT_PIN_L2_TABLE, mfn, 0));
    REFUSED(EBUSY, mmuext(MMUEXT_PIN_L4_TABLE, mfn, 0));
    REFUSED(EBUSY, set_writable(table, true));
    MUST(!mmuext(MMUEXT_UNPIN_TABLE, mfn, 0));
    REFUSED(EINVAL, mmuext(MMUEXT_UNPIN_TABLE, mfn, 0));
    return !set_writable(table, true);
}

/* Roots that are none. */
static bool bad_roots(void)
{
    uint64_t plain = virt_to_mfn(page_alloc());
    struct code_regs r;

    for (unsigned cmd = MMUEXT_NEW_BASEPTR;; cmd = MMUEXT_NEW_USER_BASEPTR) {
        REFUSED(EBUSY, mmuext(cmd, plain, 0));
        for (unsigned level = 1; level < 4; level++)
            REFUSED(EBUSY, mmuext(cmd, own_table(level), 0));
        REFUSED(EINVAL, mmuext(cmd, HYPERVISOR_MFN, 0));
        REFUSED(EINVAL, mmuext(cmd, ~0UL, 0));
        if (cmd == MMUEXT_NEW_USER_BASEPTR)
            break;
    }
    r.rax = plain << 12;
    GIVES(TRAP_GP, RUN(&r, 0x0f, 0x22, 0xd8)); /* mov %rax, %cr3 */
    r.rax = ~0UL;
    GIVES(TRAP_GP, RUN(&r, 0x0f, 0x22, 0xd8));
    return true;
}

/* What the hypervisor writes to for us must be the guest's to write to. */
static bool by_services(void)
{
    uint64_t l1 = own_table(1), plain = virt_to_mfn(page_alloc());
    struct vcpu_register_vcpu_info info = { .mfn = l1 };
    evtchn_init_control_t control = { .control_gfn = l1 };
    struct code_regs msr = { .rcx = 0x40000000, .rax = (uint32_t)(l1 << 12), .rdx = l1 >> 20 };
    gnttab_copy_t copy = { .len = 8, .source = { .u.gmfn = plain, .domid = DOMID_SELF },
                           .dest = { .u.gmfn = l1, .domid = DOMID_SELF } };

    REFUSED(EINVAL, mmuext(MMUEXT_CLEAR_PAGE, l1, 0));
    REFUSED(EINVAL, mmuext(MMUEXT_COPY_PAGE, l1, plain));
    REFUSED(EINVAL, HC2(update_descriptor, l1 << 12, 0));
    REFUSED(EINVAL, HC3(vcpu_op, VCPUOP_register_vcpu_info, 0, PTR(&info)));
    info.mfn = HYPERVISOR_MFN;
    REFUSED(EINVAL, HC3(vcpu_op, VCPUOP_register_vcpu_info, 0, PTR(&info)));
    info = (struct vcpu_register_vcpu_info){ .mfn = plain, .offset = PAGE_SIZE - 8 };
    REFUSED(EINVAL, HC3(vcpu_op, VCPUOP_register_vcpu_info, 0, PTR(&info)));
    REFUSED(EINVAL, HC2(event_channel_op, EVTCHNOP_init_control, PTR(&control)));
    control.control_gfn = HYPERVISOR_MFN;
    REFUSED(EINVAL, HC2(event_channel_op, EVTCHNOP_init_control, PTR(&control)));
    GIVES(TRAP_GP, RUN(&msr, 0x0f, 0x30)); /* wrmsr: the hypercall page */
    msr.rax = HYPERVISOR_MFN << 12;
    msr.rdx = 0;
    GIVES(TRAP_GP, RUN(&msr, 0x0f, 0x30));
    MUST(!HC3(grant_table_op, GNTTABOP_copy, PTR(&copy), 1));
    GIVES(GNTST_bad_page, copy.status);
    return true;
}

/* A writable translation that the guest did not flush when the page becomes a table. */
static bool stale_translation(void)
{
    uint64_t *page = page_alloc(), mfn = virt_to_mfn(page);
    char *alias = page_alloc();
    uint64_t *seen = (uint64_t *)alias, own = virt_to_mfn(alias);
    struct store s = { seen, pte(HYPERVISOR_MFN, PTE_RW) };

    for (unsigned round = 0; round < 50; round++) {
        MUST(!map_page(alias, pte(mfn, PTE_RW | PTE_D)));
        *(volatile uint64_t *)seen = 0; /* in the TLB, dirty */
        MUST(!set_writable(page, false));
        MUST(!HC3(update_va_mapping, PTR(alias), 0, UVMF_NONE));
        MUST(!mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0));
        GIVES(TRAP_PF, catch_trap(do_store, &s));
        MUST(!page[0]);
        MUST(!mmuext(MMUEXT_UNPIN_TABLE, mfn, 0));
        MUST(!set_writable(page, true));
    }
    return !map_page(alias, pte(own, PTE_RW | PTE_D));
}

/* A table that is given up stays one until it is unpinned and unmapped, and is then somebody else's. */
static bool given_up(void)
{
    uint64_t *table = table_new();
    xen_pfn_t mfn = virt_to_mfn(table);
    char *window = window_page();
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(r.extent_start, &mfn);
    MUST(!mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0));
    GIVES(1, HC2(memory_op, XENMEM_decrease_reservation, PTR(&r)));
    GIVES(0, HC2(memory_op, XENMEM_decrease_reservation, PTR(&r))); /* once */
    REFUSED(EBUSY, map_page(window, pte(mfn, PTE_RW | PTE_D)));
    MUST(!entry_set(&table[3], pte(own_table(1), 0)) && table[3]);
    MUST(!mmuext(MMUEXT_UNPIN_TABLE, mfn, 0));
    MUST(!map_page(table, 0));
    REFUSED(EINVAL, map_page(window, pte(mfn, PTE_RW | PTE_D)));
    REFUSED(EINVAL, mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0));
    return refill(table);
}

/* Entries by virtual addresses that are the hypervisor's, or none, though their index is one of its slots. */
static bool by_address(void)
{
    static const uint64_t places[] = { 0xffff800000000000UL, HYPERVISOR_IMAGE, PERDOMAIN, DIRECT_MAP,
                                       HYPERVISOR_END - PAGE_SIZE,
                                       NOT_CANONICAL, NOT_CANONICAL + 0x8000000000UL, 0x8000000000000000UL };

    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        REFUSED(EINVAL, HC3(update_va_mapping, places[i], 0, UVMF_INVLPG | UVMF_ALL));
        REFUSED(EINVAL, HC3(update_va_mapping, places[i], pte(virt_to_mfn(_text), 0), UVMF_TLB_FLUSH));
        MUST(!mmuext(MMUEXT_INVLPG_LOCAL, places[i], 0) && !mmuext(MMUEXT_INVLPG_ALL, places[i], 0));
    }
    REFUSED(EINVAL, HC3(update_va_mapping, PTR(window_page()), *pt_entry(window_page(), 1),
                        UVMF_FLUSHTYPE_MASK));
    return true;
}

/* What is in use cannot be exchanged. */
static bool exchanged(void)
{
    xen_pfn_t table = own_table(1), out = 0;
    struct xen_memory_exchange x = { .in = { .nr_extents = 1, .domid = DOMID_SELF },
                                     .out = { .nr_extents = 1, .domid = DOMID_SELF } };

    set_xen_guest_handle(x.in.extent_start, &table);
    set_xen_guest_handle(x.out.extent_start, &out);
    REFUSED(EBUSY, HC2(memory_op, XENMEM_exchange, PTR(&x)));
    MUST(!x.nr_exchanged);
    table = HYPERVISOR_MFN;
    REFUSED(EINVAL, HC2(memory_op, XENMEM_exchange, PTR(&x)));
    return true;
}

const struct attack table_attacks[] = {
    { "table mapped writable", by_mapping },
    { "table written to", by_store },
    { "linear tables", linear },
    { "tables in a ring", rings },
    { "entries of the wrong level", wrong_level },
    { "hypervisor's slots", hypervisor_slots },
    { "hypervisor's slots of a new root", hypervisor_slots_of_new },
    { "bad tables pinned", pin_bad },
    { "table pinned twice", pin_twice },
    { "bad roots", bad_roots },
    { "table written by services", by_services },
    { "stale translation of a table", stale_translation },
    { "table given up", given_up },
    { "entries by hypervisor's addresses", by_address },
    { "table exchanged", exchanged },
    { NULL, NULL },
};
