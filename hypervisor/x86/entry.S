/* SPDX-License-Identifier: MIT */
/*
 * Every way into the hypervisor and the way back to a guest.
 *
 * Each entry leaves a struct cpu_user_regs on the stack; in the shortest ones
 * (pv/at_once.c) the registers that C functions keep are not in it. From a guest it lies
 * at the top of the CPU's stack (struct cpu_info.regs, arch/percpu.h): TSS.RSP0
 * points to its end, SYSCALL's stub (x86/descriptor_tables.c) loads the same
 * address. From the hypervisor itself it lies wherever the stack was.
 *
 * entry_vector says what came in: a vector, or VECTOR_SYSCALL, whose bit tells
 * the way out that RCX and R11 are free, so that SYSRET may be used. Whoever
 * gives the guest a frame in which they are not clears the bit; whoever builds
 * a bounce frame, on which the guest finds them, may set it.
 */
#include <arch/guest_access.h>
#include <arch/layout.h>
#include <asm_offsets.h>
#include "entry.h"

        /* Mapped while a guest runs, also under XPTI (x86/xpti.c). */
        .section .entry.text, "ax", @progbits

        .macro SAVE_ALL
        SAVE_UNKEPT
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        .endm

        /* Those that C functions do not keep. */
        .macro SAVE_UNKEPT
        pushq   %rdi
        pushq   %rsi
        pushq   %rdx
        pushq   %rcx
        pushq   %rax
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        .endm

        /* The others, where SAVE_UNKEPT left room for them. */
        .macro SAVE_KEPT
        movq    %rbx, REG_rbx(%rsp)
        movq    %rbp, REG_rbp(%rsp)
        movq    %r12, REG_r12(%rsp)
        movq    %r13, REG_r13(%rsp)
        movq    %r14, REG_r14(%rsp)
        movq    %r15, REG_r15(%rsp)
        .endm

        .macro RESTORE_ALL
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        RESTORE_UNKEPT
        .endm

        /* RSP at the first of them. */
        .macro RESTORE_UNKEPT
        popq    %r11
        RESTORE_UNKEPT_BUT_R11
        .endm

        .macro RESTORE_UNKEPT_BUT_R11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rax
        popq    %rcx
        popq    %rdx
        popq    %rsi
        popq    %rdi
        .endm

        /* A guest's DF and AC must not be ours. */
        .macro CLEAN_FLAGS
        cld
        SMAP_SITE SMAP_CLAC
        .endm

/* --- CPU flaws: what is done on the ways in and out (docs/security.md) --- */

        /* From here to SPEC_END: jumped over, unless x86/speculation.c puts a NOP here. */
        .macro SPEC_BLOCK kinds, end=89
        .pushsection spec_sites, "a"
        .quad   88f, \kinds
        .popsection
88:     .byte   0xeb, \end\()f - 88b - 2
        .endm
        .macro SPEC_END end=89
\end:
        .endm

        .macro WRITE_MSR msr            /* from EAX */
        movl    $\msr, %ecx
        xorl    %edx, %edx
        wrmsr
        .endm

        /* Loads the CR3 at a place in cpu_info, if there is one, whichever part of the stack this is. */
        .macro LOAD_CR3_OF field
        movq    %rsp, %rdx
        orq     $(STACK_SIZE - 1), %rdx
        movq    \field(%rdx), %rax
        testq   %rax, %rax
        jz      87f
        movq    %rax, %cr3
87:
        .endm

        /* What a guest taught the CPU's predictors must not lead us. After SAVE_UNKEPT; takes RAX, RCX, RDX. */
        .macro SPEC_ENTER_PREDICTORS
        SPEC_BLOCK SPEC_IBPB
        movl    $PRED_CMD_IBPB, %eax
        WRITE_MSR MSR_PRED_CMD
        SPEC_END
        SPEC_BLOCK SPEC_MSR
        movl    speculation_host_spec_ctrl(%rip), %eax
        WRITE_MSR MSR_SPEC_CTRL
        SPEC_END
        SPEC_BLOCK SPEC_RSB             /* 32 return addresses that lead nowhere */
        movl    $16, %ecx
81:     call    83f
82:     pause
        lfence
        jmp     82b
83:     call    85f
84:     pause
        lfence
        jmp     84b
