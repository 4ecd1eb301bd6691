/* SPDX-License-Identifier: MIT */
/*
 * A byte passed between processes. They form a ring, the last giving it back to the first, which is this one: each but
 * this passes on what it gets until there is no more to get, and ends.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "linuxbench.h"

#define MOST 16

static int children[MOST];
static unsigned passers;
static int from, to; /* this process's ends */

static void pass_on(int in, int out)
{
    char byte;

    while (read(in, &byte, 1) == 1)
        need(write(out, &byte, 1) == 1, "passing on");
    _exit(0);
}

/* A child between `in` and `out`, which are its own. `mine` must not be, or the ring would never see its end. */
static void add(int in, int out, int mine, int mine_too)
{
    int child = fork();

    need(child >= 0, "fork");
    if (!child) {
        close(mine);
        if (mine_too != mine)
            close(mine_too);
        pass_on(in, out);
    }
    children[passers++] = child;
}

static void make_pipe(int ends[2])
{
    need(!pipe(ends), "pipe");
}

/* Of so many processes with this one. */
static void make_ring(unsigned processes)
{
    int next[2];
    int in;

    make_pipe(next);
    to = next[1];
    in = next[0];
    for (passers = 0; passers < processes - 1;) {
        make_pipe(next);
        add(in, next[1], to, next[0]);
        close(in);
        close(next[1]);
        in = next[0];
    }
    from = in;
}

static void ring_of_2(void) { make_ring(2); }
static void ring_of_16(void) { make_ring(16); }

static void make_sockets(void)
{
    int ends[2];

    need(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
    passers = 0;
    add(ends[1], ends[1], ends[0], ends[0]);
    close(ends[1]);
    from = to = ends[0];
}

static void round_once(void)
{
    char byte = 0;

    need(write(to, &byte, 1) == 1, "sending");
    need(read(from, &byte, 1) == 1, "receiving");
}

static void end_ring(void)
{
    close(to);
    for (unsigned i = 0; i < passers; i++)
        reap(children[i]);
    if (from != to)
        close(from);
}

/* A round through two processes is two switches. */
const struct row ipc_rows[] = {
    { "pipe_ping_pong", 100, 1, TRIES, ring_of_2, round_once, end_ring },
    { "unix_ping_pong", 100, 1, TRIES, make_sockets, round_once, end_ring },
    { "switch_2", 100, 2, TRIES, ring_of_2, round_once, end_ring },
    { "switch_16", 12, 16, TRIES, ring_of_16, round_once, end_ring },
    { 0 },
};
