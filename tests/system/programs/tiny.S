/* SPDX-License-Identifier: MIT */
/* The smallest paravirtual kernels, one for each value of KIND:
 *   1 idle: gives the CPU back for ever, so that it can be created and destroyed
 *   2 undefined instruction      3 jumps into nowhere     4 runs random bytes
 *   5 calls every hypercall number with wild arguments, then jumps into nowhere
 *   6 spins: takes all the time it gets
 * None sets up a trap handler, so a fault must end the domain and only that. */
        .section .note.xen, "a", @note
        .macro note type, value:vararg
        .align 4
        .long 4, 2f - 1f, \type
        .asciz "Xen"
1:      \value
2:      .align 4
        .endm
        note 6, .asciz "lab"                    /* guest OS */
        note 5, .asciz "xen-3.0"                /* version of the interface */
        note 8, .asciz "generic"                /* loader */
        note 3, .quad 0xffffffff80000000        /* virtual base */
        note 4, .quad 0                         /* physical offset */
        note 1, .quad _start                    /* entry */
        note 2, .quad hypercall_page
        note 9, .asciz "yes"                    /* PAE, asked of every kernel */

        .text
        .align 4096
        .globl _start
_start:
#if KIND == 1
1:      mov     $1, %edi                        /* SCHEDOP_block */
        xor     %esi, %esi
        call    hypercall_page + 29 * 32        /* sched_op */
        jmp     1b
#elif KIND == 2
        ud2
#elif KIND == 3
        mov     $0x1234567800, %rax
        jmp     *%rax
#elif KIND == 4
        .byte   0x8e, 0xd8, 0x0f, 0x22, 0xc0, 0x0f, 0x01, 0xf8, 0xf4, 0xc5, 0x13, 0x77
        .byte   0xe6, 0x80, 0xfa, 0x0f, 0x00, 0xd8, 0xcf, 0x6a, 0x5b, 0xff, 0x2c, 0x25
#elif KIND == 5
        xor     %ebx, %ebx
        mov     $0x9e3779b97f4a7c15, %r13       /* any odd number will do */
1:      mov     $64, %ebp
2:      imul    %r13, %r13
        add     %rbp, %r13
        mov     %r13, %rdi
        and     $31, %edi                       /* a sub-operation likely to exist */
        mov     %r13, %rsi
        ror     $7, %rsi
        mov     %rsi, %rdx
        ror     $13, %rdx
        mov     %rdx, %r10
        mov     %r13, %r8
        cmp     $29, %ebx                       /* not sched_op: it would stop us or sleep for good */
        je      3f
        cmp     $6, %ebx                        /* nor its older form */
        je      3f
        mov     %ebx, %eax
        shl     $5, %eax
        lea     hypercall_page(%rip), %rcx
        add     %rcx, %rax
        call    *%rax
3:      dec     %ebp
        jnz     2b
        inc     %ebx
        cmp     $56, %ebx
        jne     1b
        mov     $0x1234567800, %rax
        jmp     *%rax
#elif KIND == 6
1:      jmp     1b
#endif

        .align 4096
hypercall_page:
        .skip 4096
