/* SPDX-License-Identifier: MIT */
/* The CPU's own controls: model-specific registers, control registers, XSETBV, CPUID. */
#include "hostile.h"

static int rdmsr(uint32_t msr, uint64_t *value)
{
    struct code_regs r = { .rcx = msr };
    int vector = RUN(&r, 0x0f, 0x32);

    *value = (r.rax & 0xffffffffu) | r.rdx << 32;
    return vector;
}

static int wrmsr(uint32_t msr, uint64_t value)
{
    struct code_regs r = { .rcx = msr, .rax = (uint32_t)value, .rdx = value >> 32 };

    return RUN(&r, 0x0f, 0x30);
}

static bool in_hypervisor(uint64_t value)
{
    return value >= PTR(M2P) && value < HYPERVISOR_END;
}

/* Whatever may be read tells nothing of the hypervisor. */
static bool msrs_read(void)
{
    static const uint32_t ranges[][2] = { { 0, 0x300 }, { 0x400, 0x500 }, { 0x570, 0x5a0 }, { 0x6e0, 0x6e1 },
                                          { 0x700, 0x710 },
                                          { 0x800, 0x840 }, { 0xda0, 0xda1 }, { 0x40000000, 0x40000010 },
                                          { 0xc0000080, 0xc0000110 }, { 0xc0010000, 0xc0010150 } };
    static const uint32_t hidden[] = { 0x176, 0xc0000082, 0xc0000083, 0xc0010117 };
    uint64_t value;

    for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++) {
        for (uint32_t msr = ranges[i][0]; msr < ranges[i][1]; msr++) {
            int vector = rdmsr(msr, &value);

            MUST(vector == TRAP_GP || (vector == TRAP_NONE && !in_hypervisor(value)));
        }
    }
    for (unsigned i = 0; i < ARRAY_SIZE(hidden); i++)
        GIVES(TRAP_GP, rdmsr(hidden[i], &value));
    return true;
}

static const uint32_t forbidden_msrs[] = {
    0x10, 0x1b, 0x3a, 0x79, 0x8b, 0xc1, 0x174, 0x175, 0x176, 0x17a, 0x17b, 0x186, 0x1a0, 0x1d9, 0x200, 0x201,
    0x250, 0x277, 0x2ff,
    0x38f, 0x400, 0x480, 0x570, 0x600, 0x6a2, 0x6e0, 0x802, 0x808, 0x80b, 0x80f, 0x830, 0x83f, 0xc90, 0xda0,
    0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000104, 0xc0010010, 0xc0010015, 0xc0010016,
    0xc001001a, 0xc001001d, 0xc0010030, 0xc0010058, 0xc0010111, 0xc0010114, 0xc0010117, 0xc0010130,
    0x40000001, 0x12345678, 0xffffffff,
};

static bool msrs_written(void)
{
    static const uint32_t bases[] = { 0xc0000100, 0xc0000101, 0xc0000102 };
    uint64_t before, after;

    for (unsigned i = 0; i < ARRAY_SIZE(forbidden_msrs); i++) {
        bool readable = rdmsr(forbidden_msrs[i], &before) == TRAP_NONE;

        GIVES(TRAP_GP, wrmsr(forbidden_msrs[i], 0xfffff800a5a5a5a5UL));
        MUST(!readable || forbidden_msrs[i] == 0x10 ||
             (rdmsr(forbidden_msrs[i], &after) == TRAP_NONE && before == after));
    }
    for (unsigned i = 0; i < ARRAY_SIZE(bases); i++) {
        GIVES(TRAP_GP, wrmsr(bases[i], NOT_CANONICAL));
        GIVES(TRAP_GP, wrmsr(bases[i], 0x8000000000000000UL));
    }
    GIVES(TRAP_GP, wrmsr(0xc0000103, 1UL << 32)); /* TSC_AUX */
    GIVES(TRAP_GP, wrmsr(0x48, ~0UL));            /* SPEC_CTRL */
    GIVES(TRAP_GP, wrmsr(0x49, ~0UL));            /* PRED_CMD */
    return true;
}

