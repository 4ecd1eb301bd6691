/* SPDX-License-Identifier: MIT */
/* pv/emulate*.c: code of 32-bit programs and of segments with a base, operands in memory wherever they lie. */
#include "unit.h"

#include "pv/pt.h"

#include "emulate_fixture.h"

#include <sys/mman.h>

#define GDT_SLOT 5      /* the test's own descriptors, in each table */
#define GDT_SEL (GDT_SLOT << 3 | 3)
#define LDT_SEL (GDT_SLOT << 3 | 7)
#define FLAT_CODE32 (FLAT_RING3_CS32 >> 3)
#define CODE_L (1ULL << 53)

static u64 gdt[8192], ldt[8192];
static u8 *low;         /* four pages below 4 GiB, the last of them unmapped */
#define LOW_BYTES (3 * PAGE_SIZE)

/* --- guest memory: the tables of descriptors, the code, and the low pages --- */

static const u8 *readable(vaddr_t va, size_t n)
{
    const struct { vaddr_t at; const void *from; size_t size; } places[] = {
        { PERDOMAIN_GDT(0), gdt, sizeof(gdt) },
        { PERDOMAIN_LDT(0), ldt, sizeof(ldt) },
        { (vaddr_t)code, code, sizeof(code) },
        { (vaddr_t)low, low, LOW_BYTES },
    };

    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (va >= places[i].at && va + n <= places[i].at + places[i].size)
            return (const u8 *)places[i].from + (va - places[i].at);
    return NULL;
}

size_t arch_guest_read(void *dst, vaddr_t va, size_t n)
{
    const u8 *from = readable(va, n);

    if (!from)
        return n;
    memcpy(dst, from, n);
    return 0;
}

size_t arch_guest_write(vaddr_t va, const void *src, size_t n)
{
    if (va < (vaddr_t)low || va + n > (vaddr_t)low + LOW_BYTES)
        return n;
    memcpy((void *)va, src, n);
    return 0;
}

/* --- CR3's new value goes to the page tables --- */

static mfn_t new_root;
static int root_result, undo_result;
static struct page half_undone;
int pt_undo_go_on(struct vcpu *v) { return undo_result; }
int pt_new_root_kernel(struct vcpu *v, mfn_t m) { return new_root = m, root_result; }

/* --- set-up --- */

