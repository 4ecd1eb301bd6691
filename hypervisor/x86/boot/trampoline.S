/* SPDX-License-Identifier: MIT */
/*
 * Where a further CPU begins: in 16-bit real mode, at a page of low memory
 * into which smp_boot.c copies this. It goes straight to 64-bit mode on the
 * boot page tables, which map this page at its own address, and to ap_start.
 */
#include <arch/layout.h>

#define AT(sym) ((sym) - trampoline_start)

        .section .rodata.trampoline, "a", @progbits
        .code16
        .balign 16
        .globl  trampoline_start
trampoline_start:
        cli
        cld
        movw    %cs, %ax
        movw    %ax, %ds
        xorl    %ebx, %ebx
        movw    %ax, %bx
        shll    $4, %ebx
        leal    AT(trampoline_gdt)(%ebx), %eax
        movl    %eax, AT(trampoline_gdtr) + 2
        leal    AT(trampoline_64)(%ebx), %eax
        movl    %eax, AT(trampoline_jump)
        lgdtl   AT(trampoline_gdtr)

        movl    $0x20, %eax     /* PAE */
        movl    %eax, %cr4
        movl    AT(trampoline_cr3), %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx
        movl    AT(trampoline_efer), %eax
        xorl    %edx, %edx
        wrmsr
        movl    $0x80010031, %eax /* PG WP NE ET PE */
        movl    %eax, %cr0
        ljmpl   *AT(trampoline_jump)

        .code64
trampoline_64:
        movl    $0x10, %eax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        jmp     *trampoline_entry(%rip)

        .balign 8
trampoline_gdt:
        .quad   0
        .quad   0x00af9b000000ffff /* 64-bit code */
        .quad   0x00cf93000000ffff /* data */
trampoline_gdtr:
        .short  trampoline_gdtr - trampoline_gdt - 1
        .long   0
trampoline_jump:
        .long   0
        .short  0x08
        .balign 8
        .globl  trampoline_cr3, trampoline_entry, trampoline_efer, trampoline_end
trampoline_cr3:
        .quad   0               /* below 4 GiB */
trampoline_entry:
        .quad   0
trampoline_efer:
        .long   0
trampoline_end:

        .section .note.GNU-stack, "", @progbits
