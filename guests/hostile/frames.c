/* SPDX-License-Identifier: MIT */
/* Other domains' frames, the hypervisor's and the devices': for a domain without rights. */
#include "hostile.h"

#define FRAMES_MAX 64u

/* The frames that the hypervisor shares with us: what else answers to our name. */
static bool is_shared_with_us(uint64_t mfn)
{
    static xen_pfn_t frames[FRAMES_MAX];
    static uint32_t n;

    if (!n) {
        gnttab_query_size_t size = { .dom = DOMID_SELF };
        gnttab_setup_table_t setup = { .dom = DOMID_SELF };

        HC3(grant_table_op, GNTTABOP_query_size, PTR(&size), 1);
        setup.nr_frames = size.nr_frames < FRAMES_MAX ? size.nr_frames : FRAMES_MAX;
        set_xen_guest_handle(setup.frame_list, frames);
        HC3(grant_table_op, GNTTABOP_setup_table, PTR(&setup), 1);
        n = setup.nr_frames;
    }
    for (unsigned i = 0; i < n; i++)
        if (frames[i] == mfn)
            return true;
    return mfn == start_info->shared_info >> 12;
}

static bool not_mapped(char *window, uint64_t mfn)
{
    REFUSED_EITHER(EINVAL, EPERM, map_page(window, pte(mfn, 0)));
    REFUSED_EITHER(EINVAL, EPERM, map_page(window, pte(mfn, PTE_RW | PTE_D)));
    return true;
}

/* Through the whole machine's memory: some of everybody's frames, and of holes and devices. */
static bool all_frames(void)
{
    uint64_t last = (uint64_t)HC2(memory_op, XENMEM_maximum_ram_page, 0) + 1000, tried = 0;
    char *window = page_alloc();

    MUST(last > 1000 && last < 1UL << 40);
    for (uint64_t mfn = 0; mfn < last; mfn += mfn < 0x1000 ? 1 : 509) {
        if (is_own(mfn) || is_shared_with_us(mfn))
            continue;
        MUST(not_mapped(window, mfn));
        tried++;
    }
    MUST(tried > 1000);
    MUST(not_mapped(window, 0xfec00) && not_mapped(window, 0xfee00)); /* I/O APIC, local APIC */
    MUST(not_mapped(window, 0xfed00) && not_mapped(window, PTE_FRAME >> 12));
    return true;
}

/* One of the hypervisor's, at each level and as each kind of page. */
static bool typed(void)
{
    static const uint64_t mfns[] = { HYPERVISOR_MFN, HYPERVISOR_MFN + 0x80, 0, 0xb8, 0xfee00, ~0UL >> 12 };

    for (unsigned i = 0; i < ARRAY_SIZE(mfns); i++) {
        uint64_t mfn = mfns[i];

        for (unsigned cmd = MMUEXT_PIN_L1_TABLE; cmd <= MMUEXT_NEW_BASEPTR; cmd++)
            REFUSED(EINVAL, mmuext(cmd, mfn, 0));
        REFUSED(EINVAL, mmuext(MMUEXT_CLEAR_PAGE, mfn, 0));
        REFUSED(EINVAL, mmuext(MMUEXT_COPY_PAGE, mfn, virt_to_mfn(_text)));
        REFUSED(EINVAL, mmuext(MMUEXT_COPY_PAGE, virt_to_mfn(page_alloc()), mfn));
        REFUSED(EINVAL, HC2(set_gdt, PTR(&mfn), 1));
        for (unsigned level = 2; level <= 4; level++)
            REFUSED(EINVAL, entry_set((uint64_t *)mfn_to_virt(table_of(_text, level)) + 300, pte(mfn,
                    PTE_TABLE)));
    }
    return true;
}

/* Updates at machine addresses that are not ours, and of the table that tells whose a frame is. */
static bool updates(void)
{
    const uint64_t places[] = { HYPERVISOR_MFN << 12, 0xfee00000, 0, ~7UL, 1UL << 52 };

    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        for (unsigned type = 0; type < 3; type++) {
            mmu_update_t u = { .ptr = places[i] | type, .val = pte(virt_to_mfn(_text), PTE_RW) };

            REFUSED(EINVAL, HC4(mmu_update, PTR(&u), 1, 0, DOMID_SELF));
        }
        REFUSED(EINVAL, HC2(update_descriptor, places[i], 0));
    }
    mmu_update_t odd = { .ptr = (table_of(_text, 1) << 12) + 4 };

    REFUSED(EINVAL, HC4(mmu_update, PTR(&odd), 1, 0, DOMID_SELF));
    return true;
}

