/* SPDX-License-Identifier: MIT */
/* Frames and flags to return with, and places to return to, that a CPU must not be given in ring 0. */
#include "hostile.h"

#include <xen/callback.h>

extern char trap_3[];

/* The hypervisor's return faults, which the failsafe callback tells, or the guest is there and faults. */
static bool is_refused_return(int vector)
{
    return vector == TRAP_FAILSAFE || vector == TRAP_GP || vector == TRAP_PF || vector == TRAP_NP;
}

static const uint64_t nowhere[] = {
    NOT_CANONICAL, ~NOT_CANONICAL, 0x8000000000000000UL, 0xffff7fffffffffffUL,
    HYPERVISOR_IMAGE, HYPERVISOR_IMAGE + 0x1000,
    DIRECT_MAP, HYPERVISOR_END - 1, PERDOMAIN, 0x10, ~0UL,
};

static bool iret_to_nowhere(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(nowhere); i++) {
        struct iret_context f = frame_here(nowhere[i]);

        MUST(is_refused_return(leave_to(&f)));
        f.flags = VGCF_in_syscall;
        MUST(is_refused_return(leave_to(&f)));
        f.cs = FLAT_USER_CS64;
        MUST(!mmuext(MMUEXT_NEW_USER_BASEPTR, table_of(_text, 4), 0));
        HC2(stack_switch, FLAT_KERNEL_SS, frame_here(0).rsp);
        MUST(is_refused_return(leave_to(&f)));
        f.flags = 0;
        MUST(is_refused_return(leave_to(&f)));
    }
    return true;
}

static uint8_t *ud2_page(void)
{
    uint8_t *code = code_page();

    code[0] = 0x0f;
    code[1] = 0x0b;
    return code;
}

/* Selectors: the hypervisor's, of tables, null, beyond. Kernel frames, so bits 0 and 1 are clear. */
static bool iret_selectors(void)
{
    for (unsigned sel = 0; sel < 0x10000; sel += sel == 0x80 ? 0xdf80 : 4) {
        struct iret_context f = frame_here(PTR(ud2_page()));
        int vector;

        f.cs = sel == (FLAT_RING3_CS32 & ~3u) ? 0 : sel; /* that one cuts the stack off: lethal.c */
        vector = leave_to(&f);
        if (sel == (FLAT_RING3_CS64 & ~3u))
            GIVES(TRAP_UD, vector);
        else
            MUST(is_refused_return(vector));
        f = frame_here(PTR(ud2_page()));
        f.ss = sel;
        vector = leave_to(&f);
        if (vector == TRAP_UD)
            MUST(sel == (FLAT_RING3_SS64 & ~3u));
        else
            MUST(is_refused_return(vector));
        if (sel == 0xe080)
            break;
    }
    return true;
}

/* Flags: virtual-8086 mode, I/O privilege, nested task, no interrupts. The hypervisor's are what it needs. */
static bool iret_flags(void)
{
    static const uint64_t flags[] = { 1UL << 17, 3UL << 12, RFLAGS_NT, RFLAGS_AC, RFLAGS_DF, 1UL << 16,
                                      ~0UL & ~RFLAGS_TF };

    for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
        struct iret_context f = frame_here(PTR(ud2_page()));

        f.rflags = flags[i] & ~RFLAGS_IF;
        GIVES(TRAP_UD, leave_to(&f));
        MUST(!(last_trap.rflags & (1UL << 17)));
        MUST(vcpu_info()->evtchn_upcall_mask == 1);
    }
    return true;
}

/* NT, AC and DF on the way in: SYSCALL, a trap and a software interrupt, each with work to do for us. */
static bool flags_in(void)
{
    static char text[16];
    static const uint8_t flag_bits[3][4] = { { 0, 0x40, 0, 0 }, { 0, 0, 4, 0 }, { 0, 4, 0, 0 } };
    struct code_regs r;

    for (unsigned i = 0; i < 3; i++) {
        text[0] = 1;
        r = (struct code_regs){ .rax = __HYPERVISOR_xen_version, .rdi = XENVER_extraversion, .rsi = PTR(text) };
        GIVES(TRAP_NONE, RUN(&r, 0x9c,                                                      /* pushf */
                             0x81, 0x0c, 0x24, flag_bits[i][0], flag_bits[i][1], flag_bits[i][2], flag_bits[i][3],
                             /* orl $..., (%rsp); popf */
                             0x9d,
                             0x0f, 0x05,                                                    /* syscall */
                             0x6a, 0x02, 0x9d));                                            /* push $2; popf */
        MUST(r.rax == 0 && text[0] != 1);
        GIVES(0x80, RUN(NULL, 0x9c, 0x81, 0x0c, 0x24, flag_bits[i][0], flag_bits[i][1], flag_bits[i][2],
                        flag_bits[i][3], 0x9d, 0xcd, 0x80));
        GIVES(TRAP_UD, RUN(NULL, 0x9c, 0x81, 0x0c, 0x24, flag_bits[i][0], flag_bits[i][1], flag_bits[i][2],
                           flag_bits[i][3], 0x9d, 0x0f, 0x0b));
    }
    return true;
}

/* --- SYSCALL as the last instruction of the lower half: the address behind it is none --- */

#define LAST_PAGE 0x00007ffffffff000UL

static uint64_t *edge_tables[3]; /* L3, L2, L1 of the last page of the lower half */

