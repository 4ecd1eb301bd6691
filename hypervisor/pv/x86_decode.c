/* SPDX-License-Identifier: MIT */
/* Decoding of instructions that write to memory: Intel SDM vol. 2, chapter 2 and appendix A. */
#include "x86_decode.h"

#include <zelo/types.h>

#include <xen/xen.h>

struct cursor {
    const u8 *p, *end;
    u8 rex;
    bool opsize16;
};

static bool take(struct cursor *c, u8 *out)
{
    if (c->p == c->end)
        return false;
    *out = *c->p++;
    return true;
}

/* n bytes, sign-extended. */
static bool take_signed(struct cursor *c, unsigned n, u64 *out)
{
    u64 v = 0;

    if ((size_t)(c->end - c->p) < n)
        return false;
    for (unsigned i = 0; i < n; i++)
        v |= (u64)c->p[i] << (8 * i);
    c->p += n;
    *out = (u64)((s64)(v << (64 - 8 * n)) >> (64 - 8 * n));
    return true;
}

/* Prefixes; the first byte of the opcode is left in *op. */
static bool take_prefixes(struct cursor *c, u8 *op)
{
    while (take(c, op)) {
        switch (*op) {
        case 0x66:
            c->opsize16 = true;
            c->rex = 0;
            break;
        case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: /* segments */
        case 0x67: /* address size */
        case 0xf0: case 0xf2: case 0xf3: /* LOCK; REP as a hint (XACQUIRE) */
            c->rex = 0;
            break;
        default:
            if ((*op & 0xf0) != 0x40)
                return true;
            c->rex = *op;
        }
    }
    return false;
}

/* ModRM of a memory operand, with SIB and displacement passed over; *reg is its middle field. */
static bool take_modrm(struct cursor *c, u8 *reg)
{
    u8 modrm, sib, mod, rm;
    unsigned disp = 0;

    if (!take(c, &modrm))
        return false;
    mod = modrm >> 6;
    rm = modrm & 7;
    if (mod == 3)
        return false;
    if (rm == 4) {
        if (!take(c, &sib))
            return false;
        if (mod == 0 && (sib & 7) == 5)
            disp = 4;
    } else if (mod == 0 && rm == 5) {
        disp = 4;
    }
    if (mod)
        disp = mod == 1 ? 1 : 4;
    if ((size_t)(c->end - c->p) < disp)
        return false;
    c->p += disp;
    *reg = (modrm >> 3) & 7;
    return true;
}

static u8 operand_size(const struct cursor *c, bool byte)
{
    if (byte)
        return 1;
    if (c->rex & 8)
        return 8;
    return c->opsize16 ? 2 : 4;
}

/* reg, or with REX.R its upper half. */
static bool take_register(struct cursor *c, struct x86_insn *i)
{
    if (!take_modrm(c, &i->reg))
        return false;
    i->reg |= c->rex & 4 ? 8 : 0;
    return true;
}

static bool take_imm(struct cursor *c, struct x86_insn *i, unsigned n)
{
    i->has_imm = true;
    return take_signed(c, n, &i->imm);
}

static const enum x86_op arith[8] = {
    X86_ADD, X86_OR, X86_ADC, X86_SBB, X86_AND, X86_SUB, X86_XOR,
};

/* The groups whose operation is in ModRM. */
static bool decode_group1(struct cursor *c, struct x86_insn *i, bool imm8)
{
    u8 which;

    if (!take_modrm(c, &which) || which == 7) /* CMP does not write */
        return false;
    i->op = arith[which];
    return take_imm(c, i, imm8 ? 1 : MIN(i->size, (u8)4));
}

static bool decode_group3(struct cursor *c, struct x86_insn *i)
{
    u8 which;

    if (!take_modrm(c, &which) || (which != 2 && which != 3))
        return false;
    i->op = which == 2 ? X86_NOT : X86_NEG;
    return true;
}

static bool decode_group45(struct cursor *c, struct x86_insn *i)
{
    u8 which;

    if (!take_modrm(c, &which) || which > 1)
        return false;
    i->op = which ? X86_DEC : X86_INC;
    return true;
}

static bool decode_group8(struct cursor *c, struct x86_insn *i)
{
    u8 which;

    if (!take_modrm(c, &which) || which < 5)
        return false;
    i->op = which == 5 ? X86_BTS : which == 6 ? X86_BTR : X86_BTC;
    return take_imm(c, i, 1);
}

