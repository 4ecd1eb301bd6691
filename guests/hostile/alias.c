/* SPDX-License-Identifier: MIT */
/*
 * Writing to the owner's tables and descriptors through the second domain: the
 * peer has the page mapped while it becomes one, and would map it once it is.
 * As the owner's peer by grants; as a domain that controls it by its name.
 */
#include "meeting.h"

static char *window;            /* where the page is mapped */
static uint32_t handle;

struct way {
    const char *name;
    long refusal;               /* of a writable mapping of a page that is in use as something else */
    bool seen;                  /* it shows at the window */
    long (*map)(bool write);
    long (*unmap)(void);
};

/* --- by grant --- */

static uint32_t access_flags(bool write)
{
    return write ? 0 : GNTMAP_readonly;
}

static uint64_t window_entry(void)
{
    const uint64_t *l1e = pt_entry(window, 1);

    return virt_to_mfn(l1e) << 12 | (PTR(l1e) & (PAGE_SIZE - 1));
}

static long map_granted(bool write)
{
    return map_ref(REF_PAGE, window, GNTMAP_host_map | access_flags(write), &handle);
}

static long map_granted_entry(bool write)
{
    return map_ref_at(REF_PAGE, window_entry(), GNTMAP_host_map | GNTMAP_contains_pte | access_flags(write),
                      &handle);
}

static long map_for_device(bool write)
{
    return map_ref_at(REF_PAGE, 0, GNTMAP_device_map | access_flags(write), &handle);
}

static long unmap_granted(void) { return unmap(handle, window); }
static long unmap_granted_entry(void) { return unmap_at(handle, window_entry(), 0); }
static long unmap_for_device(void) { return unmap_at(handle, 0, meet->page << 12); }

/* Copies have no mapping that lasts: a write is all there is of it. */
static long copy_to(bool write) { return write ? copy_between(REF_READ_ONLY, REF_PAGE) : 0; }
static long nothing(void) { return 0; }

/* --- by its owner's name --- */

static uint64_t entry_for(bool write)
{
    return pte(meet->page, write ? PTE_RW | PTE_D : 0);
}

static long map_by_name(bool write)
{
    return HC4(update_va_mapping_otherdomain, PTR(window), entry_for(write), UVMF_INVLPG, owner_id);
}

static long update_by_name(bool write)
{
    mmu_update_t u = { .ptr = window_entry(), .val = entry_for(write) };

    return HC4(mmu_update, PTR(&u), 1, 0, owner_id);
}

static long unmap_by_name(void) { return map_page(window, 0); }

/* --- each with each kind --- */

/* What is mapped for writing does not become what must not be written to. */
static bool mapped_first(const struct way *w, unsigned kind)
{
    GIVES(0, w->map(true));
    if (w->seen)
        GIVES(TRAP_NONE, catch_trap(do_write, window));
    if (w->seen || w->unmap == unmap_for_device)
        GIVES(kinds[kind].refusal, ask(BECOME, kind));
    GIVES(0, w->unmap());
    return true;
}

/* Mapped for reading it may become that: then it is not mapped for writing, nor made writable where it is. */
static bool mapped_after(const struct way *w, unsigned kind)
{
    GIVES(0, w->map(false));
    GIVES(0, ask(BECOME, kind));
    GIVES(w->refusal, w->map(true));
    if (w->seen) {
        GIVES(TRAP_NONE, catch_trap(do_read, window));
        GIVES(TRAP_PF, catch_trap(do_write, window));
        REFUSED(EINVAL, map_page(window, pte(meet->page, PTE_RW | PTE_D)));
        GIVES(TRAP_PF, catch_trap(do_write, window));
    }
    GIVES(0, w->unmap());
    GIVES(w->refusal, w->map(true));
    GIVES(0, ask(CEASE, kind));
    return true;
}

static bool held(const struct way *w)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        if (mapped_first(w, kind) && mapped_after(w, kind))
            continue;
        print("  %s by %s\n", kinds[kind].name, w->name);
        return false;
    }
    return true;
}

static bool all_held(const struct way *ways, unsigned n)
{
    MUST(meet);
    if (!window)
        window = page_alloc();
    for (unsigned i = 0; i < n; i++)
        MUST(held(&ways[i]));
    return true;
}

static bool by_grant(void)
{
    static const struct way ways[] = {
        { "grant", GNTST_bad_page, true, map_granted, unmap_granted },
        { "grant at an entry", GNTST_bad_page, true, map_granted_entry, unmap_granted_entry },
        { "grant for devices", GNTST_bad_page, false, map_for_device, unmap_for_device },
        { "grant copy", GNTST_bad_page, false, copy_to, nothing },
    };

    return all_held(ways, ARRAY_SIZE(ways));
}

static bool by_name(void)
{
    static const struct way ways[] = {
        { "foreign mapping", -XEN_EBUSY, true, map_by_name, unmap_by_name },
        { "foreign update", -XEN_EBUSY, true, update_by_name, unmap_by_name },
    };

    return all_held(ways, ARRAY_SIZE(ways));
}

const struct attack alias_attacks[] = {
    { "find the owner", find_owner },
    { "aliases by grant", by_grant },
    { NULL, NULL },
};

const struct attack foreign_alias_attacks[] = {
    { "find the owner", find_owner },
    { "aliases by its name", by_name },
    { NULL, NULL },
};
