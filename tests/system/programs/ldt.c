/* SPDX-License-Identifier: MIT */
/*
 * Two processes with different local descriptor tables take turns: each reads,
 * through a segment of its own LDT, what is its own. Prints "ldt works".
 */
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TURNS 200
#define SELECTOR(n) ((n) << 3 | 7) /* in the LDT, ring 3 */

static uint32_t own[2] = { 0x600d0000, 0x600d0001 };

/* Descriptor n of this process covers one word. Static data of a fixed-address program lies below 4 GiB. */
static int describe(unsigned n, const uint32_t *word)
{
    struct user_desc d = {
        .entry_number = n, .base_addr = (unsigned)(uintptr_t)word, .limit = sizeof(*word) - 1,
        .seg_32bit = 1, .useable = 1,
    };

    return (int)syscall(SYS_modify_ldt, 0x11, &d, sizeof(d));
}

static uint32_t read_through(unsigned n)
{
    uint32_t value;

    __asm__ volatile("movw %w1, %%fs; movl %%fs:0, %0; movw %w2, %%fs"
                     : "=r"(value) : "r"(SELECTOR(n)), "r"(0));
    return value;
}

/* The raw call: libc keeps its own data behind FS. */
static long call(long number)
{
    long result = number;

    __asm__ volatile("syscall" : "+a"(result) :: "rcx", "r11", "memory");
    return result;
}

/* FS keeps the LDT's segment over the calls to the kernel, where other processes run. */
static int turns(unsigned n)
{
    unsigned long base;
    int wrong = 0;

    syscall(SYS_arch_prctl, ARCH_GET_FS, &base);
    for (int i = 0; i < TURNS; i++) {
        uint32_t value;

        wrong |= read_through(n) != own[n];
        __asm__ volatile("movw %w0, %%fs" :: "r"(SELECTOR(n)));
        call(SYS_sched_yield);
        __asm__ volatile("movl %%fs:0, %0" : "=r"(value));
        wrong |= value != own[n];
    }
    __asm__ volatile("syscall" :: "a"(SYS_arch_prctl), "D"(ARCH_SET_FS), "S"(base) : "rcx", "r11", "memory");
    return wrong;
}

int main(void)
{
    int status = 1;
    pid_t child = fork();
    unsigned n = child == 0;

    if (child < 0 || describe(n, &own[n]))
        return 1;
    if (turns(n))
        return 1;
    if (!child)
        return 0;
    if (waitpid(child, &status, 0) != child || status)
        return 1;
    puts("ldt works");
    return 0;
}
