/* SPDX-License-Identifier: MIT */
/*
 * Indirect jumps (Spectre variant 2). The compiler turns each indirect call or
 * jump into one to the thunk of the register that holds where to go, and the
 * assembler code does the same by hand.
 *
 * A thunk as it stands is a retpoline: it puts the target in place of its own
 * return address, and what a CPU guesses of the RET is the loop behind the CALL,
 * which goes nowhere. Where the CPU has something better, speculation_apply
 * (x86/speculation.c) overwrites the start of each at boot. That code finds
 * the thunk of register n (as instructions number them) at n * THUNK_BYTES.
 */
#include "entry.h"

        .text
        .balign THUNK_BYTES
        .globl  indirect_thunks
indirect_thunks:
        .macro  THUNK reg
        .balign THUNK_BYTES
        .globl  __x86_indirect_thunk_\reg
__x86_indirect_thunk_\reg:
        call    2f
1:      pause
        lfence
        jmp     1b
2:      movq    %\reg, (%rsp)
        ret
        .endm

        .irp    reg, rax, rcx, rdx, rbx
        THUNK   \reg
        .endr
        .balign THUNK_BYTES
        .skip   THUNK_BYTES, 0xcc       /* RSP is no target */
        .irp    reg, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
        THUNK   \reg
        .endr

        .section .note.GNU-stack, "", @progbits