85:     decl    %ecx
        jnz     81b
        addq    $(32 * 8), %rsp
        SPEC_END
        .endm

        /* Where nothing is on, one jump. */
        .macro SPEC_ENTER
        SPEC_BLOCK SPEC_XPTI | SPEC_IBPB | SPEC_MSR | SPEC_RSB, 90
        SPEC_BLOCK SPEC_XPTI
        LOAD_CR3_OF INFO_TOP_host_cr3
        SPEC_END
        SPEC_ENTER_PREDICTORS
        SPEC_END 90
        .endm

        /* Behind it only the stack and this section may be used, and there is no more CALL and RET. */
        .macro SPEC_LEAVE
        SPEC_BLOCK SPEC_XPTI | SPEC_MSR, 90
        SPEC_BLOCK SPEC_MSR
        movq    %rsp, %rdx
        orq     $(STACK_SIZE - 1), %rdx
        movl    INFO_TOP_guest_spec_ctrl(%rdx), %eax
        WRITE_MSR MSR_SPEC_CTRL
        SPEC_END
        SPEC_BLOCK SPEC_XPTI
        LOAD_CR3_OF INFO_TOP_guest_cr3
        SPEC_END
        SPEC_END 90
        .endm

        /* Clears the CPU's buffers, as the last thing. Changes ZF. */
        .macro SPEC_CLEAR_BUFFERS
        SPEC_BLOCK SPEC_VERW
        verw    verw_selector(%rip)
        SPEC_END
        .endm

        /*
         * An entry with a stack of its own may come at any point of the ways in
         * and out: it notes in RBX and R12, which C code keeps, what it found.
         */
        .macro SPEC_IST_ENTER
        SPEC_BLOCK SPEC_XPTI
        movq    %cr3, %rbx
        LOAD_CR3_OF INFO_TOP_host_cr3
        SPEC_END
        SPEC_BLOCK SPEC_MSR
        movl    $MSR_SPEC_CTRL, %ecx
        rdmsr
        movl    %eax, %r12d
        SPEC_END
        SPEC_ENTER_PREDICTORS
        .endm

        .macro SPEC_IST_LEAVE
        SPEC_BLOCK SPEC_MSR
        movl    %r12d, %eax
        WRITE_MSR MSR_SPEC_CTRL
        SPEC_END
        SPEC_BLOCK SPEC_XPTI
        movq    %rbx, %cr3
        SPEC_END
        .endm

verw_selector:
        .word   SEL_KERNEL_DS           /* any that can be written to */

/* --- the 256 gates --- */

        .balign 16
        .globl entry_stubs
entry_stubs:
        .set    vec, 0
        .rept   256
        .balign ENTRY_STUB_BYTES
        .if     vec >= 32 || !((EXCEPTIONS_WITH_ERROR >> (vec % 32)) & 1)
        pushq   $0
        .endif
        movl    $vec, 4(%rsp)
        .if     vec < 32 || vec == 0x80
        jmp     exception_common
        .else
        jmp     interrupt_common
        .endif
        .set    vec, vec + 1
        .endr

        .balign 16
exception_common:
        CLEAN_FLAGS
        SAVE_UNKEPT
        subq    $REG_r11, %rsp
        testb   $3, REG_cs(%rsp)
        jz      1f
        SPEC_ENTER
        cmpl    $VECTOR_PAGE_FAULT, REG_vector(%rsp)
        jne     exception_of_guest
        movq    %cr2, %rdx
        movq    INFO_vcpu(%rsp), %rsi
        movq    %rsp, %rdi
        call    pv_page_fault_at_once
        testb   %al, %al
        jnz     exit_to_handler
exception_of_guest:
        SAVE_KEPT
exception_saved:
        movq    %rsp, %rdi
        call    trap_from_guest
        jmp     exit_to_guest
1:      SAVE_KEPT
        leaq    guest_iret(%rip), %rax
        cmpq    %rax, REG_rip(%rsp)
        je      iret_faulted
        movq    %rsp, %rdi
        call    trap_in_hypervisor
        jmp     return_to_hypervisor

        /* The guest's state was loaded already; is again if the IRET is to be tried once more. */
