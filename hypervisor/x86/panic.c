/* SPDX-License-Identifier: MIT */
/*
 * The end: says why, where and in whose service, and stops or restarts the
 * machine (noreboot, panic_delay=SECONDS).
 *
 * The first CPU that panics goes through with it; another one that does
 * meanwhile waits to be stopped.  A panic inside a panic says its message and
 * skips what failed.
 */
#include <zelo/console.h>
#include <zelo/domain.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <arch/machine.h>
#include <arch/seam.h>

#define SECONDS_DEFAULT 5

static int panic_cpu = -1; /* (a) who panicked first */
static unsigned panic_depth; /* panics of that CPU so far */

static no_return void wait_to_be_stopped(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* The registers as they are in the caller. */
static __attribute__((noinline)) void capture_registers(struct cpu_user_regs *r)
{
    memset(r, 0, sizeof(*r));
    __asm__ volatile("movq %%rbx, %0; movq %%r12, %1; movq %%r13, %2; movq %%r14, %3; movq %%r15, %4"
                     : "=m"(r->rbx), "=m"(r->r12), "=m"(r->r13), "=m"(r->r14), "=m"(r->r15));
    __asm__ volatile("pushfq; popq %0; movw %%cs, %1; movw %%ss, %2"
                     : "=r"(r->rflags), "=m"(r->cs), "=m"(r->ss));
    r->rip = (u64)__builtin_return_address(0);
    r->rbp = *(u64 *)__builtin_frame_address(0);
    r->rsp = (u64)__builtin_frame_address(0) + 16;
}

static void say(const char *fmt, ...) printf_like(1, 2);
static void say(const char *fmt, ...)
{
    char buf[256];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(buf, sizeof(buf), fmt, ap);
    va_end(ap);
    console_write(buf, MIN((size_t)n, sizeof(buf) - 1));
}

static void say_message(const char *fmt, va_list ap)
{
    char buf[512];
    int n = vsnprintf(buf, sizeof(buf), fmt, ap);

    n = (int)MIN((size_t)n, sizeof(buf) - 1);
    say("\n(ZELO) ****************************************\n(ZELO) Panic on CPU %u:\n(ZELO) ", this_cpu());
    console_write(buf, (size_t)n);
    if (!n || buf[n - 1] != '\n')
        console_write("\n", 1);
}

static void wait_seconds(u64 seconds)
{
    u64 start = rdtsc(), ticks = seconds * (tsc_khz ? tsc_khz : 3000000) * 1000;

    while (rdtsc() - start < ticks)
        cpu_relax();
}

static no_return void panic_end(void)
{
    if (cmdline_bool("noreboot", false)) {
        say("(ZELO) noreboot: the machine stays halted\n");
        machine_stop_others();
        machine_halt();
    }
    say("(ZELO) Restarting in %lu seconds\n", (unsigned long)cmdline_u64("panic_delay", SECONDS_DEFAULT));
    machine_stop_others();
    wait_seconds(cmdline_u64("panic_delay", SECONDS_DEFAULT));
    machine_reboot();
}

static void panic_claim(void)
{
    int none = -1, me = (int)this_cpu();

    if (!atomic_cas(&panic_cpu, &none, me) && none != me)
        wait_to_be_stopped();
}

/* regs NULL: the message says it all. */
static no_return void panic_run(const struct cpu_user_regs *regs, const char *fmt, va_list ap)
{
    arch_irq_disable();
    panic_claim();
    console_panic_mode();
    switch (panic_depth++) { /* a step that panicked is not tried again */
    case 0:
        say_message(fmt, ap);
        if (regs) {
            show_registers(regs);
            show_stack(regs);
        }
        panic_end();
    case 1:
        say_message(fmt, ap);
        panic_end();
    default:
        machine_halt();
    }
}

void panic(const char *fmt, ...)
{
    struct cpu_user_regs regs;
    va_list ap;

    capture_registers(&regs);
    va_start(ap, fmt);
    panic_run(&regs, fmt, ap);
}

void panic_at(const struct cpu_user_regs *regs, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    panic_run(regs, fmt, ap);
}

void boot_refuse(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    panic_run(NULL, fmt, ap);
}
