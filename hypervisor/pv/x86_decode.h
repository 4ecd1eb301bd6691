/* SPDX-License-Identifier: MIT */
/*
 * A decoder for the instructions that write one operand to memory: what it
 * takes to tell such an instruction's length, operand size and operands.
 * 64-bit code only.  pv/x86_decode.c
 */
#ifndef ZELO_PV_X86_DECODE_H
#define ZELO_PV_X86_DECODE_H

#include <zelo/types.h>

#define X86_MAX_LENGTH 15

enum x86_op {
    X86_MOV, X86_XCHG, X86_CMPXCHG, X86_XADD,
    X86_ADD, X86_OR, X86_ADC, X86_SBB, X86_AND, X86_SUB, X86_XOR,
    X86_INC, X86_DEC, X86_NOT, X86_NEG,
    X86_BTS, X86_BTR, X86_BTC,
};

struct x86_insn {
    enum x86_op op;
    u8 length;     /* bytes */
    u8 size;       /* of the memory operand: 1, 2, 4 or 8 */
    u8 reg;        /* register operand, 0..15 as encoded with REX; see has_imm */
    bool rex;      /* a REX prefix: byte registers 4..7 are SPL..DIL */
    bool has_imm;  /* the other operand is imm, sign-extended, and not reg */
    u64 imm;
};

/*
 * Decodes an instruction whose destination is memory.  bytes: n of them, at
 * most X86_MAX_LENGTH.  False if it is none of the above, or cut short.
 */
bool must_check x86_decode(struct x86_insn *out, const u8 *bytes, size_t n);

struct cpu_user_regs;
/* The value of a register as the instruction sees it, zero-extended; and writing one as a CPU does. */
u64 x86_reg_read(const struct cpu_user_regs *regs, const struct x86_insn *i, unsigned reg);
void x86_reg_write(struct cpu_user_regs *regs, const struct x86_insn *i, unsigned reg, u64 value);

#endif