iret_faulted:
        SPEC_ENTER
        movq    %rsp, %rdi
        call    trap_in_hypervisor
        leaq    guest_iret(%rip), %rax
        cmpq    %rax, REG_rip(%rsp)
        jne     return_to_hypervisor
        call    guest_exit_again
        SPEC_LEAVE
        jmp     return_to_hypervisor

        .balign 16
interrupt_common:
        CLEAN_FLAGS
        SAVE_ALL
        testb   $3, REG_cs(%rsp)
        jz      1f
        SPEC_ENTER
        movq    %rsp, %rdi
        call    irq_dispatch
        jmp     exit_to_guest
1:      movq    %rsp, %rdi
        call    irq_dispatch
return_to_hypervisor:
        RESTORE_ALL
        SPEC_CLEAR_BUFFERS              /* perhaps we were on the way out */
        addq    $8, %rsp
        iretq

/* --- the ones with stacks of their own: they may come before the stack is ours --- */

        .macro IST_ENTRY name, vector, has_error, handler
        .balign 16
        .globl  \name
\name:
        .if     !\has_error
        pushq   $0
        .endif
        movl    $\vector, 4(%rsp)
        CLEAN_FLAGS
        SAVE_ALL
        SPEC_IST_ENTER
        movq    %rsp, %rdi
        call    \handler
        SPEC_IST_LEAVE
        jmp     return_to_hypervisor
        .endm

        IST_ENTRY entry_double_fault, 8, 1, trap_double_fault
        IST_ENTRY entry_machine_check, 18, 0, trap_machine_check

        /* The saved registers, with RSP at them on an exception stack, move to the top of the main stack. */
        .macro MOVE_TO_MAIN_STACK
        movq    %rsp, %rsi
        movq    %rsp, %rdi
        orq     $(STACK_SIZE - 1), %rdi
        subq    $(INFO_SIZE_ABOVE_REGS - 1), %rdi
        movq    %rdi, %rdx
        movl    $(REG_es / 8), %ecx
        rep movsq
        movq    %rdx, %rsp
        .endm

        /* From a guest the way back is a guest's: its IRET may fault, and it may have an NMI to take. */
        .balign 16
        .globl  entry_nmi
entry_nmi:
        pushq   $0
        movl    $2, 4(%rsp)
        CLEAN_FLAGS
        SAVE_ALL
        SPEC_IST_ENTER
        movq    %rsp, %rdi
        call    trap_nmi
        testb   $3, REG_cs(%rsp)
        jz      1f
        MOVE_TO_MAIN_STACK
        jmp     exit_to_guest
1:      SPEC_IST_LEAVE
        jmp     return_to_hypervisor

        /* From a guest the frame moves to the main stack, since the handler may switch vCPUs. */
        .balign 16
        .globl  entry_debug
entry_debug:
        pushq   $0
        movl    $1, 4(%rsp)
        CLEAN_FLAGS
        SAVE_ALL
        testb   $3, REG_cs(%rsp)
        jz      1f
        MOVE_TO_MAIN_STACK
        SPEC_ENTER
        jmp     exception_saved
1:      SPEC_IST_ENTER
        movq    %rsp, %rdi
        call    trap_debug_in_hypervisor
        SPEC_IST_LEAVE
        jmp     return_to_hypervisor

/* --- SYSCALL and SYSENTER --- */

        /*
         * SYSCALL changes neither stack nor GS base, so each CPU enters by a few
         * instructions of its own that know where its stack is: LSTAR and CSTAR
         * point to the CPU's stub (x86/descriptor_tables.c).
         */
        .macro  SYSCALL_STUBS name, target
        .balign SYSCALL_STUB_BYTES
        .globl  \name
\name:
        .set    cpu, 0
        .rept   ENTRY_MAX_CPUS
        .balign SYSCALL_STUB_BYTES
        movq    %rsp, (syscall_stacks + 16 * cpu)(%rip)
        movq    (syscall_stacks + 16 * cpu + 8)(%rip), %rsp
        pushq   $SEL_RING3_DS
        pushq   (syscall_stacks + 16 * cpu)(%rip)
        jmp     \target
        .set    cpu, cpu + 1
        .endr
        .endm

        SYSCALL_STUBS syscall_stubs, entry_syscall
        SYSCALL_STUBS syscall32_stubs, entry_syscall32

        /* SS and RSP are pushed. RCX: RIP, R11: RFLAGS, of which SFMASK left nothing that CLEAN_FLAGS would clear. */
        .macro  SYSCALL_FRAME cs, vector
        pushq   %r11
        pushq   $\cs
        pushq   %rcx
        pushq   $0
        movl    $\vector, 4(%rsp)
        .endm

        .balign 16
