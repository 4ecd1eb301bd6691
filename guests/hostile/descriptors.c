/* SPDX-License-Identifier: MIT */
/* Ring 0 through segments: descriptors, gates, task states, the GDT and the LDT as pages. */
#include "hostile.h"

#define DESC_P (1UL << 47)
#define DESC_DPL3 (3UL << 45)
#define DESC_CODE64 (0x00209a0000000000UL) /* present, DPL 0, long mode */
#define DESC_DATA (0x00cf92000000ffffUL)   /* present, DPL 0 */
#define DESC_SYSTEM(type) (DESC_P | (uint64_t)(type) << 40)

/* System descriptors of long mode, and those it does not have: none may be present. */
static const uint8_t system_types[] = { 1, 2, 3, 4, 5, 6, 7, 9, 0xb, 0xc, 0xe, 0xf };

static bool gates_refused(void)
{
    uint64_t *page = page_alloc(), mfn = virt_to_mfn(page);

    for (unsigned i = 0; i < ARRAY_SIZE(system_types); i++) {
        MUST(!set_writable(page, true));
        page[511] = DESC_SYSTEM(system_types[i]) | DESC_DPL3;
        MUST(!set_writable(page, false));
        REFUSED(EINVAL, HC2(set_gdt, PTR(&mfn), 512));
        REFUSED(EINVAL, HC2(update_descriptor, mfn << 12, page[511]));
    }
    MUST(!set_writable(page, true));
    page[511] = 0;
    return true;
}

static void do_load_ss(void *p) { __asm__ volatile("movl %0, %%ss" :: "r"((unsigned)PTR(p))); }

static void do_far_call(void *p)
{
    struct { uint32_t to; uint16_t cs; } __attribute__((packed)) far = { (uint32_t)PTR(do_read),
            (uint16_t)PTR(p) };

    __asm__ volatile("lcall *%0" :: "m"(far) : "memory");
}

/* The hypervisor's own selectors, at each privilege level asked for. */
static bool reserved_selectors(void)
{
    for (unsigned sel = 0xe000; sel <= 0xe07f; sel++) {
        bool flat = sel >= 0xe020 && sel < 0xe038; /* FLAT_RING3_* */

        if (flat)
            continue;
        GIVES(TRAP_GP, catch_trap(do_far_call, (void *)(uintptr_t)sel));
        GIVES(TRAP_GP, catch_trap(do_load_ss, (void *)(uintptr_t)sel));
        if (sel >= 0xe060 && sel < 0xe068)
            continue; /* tells the CPU's number: data, of limit and no more */
        GIVES(TRAP_GP, catch_trap(do_load_ds, (void *)(uintptr_t)sel));
    }
    return true;
}

/* Ring 0 code and data of our own: their privilege is raised to 3, and the page is no more ours to write to. */
static bool ring0_descriptors(void)
{
    uint64_t *gdt = page_alloc(), mfn = virt_to_mfn(gdt);
    char *window = page_alloc();

    gdt[2] = DESC_CODE64;
    gdt[3] = DESC_DATA;
    REFUSED(EINVAL, HC2(set_gdt, PTR(&mfn), 512)); /* still writable */
    MUST(!set_writable(gdt, false));
    MUST(!HC2(set_gdt, PTR(&mfn), 512));
    MUST((gdt[2] & DESC_DPL3) == DESC_DPL3 && (gdt[3] & DESC_DPL3) == DESC_DPL3);
    REFUSED(EBUSY, set_writable(gdt, true));
    REFUSED(EBUSY, map_page(window, pte(mfn, PTE_RW | PTE_D)));
    REFUSED(EBUSY, mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0));
    REFUSED(EINVAL, mmuext(MMUEXT_CLEAR_PAGE, mfn, 0));
    MUST(!HC2(update_descriptor, mfn << 12 | 4 * 8UL, DESC_CODE64));
    MUST((gdt[4] & DESC_DPL3) == DESC_DPL3);
    REFUSED(EINVAL, HC2(update_descriptor, mfn << 12 | 4, DESC_CODE64));
    for (unsigned i = 0; i < ARRAY_SIZE(system_types); i++)
        REFUSED(EINVAL, HC2(update_descriptor, mfn << 12 | 5 * 8UL, DESC_SYSTEM(system_types[i])));
    MUST(!gdt[5]);
    GIVES(TRAP_PF, catch_trap(do_write, gdt));
    GIVES(TRAP_NONE, catch_trap(do_load_ds, (void *)(3 * 8UL | 3)));
    MUST(catch_trap(do_load_ds, (void *)(5 * 8UL | 3)) != TRAP_NONE);
    GIVES(TRAP_NONE, catch_trap(do_load_ds, NULL));
    MUST(!HC2(set_gdt, PTR(&mfn), 0));
    return !set_writable(gdt, true);
}

static bool bad_gdts(void)
{
    uint64_t frames[16];

    for (unsigned i = 0; i < ARRAY_SIZE(frames); i++)
        frames[i] = table_of(_text, 1);
    REFUSED(EINVAL, HC2(set_gdt, PTR(frames), 512));
    frames[0] = HYPERVISOR_MFN;
    REFUSED(EINVAL, HC2(set_gdt, PTR(frames), 1));
    frames[0] = ~0UL;
    REFUSED(EINVAL, HC2(set_gdt, PTR(frames), 1));
    frames[0] = virt_to_mfn(_text);
    REFUSED(EINVAL, HC2(set_gdt, PTR(frames), 14 * 512 + 1)); /* FIRST_RESERVED_GDT_ENTRY */
    REFUSED(EINVAL, HC2(set_gdt, PTR(frames), ~0UL));
    REFUSED(EINVAL, HC2(update_descriptor, HYPERVISOR_MFN << 12, 0));
    REFUSED(EINVAL, HC2(update_descriptor, ~7UL, 0));
    return true;
}

