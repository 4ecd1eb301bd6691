/* SPDX-License-Identifier: MIT */
/* The opcodes are those of the Intel SDM, volume 2. */
#include "decode.h"

#include <stdbool.h>
#include <string.h>

#include "mark.h"

#define KIND(name) (1u << COUNT_##name)

const char *const count_names[COUNTS] = {
    [COUNT_USER] = "user", [COUNT_KERNEL] = "kernel", [COUNT_HYPERVISOR] = "hypervisor",
    [COUNT_CR3] = "cr3", [COUNT_TLB] = "tlb", [COUNT_SERIALISING] = "serialising",
    [COUNT_LOCKED] = "locked", [COUNT_FENCE] = "fence", [COUNT_STRING] = "string",
};

/* The bytes of an instruction after its prefixes. Reading past the end gives 0. */
struct insn {
    const uint8_t *at, *end;
    bool lock, rep;
    uint8_t rex;
};

static uint8_t byte(const struct insn *i, size_t n)
{
    return n < (size_t)(i->end - i->at) ? i->at[n] : 0;
}

static unsigned reg_field(uint8_t modrm) { return modrm >> 3 & 7; }
static bool is_register(uint8_t modrm) { return modrm >> 6 == 3; }

static void skip_prefixes(struct insn *i)
{
    while (i->at < i->end && memchr("\x66\x67\x2e\x36\x3e\x26\x64\x65\xf0\xf2\xf3", *i->at, 11)) {
        i->lock |= *i->at == 0xf0;
        i->rep |= *i->at == 0xf2 || *i->at == 0xf3;
        i->at++;
    }
    if ((byte(i, 0) & 0xf0) == 0x40)
        i->rex = *i->at++;
}

/* MOV to a control register. CR8, the only one with REX.R, is not serialising. */
static unsigned of_control_register(const struct insn *i)
{
    if (i->rex & 4)
        return 0;
    switch (reg_field(byte(i, 2))) {
    case 3:
        return KIND(SERIALISING) | KIND(CR3);
    case 4:
        return KIND(SERIALISING) | KIND(TLB);
    default:
        return KIND(SERIALISING);
    }
}

/* 0F 01: LGDT, LIDT, INVLPG. */
static unsigned of_group_7(uint8_t modrm)
{
    if (is_register(modrm))
        return 0;
    switch (reg_field(modrm)) {
    case 2:
    case 3:
        return KIND(SERIALISING);
    case 7:
        return KIND(SERIALISING) | KIND(TLB);
    default:
        return 0;
    }
}

static unsigned of_two_bytes(const struct insn *i)
{
    uint8_t modrm = byte(i, 2);

    switch (byte(i, 1)) {
    case 0x00: /* LLDT, LTR */
        return reg_field(modrm) == 2 || reg_field(modrm) == 3 ? KIND(SERIALISING) : 0;
    case 0x01:
        return of_group_7(modrm);
    case 0x09: /* WBINVD */
    case 0x23: /* MOV to a debug register */
    case 0x30: /* WRMSR */
    case 0xa2: /* CPUID */
        return KIND(SERIALISING);
    case 0x22:
        return of_control_register(i);
    case 0x38: /* INVPCID */
        return modrm == 0x82 ? KIND(SERIALISING) | KIND(TLB) : 0;
    case 0xae: /* LFENCE, MFENCE */
        return is_register(modrm) && (reg_field(modrm) == 5 || reg_field(modrm) == 6) ? KIND(FENCE) : 0;
    default:
        return 0;
    }
}

static unsigned kinds_of(const struct insn *i)
{
    switch (byte(i, 0)) {
    case 0x0f:
        return of_two_bytes(i);
    case 0xcf: /* IRET */
        return KIND(SERIALISING);
    case 0x86: /* XCHG */
    case 0x87:
        return is_register(byte(i, 1)) ? 0 : KIND(LOCKED);
    case 0xa4 ... 0xa7: /* MOVS, CMPS */
    case 0xaa ... 0xaf: /* STOS, LODS, SCAS */
        return i->rep ? KIND(STRING) : 0;
    default:
        return 0;
    }
}

static enum mark mark_of(const struct insn *i)
{
    static const uint8_t nop[] = { 0x0f, 0x1f, 0x84, 0x00 };
    uint32_t which;

    if (i->end - i->at != sizeof(nop) + sizeof(which) || memcmp(i->at, nop, sizeof(nop)))
        return MARK_NONE;
    memcpy(&which, i->at + sizeof(nop), sizeof(which));
    switch (which) {
    case BENCH_MARK_BEGIN:
        return MARK_BEGINS;
    case BENCH_MARK_END:
        return MARK_ENDS;
    case BENCH_MARK_READY:
        return MARK_READY;
    default:
        return MARK_NONE;
    }
}

struct decoded decode(const uint8_t *bytes, size_t size)
{
    struct insn i = { .at = bytes, .end = bytes + size };
    struct decoded d = { 0 };

    skip_prefixes(&i);
    d.kinds = kinds_of(&i) | (i.lock ? KIND(LOCKED) : 0);
    d.mark = mark_of(&i);
    return d;
}
