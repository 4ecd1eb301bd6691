/* SPDX-License-Identifier: MIT */
/* Two vCPUs at the same thing: one changes what the other has the hypervisor look at. */
#include "hostile.h"

#include <xen/vcpu.h>

static long initialise(vcpu_guest_context_t *c)
{
    return HC3(vcpu_op, VCPUOP_initialise, 1, PTR(c));
}

/* Contexts that would give a vCPU what a guest must not have; then a good one. */
static bool bad_contexts(void)
{
    vcpu_guest_context_t *c;

    REFUSED(EFAULT, initialise((void *)DIRECT_MAP));
    REFUSED(EEXIST, HC3(vcpu_op, VCPUOP_initialise, 0, PTR(racer_context())));
    REFUSED(ENOENT, HC3(vcpu_op, VCPUOP_initialise, 77, PTR(racer_context())));
    REFUSED(EINVAL, HC3(vcpu_op, VCPUOP_up, 1, 0)); /* not before it has one */
    c = racer_context(); c->ctrlreg[3] = HYPERVISOR_MFN << 12;
    REFUSED(EINVAL, initialise(c));
    c = racer_context(); c->ctrlreg[3] = table_of(_text, 3) << 12;
    REFUSED(EBUSY, initialise(c));
    c = racer_context(); c->ctrlreg[3] = virt_to_mfn(page_alloc()) << 12;
    REFUSED(EBUSY, initialise(c));
    c = racer_context(); c->ctrlreg[1] = HYPERVISOR_MFN << 12;
    REFUSED(EINVAL, initialise(c));
    c = racer_context(); c->event_callback_eip = NOT_CANONICAL;
    REFUSED(EINVAL, initialise(c));
    c = racer_context(); c->trap_ctxt[200].address = NOT_CANONICAL;
    REFUSED(EINVAL, initialise(c));
    c = racer_context(); c->gs_base_kernel = NOT_CANONICAL;
    REFUSED(EINVAL, initialise(c));
    c = racer_context(); c->gdt_ents = 512; c->gdt_frames[0] = HYPERVISOR_MFN;
    REFUSED(EINVAL, initialise(c));
    c = racer_context(); c->gdt_ents = 512; c->gdt_frames[0] = virt_to_mfn((void *)(c->kernel_sp - 8));
    REFUSED(EINVAL, initialise(c));
    c = racer_context(); c->gdt_ents = 0x10000;
    REFUSED(EINVAL, initialise(c));
    c = racer_context(); c->ldt_ents = 16; c->ldt_base = HYPERVISOR_IMAGE;
    REFUSED(EINVAL, initialise(c));
    c = racer_context(); c->debugreg[0] = HYPERVISOR_IMAGE;
    REFUSED(EINVAL, initialise(c));
    c = racer_context(); c->debugreg[7] = 0x2401;
    REFUSED(EINVAL, initialise(c));
    shared_info->vcpu_info[1].evtchn_upcall_mask = 1;
    c = racer_context();
    c->user_regs.cs = 0xe030;                   /* ring 0's, raised to 3 */
    c->user_regs.rflags = 0x23000 | 2;          /* virtual-8086 mode, I/O privilege */
    MUST(!initialise(c));
    MUST(!HC3(vcpu_op, VCPUOP_up, 1, 0));
    REFUSED(EEXIST, initialise(c));
    return racer_start();
}

/* --- writing to a page that becomes a table --- */

static uint64_t *volatile target;
#define RUBBISH pte(HYPERVISOR_MFN, PTE_RW)

static void job_write(void)
{
    for (unsigned i = 0; i < 100; i++)
        __asm__ volatile("movq %%rax, (%%rdi)" :: "a"(i % 4 ? RUBBISH : 0), "D"(target) : "memory", "rcx",
                         "r11");
}

static bool write_to_new_table(void)
{
    uint64_t *page = page_alloc(), mfn = virt_to_mfn(page);
    unsigned pinned = 0, round;

    target = page;
    race_begin(job_write);
    for (round = 0; race_goes_on(round); round++) {
        long rc;

        page[0] = 0;
        MUST(!set_writable(page, false));
        rc = mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0);
        if (rc) {
            GIVES(-XEN_EINVAL, rc); /* the rubbish was there first */
        } else {
            pinned++;
            for (volatile unsigned i = 0; i < 100; i++)
                MUST(!((volatile uint64_t *)page)[0]);
            MUST(!mmuext(MMUEXT_UNPIN_TABLE, mfn, 0));
        }
        MUST(!set_writable(page, true));
    }
    race_end();
    MUST(pinned);
    page[0] = 0;
    return true;
}

/* --- the same descriptors, handles, ports and entries from both --- */

static uint64_t racer_mfn;

static void job_pin(void)
{
    (void)mmuext(MMUEXT_PIN_L1_TABLE, racer_mfn, 0);
    (void)mmuext(MMUEXT_PIN_L2_TABLE, racer_mfn, 0);
    (void)mmuext(MMUEXT_UNPIN_TABLE, racer_mfn, 0);
}

static bool pin_from_both(void)
{
    uint64_t *page = table_new();
    unsigned done = 0;

    racer_mfn = virt_to_mfn(page);
    race_begin(job_pin);
    for (unsigned round = 0; race_goes_on(round); round++) {
        long rc = mmuext(round % 2 ? MMUEXT_PIN_L1_TABLE : MMUEXT_UNPIN_TABLE, racer_mfn, 0);

        MUST(rc == 0 || rc == -XEN_EINVAL || rc == -XEN_EBUSY);
        rc = set_writable(page, true);
        MUST(rc == 0 || rc == -XEN_EBUSY);
        done += !rc;
        MUST(!set_writable(page, false));
    }
    race_end();
    (void)mmuext(MMUEXT_UNPIN_TABLE, racer_mfn, 0);
    MUST(done);
    return !set_writable(page, true);
}

