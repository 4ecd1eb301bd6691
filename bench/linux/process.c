/* SPDX-License-Identifier: MIT */
/* Processes and threads, from their beginning to their end. */
#include <pthread.h>
#include <unistd.h>

#include "linuxbench.h"

static char *const *command;

static int fork_child(void)
{
    int child = fork();

    need(child >= 0, "fork");
    return child;
}

static void fork_once(void)
{
    int child = fork_child();

    if (!child)
        _exit(0);
    reap(child);
}

static void run(const char *path, char *const words[])
{
    int child = fork_child();

    if (!child) {
        execv(path, words);
        need(false, path);
    }
    reap(child);
}

static void exec_once(void)
{
    static char name[] = "nothing";
    char *const words[] = { name, NULL };

    run(nothing, words);
}

static void *thread(void *argument)
{
    return argument;
}

static void thread_once(void)
{
    pthread_t one;

    need(!pthread_create(&one, NULL, thread, NULL), "pthread_create");
    need(!pthread_join(one, NULL), "pthread_join");
}

static void command_once(void)
{
    run(command[0], command);
}

void measure_command(const char *name, char *const words[])
{
    const struct row row = { name, 1, 1, 1, NULL, command_once, NULL };

    command = words;
    measure(&row);
}

const struct row process_rows[] = {
    { "fork_exit", 5, 1, TRIES, NULL, fork_once, NULL },
    { "fork_exec", 4, 1, TRIES, NULL, exec_once, NULL },
    { "thread_create_join", 40, 1, TRIES, NULL, thread_once, NULL },
    { 0 },
};
