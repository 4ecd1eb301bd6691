/* SPDX-License-Identifier: MIT */
/*
 * linuxbench: measures Linux for `./lab bench` (../README.md).
 *
 *   linuxbench                       all rows of its own
 *   linuxbench NAME...               some of them
 *   linuxbench run NAME COMMAND...   a command, as the row NAME
 *
 * The machine has one CPU. What goes wrong ends the program with status 1: no figure is one of a failure.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../mark.h"
#include "linuxbench.h"

static const struct row *const families[] = { entry_rows, memory_rows, process_rows, ipc_rows, file_rows };

const char *nothing;

void need(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "linuxbench: %s: %s\n", what, strerror(errno));
    _exit(1);
}

void reap(int child)
{
    int status;

    need(waitpid(child, &status, 0) == child, "waitpid");
    need(WIFEXITED(status) && !WEXITSTATUS(status), "a child's status");
}

static void find_nothing(void)
{
    static const char name[] = "nothing";
    static char path[PATH_MAX + sizeof(name)];
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);

    need(length > 0, "/proc/self/exe");
    path[length] = 0;
    memcpy(strrchr(path, '/') + 1, name, sizeof(name));
    need(!access(path, X_OK), path);
    nothing = path;
}

static bool named(const char *name, char *const names[])
{
    for (; *names; names++)
        if (!strcmp(name, *names))
            return true;
    return false;
}

static unsigned measure_named(char *const names[])
{
    unsigned measured = 0;

    for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
        for (const struct row *row = families[i]; row->name; row++)
            if (!*names || named(row->name, names)) {
                measure(row);
                measured++;
            }
    return measured;
}

/*
 * Whom the scheduler wakes does not take the CPU from who woke him, whatever time each has had: a round of messages has
 * the same number of switches each time.
 */
static void wake_politely(void)
{
    const struct sched_param none = { 0 };

    need(!sched_setscheduler(0, SCHED_BATCH, &none), "SCHED_BATCH");
}

int main(int argc, char *argv[])
{
    bench_ready();
    find_nothing();
    wake_politely();
    if (argc > 3 && !strcmp(argv[1], "run")) {
        measure_command(argv[2], argv + 3);
        return 0;
    }
    if (measure_named(argv + 1) < (unsigned)argc - 1) {
        fprintf(stderr, "linuxbench: no such row\n");
        return 1;
    }
    return 0;
}