static bool decode_mov_imm(struct cursor *c, struct x86_insn *i)
{
    u8 which;

    i->op = X86_MOV;
    return take_modrm(c, &which) && !which && take_imm(c, i, MIN(i->size, (u8)4));
}

static bool decode_one_byte(struct cursor *c, struct x86_insn *i, u8 op)
{
    i->size = operand_size(c, !(op & 1) && op != 0x83);
    if (op < 0x38 && (op & 7) < 2) {
        i->op = arith[op >> 3];
        return take_register(c, i);
    }
    switch (op) {
    case 0x80: case 0x81: case 0x83:
        return decode_group1(c, i, op == 0x83);
    case 0x86: case 0x87:
        i->op = X86_XCHG;
        return take_register(c, i);
    case 0x88: case 0x89:
        i->op = X86_MOV;
        return take_register(c, i);
    case 0xc6: case 0xc7:
        return decode_mov_imm(c, i);
    case 0xf6: case 0xf7:
        return decode_group3(c, i);
    case 0xfe: case 0xff:
        return decode_group45(c, i);
    default:
        return false;
    }
}

static bool decode_two_byte(struct cursor *c, struct x86_insn *i, u8 op)
{
    i->size = operand_size(c, op == 0xb0 || op == 0xc0);
    switch (op) {
    case 0xab: case 0xb3: case 0xbb:
        i->op = op == 0xab ? X86_BTS : op == 0xb3 ? X86_BTR : X86_BTC;
        return take_register(c, i);
    case 0xb0: case 0xb1:
        i->op = X86_CMPXCHG;
        return take_register(c, i);
    case 0xba:
        return decode_group8(c, i);
    case 0xc0: case 0xc1:
        i->op = X86_XADD;
        return take_register(c, i);
    case 0xc3: /* MOVNTI */
        i->op = X86_MOV;
        return i->size >= 4 && take_register(c, i);
    default:
        return false;
    }
}

bool x86_decode(struct x86_insn *out, const u8 *bytes, size_t n)
{
    size_t limit = MIN(n, (size_t)X86_MAX_LENGTH);
    struct cursor c = { .p = bytes, .end = bytes + limit };
    u8 op;
    bool ok;

    *out = (struct x86_insn){ .op = X86_MOV };
    if (!take_prefixes(&c, &op))
        return false;
    if (op == 0x0f)
        ok = take(&c, &op) && decode_two_byte(&c, out, op);
    else
        ok = decode_one_byte(&c, out, op);
    out->rex = c.rex;
    out->length = (u8)(c.p - bytes);
    return ok;
}

/* --- registers --- */

#define REG(field) offsetof(struct cpu_user_regs, field)
static const u16 reg_offset[16] = {
    REG(rax), REG(rcx), REG(rdx), REG(rbx), REG(rsp), REG(rbp), REG(rsi), REG(rdi),
    REG(r8), REG(r9), REG(r10), REG(r11), REG(r12), REG(r13), REG(r14), REG(r15),
};

/* Without REX byte registers 4..7 are the second bytes of the first four. */
static unsigned reg_place(const struct x86_insn *i, unsigned reg)
{
    bool high = i->size == 1 && !i->rex && reg >= 4;

    return reg_offset[(high ? reg - 4 : reg) & 15] + (high ? 1 : 0);
}

u64 x86_reg_read(const struct cpu_user_regs *regs, const struct x86_insn *i, unsigned reg)
{
    const void *at = (const u8 *)regs + reg_place(i, reg);

    switch (i->size) {
    case 1:
        return *(const u8 *)at;
    case 2:
        return *(const u16 *)at;
    case 4:
        return *(const u32 *)at;
    default:
        return *(const u64 *)at;
    }
}

void x86_reg_write(struct cpu_user_regs *regs, const struct x86_insn *i, unsigned reg, u64 value)
{
    void *at = (u8 *)regs + reg_place(i, reg);

    switch (i->size) {
    case 1:
        *(u8 *)at = (u8)value;
        break;
    case 2:
        *(u16 *)at = (u16)value;
        break;
    case 4: /* clears the upper half */
        *(u64 *)at = (u32)value;
        break;
    default:
        *(u64 *)at = value;
    }
}
