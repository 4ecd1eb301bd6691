/* SPDX-License-Identifier: MIT */
/* Ends as soon as it begins: what a process costs without a program in it. */
#include <sys/syscall.h>

void _start(void);

void _start(void)
{
    __asm__ volatile("syscall" :: "a"(SYS_exit_group), "D"(0) : "rcx", "r11", "memory");
    __builtin_unreachable();
}