static uint64_t cr(unsigned n)
{
    struct code_regs r = { 0 };

    if (n == 0)
        RUN(&r, 0x0f, 0x20, 0xc0); /* mov %cr0, %rax */
    else
        RUN(&r, 0x0f, 0x20, 0xe0); /* mov %cr4, %rax */
    return r.rax;
}

static int set_cr0(uint64_t value) { return RUN((&(struct code_regs){ .rax = value }), 0x0f, 0x22, 0xc0); }
static int set_cr4(uint64_t value) { return RUN((&(struct code_regs){ .rax = value }), 0x0f, 0x22, 0xe0); }

static bool control_registers(void)
{
    static const uint8_t cr0_bits[] = { 0, 1, 5, 16, 31, 29, 30, 63 }; /* PE MP NE WP PG, NW CD, none */
    /* UMIP LA57 VMXE ... */
    static const uint8_t cr4_bits[] = { 11, 12, 13, 14, 17, 20, 21, 22, 23, 24, 32, 63 };
    uint64_t cr0 = cr(0), cr4 = cr(4);
    struct code_regs r = { .rax = 15 };

    for (unsigned i = 0; i < ARRAY_SIZE(cr0_bits); i++)
        GIVES(TRAP_GP, set_cr0(cr0 ^ 1UL << cr0_bits[i]));
    GIVES(TRAP_GP, set_cr0(0));
    for (unsigned i = 0; i < ARRAY_SIZE(cr4_bits); i++)
        GIVES(TRAP_GP, set_cr4(cr4 | 1UL << cr4_bits[i]));
    MUST(cr(0) == cr0 && cr(4) == cr4);
    GIVES(TRAP_GP, RUN(&r, 0x44, 0x0f, 0x22, 0xc0)); /* mov %rax, %cr8 */
    GIVES(TRAP_UD, RUN(&r, 0x0f, 0x22, 0xc8));       /* cr1 */
    GIVES(TRAP_UD, RUN(&r, 0x0f, 0x20, 0xe8));       /* cr5 */
    GIVES(TRAP_UD, RUN(&r, 0x44, 0x0f, 0x22, 0xf8)); /* cr15 */
    r.rax = HYPERVISOR_IMAGE;
    GIVES(TRAP_GP, RUN(&r, 0x0f, 0x23, 0xc0));       /* dr0 */
    r.rax = 0x2401;
    GIVES(TRAP_GP, RUN(&r, 0x0f, 0x23, 0xf8));       /* dr7, with GD */
    r.rax = cr0 & ~1UL;
    GIVES(TRAP_NONE, RUN(&r, 0x0f, 0x01, 0xf0));     /* lmsw: cannot clear PE, no more than on a CPU */
    MUST(cr(0) == cr0);
    return true;
}

#define CR4_OSXSAVE (1UL << 18)

static bool xsetbv(void)
{
    static const uint64_t bad[] = { 0, 2, 4, 5, 6, ~0UL, 1UL << 63 | 3, 1UL << 62 | 3, 0x18 | 3, 0x1b,
                                    1UL << 9 | 3, 0x60003, 0xe0 | 3, 0x100003 };
    uint64_t cr4 = cr(4);
    struct code_regs r;
    int fault = set_cr4(cr4 | CR4_OSXSAVE) == TRAP_NONE ? TRAP_GP : TRAP_UD; /* a CPU without it */

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        r = (struct code_regs){ .rax = (uint32_t)bad[i], .rdx = bad[i] >> 32 };
        GIVES(fault, RUN(&r, 0x0f, 0x01, 0xd1));
    }
    for (uint64_t n = 1; n; n <<= 1) {
        r = (struct code_regs){ .rcx = n, .rax = 3 };
        if ((uint32_t)n)
            GIVES(fault, RUN(&r, 0x0f, 0x01, 0xd1));
    }
    r = (struct code_regs){ .rax = 3 };
    GIVES(fault == TRAP_GP ? TRAP_NONE : TRAP_UD, RUN(&r, 0x0f, 0x01, 0xd1));
    if (fault == TRAP_GP) {
        GIVES(TRAP_NONE, RUN(&r, 0x0f, 0x01, 0xd0)); /* xgetbv */
        MUST((uint32_t)r.rax == 3);
        MUST(set_cr4(cr4) == TRAP_NONE);
        GIVES(TRAP_UD, RUN(&r, 0x0f, 0x01, 0xd1));
    }
    return true;
}

