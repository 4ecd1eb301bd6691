/* SPDX-License-Identifier: MIT */
/* A domain that controls the owner, as a device model does: its memory is open to us, and nothing beyond. */
#include "meeting.h"

#include <xen/domctl.h>

static long ext_of(domid_t of, unsigned cmd, uint64_t mfn)
{
    struct mmuext_op op = { .cmd = cmd, .arg1.mfn = mfn };

    return HC4(mmuext_op, PTR(&op), 1, 0, of);
}

/* An entry of a table of 'tables', naming a frame of 'frames'. */
static long entry_of(domid_t tables, uint64_t table, unsigned slot, domid_t frames, uint64_t val)
{
    mmu_update_t u = { .ptr = table << 12 | slot * sizeof(uint64_t), .val = val };

    return HC4(mmu_update, PTR(&u), 1, 0, frames | (tables + 1u) << 16);
}

static long map_named(char *at, uint64_t val, domid_t of)
{
    return HC4(update_va_mapping_otherdomain, PTR(at), val, UVMF_INVLPG, of);
}

static char *window; /* where frames are mapped in somebody's name */

static bool begin(void)
{
    window = page_alloc();
    return find_owner();
}

static uint64_t own_table(unsigned level)
{
    return table_of(_text, level);
}

/* Slots that neither kernel uses. */
static unsigned free_slot(unsigned level)
{
    return level == 4 ? 300 : 508;
}

/* Tables in use that lead to the other domain's tables, or to the wrong ones: ours, then the owner's. */
static bool linear_across(void)
{
    for (unsigned level = 2; level <= 4; level++) {
        unsigned slot = free_slot(level);

        for (unsigned to = 1; to <= 4; to++) {
            uint64_t its = pte(meet->tables[to], PTE_TABLE), own = pte(own_table(to), PTE_TABLE);

            REFUSED(EINVAL, entry_of(DOMID_SELF, own_table(level), slot, owner_id, its));
            REFUSED(EINVAL, entry_of(DOMID_SELF, own_table(level), slot, owner_id, its & ~PTE_RW));
            REFUSED(EINVAL, entry_of(owner_id, meet->tables[level], slot, DOMID_SELF, own));
            REFUSED(EINVAL, entry_of(owner_id, meet->tables[level], slot, owner_id, own));
            if (to != level - 1)
                REFUSED(EBUSY, entry_of(owner_id, meet->tables[level], slot, owner_id, its));
        }
    }
    return true;
}

/* The owner's page, empty but for one word. */
static bool page_write(uint64_t word)
{
    MUST(!map_named(window, pte(meet->page, PTE_RW | PTE_D), owner_id));
    memset(window, 0, PAGE_SIZE);
    ((uint64_t *)window)[3] = word;
    return !map_page(window, 0);
}

/* New tables: the owner's page with our tables in it, pinned in its name, and ours with the owner's. */
static bool pinned_across(void)
{
    uint64_t *table = page_alloc();

    GIVES(0, ask(SET_WRITABLE, false));
    for (unsigned cmd = MMUEXT_PIN_L1_TABLE; cmd <= MMUEXT_PIN_L4_TABLE; cmd++) {
        uint64_t flags = cmd == MMUEXT_PIN_L1_TABLE ? 0 : PTE_TABLE;

        for (unsigned to = 1; to <= 4; to++) {
            MUST(page_write(pte(own_table(to), flags)));
            REFUSED(EINVAL, ext_of(owner_id, cmd, meet->page));
            table[3] = pte(meet->tables[to], flags);
            MUST(!set_writable(table, false));
            REFUSED(EINVAL, mmuext(cmd, virt_to_mfn(table), 0));
            REFUSED(EINVAL, ext_of(owner_id, cmd, virt_to_mfn(table)));
            MUST(!set_writable(table, true));
        }
        MUST(page_write(pte(meet->page, PTE_TABLE))); /* in itself */
        REFUSED(EBUSY, ext_of(owner_id, cmd, meet->page));
    }
    MUST(page_write(0));
    GIVES(0, ask(SET_WRITABLE, true));
    return true;
}

