/* SPDX-License-Identifier: MIT */
/*
 * The image: linked at IMAGE_VIRT_START, loaded at IMAGE_PHYS_START. Each part
 * with rights of its own starts on a page of its own (x86/paging.c gives them).
 */
#include <arch/layout.h>

OUTPUT_FORMAT(elf64-x86-64)
OUTPUT_ARCH(i386:x86-64)
ENTRY(boot_entry)

PHDRS
{
    text PT_LOAD FLAGS(5);
    rodata PT_LOAD FLAGS(4);
    data PT_LOAD FLAGS(6);
}

SECTIONS
{
    . = IMAGE_VIRT_START;
    __image_start = .;

    __text_start = .;
    .text : AT(ADDR(.text) - IMAGE_VIRT_START + IMAGE_PHYS_START)
    {
        KEEP(*(.head))
        . = ALIGN(4096);
        __entry_text_start = .;
        KEEP(*(.entry.text))
        . = ALIGN(4096);
        __entry_text_end = .;
        *(.text.hot .text.hot.*)
        *(.text .text.*)
        *(.plt .plt.* .iplt)
    } :text =0xcccccccc
    . = ALIGN(4096);
    __text_end = .;

    __rodata_start = .;
    .rodata : AT(ADDR(.rodata) - IMAGE_VIRT_START + IMAGE_PHYS_START)
    {
        *(.rodata .rodata.*)
        *(.data.rel.ro .data.rel.ro.*)
        *(.got .got.plt .igot.plt)
        . = ALIGN(16);
        __ex_table_start = .;
        KEEP(*(.ex_table))
        __ex_table_end = .;
        __start_smap_sites = .;
        KEEP(*(smap_sites))
        __stop_smap_sites = .;
        __start_spec_sites = .;
        KEEP(*(spec_sites))
        __stop_spec_sites = .;
        . = ALIGN(16);
        KEEP(*(.symbols))
    } :rodata
    . = ALIGN(4096);
    __rodata_end = .;

    __data_start = .;
    .data : AT(ADDR(.data) - IMAGE_VIRT_START + IMAGE_PHYS_START)
    {
        *(.data .data.*)
        . = ALIGN(64);
        __percpu_start = .;
        *(.percpu)
        . = ALIGN(64);
        __percpu_end = .;
    } :data
    .bss (NOLOAD) : AT(ADDR(.bss) - IMAGE_VIRT_START + IMAGE_PHYS_START)
    {
        *(.bss.boot)
        . = ALIGN(4096);
        __entry_data_start = .;
        *(.bss.entry)
        . = ALIGN(4096);
        __entry_data_end = .;
        *(.bss .bss.*)
        *(COMMON)
        . = ALIGN(64);
        __percpu_pristine = .;
        . += __percpu_end - __percpu_start;
    } :data
    . = ALIGN(4096);
    __data_end = .;
    __image_end = .;

    /DISCARD/ : { *(.eh_frame .eh_frame.*) *(.note .note.*) *(.comment) *(.interp) *(.rela.*) }

    .debug_abbrev 0 : { *(.debug_abbrev) }
    .debug_aranges 0 : { *(.debug_aranges) }
    .debug_info 0 : { *(.debug_info) }
    .debug_line 0 : { *(.debug_line) }
    .debug_line_str 0 : { *(.debug_line_str) }
    .debug_loclists 0 : { *(.debug_loclists) }
    .debug_rnglists 0 : { *(.debug_rnglists) }
    .debug_str 0 : { *(.debug_str) }
    .debug_frame 0 : { *(.debug_frame) }
}

ASSERT(__image_end - __image_start <= 0x600000, "the image does not fit between 2 and 8 MiB")