#define FORCED_CPUID 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2

/* Any leaf and subleaf has an answer, the same in ring 3's own instruction if that is allowed. */
static bool cpuid(void)
{
    static const uint32_t starts[] = { 0, 0x3ffffff0, 0x40000000, 0x40000100, 0x7ffffff0, 0x80000000,
                                       0x8000ffff, 0xc0000000, 0xfffffff0 };
    static const uint32_t subleaves[] = { 0, 1, 2, 31, 62, 63, 64, 0x7fffffff, 0xffffffff };
    struct code_regs r;

    for (unsigned i = 0; i < ARRAY_SIZE(starts); i++) {
        for (unsigned n = 0; n < 0x30; n++) {
            for (unsigned s = 0; s < ARRAY_SIZE(subleaves); s++) {
                r = (struct code_regs){ .rax = starts[i] + n, .rcx = subleaves[s] };
                GIVES(TRAP_NONE, RUN(&r, FORCED_CPUID));
                MUST(!(r.rax >> 32 | r.rbx >> 32 | r.rcx >> 32 | r.rdx >> 32));
            }
        }
    }
    return true;
}

static void do_jump(void *p) { ((void (*)(void))p)(); }

/* Instructions that end where nothing is mapped: what is there decides, and nothing behind it is looked at. */
static bool instructions_at_the_cliff(void)
{
    static const uint8_t forced[] = { FORCED_CPUID };
    uint8_t *end = (uint8_t *)cliff();

    for (unsigned n = 2; n < sizeof(forced); n++) {
        __builtin_memcpy(end - n, forced, n);
        GIVES(TRAP_UD, catch_trap(do_jump, end - n));
    }
    for (unsigned n = 1; n < 15; n++) {
        __builtin_memset(end - n, 0x66, n); /* prefixes alone */
        GIVES(TRAP_PF, catch_trap(do_jump, end - n));
        MUST(last_cr2 == PTR(end));
    }
    end[-2] = 0x0f;
    end[-1] = 0x06; /* clts is whole: what follows it faults */
    GIVES(TRAP_PF, catch_trap(do_jump, end - 2));
    MUST(last_trap.rip == PTR(end));
    return true;
}

/* Instructions of rings and modes that we are not in. */
static bool privileged_instructions(void)
{
    static const uint8_t bad[][4] = {
        /* vmcall vmmcall vmrun */
        { 0x0f, 0x01, 0xc1, 0x90 }, { 0x0f, 0x01, 0xd9, 0x90 }, { 0x0f, 0x01, 0xd8, 0x90 },
        /* stgi clgi skinit */
        { 0x0f, 0x01, 0xdc, 0x90 }, { 0x0f, 0x01, 0xdd, 0x90 }, { 0x0f, 0x01, 0xde, 0x90 },
        /* vmlaunch monitor mwait */
        { 0x0f, 0x01, 0xc2, 0x90 }, { 0x0f, 0x01, 0xc8, 0x90 }, { 0x0f, 0x01, 0xc9, 0x90 },
        /* getsec rdpmc rsm */
        { 0x0f, 0x37, 0x90, 0x90 }, { 0x0f, 0x33, 0x90, 0x90 }, { 0x0f, 0xaa, 0x90, 0x90 },
        { 0xf0, 0x0f, 0x20, 0xc0 }, { 0xf0, 0x0f, 0x22, 0xc0 },                             /* lock mov %cr0 */
    };

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        int vector = run_code(bad[i], sizeof(bad[i]), NULL);

        MUST(vector == TRAP_GP || vector == TRAP_UD);
    }
    return true;
}

const struct attack cpu_attacks[] = {
    { "MSRs read", msrs_read },
    { "MSRs written", msrs_written },
    { "control registers", control_registers },
    { "XSETBV", xsetbv },
    { "CPUID", cpuid },
    { "instructions at the edge of a mapping", instructions_at_the_cliff },
    { "privileged instructions", privileged_instructions },
    { NULL, NULL },
};