/* What only a domain itself may do with its frames. */
static bool not_for_others(void)
{
    REFUSED(EPERM, ext_of(owner_id, MMUEXT_NEW_BASEPTR, meet->tables[4]));
    REFUSED(EPERM, ext_of(owner_id, MMUEXT_NEW_USER_BASEPTR, meet->tables[4]));
    REFUSED(EPERM, ext_of(owner_id, MMUEXT_SET_LDT, PTR(window)));
    REFUSED(EINVAL, mmuext(MMUEXT_NEW_BASEPTR, meet->tables[4], 0));
    REFUSED(EINVAL, HC2(set_gdt, PTR(&meet->page), 512));
    REFUSED(EINVAL, HC2(update_descriptor, meet->page << 12, 0));
    for (unsigned level = 1; level <= 4; level++) {
        REFUSED(EBUSY, map_named(window, pte(meet->tables[level], PTE_RW | PTE_D), owner_id));
        REFUSED(EINVAL, ext_of(owner_id, MMUEXT_CLEAR_PAGE, meet->tables[level]));
    }
    return true;
}

/* In the owner's name nothing is to be had that is not the owner's. */
static bool not_the_owners(void)
{
    const uint64_t others[] = { HYPERVISOR_MFN, 0, 0xb8, ~0UL >> 12, virt_to_mfn(_text) };

    for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
        MUST(map_named(window, pte(others[i], 0), owner_id) < 0);
        MUST(map_named(window, pte(others[i], PTE_RW | PTE_D), owner_id) < 0);
        REFUSED(EINVAL, ext_of(owner_id, MMUEXT_PIN_L1_TABLE, others[i]));
        REFUSED(EINVAL, ext_of(owner_id, MMUEXT_CLEAR_PAGE, others[i]));
        REFUSED(EINVAL, entry_of(owner_id, others[i], 0, owner_id, 0));
        MUST(entry_of(owner_id, meet->table, 0, owner_id, pte(others[i], PTE_RW)) < 0);
    }
    REFUSED(EPERM, map_named(window, pte(HYPERVISOR_MFN, 0), 0));
    REFUSED(EPERM, map_named(window, pte(HYPERVISOR_MFN, 0), DOMID_XEN));
    REFUSED(EPERM, ext_of(0, MMUEXT_PIN_L1_TABLE, meet->page));
    return true;
}

/* The tools' calls that give what is the machine's. */
static bool not_with_the_tools(void)
{
    static struct xen_domctl op = { .interface_version = XEN_DOMCTL_INTERFACE_VERSION };
    static const uint32_t commands[] = { XEN_DOMCTL_max_mem, XEN_DOMCTL_set_target, XEN_DOMCTL_irq_permission,
                                         XEN_DOMCTL_iomem_permission, XEN_DOMCTL_ioport_permission,
                                         XEN_DOMCTL_settscinfo };

    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        op.cmd = commands[i];
        op.domain = owner_id;
        REFUSED(EPERM, HC1(domctl, PTR(&op)));
    }
    op.cmd = XEN_DOMCTL_destroydomain;
    op.domain = 0;
    REFUSED(EPERM, HC1(domctl, PTR(&op)));
    op.cmd = XEN_DOMCTL_createdomain;
    REFUSED(EPERM, HC1(domctl, PTR(&op)));
    return true;
}

/* The owner gives up what we have mapped in its name, and we what it has. */
static bool given_up_across(void)
{
    xen_pfn_t frame = meet->table;
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = owner_id };
    volatile uint64_t *word = (uint64_t *)window;

    MUST(!map_named(window, pte(meet->page, PTE_RW | PTE_D), owner_id));
    word[0] = 1;
    GIVES(1, ask(GIVE_UP, 0));
    REFUSED(EBUSY, ext_of(owner_id, MMUEXT_PIN_L1_TABLE, meet->page));
    MUST(word[0] == 1);
    MUST(!map_page(window, 0));
    REFUSED(EINVAL, map_named(window, pte(meet->page, PTE_RW | PTE_D), owner_id));
    set_xen_guest_handle(r.extent_start, &frame);
    GIVES(1, HC2(memory_op, XENMEM_decrease_reservation, PTR(&r)));
    GIVES(0, HC2(memory_op, XENMEM_decrease_reservation, PTR(&r)));
    REFUSED(EBUSY, map_named(window, pte(meet->table, PTE_RW | PTE_D), owner_id)); /* a table still */
    return true;
}

const struct attack foreign_attacks[] = {
    { "find the owner", begin },
    { "linear tables across domains", linear_across },
    { "tables pinned across domains", pinned_across },
    { "not for others", not_for_others },
    { "not the owner's", not_the_owners },
    { "not with the tools' calls", not_with_the_tools },
    { "given up across domains", given_up_across },
    { NULL, NULL },
};
