/* SPDX-License-Identifier: MIT */
/* Single steps and breakpoints where the CPU is about to be the hypervisor's. */
#include "hostile.h"

#define SETS_TF 0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d /* pushf; orl $0x100, (%rsp); popf */

/* What comes of a single step: a debug exception behind the instruction, or the fault of the instruction. */
static bool steps(int vector, int fault)
{
    return vector == TRAP_DB || vector == fault;
}

static bool single_step(void)
{
    struct code_regs r = { .rax = __HYPERVISOR_xen_version, .rdi = XENVER_version };

    GIVES(TRAP_DB, RUN(&r, SETS_TF, 0x0f, 0x05, 0x90));          /* syscall; nop */
    r = (struct code_regs){ .rax = 0x40000000 };
    GIVES(TRAP_DB, RUN(&r, SETS_TF, 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2, 0x90)); /* forced CPUID */
    GIVES(TRAP_DB, RUN(&r, SETS_TF, 0x0f, 0x20, 0xc0, 0x90));    /* mov %cr0, %rax: emulated */
    MUST(steps(RUN(NULL, SETS_TF, 0xcc), 3));
    MUST(steps(RUN(NULL, SETS_TF, 0xcd, 0x80), 0x80));
    MUST(steps(RUN(NULL, SETS_TF, 0x0f, 0x0b), TRAP_UD));
    MUST(steps(RUN(NULL, 0xf1), TRAP_UD));                       /* icebp, if the CPU has it */
    r = (struct code_regs){ .rax = FLAT_KERNEL_SS };
    MUST(RUN(&r, SETS_TF, 0x8e, 0xd0, 0x0f, 0x05, 0x90) == TRAP_DB); /* mov %eax, %ss; syscall */
    return true;
}

static bool single_step_from_user(void)
{
    MUST(steps(RUN_USER(RFLAGS_TF, 0x0f, 0x05), TRAP_SYSCALL));
    MUST(RUN_USER(RFLAGS_TF, 0x0f, 0x34) != TRAP_NONE);          /* sysenter */
    MUST(steps(RUN_USER(RFLAGS_TF, 0xcd, 0x80), 0x80));
    GIVES(TRAP_SYSCALL, RUN_USER(RFLAGS_NT | RFLAGS_AC | RFLAGS_DF, 0x0f, 0x05));
    MUST(RUN_USER(RFLAGS_NT, 0x0f, 0x34) != TRAP_NONE);
    return true;
}

static bool forbidden_breakpoints(void)
{
    for (unsigned reg = 0; reg < 4; reg++) {
        REFUSED(EPERM, HC2(set_debugreg, reg, HYPERVISOR_IMAGE));
        REFUSED(EPERM, HC2(set_debugreg, reg, FRAME_TABLE));
        REFUSED(EPERM, HC2(set_debugreg, reg, HYPERVISOR_END - 1));
        REFUSED(EPERM, HC2(set_debugreg, reg, NOT_CANONICAL));
    }
    REFUSED(EPERM, HC2(set_debugreg, 7, 0x2400));         /* GD */
    REFUSED(EPERM, HC2(set_debugreg, 7, 0x20401));        /* I/O */
    REFUSED(EPERM, HC2(set_debugreg, 7, 1UL << 32));
    REFUSED(EPERM, HC2(set_debugreg, 6, 1UL << 32));
    REFUSED(EINVAL, HC2(set_debugreg, 8, 0));
    REFUSED(EINVAL, HC1(get_debugreg, 8));
    return true;
}

#define WATCH_DATA 0xf0401UL /* breakpoint 0: four bytes, reading and writing */

/* A watched word that the hypervisor writes for us, and that MOV SS reads right before it is entered. */
static bool watched(void)
{
    static uint64_t word[2] __attribute__((aligned(64)));
    struct code_regs r;

    MUST(!HC2(set_debugreg, 0, PTR(word)));
    MUST(!HC2(set_debugreg, 7, WATCH_DATA));
    MUST(!HC2(xen_version, XENVER_extraversion, PTR(word)));
    MUST(!HC2(set_debugreg, 7, 0x400));
    word[0] = FLAT_KERNEL_SS;
    for (unsigned i = 0; i < 3; i++) {
        static const uint8_t entries[3][2] = { { 0x0f, 0x05 }, { 0xcd, 0x80 }, { 0x0f, 0x0b } };
        int vector;

        MUST(!HC2(set_debugreg, 7, WATCH_DATA));
        r = (struct code_regs){ .rax = __HYPERVISOR_xen_version, .rdi = XENVER_version, .rbx = PTR(word) };
        vector = RUN(&r, 0x8e, 0x13, entries[i][0], entries[i][1], 0x90); /* mov (%rbx), %ss; entry; nop */
        MUST(!HC2(set_debugreg, 7, 0x400));
        MUST(vector == TRAP_DB || (i == 1 && vector == 0x80) || (i == 2 && vector == TRAP_UD) ||
             (i == 0 && vector == TRAP_NONE && r.rax == (4 << 16 | 17)));
    }
    return true;
}

/* A breakpoint on the first instruction of a handler, which comes with the trap. */
static bool breakpoint_on_handler(void)
{
    MUST(!HC2(set_debugreg, 0, PTR(syscall_entry)));
    MUST(!HC2(set_debugreg, 7, 0x401)); /* execution */
    MUST(RUN_USER(0, 0x0f, 0x05) != TRAP_NONE);
    MUST(!HC2(set_debugreg, 7, 0x400));
    return true;
}

const struct attack debug_attacks[] = {
    { "single step into the hypervisor", single_step },
    { "single step from user mode", single_step_from_user },
    { "forbidden breakpoints", forbidden_breakpoints },
    { "watched words", watched },
    { "breakpoint on a handler", breakpoint_on_handler },
    { NULL, NULL },
};