/* In the name of others. */
static bool in_others_names(void)
{
    char *window = page_alloc();
    mmu_update_t u = { .ptr = table_of(_text, 1) << 12 };
    struct mmuext_op op = { .cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = HYPERVISOR_MFN };
    xen_pfn_t frame = HYPERVISOR_MFN;
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = 0 };

    REFUSED(EPERM, HC4(update_va_mapping_otherdomain, PTR(window), pte(HYPERVISOR_MFN, 0), UVMF_INVLPG, 0));
    REFUSED(EPERM, HC4(update_va_mapping_otherdomain, PTR(window), pte(HYPERVISOR_MFN, 0), UVMF_INVLPG,
                       DOMID_XEN));
    REFUSED(EPERM, HC4(update_va_mapping_otherdomain, PTR(window), pte(0xfee00, PTE_RW), UVMF_INVLPG,
                       DOMID_IO));
    REFUSED(EINVAL, HC4(update_va_mapping_otherdomain, PTR(window), pte(HYPERVISOR_MFN, PTE_RW), UVMF_INVLPG,
                        DOMID_IO));
    REFUSED(ESRCH, HC4(update_va_mapping_otherdomain, PTR(window), pte(HYPERVISOR_MFN, 0), UVMF_INVLPG,
                       0x7fef));
    REFUSED(ESRCH, HC4(update_va_mapping_otherdomain, PTR(window), pte(HYPERVISOR_MFN, 0), UVMF_INVLPG,
                       DOMID_INVALID));
    REFUSED(EPERM, HC4(mmu_update, PTR(&u), 1, 0, 0));                     /* frames of domain 0 */
    REFUSED(EPERM, HC4(mmu_update, PTR(&u), 1, 0, DOMID_SELF | 1u << 16)); /* tables of domain 0 */
    REFUSED(EPERM, HC4(mmuext_op, PTR(&op), 1, 0, 0));
    REFUSED(EPERM, HC4(mmuext_op, PTR(&op), 1, 0, DOMID_XEN));
    REFUSED(EPERM, HC4(mmuext_op, PTR(&op), 1, 0, DOMID_IO));
    set_xen_guest_handle(r.extent_start, &frame);
    REFUSED(EPERM, HC2(memory_op, XENMEM_decrease_reservation, PTR(&r)));
    REFUSED(EPERM, HC2(memory_op, XENMEM_populate_physmap, PTR(&r)));
    r.domid = DOMID_SELF;
    GIVES(0, HC2(memory_op, XENMEM_decrease_reservation, PTR(&r))); /* none done */
    return true;
}

/* The guest's own memory, past the caches (docs/caveats.md). */
static bool uncached(void)
{
    char *va = page_alloc();

    REFUSED(EINVAL, map_page(va, pte(virt_to_mfn(va), PTE_RW | PTE_PCD)));
    REFUSED(EINVAL, map_page(va, pte(virt_to_mfn(va), PTE_RW | PTE_PWT)));
    REFUSED(EINVAL, map_page(va, pte(virt_to_mfn(va), PTE_RW | 0x80))); /* PAT */
    return true;
}

/* More memory than it may have: refused, and nothing is lost by asking. */
static bool too_much_memory(void)
{
    static xen_pfn_t frames[512];
    struct xen_memory_reservation r = { .nr_extents = ARRAY_SIZE(frames), .domid = DOMID_SELF };
    unsigned got = 0, round = 0;
    long n;

    set_xen_guest_handle(r.extent_start, frames);
    do {
        n = HC2(memory_op, XENMEM_increase_reservation, PTR(&r));
        MUST(n >= 0 && n <= (long)r.nr_extents);
        for (long i = 0; i < n; i++)
            MUST(M2P[frames[i]] >= start_info->nr_pages || !is_own(frames[i]));
        got += (unsigned)n;
        r.nr_extents = (unsigned)n;
        GIVES(n, HC2(memory_op, XENMEM_decrease_reservation, PTR(&r)));
        r.nr_extents = ARRAY_SIZE(frames);
    } while (++round < 20);
    r.extent_order = 9;
    GIVES(0, HC2(memory_op, XENMEM_increase_reservation, PTR(&r)));
    return got < 20 * ARRAY_SIZE(frames);
}

const struct attack frame_attacks[] = {
    { "everybody's frames", all_frames },
    { "hypervisor's frames as tables", typed },
    { "updates elsewhere", updates },
    { "in others' names", in_others_names },
    { "uncached memory", uncached },
    { "too much memory", too_much_memory },
    { NULL, NULL },
};