static int group_setup(void **state)
{
    host_init(4);
    low = mmap(NULL, LOW_BYTES + PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    return low == MAP_FAILED;
}

static u64 segment(u32 base) { return (u64)(base & 0xffffff) << 16 | (u64)(base & 0xff000000) << 32 | 0xf2ULL << 40; }

/* Code at an offset of the low pages, in a segment. */
static void place(u16 cs, vaddr_t offset, vaddr_t rip, const char *bytes, size_t n)
{
    memset(low, 0x90, LOW_BYTES);
    memcpy(low + offset, bytes, n);
    regs->cs = cs;
    regs->rip = rip;
}

static int begin(void **state)
{
    start(true, true);
    vcpu.pv.iopl = 3;
    memset(gdt, 0, sizeof(gdt));
    memset(ldt, 0, sizeof(ldt));
    gdt[FLAT_CODE32] = segment(0);
    memset(&selectors, 0, sizeof(selectors));
    root_result = undo_result = 0;
    return 0;
}

#define AT(cs, offset, rip, bytes) (place(cs, offset, rip, bytes, sizeof(bytes) - 1), pv_emulate_privileged(regs))
#define LOW(offset) ((vaddr_t)low + (offset))
#define FLAT32(bytes) AT(FLAT_RING3_CS32, 0, LOW(0), bytes)

/* --- where the code is --- */

static void test_flat_32_bit_code(void **state)
{
    assert_true(FLAT32("\x0f\x06")); /* clts */
    assert_int_equal(regs->rip, LOW(2));
    assert_false(FLAT32("\x48\x0f\x06")); /* DEC EAX there, and nothing privileged */
}

static void test_code_in_a_segment_with_a_base(void **state)
{
    gdt[GDT_SLOT] = segment((u32)LOW(0x100));
    assert_true(AT(GDT_SEL, 0x140, 0x40, "\x0f\x06"));
    assert_int_equal(regs->rip, 0x42);
    ldt[GDT_SLOT] = segment((u32)LOW(0) - 0x1000); /* RIP and base wrap at 4 GiB */
    assert_true(AT(LDT_SEL, 0x10, 0x1010, "\x0f\x06"));
    assert_int_equal(regs->rip, 0x1012);
}

static void test_another_64_bit_segment(void **state)
{
    gdt[GDT_SLOT] = segment(0x5000) | CODE_L; /* its base does not count */
    assert_true(AT(GDT_SEL, 0, LOW(0), "\x48\x0f\x20\xc0")); /* mov %cr0, %rax with REX */
    assert_int_equal(regs->rip, LOW(4));
    ldt[GDT_SLOT] = CODE_L;
    assert_true(AT(LDT_SEL, 0, LOW(0), "\x0f\x06"));
}

static void test_no_code_segment(void **state)
{
    assert_false(AT(0, 0, LOW(0), "\x0f\x06"));
    assert_int_equal(got.traps, 0);
}

static void test_forced_cpuid_in_a_segment(void **state)
{
    gdt[GDT_SLOT] = segment((u32)LOW(0));
    place(GDT_SEL, 0x40, 0x40, "\x0f\x0bxen\x0f\xa2", 7);
    regs->rax = 0x40000000;
    assert_true(pv_emulate_forced_cpuid(regs));
    assert_int_equal(regs->rip, 0x47);
    assert_int_equal(regs->ebx, 0x566e6558);
    regs->cs = 0;
    assert_false(pv_emulate_forced_cpuid(regs));
}

/* --- code that ends early --- */

static void test_code_at_the_end_of_what_is_mapped(void **state)
{
    assert_true(AT(FLAT_RING3_CS64, LOW_BYTES - 2, LOW(LOW_BYTES - 2), "\x0f\x06"));
    assert_false(AT(FLAT_RING3_CS64, LOW_BYTES - 1, LOW(LOW_BYTES - 1), "\x0f"));
    assert_true(AT(FLAT_RING3_CS64, PAGE_SIZE - 1, LOW(PAGE_SIZE - 1), "\x0f\x06")); /* over two pages */
}

static void test_cut_instructions(void **state)
{
    static const char *const cut[] = { "\x66", "\xe4", "\x0f\x20", "\x0f\x21", "\x0f\x22", "\x0f\x23", "\x0f\x01", "\x48",
                                       "\x67" };

    for (size_t i = 0; i < ARRAY_SIZE(cut); i++) {
        size_t n = strlen(cut[i]);

        place(FLAT_RING3_CS64, LOW_BYTES - n, LOW(LOW_BYTES - n), cut[i], n);
        assert_false(pv_emulate_privileged(regs));
    }
    assert_false(AT(FLAT_RING3_CS64, LOW_BYTES - 2, LOW(LOW_BYTES - 2), "\x0f\x00"));
}

static void test_cut_operands(void **state)
{
    static const struct { const char *bytes; size_t n; } cut[] = {
        { "\x0f\x01\x3c", 3 },             /* SIB missing */
        { "\x0f\x01\x7c\x24", 4 },         /* 8-bit displacement */
        { "\x0f\x01\xbb\x01\x02\x03", 6 }, /* 32-bit displacement */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cut); i++) {
        place(FLAT_RING3_CS64, LOW_BYTES - cut[i].n, LOW(LOW_BYTES - cut[i].n), cut[i].bytes, cut[i].n);
        assert_false(pv_emulate_privileged(regs));
        assert_int_equal(got.traps + got.page_faults, 0);
    }
}

/* --- where operands are --- */

/* Selectors are in the CPU, not on the stack of the trap. */
static void test_segments_of_operands(void **state)
{
    static const struct { const char *bytes; size_t n; u32 at; } stores[] = {
        { "\x0f\x01\x03", 3, 0x1000 },         /* sgdt (%ebx): DS */
        { "\x0f\x01\x45\x00", 4, 0x1400 },     /* sgdt 0(%ebp): SS */
        { "\x26\x0f\x01\x03", 4, 0x1100 },     /* ES */
        { "\x36\x0f\x01\x03", 4, 0x1400 },     /* SS */
        { "\x3e\x0f\x01\x45\x00", 5, 0x1000 }, /* DS */
        { "\x64\x0f\x01\x03", 4, 0x1200 },     /* FS */
        { "\x65\x0f\x01\x03", 4, 0x1300 },     /* GS */
    };
    u16 *const where[] = { &selectors.ds, &selectors.es, &selectors.fs, &selectors.gs };

    for (unsigned i = 0; i < 4; i++) {
        gdt[10 + i] = segment((u32)LOW(0x1000 + i * 0x100));
        *where[i] = (u16)((10 + i) << 3 | 3);
    }
    gdt[14] = segment((u32)LOW(0x1400));
    regs->ss = 14 << 3 | 3;
    for (size_t i = 0; i < ARRAY_SIZE(stores); i++) {
        place(FLAT_RING3_CS32, 0, LOW(0), stores[i].bytes, stores[i].n);
        regs->rbx = regs->rbp = 8;
        assert_true(pv_emulate_privileged(regs));
        assert_int_equal(regs->rip, LOW(stores[i].n));
        assert_int_equal(low[stores[i].at + 8], 0);
        assert_int_equal(low[stores[i].at + 13], 0);
        assert_int_equal(low[stores[i].at + 14], 0x90); /* six bytes there */
        assert_int_equal(low[stores[i].at + 7], 0x90);
    }
}

