/* SPDX-License-Identifier: MIT */
/* Pages that the CPU believes: page tables of each level, a GDT, an LDT. Who may write to one has the machine. */
#include "hostile.h"

#define DESC_DATA 0x00cff2000000ffffUL /* present, DPL 3 */

void do_load_ds(void *p) { __asm__ volatile("movl %0, %%ds" :: "r"((unsigned)PTR(p))); }

static long pin(unsigned cmd, uint64_t *page) { return mmuext(cmd, virt_to_mfn(page), 0); }
static long pin_l1(uint64_t *page) { return pin(MMUEXT_PIN_L1_TABLE, page); }
static long pin_l2(uint64_t *page) { return pin(MMUEXT_PIN_L2_TABLE, page); }
static long pin_l3(uint64_t *page) { return pin(MMUEXT_PIN_L3_TABLE, page); }
static long pin_l4(uint64_t *page) { return pin(MMUEXT_PIN_L4_TABLE, page); }
static long unpin(uint64_t *page) { return pin(MMUEXT_UNPIN_TABLE, page); }

static long gdt_load(uint64_t *page)
{
    uint64_t mfn = virt_to_mfn(page);

    return HC2(set_gdt, PTR(&mfn), 512);
}

static long gdt_drop(uint64_t *page)
{
    return HC2(set_gdt, PTR(page), 0);
}

static long ldt_drop(uint64_t *page)
{
    (void)page;
    (void)catch_trap(do_load_ds, NULL);
    return mmuext(MMUEXT_SET_LDT, 0, 0);
}

/* The page is looked at when a selector is used: what refuses it is a fault. */
static long ldt_load(uint64_t *page)
{
    long rc = mmuext(MMUEXT_SET_LDT, PTR(page), 512);

    if (!rc)
        rc = catch_trap(do_load_ds, LDT_SELECTOR(1));
    if (rc == TRAP_NONE)
        return 0;
    ldt_drop(page);
    return rc;
}

const struct kind kinds[KINDS] = {
    [KIND_L1] = { "L1", true, -XEN_EBUSY, 0, pin_l1, unpin },
    [KIND_L2] = { "L2", true, -XEN_EBUSY, 0, pin_l2, unpin },
    [KIND_L3] = { "L3", true, -XEN_EBUSY, 0, pin_l3, unpin },
    [KIND_L4] = { "L4", true, -XEN_EBUSY, 0, pin_l4, unpin },
    [KIND_GDT] = { "GDT", false, -XEN_EINVAL, DESC_DATA, gdt_load, gdt_drop },
    [KIND_LDT] = { "LDT", false, TRAP_GP, DESC_DATA, ldt_load, ldt_drop },
};

long kind_begin(const struct kind *k, uint64_t *page)
{
    long rc;

    memset(page, 0, PAGE_SIZE);
    page[1] = k->word;
    rc = set_writable(page, false);
    if (!rc)
        rc = k->use(page);
    if (rc) {
        set_writable(page, true);
        memset(page, 0, PAGE_SIZE);
    }
    return rc;
}

long kind_end(const struct kind *k, uint64_t *page)
{
    long rc = k->unuse(page);

    return rc ? rc : set_writable(page, true);
}