entry_syscall:
        SYSCALL_FRAME SEL_RING3_CS64, VECTOR_SYSCALL
        SAVE_UNKEPT
        subq    $REG_r11, %rsp
        SPEC_ENTER
        movq    INFO_vcpu(%rsp), %rsi
        movq    %rsp, %rdi
        testl   $PVF_KERNEL_BIT, VCPU_pv_flags(%rsi)
        jz      2f
        cmpq    $HYPERCALL_IRET, REG_rax(%rsp)
        je      1f
0:      SAVE_KEPT
        call    hypercall_from_kernel
        jmp     exit_with_kept_registers
1:      call    pv_iret_at_once
        testb   %al, %al
        jnz     exit_with_kept_registers
        movq    %rsp, %rdi
        jmp     0b
2:      call    pv_syscall_at_once
        testb   %al, %al
        jnz     exit_to_handler
        SAVE_KEPT
        call    pv_syscall_from_user
        jmp     exit_to_guest

        .balign 16
entry_syscall32:
        SYSCALL_FRAME SEL_RING3_CS32, VECTOR_SYSCALL32
        SAVE_ALL
        SPEC_ENTER
        movq    %rsp, %rdi
        call    pv_syscall32_from_user
        jmp     exit_to_guest

        /* SYSENTER saves nothing but loads RSP; it clears only IF, and NT would break our own IRET. */
        .balign 16
        .globl  entry_sysenter
entry_sysenter:
        pushq   $SEL_RING3_DS
        pushq   $0
        pushfq
        pushq   $SEL_RING3_CS32
        pushq   $0
        pushq   $0
        movl    $VECTOR_SYSENTER, 4(%rsp)
        pushq   $2
        popfq
        SAVE_ALL
        SPEC_ENTER
        movq    %rsp, %rdi
        call    pv_sysenter_from_user
        /* fall through */

/* --- back to the guest --- */

        .balign 16
        .globl  exit_to_guest
exit_to_guest:
        call    guest_exit_work         /* returns with interrupts off */
        movq    REG_rbx(%rsp), %rbx
        movq    REG_rbp(%rsp), %rbp
        movq    REG_r12(%rsp), %r12
        movq    REG_r13(%rsp), %r13
        movq    REG_r14(%rsp), %r14
        movq    REG_r15(%rsp), %r15

        /* Those that C functions keep are the guest's again; interrupts are off, and nothing waits. */
exit_with_kept_registers:
        SPEC_LEAVE
        testl   $VECTOR_SYSCALL, REG_vector(%rsp)
        jz      exit_by_iret
        /* SYSRET to a non-canonical address would fault in ring 0 on Intel. */
        movq    REG_rip(%rsp), %rax
        sarq    $47, %rax
        incq    %rax
        cmpq    $1, %rax
        jbe     exit_by_sysret
exit_by_iret:
        addq    $REG_r11, %rsp
        RESTORE_UNKEPT
        SPEC_CLEAR_BUFFERS
        addq    $8, %rsp
        .globl  guest_iret
guest_iret:
        iretq
        EX_TABLE guest_iret, guest_iret_fault

        /* As exit_with_kept_registers, but RIP is a handler's: no guest may set one that is not canonical. */
exit_to_handler:
        SPEC_LEAVE
exit_by_sysret:
        addq    $REG_r10, %rsp
        RESTORE_UNKEPT_BUT_R11
        SPEC_CLEAR_BUFFERS
        movq    8(%rsp), %rcx
        movq    24(%rsp), %r11
        movq    32(%rsp), %rsp
        sysretq

        /* The guest's frame was bad: RSP points to it, the other registers are the guest's again. */
guest_iret_fault:
        pushq   $0
        SAVE_ALL
        movq    %rsp, %rdi
        call    pv_return_failed
        jmp     exit_to_guest

        .text
