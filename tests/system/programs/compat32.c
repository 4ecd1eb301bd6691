/* SPDX-License-Identifier: MIT */
/* A 32-bit program with no library: makes system calls through INT 0x80 and
 * through the entry the kernel gives in AT_SYSINFO (SYSENTER or SYSCALL, as the
 * CPU has it), many times, and checks that both give the same answers. */
typedef unsigned int u32;

#define AT_SYSINFO 32
#define NR_EXIT 1
#define NR_WRITE 4
#define NR_GETPID 20
#define NR_GETPPID 64

static u32 vsyscall_entry;

static int syscall_int80(int number, int a, const void *b, int c)
{
    int result;

    __asm__ volatile("int $0x80" : "=a"(result)
                     : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}

static int syscall_fast(int number, int a, const void *b, int c)
{
    int result;

    __asm__ volatile("call *%5" : "=a"(result)
                     : "a"(number), "b"(a), "c"(b), "d"(c), "m"(vsyscall_entry) : "memory");
    return result;
}

static void say(int (*call)(int, int, const void *, int), const char *text, int length)
{
    if (call(NR_WRITE, 1, text, length) != length)
        syscall_int80(NR_EXIT, 3, 0, 0);
}

__attribute__((used)) static void start(u32 *stack)
{
    u32 *word = stack + 1 + stack[0] + 1;   /* past argc and argv */
    int i;

    while (*word++)                         /* past the environment */
        ;
    for (; word[0]; word += 2)
        if (word[0] == AT_SYSINFO)
            vsyscall_entry = word[1];
    if (!vsyscall_entry)
        syscall_int80(NR_EXIT, 2, 0, 0);

    for (i = 0; i < 20000; i++)
        if (syscall_int80(NR_GETPID, 0, 0, 0) != syscall_fast(NR_GETPID, 0, 0, 0) ||
            syscall_int80(NR_GETPPID, 0, 0, 0) != syscall_fast(NR_GETPPID, 0, 0, 0))
            syscall_int80(NR_EXIT, 1, 0, 0);

    say(syscall_int80, "int80 works\n", 12);
    say(syscall_fast, "vsyscall works\n", 15);
    syscall_int80(NR_EXIT, 0, 0, 0);
}

__asm__(".globl _start\n"
        "_start:\n"
        "    mov %esp, %eax\n"
        "    and $-16, %esp\n"
        "    sub $12, %esp\n"
        "    push %eax\n"
        "    call start\n");
