/* SPDX-License-Identifier: MIT */
/*
 * The machine as it was, before each input: the arena is a private mapping of
 * a file, whose changed pages are dropped; the variables of core/, pv/ and
 * tests/host lie in sections of their own (fuzz.mk), which are copied.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MACHINE_BYTES ((HOST_FRAMES << PAGE_SHIFT) + HOST_FRAMES * sizeof(struct page))

extern char __start_machine_data[], __stop_machine_data[], __start_machine_bss[], __stop_machine_bss[];
static char *data_copy, *bss_copy;
static struct world world_copy;
static struct cpu_info cpu_copy;

/* Over the sanitizer's red zones too. */
static void copy_raw(void *to, const void *from, size_t n)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) :: "memory");
}

static char *keep(const char *from, const char *end)
{
    char *copy = mmap(NULL, ALIGN_UP((size_t)(end - from), PAGE_SIZE), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (copy == MAP_FAILED) {
        perror("snapshot");
        exit(2);
    }
    copy_raw(copy, from, (size_t)(end - from));
    return copy;
}

static void arena_to_file(void)
{
    void *arena = (void *)HOST_ARENA;
    int fd = memfd_create("machine", 0);

    for (size_t done = 0; fd >= 0 && done < MACHINE_BYTES;) {
        long n = syscall(SYS_write, fd, (char *)arena + done, MACHINE_BYTES - done); /* poisoned bytes too */

        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (fd < 0 || mmap(arena, MACHINE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) != arena) {
        perror("snapshot");
        exit(2);
    }
    close(fd);
}

void snapshot_take(void)
{
    arena_to_file();
    poison_remember();
    data_copy = keep(__start_machine_data, __stop_machine_data);
    bss_copy = keep(__start_machine_bss, __stop_machine_bss);
    world_copy = world;
    cpu_copy = host_cpu_info;
}

void snapshot_restore(void)
{
    poison_forget();
    if (madvise((void *)HOST_ARENA, MACHINE_BYTES, MADV_DONTNEED)) {
        perror("snapshot");
        exit(2);
    }
    copy_raw(__start_machine_data, data_copy, (size_t)(__stop_machine_data - __start_machine_data));
    copy_raw(__start_machine_bss, bss_copy, (size_t)(__stop_machine_bss - __start_machine_bss));
    world = world_copy;
    host_cpu_info = cpu_copy;
    args_clear();
}