/* --- guest memory (arch/seam.h): size_t f(to, from, n), bytes not copied --- */

        .balign 16
        .globl  arch_guest_read, arch_guest_write
arch_guest_read:
arch_guest_write:
        SMAP_SITE SMAP_STAC
        movq    %rdx, %rcx
        andl    $7, %edx
        shrq    $3, %rcx
10:     rep movsq
        movl    %edx, %ecx
11:     rep movsb
12:     SMAP_SITE SMAP_CLAC
        movq    %rcx, %rax
        ret
13:     leaq    (%rdx, %rcx, 8), %rcx
        jmp     12b
        EX_TABLE 10b, 13b
        EX_TABLE 11b, 12b

        /* size_t f(va, n) */
        .balign 16
        .globl  arch_guest_clear
arch_guest_clear:
        SMAP_SITE SMAP_STAC
        xorl    %eax, %eax
        movq    %rsi, %rcx
        andl    $7, %esi
        shrq    $3, %rcx
20:     rep stosq
        movl    %esi, %ecx
21:     rep stosb
22:     SMAP_SITE SMAP_CLAC
        movq    %rcx, %rax
        ret
23:     leaq    (%rsi, %rcx, 8), %rcx
        jmp     22b
        EX_TABLE 20b, 23b
        EX_TABLE 21b, 22b

        .balign 16
        /* int f(va, u64 *expect, u64 want): 0, or 1 on a fault */
        .globl  arch_guest_cmpxchg64
arch_guest_cmpxchg64:
        movq    (%rsi), %rax
        SMAP_SITE SMAP_STAC
30:     lock cmpxchgq %rdx, (%rdi)
        SMAP_SITE SMAP_CLAC
        movq    %rax, (%rsi)
        xorl    %eax, %eax
        ret
31:     SMAP_SITE SMAP_CLAC
        movl    $1, %eax
        ret
        EX_TABLE 30b, 31b

/* --- instructions that may fault on a value not ours --- */

        /* int rdmsr_safe(u32 msr, u64 *v), int wrmsr_safe(u32 msr, u64 v) */
        .globl  rdmsr_safe, wrmsr_safe
rdmsr_safe:
        movl    %edi, %ecx
50:     rdmsr
        shlq    $32, %rdx
        orq     %rdx, %rax
        movq    %rax, (%rsi)
        xorl    %eax, %eax
        ret
wrmsr_safe:
        movl    %edi, %ecx
        movl    %esi, %eax
        movq    %rsi, %rdx
        shrq    $32, %rdx
51:     wrmsr
        xorl    %eax, %eax
        ret
52:     movl    $1, %eax
        ret
        EX_TABLE 50b, 52b
        EX_TABLE 51b, 52b

        /* int load_SEG_safe(u16 sel): 0, or 1 and the null selector if the descriptor does not allow it */
        .macro  LOAD_SEGMENT seg
        .globl  load_\seg\()_safe
load_\seg\()_safe:
60:     movw    %di, %\seg
        xorl    %eax, %eax
        ret
61:     xorl    %eax, %eax
        movw    %ax, %\seg
        incl    %eax
        ret
        EX_TABLE 60b, 61b
        .endm
        LOAD_SEGMENT ds
        LOAD_SEGMENT es
        LOAD_SEGMENT fs
        LOAD_SEGMENT gs

        /* int xrstor_safe(const void *area, u64 mask), int fxrstor_safe(const void *area) */
        .globl  xrstor_safe, fxrstor_safe
xrstor_safe:
        movl    %esi, %eax
        movq    %rsi, %rdx
        shrq    $32, %rdx
70:     xrstor64 (%rdi)
        xorl    %eax, %eax
        ret
fxrstor_safe:
71:     fxrstor64 (%rdi)
        xorl    %eax, %eax
        ret
72:     movl    $1, %eax
        ret
        EX_TABLE 70b, 72b
        EX_TABLE 71b, 72b

        /* Each CPU's: the guest's RSP for a moment, and the end of the frame at its stack's top. */
        .section .bss.entry, "aw", @nobits
        .balign 64
        .globl  syscall_stacks
syscall_stacks:
        .skip   16 * ENTRY_MAX_CPUS

        .section .note.GNU-stack, "", @progbits