static bool edge_map(void)
{
    uint64_t below = virt_to_mfn(code_page());

    for (unsigned i = 3; i--;) {
        edge_tables[i] = page_alloc();
        edge_tables[i][511] = i == 2 ? pte(below, 0) : pte(virt_to_mfn(edge_tables[i + 1]), PTE_TABLE);
        MUST(!set_writable(edge_tables[i], false));
    }
    return !entry_set((uint64_t *)start_info->pt_base + 255, pte(virt_to_mfn(edge_tables[0]), PTE_TABLE));
}

static bool edge_unmap(void)
{
    MUST(!entry_set((uint64_t *)start_info->pt_base + 255, 0));
    MUST(!mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0));
    for (unsigned i = 0; i < 3; i++) {
        MUST(!set_writable(edge_tables[i], true));
        edge_tables[i][511] = 0;
    }
    return true;
}

static bool syscall_at_the_edge(void)
{
    uint8_t *code = code_page();
    struct iret_context f = frame_here(LAST_PAGE + 0xffe);

    MUST(edge_map());
    code[0xffe] = 0x0f;
    code[0xfff] = 0x05;
    f.rax = 63; /* no call */
    MUST(is_refused_return(leave_to(&f))); /* a hypercall that returns to 0x800000000000 */
    MUST(last_trap.rip == NOT_CANONICAL);
    MUST(!mmuext(MMUEXT_NEW_USER_BASEPTR, table_of(_text, 4), 0));
    HC2(stack_switch, FLAT_KERNEL_SS, frame_here(0).rsp);
    f.cs = FLAT_USER_CS64;
    GIVES(TRAP_SYSCALL, leave_to(&f));
    MUST(last_trap.rip == NOT_CANONICAL);
    f.rip = last_trap.rip; /* and the kernel that believes it */
    f.flags = VGCF_in_syscall;
    MUST(is_refused_return(leave_to(&f)));
    return edge_unmap();
}

/* An instruction of the guest's own, in ring 3: what it pops is wrong. */
static bool iret_instruction(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(nowhere); i++) {
        struct code_regs r = { .rax = nowhere[i], .rbx = FLAT_KERNEL_SS, .rcx = FLAT_KERNEL_CS };
        int vector = RUN(&r, 0x48, 0x89, 0xe2,      /* mov %rsp, %rdx */
                         0x53, 0x52, 0x6a, 0x02,    /* push %rbx; push %rdx; push $2 */
                         0x51, 0x50, 0x48, 0xcf);   /* push %rcx; push %rax; iretq */

        MUST(vector == TRAP_GP || vector == TRAP_PF);
    }
    return true;
}

/* Where traps, events and system calls are to go. */
static bool bad_handlers(void)
{
    static trap_info_t traps[2];
    struct callback_register cb = { .type = CALLBACKTYPE_event };

    traps[0] = (trap_info_t){ 200, 0, FLAT_KERNEL_CS, NOT_CANONICAL };
    REFUSED(EINVAL, HC1(set_trap_table, PTR(traps)));
    REFUSED(EINVAL, HC3(set_callbacks, NOT_CANONICAL, PTR(failsafe_entry), PTR(syscall_entry)));
    REFUSED(EINVAL, HC3(set_callbacks, PTR(event_entry), NOT_CANONICAL, PTR(syscall_entry)));
    REFUSED(EINVAL, HC3(set_callbacks, PTR(event_entry), PTR(failsafe_entry), NOT_CANONICAL));
    cb.address = NOT_CANONICAL;
    REFUSED(EINVAL, HC2(callback_op, CALLBACKOP_register, PTR(&cb)));
    cb.type = 77;
    REFUSED(ENOSYS, HC2(callback_op, CALLBACKOP_register, PTR(&cb)));
    REFUSED(ENOSYS, HC2(callback_op, 77, PTR(&cb)));
    /* A handler with ring 0's selector is entered with the flat one all the same. */
    traps[0] = (trap_info_t){ 3, 3, 0xe008, PTR(trap_3) };
    traps[1].address = 0;
    MUST(!HC1(set_trap_table, PTR(traps)));
    GIVES(3, RUN(NULL, 0xcc));
    traps[0] = (trap_info_t){ 3, 3, FLAT_KERNEL_CS, PTR(trap_3) };
    return !HC1(set_trap_table, PTR(traps));
}

static bool segment_bases(void)
{
    for (unsigned which = SEGBASE_FS; which <= SEGBASE_GS_KERNEL; which++) {
        REFUSED(EINVAL, HC2(set_segment_base, which, NOT_CANONICAL));
        REFUSED(EINVAL, HC2(set_segment_base, which, 0x8000000000000000UL));
    }
    for (unsigned sel = 0; sel < 0x10000; sel += 8)
        (void)HC2(set_segment_base, SEGBASE_GS_USER_SEL, sel); /* whatever loads, loads in ring 3 */
    MUST(!HC2(set_segment_base, SEGBASE_GS_USER_SEL, 0));
    REFUSED(EINVAL, HC2(set_segment_base, 77, 0));
    return true;
}

const struct attack return_attacks[] = {
    { "iret to nowhere", iret_to_nowhere },
    { "iret with bad selectors", iret_selectors },
    { "iret with bad flags", iret_flags },
    { "NT, AC and DF on entry", flags_in },
    { "SYSCALL at the edge", syscall_at_the_edge },
    { "IRET instruction", iret_instruction },
    { "segment bases", segment_bases },
    { "bad handlers", bad_handlers },
    { NULL, NULL },
};