static void test_operands_in_the_code_segment(void **state)
{
    gdt[GDT_SLOT] = segment((u32)LOW(0));
    regs->rbx = 0x800;
    assert_true(AT(GDT_SEL, 0, 0, "\x2e\x0f\x01\x03"));
    assert_int_equal(low[0x800], 0);
}

/* FS and GS without a selector keep the base that MSRs gave them. */
static void test_bases_without_selectors(void **state)
{
    fs_base = LOW(0x300);
    gs_base = LOW(0x400);
    regs->rbx = 0;
    assert_true(FLAT32("\x64\x0f\x01\x03"));
    assert_int_equal(low[0x300], 0);
    assert_true(FLAT32("\x65\x0f\x01\x03"));
    assert_int_equal(low[0x400], 0);
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x64\x0f\x01\x03"));
    assert_int_equal(low[0x309], 0); /* ten bytes */
}

static void test_operands_refused(void **state)
{
    regs->rbx = LOW(0);
    assert_false(FLAT32("\x0f\x01\x03"));         /* a null DS */
    selectors.ds = GDT_SEL;
    assert_false(FLAT32("\x67\x0f\x01\x03"));     /* 16-bit addressing */
    assert_false(FLAT32("\x67\x0f\x00\x08"));     /* str */
    assert_int_equal(got.traps + got.page_faults, 0);
}

/* A 32-bit address in 64-bit code. */
static void test_short_addresses(void **state)
{
    regs->rax = 0xffff880000010000;
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x67\x0f\x01\x38"));
    assert_int_equal(host_tlb.va, 0x10000);
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x0f\x01\x38"));
    assert_true(host_tlb.va == 0xffff880000010000);
}

/* SIB without a base; index 4 is none; a base of R12 with REX. */
static void test_scaled_operands(void **state)
{
    regs->rcx = 0x100;
    regs->r12 = 0x7000;
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x0f\x01\x3c\xcd\x00\x00\x20\x00")); /* 0x200000(, %rcx, 8) */
    assert_int_equal(host_tlb.va, 0x200800);
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x41\x0f\x01\x3c\x24")); /* (%r12) */
    assert_int_equal(host_tlb.va, 0x7000);
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x42\x0f\x01\xbc\x21\x10\x00\x00\x00")); /* 16(%rcx, %r12) */
    assert_int_equal(host_tlb.va, 0x7110);
    regs->rbp = 0x3000;
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x0f\x01\x7d\xf8")); /* -8(%rbp) */
    assert_int_equal(host_tlb.va, 0x2ff8);
}

/* --- string instructions of 32-bit programs --- */

static void test_string_output(void **state)
{
    assert_int_equal(rangeset_add(&dom.io_ports, 0x60, 0x60), 0);
    gdt[10] = segment((u32)LOW(0x1000));
    selectors.ds = 10 << 3 | 3;
    regs->rdx = 0x60;
    regs->rcx = 0xaa00000003;
    regs->rsi = 0xbb00000010;
    place(FLAT_RING3_CS32, 0, LOW(0), "\xf3\x6e", 2);
    low[0x1012] = 0x42;
    assert_true(pv_emulate_privileged(regs));
    assert_int_equal(hw.writes, 3);
    assert_int_equal(hw.value, 0x42);
    assert_int_equal(regs->rsi, 0x13); /* a 32-bit register loses its upper half */
    assert_int_equal(regs->rcx, 0);
}

/* 16-bit counters leave the rest of their registers alone. */
static void test_string_output_with_short_registers(void **state)
{
    assert_int_equal(rangeset_add(&dom.io_ports, 0x60, 0x60), 0);
    gdt[10] = segment((u32)LOW(0x1000));
    selectors.ds = 10 << 3 | 3;
    regs->rdx = 0x60;
    regs->rcx = 0x70002;
    regs->rsi = 0x80020;
    assert_true(FLAT32("\x67\xf3\x6e"));
    assert_int_equal(hw.writes, 2);
    assert_int_equal(regs->rsi, 0x80022);
    assert_int_equal(regs->rcx, 0x70000);
}

