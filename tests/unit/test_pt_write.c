/* SPDX-License-Identifier: MIT */
/*
 * pv/pt_write.c, pv/x86_decode.c: writes of a guest kernel to its read-only
 * page tables.  What the emulation leaves is compared with what the CPU that
 * runs this test leaves when it executes the same bytes.
 */
#include "pt_fixture.h"

#include "pv/x86_decode.h"

#include <sys/mman.h>

static struct domain *d;
static struct tree t;
static struct cpu_user_regs regs;
static unsigned injected;
static u8 *code;         /* a page that can be executed */

void pv_inject_trap(unsigned vector, s64 error)
{
    (void)error;
    injected = vector;
}

/* The tree's L1 is mapped read-only at TREE_VA + 3 pages; its entry `slot` is the target. */
static u64 *target(unsigned slot) { return &table(t.l[1])[slot]; }
static vaddr_t target_va(unsigned slot) { return TREE_VA + 0x3000 + slot * 8; }

static int begin(void **state)
{
    pt_begin(state);
    if (!code)
        code = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    d = pt_domain(1, false);
    t = tree_new(d);
    *tree_l1e(&t, 3) = entry(t.l[1], RO);
    tree_load(d, &t);
    memset(&regs, 0, sizeof(regs));
    injected = ~0u;
    return 0;
}

static int end(void **state)
{
    (void)state;
    preempt_every = 0;
    pt_domain_end(d);
    host_set_current(NULL);
    return 0;
}

static bool write_with(const void *bytes, size_t n, vaddr_t va)
{
    memcpy(code, bytes, n);
    code[n] = 0xc3;
    regs.rip = (u64)code;
    return pv_emulate_pt_write(va, &regs);
}

/* --- against the real CPU: memory operand (rdi), register rcx, accumulator rax --- */
struct machine { u64 rax, rcx, mem, flags; };
#define ARITH_FLAGS 0x8d5UL

static void run_native(struct machine *m)
{
    u64 *mem = &m->mem;

    __asm__ volatile("subq $128, %%rsp\n\tpushq %[f]\n\tpopfq\n\tcall *%[code]\n\tpushfq\n\tpopq %[f]\n\taddq $128, %%rsp"
                     : "+a"(m->rax), "+c"(m->rcx), [f] "+r"(m->flags)
                     : "D"(mem), [code] "r"(code)
                     : "memory", "cc");
}

struct form { const char *name; u8 bytes[12]; unsigned n, size; u64 undefined; };
#define AF 0x10ULL
#define BIT_UNDEFINED 0x894ULL /* OF SF PF AF... of BTx: left as they are by the emulation */
static const struct form forms[] = {
    { "mov rcx", { 0x48, 0x89, 0x0f }, 3, 8, 0 },
    { "mov ecx", { 0x89, 0x0f }, 2, 4, 0 },
    { "mov cx", { 0x66, 0x89, 0x0f }, 3, 2, 0 },
    { "mov cl", { 0x88, 0x0f }, 2, 1, 0 },
    { "mov ch", { 0x88, 0x2f }, 2, 1, 0 },
    { "mov imm32", { 0x48, 0xc7, 0x07, 0x60, 0xff, 0xff, 0xff }, 7, 8, 0 },
    { "mov imm8", { 0xc6, 0x07, 0x60 }, 3, 1, 0 },
    { "movnti", { 0x48, 0x0f, 0xc3, 0x0f }, 4, 8, 0 },
    { "xchg", { 0x48, 0x87, 0x0f }, 3, 8, 0 },
    { "xchg ecx", { 0x87, 0x0f }, 2, 4, 0 },
    { "cmpxchg", { 0xf0, 0x48, 0x0f, 0xb1, 0x0f }, 5, 8, 0 },
    { "cmpxchg ecx", { 0xf0, 0x0f, 0xb1, 0x0f }, 4, 4, 0 },
    { "xadd", { 0xf0, 0x48, 0x0f, 0xc1, 0x0f }, 5, 8, 0 },
    { "xadd cl", { 0x0f, 0xc0, 0x0f }, 3, 1, 0 },
    { "add", { 0x48, 0x01, 0x0f }, 3, 8, 0 },
    { "add cl", { 0x00, 0x0f }, 2, 1, 0 },
    { "or", { 0x48, 0x09, 0x0f }, 3, 8, AF },
    { "adc", { 0x48, 0x11, 0x0f }, 3, 8, 0 },
    { "sbb", { 0x48, 0x19, 0x0f }, 3, 8, 0 },
    { "and", { 0xf0, 0x48, 0x21, 0x0f }, 4, 8, AF },
    { "sub", { 0x48, 0x29, 0x0f }, 3, 8, 0 },
    { "sub ecx", { 0x29, 0x0f }, 2, 4, 0 },
    { "xor", { 0x48, 0x31, 0x0f }, 3, 8, AF },
    { "and imm8", { 0x48, 0x83, 0x27, 0xfd }, 4, 8, AF },
    { "or imm32", { 0x48, 0x81, 0x0f, 0x00, 0x02, 0x00, 0x00 }, 7, 8, AF },
    { "and imm8 byte", { 0xf0, 0x80, 0x27, 0xdf }, 4, 1, AF },
    { "add imm8 dword", { 0x83, 0x07, 0x7f }, 3, 4, 0 },
    { "add imm16", { 0x66, 0x81, 0x07, 0x00, 0x80 }, 5, 2, 0 },
    { "inc", { 0x48, 0xff, 0x07 }, 3, 8, 0 },
    { "dec", { 0x48, 0xff, 0x0f }, 3, 8, 0 },
    { "neg", { 0x48, 0xf7, 0x1f }, 3, 8, 0 },
    { "not", { 0x48, 0xf7, 0x17 }, 3, 8, 0 },
    { "btr imm", { 0xf0, 0x48, 0x0f, 0xba, 0x37, 0x01 }, 6, 8, BIT_UNDEFINED },
    { "bts imm", { 0x48, 0x0f, 0xba, 0x2f, 0x3f }, 5, 8, BIT_UNDEFINED },
    { "btc imm dword", { 0x0f, 0xba, 0x3f, 0x05 }, 4, 4, BIT_UNDEFINED },
    { "rip-relative length", { 0x48, 0x89, 0x8f, 0, 0, 0, 0 }, 7, 8, 0 },
    { "sib", { 0x48, 0x89, 0x4c, 0x27, 0x00 }, 5, 8, 0 },
};

