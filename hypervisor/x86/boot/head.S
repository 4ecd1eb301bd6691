/* SPDX-License-Identifier: MIT */
/*
 * The first instructions. A multiboot 1 or 2 loader enters in 32-bit protected
 * mode without paging, the image at IMAGE_PHYS_START; this makes the boot page
 * tables, enters 64-bit mode and calls hypervisor_start(magic, info).
 *
 * Boot page tables: the low 4 GiB at their own addresses and in the direct
 * map, and the image at its link address, all writable and executable. They
 * serve until paging_init, and once more to each CPU that starts later.
 */
#include <arch/layout.h>
#include "boot.h"

#define PTE_P 0x1
#define PTE_RW 0x2
#define PTE_PSE 0x80
#define TABLE (PTE_P | PTE_RW)

#define BOOT_CS64 0x10
#define BOOT_DS 0x18

        .section .head, "ax", @progbits

/* --- headers: within the first 8 KiB of the file --- */
        .balign 8
mb1_header:
#define MB1_FLAGS 0x3           /* modules page-aligned, memory map wanted */
        .long   MB1_HEADER_MAGIC, MB1_FLAGS, -(MB1_HEADER_MAGIC + MB1_FLAGS)

        .balign 8
mb2_header:
        .long   MB2_HEADER_MAGIC, 0, mb2_header_end - mb2_header
        .long   -(MB2_HEADER_MAGIC + 0 + (mb2_header_end - mb2_header))
        /* Information request, optional: command line, loader, modules, memory map, framebuffer, EFI, ACPI. */
        .balign 8
1:      .short  1, 1
        .long   2f - 1b, 1, 2, 3, 6, 8, 12, 14, 15, 17
2:      .balign 8
        .short  6, 0            /* modules page-aligned */
        .long   8
        .balign 8
        .short  5, 1            /* any framebuffer, if there is no text mode */
        .long   20, 0, 0, 0
        .balign 8
        .short  0, 0
        .long   8
mb2_header_end:

/* --- 32-bit entry: EAX magic, EBX information --- */
        .code32
        .globl  boot_entry
boot_entry:
        cli
        cld
        movl    %eax, %edi
        movl    %ebx, %esi
        movl    $IMAGE_PA(boot_stack + STACK_SIZE - BOOT_STACK_TOP_ROOM), %esp
        pushl   $0
        popfl

        movl    $0x80000000, %eax
        cpuid
        cmpl    $0x80000001, %eax
        jb      no_long_mode
        movl    $0x80000001, %eax
        cpuid
        btl     $29, %edx
        jnc     no_long_mode

        call    boot_tables_fill

        movl    %cr4, %eax
        orl     $0x20, %eax     /* PAE */
        movl    %eax, %cr4
        movl    $IMAGE_PA(boot_l4), %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx
        rdmsr
        orl     $0x100, %eax    /* EFER.LME */
        wrmsr
        movl    $0x80010031, %eax /* PG WP NE ET PE */
        movl    %eax, %cr0
        lgdt    IMAGE_PA(boot_gdtr32)
        ljmp    $BOOT_CS64, $IMAGE_PA(boot_low64)

        /* Four tables of 2 MiB pages for the low 4 GiB; the image's slot has a table of its own. */
boot_tables_fill:
        pushl   %edi
        movl    $IMAGE_PA(boot_l2_low), %edi
        movl    $(TABLE | PTE_PSE), %eax
        movl    $(4 * 512), %ecx
1:      movl    %eax, (%edi)
        addl    $0x200000, %eax
        addl    $8, %edi
        loop    1b

        movl    $IMAGE_PA(boot_l3_low), %edi
        movl    $(IMAGE_PA(boot_l2_low) + TABLE), %eax
        movl    $4, %ecx
1:      movl    %eax, (%edi)
        addl    $0x1000, %eax
        addl    $8, %edi
        loop    1b

        movl    $IMAGE_PA(boot_l2_image), %edi
        movl    $(IMAGE_PHYS_START + TABLE + PTE_PSE), %eax
        movl    $(IMAGE_PA(__image_end)), %ecx
        subl    $(IMAGE_PHYS_START - 0x1fffff), %ecx
        shrl    $21, %ecx
1:      movl    %eax, (%edi)
        addl    $0x200000, %eax
        addl    $8, %edi
        loop    1b
        movl    $(IMAGE_PA(boot_l2_image) + TABLE), IMAGE_PA(boot_l3_image)

        movl    $(IMAGE_PA(boot_l3_low) + TABLE), %eax
        movl    %eax, IMAGE_PA(boot_l4)
        movl    %eax, IMAGE_PA(boot_l4 + 8 * L4_SLOT_DIRECT)
        movl    $(IMAGE_PA(boot_l3_image) + TABLE), IMAGE_PA(boot_l4 + 8 * L4_SLOT_IMAGE)
        popl    %edi
        ret

        /* Nothing is set up that could say it: the first serial port, as the firmware left it. */
no_long_mode:
        movl    $IMAGE_PA(no_long_mode_text), %esi
1:      lodsb
        testb   %al, %al
        jz      2f
        movw    $0x3f8, %dx
        outb    %al, %dx
        jmp     1b
2:      hlt
        jmp     2b
no_long_mode_text:
        .asciz  "Zelo needs a 64-bit x86 CPU\r\n"

        .code64
boot_low64:
        movabsq $boot_high64, %rax
        jmp     *%rax

        .balign 8
boot_gdt:
        .quad   0
        .quad   0x00cf9b000000ffff /* 32-bit code */
        .quad   0x00af9b000000ffff /* 64-bit code */
        .quad   0x00cf93000000ffff /* data */
boot_gdtr32:
        .short  boot_gdtr32 - boot_gdt - 1
        .long   IMAGE_PA(boot_gdt)

/* --- 64-bit, at link addresses --- */
        .text
boot_high64:
        movl    $BOOT_DS, %eax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        xorl    %eax, %eax
        movw    %ax, %fs
        movw    %ax, %gs
        leaq    (boot_stack + STACK_SIZE - BOOT_STACK_TOP_ROOM)(%rip), %rsp
        movl    %edi, %edi
        movl    %esi, %esi
        xorl    %ebp, %ebp
        call    hypervisor_start
        ud2

        /* A further CPU, from the trampoline, on the boot page tables: takes its final ones and its stack. */
        .globl  ap_start
ap_start:
        movq    ap_start_cr3(%rip), %rax
        movq    %rax, %cr3
        movq    ap_start_stack(%rip), %rsp
        xorl    %ebp, %ebp
        call    smp_ap_main
        ud2

        /* void stack_switch(void *top, void (*fn)(void)): goes on in fn on another stack, for good. */
        .globl  stack_switch
stack_switch:
        movq    %rdi, %rsp
        xorl    %ebp, %ebp
        call    __x86_indirect_thunk_rsi
        ud2

        .section .data.ap_start, "aw", @progbits
        .balign 8
        .globl  ap_start_cr3, ap_start_stack
ap_start_cr3:
        .quad   0
ap_start_stack:
        .quad   0

        .section .bss.boot, "aw", @nobits
        .balign STACK_SIZE
        .globl  boot_stack, boot_l4
boot_stack:
        .skip   STACK_SIZE
boot_l4:
        .skip   4096
boot_l3_low:
        .skip   4096
boot_l2_low:
        .skip   4 * 4096
boot_l3_image:
        .skip   4096
boot_l2_image:
        .skip   4096

        .section .note.GNU-stack, "", @progbits
