/* SPDX-License-Identifier: MIT */
/* bench/decode.c: what it takes an instruction for, as the assembler encodes it. */
#include "unit.h"

#include "../../bench/decode.c"

#define ASM(text) ({                                                                                     \
    const uint8_t *start_, *end_;                                                                        \
    __asm__("jmp 2f; 1: " text "; 2: lea 1b(%%rip), %0; lea 2b(%%rip), %1" : "=&r"(start_), "=r"(end_)); \
    decode(start_, (size_t)(end_ - start_));                                                             \
})
#define KINDS(text) (ASM(text).kinds)

static void test_kinds(void **state)
{
    assert_int_equal(KINDS("mov %%rax, %%cr3"), KIND(SERIALISING) | KIND(CR3));
    assert_int_equal(KINDS("mov %%r12, %%cr3"), KIND(SERIALISING) | KIND(CR3));
    assert_int_equal(KINDS("mov %%r9, %%cr4"), KIND(SERIALISING) | KIND(TLB));
    assert_int_equal(KINDS("mov %%rdx, %%cr0"), KIND(SERIALISING));
    assert_int_equal(KINDS("mov %%rdx, %%dr7"), KIND(SERIALISING));
    assert_int_equal(KINDS("invlpg (%%rdi)"), KIND(SERIALISING) | KIND(TLB));
    assert_int_equal(KINDS("invlpg 0x1000(%%r14)"), KIND(SERIALISING) | KIND(TLB));
    assert_int_equal(KINDS("invpcid (%%rsi), %%rax"), KIND(SERIALISING) | KIND(TLB));
    assert_int_equal(KINDS("lgdt (%%rax)"), KIND(SERIALISING));
    assert_int_equal(KINDS("lidt (%%rax)"), KIND(SERIALISING));
    assert_int_equal(KINDS("lldt %%ax"), KIND(SERIALISING));
    assert_int_equal(KINDS("ltr %%ax"), KIND(SERIALISING));
    assert_int_equal(KINDS("wrmsr"), KIND(SERIALISING));
    assert_int_equal(KINDS("cpuid"), KIND(SERIALISING));
    assert_int_equal(KINDS("iretq"), KIND(SERIALISING));
    assert_int_equal(KINDS("lock incl (%%rax)"), KIND(LOCKED));
    assert_int_equal(KINDS("lock cmpxchg16b (%%r8)"), KIND(LOCKED));
    assert_int_equal(KINDS("xchg %%rax, (%%rbx)"), KIND(LOCKED));
    assert_int_equal(KINDS("lfence"), KIND(FENCE));
    assert_int_equal(KINDS("mfence"), KIND(FENCE));
    assert_int_equal(KINDS("rep movsb"), KIND(STRING));
    assert_int_equal(KINDS("rep stosq"), KIND(STRING));
    assert_int_equal(KINDS("repne scasb"), KIND(STRING));
}

/* Those that look like them. */
static void test_others(void **state)
{
    assert_int_equal(KINDS("mov %%cr3, %%rax"), 0);
    assert_int_equal(KINDS("mov %%dr7, %%rax"), 0);
    assert_int_equal(KINDS("mov %%rax, %%cr8"), 0);
    assert_int_equal(KINDS("swapgs"), 0);
    assert_int_equal(KINDS("sgdt (%%rax)"), 0);
    assert_int_equal(KINDS("rdmsr"), 0);
    assert_int_equal(KINDS("str %%ax"), 0);
    assert_int_equal(KINDS("sfence"), 0);
    assert_int_equal(KINDS("fxsave (%%rax)"), 0);
    assert_int_equal(KINDS("xsaveopt (%%rax)"), 0);
    assert_int_equal(KINDS("xchg %%rax, %%rbx"), 0);
    assert_int_equal(KINDS("pause"), 0);
    assert_int_equal(KINDS("mov $0xcf, %%al"), 0);
    assert_int_equal(KINDS("lret"), 0);
    assert_int_equal(KINDS("movsq"), 0);
    assert_int_equal(KINDS("rep ret"), 0);
    assert_int_equal(KINDS("movbe (%%rax), %%ecx"), 0);
}

static void test_marks(void **state)
{
    assert_int_equal(ASM(".byte 0x0f, 0x1f, 0x84, 0x00; .ascii \"BleZ\"").mark, MARK_BEGINS);
    assert_int_equal(ASM(".byte 0x0f, 0x1f, 0x84, 0x00; .ascii \"EleZ\"").mark, MARK_ENDS);
    assert_int_equal(ASM(".byte 0x0f, 0x1f, 0x84, 0x00; .ascii \"RleZ\"").mark, MARK_READY);
    assert_int_equal(ASM("nopl 0(%%rax, %%rax, 1)").mark, MARK_NONE);
    assert_int_equal(ASM("nopl 0x12345678(%%rax, %%rax, 1)").mark, MARK_NONE);
    assert_int_equal(ASM(".byte 0x0f, 0x1f, 0x84, 0x00; .ascii \"EleZ\"").kinds, 0);
}

/* Bytes that end too early name nothing. */
static void test_cut_short(void **state)
{
    static const uint8_t bytes[] = { 0x48, 0x0f, 0x22, 0xd8 };

    for (size_t size = 0; size < sizeof(bytes); size++)
        assert_int_equal(decode(bytes, size).kinds & KIND(CR3), 0);
    assert_int_equal(decode(bytes, sizeof(bytes)).kinds, KIND(SERIALISING) | KIND(CR3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_cut_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
