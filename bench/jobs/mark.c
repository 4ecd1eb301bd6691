/* SPDX-License-Identifier: MIT */
/*
 * The marks (mark.h) for a shell, and for a Linux that starts:
 *
 *   mark begin                        a piece of work begins
 *   mark end                          and ends, if one has begun
 *   mark run NAME REPEATS COMMAND...  a piece of work that is a command; says its name afterwards
 *
 * As the first process it ends the piece of work that the start of the machine, or of the guest, is, and becomes the
 * real /init.  The environment, which is what Linux does not know of its command line, may say the work's name as
 * `bench=`, and another init as `next=`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mark.h"

static _Noreturn void first_process(void)
{
    const char *name = getenv("bench"), *next = getenv("next");

    bench_end();
    if (name) {
        printf("bench: %s 1\n", name);
        fflush(stdout);
    }
    if (!next)
        next = "/init";
    execl(next, next, (char *)NULL);
    perror(next);
    for (;;) /* the kernel does not outlive it */
        pause();
}

/* The command's own output is not wanted between the marks: it goes where the caller sends it. */
static int run(const char *name, const char *repeats, char **command)
{
    int status;
    pid_t child;

    bench_begin();
    child = fork();
    if (!child) {
        execvp(command[0], command);
        perror(command[0]);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("mark");
        return 1;
    }
    bench_end();
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        fprintf(stderr, "mark: %s failed\n", name);
        return 1;
    }
    printf("bench: %s %s\n", name, repeats);
    return 0;
}

int main(int argc, char **argv)
{
    if (getpid() == 1)
        first_process();
    if (argc > 4 && !strcmp(argv[1], "run"))
        return run(argv[2], argv[3], argv + 4);
    if (argc == 2 && !strcmp(argv[1], "begin"))
        bench_begin();
    else if (argc == 2 && !strcmp(argv[1], "end"))
        bench_end();
    else
        return 2;
    return 0;
}
