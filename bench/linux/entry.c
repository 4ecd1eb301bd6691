/* SPDX-License-Identifier: MIT */
/* Into the kernel and back. */
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "linuxbench.h"

static volatile sig_atomic_t handled;
static sig_atomic_t raised;

static void getppid_once(void)
{
    need(syscall(SYS_getppid) > 0, "getppid");
}

static void clock_once(void)
{
    struct timespec now;

    need(!clock_gettime(CLOCK_MONOTONIC, &now), "clock_gettime");
}

static void handler(int number)
{
    (void)number;
    handled++;
}

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = handler };

    need(!sigaction(SIGUSR1, &action, NULL), "sigaction");
    handled = raised = 0;
}

static void signal_once(void)
{
    syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1);
    raised++;
}

static void all_handled(void)
{
    need(handled == raised, "signals handled");
}

const struct row entry_rows[] = {
    { "system_call", 1000, 1, TRIES, NULL, getppid_once, NULL },
    { "clock_read", 1000, 1, TRIES, NULL, clock_once, NULL },
    { "signal", 200, 1, TRIES, catch_signals, signal_once, all_handled },
    { 0 },
};
