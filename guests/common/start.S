/* SPDX-License-Identifier: MIT */
/*
 * Where a tiny PV guest begins: ELF notes for the domain builder, the
 * hypercall page, the first instructions, and the entry points of traps,
 * events and system calls.
 */
#include <xen/xen.h>
#include <xen/elfnote.h>

#define NOTE(type, ...)                 \
        .pushsection .note.Xen, "a", @note; \
        .balign 4;                      \
        .long 4, 2f - 1f, type;         \
        .asciz "Xen";                   \
1:      __VA_ARGS__;                    \
2:      .balign 4;                      \
        .popsection

        NOTE(XEN_ELFNOTE_GUEST_OS, .asciz "tiny")
        NOTE(XEN_ELFNOTE_XEN_VERSION, .asciz "xen-3.0")
        NOTE(XEN_ELFNOTE_LOADER, .asciz "generic")
        NOTE(XEN_ELFNOTE_PAE_MODE, .asciz "yes")
        NOTE(XEN_ELFNOTE_FEATURES, .asciz "!writable_page_tables|pae_pgdir_above_4gb")
        NOTE(XEN_ELFNOTE_VIRT_BASE, .quad VIRT_BASE)
        NOTE(XEN_ELFNOTE_PADDR_OFFSET, .quad VIRT_BASE)
        NOTE(XEN_ELFNOTE_ENTRY, .quad _start)
        NOTE(XEN_ELFNOTE_HYPERCALL_PAGE, .quad hypercall_page)

        .text
        .globl _start
_start:
        cld
        leaq    boot_stack_end(%rip), %rsp
        xorl    %ebp, %ebp
        movq    %rsi, %rdi
        call    guest_start
1:      ud2
        jmp     1b

        /* The other vCPUs come here with their own stack and rdi set. */
        .globl secondary_start
secondary_start:
        cld
        xorl    %ebp, %ebp
        call    guest_secondary
1:      ud2
        jmp     1b

        .balign 4096
        .globl hypercall_page
hypercall_page:
        .skip 4096

        /* What was interrupted may have set DF, as no C code expects it. */
        .macro SAVE
        cld
        pushq %rdi; pushq %rsi; pushq %rdx; pushq %rcx; pushq %rax
        pushq %r8;  pushq %r9;  pushq %r10; pushq %r11
        pushq %rbx; pushq %rbp; pushq %r12; pushq %r13; pushq %r14; pushq %r15
        .endm
        .macro RESTORE
        popq %r15; popq %r14; popq %r13; popq %r12; popq %rbp; popq %rbx
        popq %r11; popq %r10; popq %r9;  popq %r8
        popq %rax; popq %rcx; popq %rdx; popq %rsi; popq %rdi
        .endm

        /*
         * Back to what was interrupted through the iret hypercall.  On entry
         * the stack holds rip, cs, rflags, rsp, ss; the hypercall page's own
         * code pushes rcx, r11 and rax.
         */
        .macro IRET_HYPERCALL flags
        pushq   $\flags
        jmp     hypercall_page + __HYPERVISOR_iret * 32
        .endm

        /* With the number and an error code on the stack: a C function gets the frame, then back. */
        .macro HANDLE handler
        SAVE
        movq    %rsp, %rdi
        call    \handler
        RESTORE
        addq    $16, %rsp
        IRET_HYPERCALL 0
        .endm

        /* Trap frame as delivered: rcx, r11, [error], rip, cs, rflags, rsp, ss. */
        .macro TRAP nr, has_error
        .globl trap_\nr
        .balign 16
trap_\nr:
        popq    %rcx
        popq    %r11
        .if !\has_error
        pushq   $0
        .endif
        pushq   $\nr
        HANDLE  guest_trap
        .endm

        TRAP 0, 0
        TRAP 1, 0
        TRAP 3, 0
        TRAP 6, 0
        TRAP 7, 0
        TRAP 11, 1
        TRAP 12, 1
        TRAP 13, 1
        TRAP 14, 1
        TRAP 17, 1
        TRAP 0x80, 0

        .globl event_entry, failsafe_entry, syscall_entry
        .balign 16
event_entry:
        popq    %rcx
        popq    %r11
        pushq   $0
        pushq   $0x100
        HANDLE  guest_event

        /* The frame has DS, ES, FS and GS where an error code would be. */
        .balign 16
failsafe_entry:
        popq    %rcx
        popq    %r11
        addq    $32, %rsp
        pushq   $0
        pushq   $0x102
        HANDLE  guest_trap

        .balign 16
syscall_entry:
        popq    %rcx
        popq    %r11
        pushq   $0
        pushq   $0x101
        SAVE
        movq    %rsp, %rdi
        call    guest_syscall
        RESTORE
        addq    $16, %rsp
        IRET_HYPERCALL 0

        /* void guest_return_to(const struct frame *): leaves for the frame's context. */
        .globl guest_return_to
guest_return_to:
        movq    %rdi, %rsp
        RESTORE
        addq    $16, %rsp
        IRET_HYPERCALL 0

        .bss
        .balign 4096
boot_stack:
        .skip 16384
boot_stack_end:
        .section .note.GNU-stack, "", @progbits
