/* SPDX-License-Identifier: MIT */
/* HYPERVISOR_console_io: domain 0's terminal on the hypervisor's console. */
#include "console_private.h"

#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/guest.h>

#define CHUNK 64u /* bytes a slow line may cost with interrupts off */

/* The bytes go out as they are, the line ends that domain 0 chose included. */
static long console_io_write(u32 count, vaddr_t buffer)
{
    char chunk[CHUNK];

    while (count) {
        u32 n = MIN(count, CHUNK);

        if (guest_read(chunk, buffer, n))
            return -EFAULT;
        console_write_raw(chunk, n);
        count -= n;
        buffer += n;
        if (count && hypercall_should_preempt())
            return hypercall_continue(__HYPERVISOR_console_io,
                                      &(struct hypercall_args){ { CONSOLEIO_write, count, buffer } });
    }
    return 0;
}

/* Returns how many bytes there were; at most one round of the input buffer, so it ends. */
static long console_io_read(u32 count, vaddr_t buffer)
{
    char chunk[CHUNK];
    u32 done = 0, limit = MIN(count, 4096u);
    size_t n;

    while (done < limit && (n = console_input_take(chunk, MIN(limit - done, CHUNK))) != 0) {
        if (guest_write(buffer + done, chunk, n))
            return -EFAULT;
        done += (u32)n;
    }
    return done;
}

long do_console_io(const struct hypercall_args *a)
{
    if (!current->domain->is_privileged)
        return -EPERM;
    switch ((u32)a->arg[0]) {
    case CONSOLEIO_write:
        return console_io_write((u32)a->arg[1], a->arg[2]);
    case CONSOLEIO_read:
        return console_io_read((u32)a->arg[1], a->arg[2]);
    default:
        return -ENOSYS;
    }
}
