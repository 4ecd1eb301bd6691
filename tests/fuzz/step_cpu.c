/* SPDX-License-Identifier: MIT */
/* Steps: a PV guest's CPU: descriptor tables, traps, registers, privileged instructions. */
#include "fuzz.h"

#include <xen/callback.h>
#include <xen/nmi.h>

bool step_gdt(struct act *a, struct call *c)
{
    u64 *frame;
    vaddr_t va;

    frame = ARG_NEW(a, u64, 16, &va);
    memset(frame, 0, 16 * sizeof(u64));
    for (unsigned i = 0; i < 4; i++)
        frame[i] = pick_mfn(a);
    *c = (struct call){ __HYPERVISOR_set_gdt, { { va, take(a) < 0xf0 ? take(a) * 9u : pick_count(a) } } };
    return true;
}

bool step_descriptor(struct act *a, struct call *c)
{
    static const u64 descriptors[] = { 0, 0x00affb000000ffff, 0x00cff3000000ffff, 0x00cf9b000000ffff,
                                       0x0000e20000000000, 0x00008b0000000067, 0x00cffa000000ffff };
    u64 ma = pick_mfn(a) << PAGE_SHIFT | take(a) * 8UL;

    *c = (struct call){ __HYPERVISOR_update_descriptor, { { ma, PICK(a, descriptors) } } };
    return true;
}

static bool traps_table(struct act *a, struct call *c)
{
    struct trap_info *t;
    vaddr_t va;

    t = ARG_NEW(a, struct trap_info, 4, &va);
    memset(t, 0, 4 * sizeof(*t));
    for (unsigned i = 0; i < 3; i++)
        t[i] = (struct trap_info){ .vector = take(a), .flags = take(a) % 8, .cs = SEL_RING3_CS64,
                                   .address = pick_va(a) };
    *c = (struct call){ __HYPERVISOR_set_trap_table, { { take(a) < 0xf0 ? va : 0 } } };
    return true;
}

bool step_traps(struct act *a, struct call *c)
{
    u8 what = take(a);
    vaddr_t va;

    if (what < 0x60)
        return traps_table(a, c);
    if (what < 0xc0) {
        struct callback_register *r;

        r = ARG_NEW(a, struct callback_register, 1, &va);
        *r = (struct callback_register){ .type = take(a) % 9, .flags = take(a) % 2, .address = pick_va(a) };
        *c = (struct call){ __HYPERVISOR_callback_op, { { what % 3, va } } };
    } else if (what < 0xe0) {
        *ARG_NEW(a, u64, 1, &va) = pick_va(a);
        *c = (struct call){ __HYPERVISOR_nmi_op, { { what % 3, va } } };
    } else {
        *c = (struct call){ __HYPERVISOR_set_callbacks, { { pick_va(a), pick_va(a), pick_va(a) } } };
    }
    return true;
}

bool step_iret(struct act *a, struct call *c)
{
    struct iret_context *i;
    vaddr_t va;

    i = ARG_NEW(a, struct iret_context, 1, &va);
    *i = (struct iret_context){ .rip = 0x2000, .cs = take(a) < 0xc0 ? SEL_RING3_CS64 : take16(a),
                                .rflags = take16(a), .rsp = pick_va(a), .flags = take(a) < 0xc0 ? 0 : VGCF_in_syscall,
                                .ss = SEL_RING3_DS };
    if (take(a) < 0xc0)
        i->cs &= ~3UL; /* back to the kernel: in user mode there are no steps but faults */
    *c = (struct call){ __HYPERVISOR_iret, { { va } } };
    return true;
}

bool step_registers(struct act *a, struct call *c)
{
    static const u8 numbers[] = { __HYPERVISOR_stack_switch, __HYPERVISOR_fpu_taskswitch, __HYPERVISOR_set_debugreg,
                                  __HYPERVISOR_get_debugreg, __HYPERVISOR_set_segment_base, __HYPERVISOR_vm_assist };
    u8 nr = PICK(a, numbers);

    *c = (struct call){ nr, { { take(a) % 10, pick_word(a) } } };
    if (nr == __HYPERVISOR_stack_switch)
        c->a.arg[1] = FUZZ_VA + (SLOT_STACK + 1) * PAGE_SIZE - take(a) * 8UL;
    return true;
}

static const struct { u8 n, bytes[6]; } privileged[] = {
    { 3, { 0x0f, 0x22, 0xd8 } }, /* mov %rax, %cr3 */
    { 3, { 0x0f, 0x20, 0xd8 } }, /* mov %cr3, %rax */
    { 3, { 0x0f, 0x22, 0xc0 } }, /* mov %rax, %cr0 */
    { 3, { 0x0f, 0x22, 0xe0 } }, /* mov %rax, %cr4 */
    { 3, { 0x0f, 0x22, 0xd0 } }, /* mov %rax, %cr2 */
    { 3, { 0x0f, 0x20, 0xc0 } }, /* mov %cr0, %rax */
    { 2, { 0x0f, 0x30 } },       /* wrmsr */
    { 2, { 0x0f, 0x32 } },       /* rdmsr */
    { 2, { 0x0f, 0xa2 } },       /* cpuid */
    { 2, { 0x0f, 0x06 } },       /* clts */
    { 1, { 0xfa } },             /* cli */
    { 1, { 0xfb } },             /* sti */
    { 3, { 0x0f, 0x01, 0xd1 } }, /* xsetbv */
    { 3, { 0x0f, 0x23, 0xf8 } }, /* mov %rax, %dr7 */
    { 3, { 0x0f, 0x21, 0xf0 } }, /* mov %dr6, %rax */
    { 2, { 0x0f, 0x09 } },       /* wbinvd */
    { 1, { 0xf4 } },             /* hlt */
    { 2, { 0xf3, 0x6c } },       /* rep insb */
    { 2, { 0xf3, 0x6e } },       /* rep outsb */
    { 1, { 0xec } },             /* in (%dx), %al */
    { 1, { 0xee } },             /* out %al, (%dx) */
    { 3, { 0x0f, 0x01, 0x3f } }, /* invlpg (%rdi) */
};

static const u32 msrs[] = { 0xc0000080, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000081, 0x10, 0x1b, 0x48, 0x277,
                            0xc0000103, 0x140, 0x174 };

bool step_privileged_instruction(struct act *a, struct call *c)
{
    unsigned i = take(a) % ARRAY_SIZE(privileged);
    struct cpu_user_regs *r = guest_regs();
    vaddr_t va;

    (void)c;
    memcpy(ARG_NEW(a, u8, 16, &va), privileged[i].bytes, privileged[i].n);
    r->rip = va;
    r->rcx = i == 6 || i == 7 ? PICK(a, msrs) : take(a);
    r->rax = i == 0 ? xen_pfn_to_cr3(pick_mfn(a)) : pick_word(a);
    r->rdx = take16(a);
    r->rdi = r->rsi = pick_va(a);
    (void)pv_emulate_privileged(r);
    return false;
}