/* --- faults --- */

/* The page that is missing is the one told of: telling of the other would come again for ever. */
static void test_fault_in_the_second_of_two_pages(void **state)
{
    pte_border = LOW(LOW_BYTES);
    regs->rbx = LOW(LOW_BYTES - 4);
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x0f\x01\x03")); /* sgdt (%rbx) */
    assert_int_equal(got.page_faults, 1);
    assert_int_equal(got.cr2, LOW(LOW_BYTES));
    assert_int_equal(got.pf_error, 6);
    assert_int_equal(rangeset_add(&dom.io_ports, 0x60, 0x63), 0);
    regs->rdx = 0x60;
    regs->rdi = regs->rsi = LOW(LOW_BYTES - 2);
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x6d")); /* insl */
    assert_int_equal(got.cr2, LOW(LOW_BYTES));
    assert_int_equal(got.pf_error, 6);
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x6f")); /* outsl */
    assert_int_equal(got.page_faults, 3);
    assert_int_equal(got.cr2, LOW(LOW_BYTES));
    assert_int_equal(got.pf_error, 4);
    assert_int_equal(hw.reads + hw.writes, 0);
}

/* --- LMSW, SLDT, CR3 --- */

static void test_lmsw(void **state)
{
    regs->rax = CR0_PE | CR0_MP | CR0_TS;
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x0f\x01\xf0")); /* lmsw %ax */
    assert_true(vcpu.pv.ts);
    place(FLAT_RING3_CS64, 0, LOW(0), "\x0f\x01\x33", 3); /* lmsw (%rbx) */
    regs->rbx = LOW(0x800);
    memcpy(low + 0x800, &(u16){ CR0_MP }, 2); /* it cannot clear PE */
    assert_true(pv_emulate_privileged(regs));
    assert_false(vcpu.pv.ts);
    regs->rax = CR0_PE | CR0_MP | CR0_EM;
    assert_false(AT(FLAT_RING3_CS64, 0, LOW(0), "\x0f\x01\xf0"));
    regs->rbx = LOW(LOW_BYTES);
    pte = 0;
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x0f\x01\x33"));
    assert_int_equal(got.page_faults, 1);
    assert_int_equal(got.pf_error, 4);
}

static void test_sldt(void **state)
{
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x0f\x00\xc0")); /* sldt %eax */
    assert_int_equal(regs->rax, 0);
    vcpu.pv.ldt_entries = 8;
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x0f\x00\xc0"));
    assert_int_equal(regs->rax, SEL_LDT);
    regs->rbx = LOW(0x800);
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x0f\x00\x03"));
    assert_int_equal(low[0x801], SEL_LDT >> 8);
    assert_int_equal(low[0x802], 0x90);
}

static void test_new_cr3(void **state)
{
    regs->rax = xen_pfn_to_cr3(0x4321);
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x0f\x22\xd8")); /* mov %rax, %cr3 */
    assert_int_equal(new_root.n, 0x4321);
    assert_int_equal(regs->rip, LOW(3));
    root_result = -E_PREEMPTED;
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x0f\x22\xd8"));
    assert_int_equal(regs->rip, LOW(0)); /* to be issued again */
    root_result = -EINVAL;
    assert_false(AT(FLAT_RING3_CS64, 0, LOW(0), "\x0f\x22\xd8"));
    root_result = 0;
    undo_result = -E_PREEMPTED;
    current->pv.undo = &half_undone;
    new_root = MFN(0);
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x0f\x22\xd8"));
    assert_int_equal(new_root.n, 0);
    current->pv.undo = NULL;
    assert_true(AT(FLAT_RING3_CS64, 0, LOW(0), "\x0f\x22\xc8")); /* there is no CR1 */
    assert_int_equal(got.vector, TRAP_UD);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, begin)
    const struct CMUnitTest tests[] = {
        T(test_flat_32_bit_code), T(test_code_in_a_segment_with_a_base), T(test_another_64_bit_segment),
        T(test_no_code_segment), T(test_forced_cpuid_in_a_segment), T(test_code_at_the_end_of_what_is_mapped),
        T(test_cut_instructions), T(test_cut_operands), T(test_segments_of_operands),
        T(test_operands_in_the_code_segment), T(test_bases_without_selectors), T(test_operands_refused),
        T(test_short_addresses), T(test_scaled_operands), T(test_string_output),
        T(test_string_output_with_short_registers), T(test_fault_in_the_second_of_two_pages), T(test_lmsw),
        T(test_sldt), T(test_new_cr3),
    };

    return cmocka_run_group_tests(tests, group_setup, NULL);
}