static volatile uint32_t racer_port;

static void job_ports(void)
{
    evtchn_send_t send = { racer_port };
    evtchn_close_t close = { racer_port };

    (void)HC2(event_channel_op, EVTCHNOP_send, PTR(&send));
    (void)HC2(event_channel_op, EVTCHNOP_unmask, PTR(&send));
    (void)HC2(event_channel_op, EVTCHNOP_close, PTR(&close));
}

static bool ports_from_both(void)
{
    race_begin(job_ports);
    for (unsigned round = 0; race_goes_on(round); round++) {
        evtchn_bind_ipi_t ipi = { .vcpu = round % 2 };
        evtchn_send_t send;
        evtchn_close_t close;
        long rc;

        MUST(!HC2(event_channel_op, EVTCHNOP_bind_ipi, PTR(&ipi)));
        racer_port = send.port = close.port = ipi.port;
        rc = HC2(event_channel_op, EVTCHNOP_send, PTR(&send));
        MUST(rc == 0 || rc == -XEN_EINVAL);
        rc = HC2(event_channel_op, EVTCHNOP_close, PTR(&close));
        MUST(rc == 0 || rc == -XEN_EINVAL);
    }
    race_end();
    return true;
}

static mmu_update_t racer_list[64];

static void job_list(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(racer_list); i++)
        racer_list[i].val ^= pte(HYPERVISOR_MFN, PTE_RW) ^ pte(racer_mfn, PTE_RW);
}

/* A list of updates that changes between being looked at and being used. */
static bool list_changes(void)
{
    uint64_t *table = table_new(), mfn = virt_to_mfn(table), harmless = virt_to_mfn(page_alloc());

    MUST(!mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0));
    racer_mfn = harmless;
    for (unsigned i = 0; i < ARRAY_SIZE(racer_list); i++)
        racer_list[i] = (mmu_update_t){ .ptr = mfn << 12 | i * 8UL, .val = pte(harmless, PTE_RW) };
    race_begin(job_list);
    for (unsigned round = 0; race_goes_on(round); round++) {
        long rc = HC4(mmu_update, PTR(racer_list), ARRAY_SIZE(racer_list), 0, DOMID_SELF);

        MUST(rc == 0 || rc == -XEN_EINVAL);
        for (unsigned i = 0; i < ARRAY_SIZE(racer_list); i++)
            MUST(!table[i] || (table[i] & PTE_FRAME) >> 12 == harmless);
    }
    race_end();
    MUST(!mmuext(MMUEXT_UNPIN_TABLE, mfn, 0));
    return !set_writable(table, true);
}

static uint64_t *racer_gdt;

static void job_gdt(void)
{
    for (unsigned i = 0; i < 100; i++)
        __asm__ volatile("movq %%rax, (%%rdi)" :: "a"(0x0000ec0000000000UL), "D"(racer_gdt) : "memory", "rcx",
                         "r11");
}

/* A call gate written while the page becomes descriptors. */
static bool gate_into_new_gdt(void)
{
    uint64_t *gdt = page_alloc(), mfn = virt_to_mfn(gdt);
    unsigned loaded = 0;

    racer_gdt = gdt;
    race_begin(job_gdt);
    for (unsigned round = 0; race_goes_on(round); round++) {
        long rc;

        gdt[0] = 0;
        MUST(!set_writable(gdt, false));
        rc = HC2(set_gdt, PTR(&mfn), 512);
        if (rc) {
            GIVES(-XEN_EINVAL, rc);
        } else {
            loaded++;
            for (volatile unsigned i = 0; i < 100; i++)
                MUST(!((volatile uint64_t *)gdt)[0]);
            MUST(!HC2(set_gdt, PTR(&mfn), 0));
        }
        MUST(!set_writable(gdt, true));
    }
    race_end();
    gdt[0] = 0;
    MUST(loaded);
    return true;
}

/* The same while it becomes an LDT, which happens as a selector is loaded. */
static bool gate_into_new_ldt(void)
{
    uint64_t *ldt = page_alloc();
    unsigned loaded = 0;

    racer_gdt = ldt;
    race_begin(job_gdt);
    for (unsigned round = 0; race_goes_on(round); round++) {
        const struct kind *k = &kinds[KIND_LDT];
        long rc = kind_begin(k, ldt);

        if (rc) {
            GIVES(TRAP_GP, rc); /* the gate was there first */
            continue;
        }
        loaded++;
        for (volatile unsigned i = 0; i < 100; i++)
            MUST(!((volatile uint64_t *)ldt)[0]);
        GIVES(0, kind_end(k, ldt));
    }
    race_end();
    ldt[0] = 0;
    MUST(loaded);
    return true;
}

const struct attack race_attacks[] = {
    { "bad contexts", bad_contexts },
    { "write to a new table", write_to_new_table },
    { "pin from both", pin_from_both },
    { "ports from both", ports_from_both },
    { "list changes", list_changes },
    { "gate into a new GDT", gate_into_new_gdt },
    { "gate into a new LDT", gate_into_new_ldt },
    { NULL, NULL },
};