/* An LDT is read as its selectors are used: what is on the page then must be harmless, and stay so. */
static bool ldt(void)
{
    uint64_t *page = page_alloc(), mfn = virt_to_mfn(page);

    REFUSED(EINVAL, mmuext(MMUEXT_SET_LDT, HYPERVISOR_IMAGE, 512));
    REFUSED(EINVAL, mmuext(MMUEXT_SET_LDT, HYPERVISOR_END - PAGE_SIZE, 8192));
    REFUSED(EINVAL, mmuext(MMUEXT_SET_LDT, PTR(page), 8193));
    REFUSED(EINVAL, mmuext(MMUEXT_SET_LDT, PTR(page) + 8, 16));
    page[1] = DESC_DATA;
    page[2] = DESC_SYSTEM(0xc) | DESC_DPL3;
    MUST(!mmuext(MMUEXT_SET_LDT, PTR(page), 512));
    GIVES(TRAP_GP, catch_trap(do_load_ds, LDT_SELECTOR(1))); /* the page is writable */
    MUST(!set_writable(page, false));
    GIVES(TRAP_GP, catch_trap(do_load_ds, LDT_SELECTOR(1))); /* there is a gate on it */
    GIVES(TRAP_GP, catch_trap(do_far_call, LDT_SELECTOR(2)));
    MUST(!set_writable(page, true));
    page[2] = DESC_CODE64;
    MUST(!set_writable(page, false));
    GIVES(TRAP_NONE, catch_trap(do_load_ds, LDT_SELECTOR(1)));
    MUST((page[1] & DESC_DPL3) == DESC_DPL3 && (page[2] & DESC_DPL3) == DESC_DPL3);
    REFUSED(EBUSY, set_writable(page, true)); /* docs/caveats.md */
    GIVES(TRAP_PF, catch_trap(do_write, page));
    GIVES(TRAP_NONE, catch_trap(do_load_ds, NULL));
    MUST(!mmuext(MMUEXT_SET_LDT, 0, 0));
    GIVES(TRAP_GP, catch_trap(do_load_ds, LDT_SELECTOR(1)));
    MUST(!set_writable(page, true) && virt_to_mfn(page) == mfn);
    return true;
}

/* An LDT whose pages are not there, are tables, or lie where another's would. */
static bool ldt_elsewhere(void)
{
    uint64_t *table = mfn_to_virt(table_of(_text, 1));

    MUST(!mmuext(MMUEXT_SET_LDT, PTR(table), 512));
    GIVES(TRAP_GP, catch_trap(do_load_ds, LDT_SELECTOR(1)));
    MUST(!mmuext(MMUEXT_SET_LDT, 0x10000, 8192));
    for (unsigned n = 0; n < 8192; n += 256)
        GIVES(TRAP_GP, catch_trap(do_load_ds, LDT_SELECTOR(n)));
    MUST(!mmuext(MMUEXT_SET_LDT, 0, 0));
    return true;
}

/* Instructions that load what the hypervisor lives on, or tell where it is. */
static bool system_instructions(void)
{
    static uint8_t place[16];
    struct code_regs r = { .rdi = PTR(place), .rax = 0xe040 };
    int vector;

    GIVES(TRAP_GP, RUN(&r, 0x0f, 0x01, 0x17)); /* lgdt (%rdi) */
    GIVES(TRAP_GP, RUN(&r, 0x0f, 0x01, 0x1f)); /* lidt (%rdi) */
    GIVES(TRAP_GP, RUN(&r, 0x0f, 0x00, 0xd8)); /* ltr %ax */
    GIVES(TRAP_GP, RUN(&r, 0x0f, 0x00, 0xd0)); /* lldt %ax */
    GIVES(TRAP_GP, RUN(&r, 0x0f, 0x01, 0xf8)); /* swapgs */
    GIVES(TRAP_GP, RUN(&r, 0x0f, 0x07));       /* sysret */
    vector = RUN(&r, 0x0f, 0x35);              /* sysexit: not on every CPU */
    MUST(vector == TRAP_GP || vector == TRAP_UD);
    return true;
}

/*
 * Every gate of the hypervisor's table, as a software interrupt: not ours unless
 * we have a handler that allows it. (4 is everybody's, and we have none.) A QEMU
 * that doubles the vector it reports takes 0x40 and 0xc0 for 0x80: docs/caveats.md.
 */
static bool software_interrupts(void)
{
    for (unsigned v = 0; v < 256; v++) {
        int got = v == 4 ? TRAP_GP : RUN(NULL, 0xcd, (uint8_t)v);

        if (v == 3 || v == 0x80)
            GIVES(v, got);
        else
            MUST(got == TRAP_GP || ((v & 0x7f) == 0x40 && got == 0x80));
    }
    return true;
}

const struct attack descriptor_attacks[] = {
    { "gates and task states", gates_refused },
    { "hypervisor's selectors", reserved_selectors },
    { "ring 0 descriptors", ring0_descriptors },
    { "bad GDTs", bad_gdts },
    { "LDT", ldt },
    { "LDT elsewhere", ldt_elsewhere },
    { "system instructions", system_instructions },
    { "software interrupts", software_interrupts },
    { NULL, NULL },
};