static const u64 values[] = { 0, 2, 0xa0, 0x7e, 0x80, 0xff00, 0x8000, 0x7ffffffe, 0x80000000, 0x123456789abcdef0,
                              0x7ffffffffffffffe, 0x8000000000000000, ~1ULL };

static void compare_form(const struct form *f, u64 mem, u64 rcx, u64 rax)
{
    struct machine m = { .rax = rax, .rcx = rcx, .mem = mem, .flags = 0x202 | (rcx & 1) };
    u64 undefined = f->undefined;

    /* Not present all along, so that any value is allowed. */
    *target(40) = mem;
    regs.rax = rax;
    regs.rcx = rcx;
    regs.rflags = m.flags;
    if (!write_with(f->bytes, f->n, target_va(40))) {
        if (*target(40) == mem && (mem | 1) != mem) /* would have made it present */
            return;
        print_error("%s was not emulated\n", f->name);
        fail();
    }
    run_native(&m);
    m.flags &= ARITH_FLAGS & ~undefined;
    if (*target(40) != m.mem || regs.rcx != m.rcx || regs.rax != m.rax || regs.rip != (u64)code + f->n ||
        (regs.rflags & ARITH_FLAGS & ~undefined) != m.flags) {
        print_error("%s: mem %lx rcx %lx rax %lx: mem %lx/%lx rcx %lx/%lx rax %lx/%lx flags %lx/%lx\n", f->name, mem,
                    rcx, rax, *target(40), m.mem, regs.rcx, m.rcx, regs.rax, m.rax, regs.rflags & ARITH_FLAGS,
                    m.flags);
        fail();
    }
}

static void test_same_as_the_cpu(void **state)
{
    for (size_t f = 0; f < ARRAY_SIZE(forms); f++)
        for (size_t m = 0; m < ARRAY_SIZE(values); m++)
            for (size_t r = 0; r < ARRAY_SIZE(values); r++)
                for (unsigned same = 0; same < 2; same++)
                    compare_form(&forms[f], values[m], values[r], same ? values[m] : values[(m + r) % 13]);
}

/* --- as updates of entries --- */

static const u8 xchg_rcx[] = { 0x48, 0x87, 0x0f }, mov_rcx[] = { 0x48, 0x89, 0x0f };
static const u8 btr_1[] = { 0xf0, 0x48, 0x0f, 0xba, 0x37, 0x01 };

static unsigned slot_of(unsigned i) { return (unsigned)PT_INDEX(TREE_VA, 1) + i; }

static void test_get_and_clear(void **state)
{
    regs.rcx = 0;
    assert_true(write_with(xchg_rcx, sizeof(xchg_rcx), target_va(slot_of(0))));
    assert_int_equal(regs.rcx, entry(t.data[0], RW));
    assert_int_equal(*tree_l1e(&t, 0), 0);
    assert_true(idle_frame(t.data[0]));
}

static void test_write_protect(void **state)
{
    assert_true(write_with(btr_1, sizeof(btr_1), target_va(slot_of(1))));
    assert_int_equal(*tree_l1e(&t, 1), entry(t.data[1], RW & ~PTE_RW));
    assert_int_equal(uses_of(t.data[1]), 0);
    assert_int_equal(regs.rflags & 1, 1); /* it was writable */
}

