/* SPDX-License-Identifier: MIT */
/* A file that is in the page cache. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "linuxbench.h"

#define SMALL 4096
#define LARGE (1 << 20)

static char buffer[LARGE];
static int file;

static void make_file(void)
{
    char path[] = "/tmp/linuxbench.XXXXXX";

    file = mkstemp(path);
    need(file >= 0, path);
    need(!unlink(path), path);
    memset(buffer, 'z', sizeof(buffer));
    need(write(file, buffer, sizeof(buffer)) == sizeof(buffer), "writing a file");
}

static void read_file(size_t size)
{
    need(pread(file, buffer, size, 0) == (ssize_t)size, "reading a file");
}

static void read_small(void) { read_file(SMALL); }
static void read_large(void) { read_file(LARGE); }

static void close_file(void)
{
    close(file);
}

const struct row file_rows[] = {
    { "read_4k", 200, 1, TRIES, make_file, read_small, close_file },
    { "read_1m", 2, 1, TRIES, make_file, read_large, close_file },
    { 0 },
};
