/* SPDX-License-Identifier: MIT */
/*
 * Traps: into the guest's handler and back by the iret hypercall, with as little
 * in the handler as can be; and privileged instructions that the hypervisor does
 * for the guest.
 */
#include "bench.h"

#include <xen/physdev.h>

#define SKIP_UD2 2
#define SKIP_STORE 3 /* movb %al, (%rdi), with its REX prefix */

/* A frame is as the ABI delivers it: RCX, R11, an error code for some vectors, RIP, ... */
__asm__(".macro BENCH_TRAP name, error, skip\n"
        ".balign 16\n"
        "\\name: popq %rcx\n"
        "        popq %r11\n"
        "        addq $\\error, %rsp\n"
        "        addq $\\skip, (%rsp)\n"
        "        pushq $0\n"
        "        jmp hypercall_page + 23 * 32\n"
        ".endm\n"
        "        BENCH_TRAP bench_int3, 0, 0\n"
        "        BENCH_TRAP bench_ud, 0, 2\n"
        "        BENCH_TRAP bench_skip_fault, 8, 3\n"
        /* The page is mapped by bench_fault(), in C, and the access tried again. */
        ".balign 16\n"
        "bench_map_fault:\n"
        "        popq %rcx\n"
        "        popq %r11\n"
        "        addq $8, %rsp\n"
        "        pushq %rdi; pushq %rsi; pushq %rdx; pushq %rcx; pushq %rax\n"
        "        pushq %r8;  pushq %r9;  pushq %r10; pushq %r11\n"
        "        call bench_fault\n"
        "        popq %r11; popq %r10; popq %r9; popq %r8\n"
        "        popq %rax; popq %rcx; popq %rdx; popq %rsi; popq %rdi\n"
        "        pushq $0\n"
        "        jmp hypercall_page + 23 * 32\n");
_Static_assert(__HYPERVISOR_iret == 23, "the handlers above");
_Static_assert(SKIP_UD2 == 2 && SKIP_STORE == 3, "the handlers above");

extern char bench_int3[], bench_ud[], bench_skip_fault[], bench_map_fault[];
extern char trap_3[], trap_6[], trap_14[];

void bench_fault(void);
void bench_fault(void)
{
    const char *va = (const char *)(vcpu_info()->arch.cr2 & ~(PAGE_SIZE - 1));

    must("mapping a page", HC3(update_va_mapping, PTR(va), entry_of(va, PAGE_FLAGS | PTE_RW), UVMF_NONE));
}

static void handle(unsigned vector, unsigned flags, const char *entry)
{
    trap_info_t table[2] = { { (uint8_t)vector, (uint8_t)flags, FLAT_KERNEL_CS, PTR(entry) }, { 0 } };

    must("set_trap_table", HC1(set_trap_table, PTR(table)));
}

static void prepare(void)
{
    physdev_set_iopl_t iopl = { .iopl = 1 };

    handle(3, 3, bench_int3);
    handle(6, 0, bench_ud);
    must("set_iopl", HC2(physdev_op, PHYSDEVOP_set_iopl, PTR(&iopl)));
}

static void finish(void)
{
    handle(3, 3, trap_3);
    handle(6, 0, trap_6);
    handle(14, 4, trap_14);
}

/* --- traps --- */

static long int3(unsigned i)
{
    (void)i;
    __asm__ volatile("int3" ::: "memory");
    return 0;
}

static long ud2(unsigned i)
{
    (void)i;
    __asm__ volatile("ud2" ::: "memory");
    return 0;
}

/* A store that three bytes encode: REX, opcode, ModRM. */
static void store(const char *to)
{
    __asm__ volatile(".byte 0x40, 0x88, 0x07" :: "D"(to), "a"(0) : "memory");
}

static long page_fault(unsigned i)
{
    (void)i;
    store(pages[0]);
    return 0;
}

static long page_fault_mapped(unsigned i)
{
    store(pages[i]);
    return 0;
}

static void first_absent(void)
{
    handle(14, 4, bench_skip_fault);
    page_set(pages[0], 0);
}

static void first_present(void) { page_set(pages[0], PAGE_FLAGS | PTE_RW); }

static void all_absent(void)
{
    handle(14, 4, bench_map_fault);
    for (unsigned i = 0; i < PAGES; i++)
        page_set(pages[i], 0);
}

/* --- instructions --- */

#define MSR_FS_BASE 0xc0000100u
#define POST_PORT 0x80 /* what is written there, a debug card shows */

static long cpuid_forced(unsigned i)
{
    uint32_t a = 0x40000000, b, c, d;

    (void)i;
    __asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    return b - 0x566e6558u; /* "XenV" */
}

static long rdmsr(unsigned i)
{
    uint32_t lo, hi;

    (void)i;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(MSR_FS_BASE));
    return lo | hi; /* as no base was set */
}

static long wrmsr(unsigned i)
{
    (void)i;
    __asm__ volatile("wrmsr" :: "a"(0), "d"(0), "c"(MSR_FS_BASE));
    return 0;
}

static uint64_t cr0(void)
{
    uint64_t value;

    __asm__ volatile("movq %%cr0, %0" : "=r"(value));
    return value;
}

static long cr_read(unsigned i)
{
    (void)i;
    return !(cr0() & 1); /* protected mode */
}

static long cr_write(unsigned i)
{
    static uint64_t value;

    if (!i)
        value = cr0();
    __asm__ volatile("movq %0, %%cr0" :: "r"(value));
    return 0;
}

static long port_in(unsigned i)
{
    uint8_t value;

    (void)i;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "i"(POST_PORT));
    return 0;
}

static long port_out(unsigned i)
{
    (void)i;
    __asm__ volatile("outb %0, %1" :: "a"((uint8_t)0), "i"(POST_PORT));
    return 0;
}

#define ROW(n, f) { .name = n, .operate = f }
static const struct row rows[] = {
    ROW("trap_int3", int3), ROW("trap_ud", ud2),
    { .name = "trap_page_fault", .operate = page_fault, .before = first_absent, .after = first_present },
    { .name = "page_fault_mapped", .operate = page_fault_mapped, .repeats = PAGES, .before = all_absent },
    ROW("emulate_cpuid", cpuid_forced), ROW("emulate_rdmsr", rdmsr), ROW("emulate_wrmsr", wrmsr),
    ROW("emulate_cr_read", cr_read), ROW("emulate_cr_write", cr_write), ROW("emulate_port_in", port_in),
    ROW("emulate_port_out", port_out), { .name = NULL },
};

const struct family traps = { prepare, rows, finish };