static void test_refused_write_is_a_fault(void **state)
{
    regs.rcx = entry(t.l[1], RW);
    assert_false(write_with(mov_rcx, sizeof(mov_rcx), target_va(50)));
    assert_int_equal(regs.rip, (u64)code);
    assert_int_equal(*target(50), 0);
    regs.rcx = entry(t.data[2], RO);
    assert_true(write_with(mov_rcx, sizeof(mov_rcx), target_va(50)));
    assert_int_equal(*target(50), regs.rcx);
    assert_int_equal(count_of(t.data[2]), 3);
    assert_int_equal(host_locks_held(), 0);
}

static void test_not_a_page_table(void **state)
{
    u64 before = *tree_l1e(&t, 0);

    *tree_l1e(&t, 0) = before & ~PTE_RW; /* plain memory, read-only */
    page_put_type(t.data[0]);
    assert_false(write_with(mov_rcx, sizeof(mov_rcx), TREE_VA));
    assert_false(write_with(mov_rcx, sizeof(mov_rcx), TREE_VA + 0x1000)); /* writable: a spurious fault */
    assert_false(write_with(mov_rcx, sizeof(mov_rcx), TREE_VA + 0x10000));
    assert_false(write_with(mov_rcx, sizeof(mov_rcx), target_va(40) + 1)); /* crosses an entry's end */
    assert_false(write_with(mov_rcx, sizeof(mov_rcx), DIRECT_MAP_START));
}

static void test_not_decoded(void **state)
{
    static const u8 other[][6] = {
        { 0xa4 }, { 0xab }, { 0x0f, 0x0b }, { 0x48, 0x8b, 0x0f }, { 0x48, 0x89, 0xc1 }, { 0x83, 0x3f, 0x01 },
        { 0x66, 0x66, 0x66, 0x66, 0x66, 0x66 }, { 0x0f, 0xc7, 0x0f }, { 0x8f, 0x07 }, { 0xff, 0x37 },
    };
    struct x86_insn i;

    for (size_t n = 0; n < ARRAY_SIZE(other); n++)
        assert_false(write_with(other[n], sizeof(other[n]), target_va(40)));
    /* Cut short at every length. */
    for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
        for (size_t n = 0; n < forms[f].n; n++)
            assert_false(x86_decode(&i, forms[f].bytes, n));
        assert_true(x86_decode(&i, forms[f].bytes, forms[f].n));
        assert_int_equal(i.length, forms[f].n);
        assert_int_equal(i.size, forms[f].size);
    }
}

static void test_random_bytes_decode_within_bounds(void **state)
{
    unsigned seed = 5;
    struct x86_insn i;
    u8 bytes[X86_MAX_LENGTH];

    for (unsigned n = 0; n < 300000; n++) {
        for (unsigned b = 0; b < sizeof(bytes); b++)
            bytes[b] = (u8)rand_r(&seed);
        if (x86_decode(&i, bytes, sizeof(bytes)))
            assert_in_range(i.length, 2, X86_MAX_LENGTH);
    }
}

static void test_unreadable_code(void **state)
{
    regs.rip = 8;
    assert_false(pv_emulate_pt_write(target_va(40), &regs));
    regs.rip = DIRECT_MAP_START;
    assert_false(pv_emulate_pt_write(target_va(40), &regs));
    assert_int_equal(host_locks_held(), 0);
}

static void test_single_step(void **state)
{
    regs.rflags = 0x102;
    regs.rcx = 0;
    assert_true(write_with(mov_rcx, sizeof(mov_rcx), target_va(41)));
    assert_int_equal(injected, 1);
    assert_true(d->vcpu[0]->pv.dr[6] & (1u << 14));
}

/* An upper level: a table comes and goes by plain writes, preempted in between. */
static void test_upper_level(void **state)
{
    struct tree u = tree_new(d);

    for (preempt_every = 0; preempt_every < 5; preempt_every++) {
        *tree_l1e(&t, 3) = entry(t.l[4], RO);
        page_put(t.l[1]);
        page_get_held(t.l[4]);
        regs.rcx = entry(u.l[3], RW);
        do
            assert_true(write_with(mov_rcx, sizeof(mov_rcx), target_va(100)));
        while (regs.rip == (u64)code);
        assert_int_equal(type_of(u.l[3]), PGT_L3);
        regs.rcx = 0;
        do
            assert_true(write_with(xchg_rcx, sizeof(xchg_rcx), target_va(100)));
        while (regs.rip == (u64)code);
        while (pt_undo_continue(d->vcpu[0]))
            ;
        assert_true(tree_idle(&u));
        *tree_l1e(&t, 3) = entry(t.l[1], RO);
        page_put(t.l[4]);
        page_get_held(t.l[1]);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(test_same_as_the_cpu), T(test_get_and_clear), T(test_write_protect), T(test_refused_write_is_a_fault),
        T(test_not_a_page_table), T(test_not_decoded), T(test_random_bytes_decode_within_bounds),
        T(test_unreadable_code), T(test_single_step), T(test_upper_level),
    };

    return cmocka_run_group_tests(tests, pt_setup, NULL);
}
