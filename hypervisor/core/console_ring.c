/* SPDX-License-Identifier: MIT */
/*
 * The console ring: the last bytes the hypervisor said.  Positions are counts
 * of bytes ever written, modulo 2^32; the ring's size is a power of two.
 */
#include "console_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/page.h>
#include <arch/machine.h>

#include <xen/sysctl.h>

#define RING_EARLY KiB(16)
#define RING_DEFAULT KiB(64)
#define RING_MAX MiB(64)

static char early_ring[RING_EARLY];

/* Guarded by the console lock. */
static char *ring = early_ring;
static u32 ring_size = RING_EARLY;
static u32 written;  /* position of the next byte */
static u32 kept;     /* bytes before written that are there, at most ring_size */
static u32 cleared;  /* readers who do not say from where start here, or at the oldest byte if that is later */

void console_ring_put(const char *s, size_t n)
{
    if (n > ring_size) {
        written += (u32)(n - ring_size);
        s += n - ring_size;
        n = ring_size;
    }
    kept = (u32)MIN(kept + n, (size_t)ring_size);
    while (n) {
        u32 at = written & (ring_size - 1);
        u32 part = (u32)MIN(n, (size_t)(ring_size - at));

        memcpy(ring + at, s, part);
        written += part;
        s += part;
        n -= part;
    }
}

u32 console_ring_start(void)
{
    return written - kept;
}

size_t console_ring_get(u32 *index, char *buf, size_t n)
{
    size_t done = 0;

    if (written - *index > kept) /* overwritten meanwhile, or a position that never was */
        *index = console_ring_start();
    while (done < n && *index != written) {
        u32 at = *index & (ring_size - 1);
        u32 part = MIN(written - *index, ring_size - at);

        part = MIN(part, (u32)(n - done));
        memcpy(buf + done, ring + at, part);
        done += part;
        *index += part;
    }
    return done;
}

static u64 ring_size_wanted(void)
{
    const char *option = cmdline_get("conring_size"), *end;
    u64 size = option ? parse_size(option, &end, KiB(1)) : RING_DEFAULT;

    if (option && (*end || !size)) {
        log_warn("conring_size=%s is not a size\n", option);
        size = RING_DEFAULT;
    }
    size = MAX(size, (u64)RING_EARLY);
    size = MIN(size, (u64)RING_MAX);
    return 1ULL << (PAGE_SHIFT + order_for_pages(PFN_UP(size)));
}

/* Once, for it gives nothing back: the heap's lock is not to be taken under the console's. */
void console_ring_resize(void)
{
    u64 size = ring_size_wanted();
    char *bigger;
    unsigned long flags;
    u32 from;
    bool taken;

    BUG_ON(ring != early_ring);
    bigger = heap_alloc(order_for_pages(PFN_UP(size)), 0);
    if (!bigger) {
        log_warn("No memory for a console ring of %lu KiB\n", (unsigned long)(size >> 10));
        return;
    }
    taken = console_enter(&flags);
    /* Positions stay what they are; bytes move to where the larger mask puts them. */
    for (from = console_ring_start(); from != written; from++)
        bigger[from & (u32)(size - 1)] = ring[from & (ring_size - 1)];
    ring = bigger;
    ring_size = (u32)size;
    console_leave(taken, flags);
}

static size_t ring_read_locked(u32 *index, char *buf, size_t n)
{
    unsigned long flags;
    bool taken = console_enter(&flags);

    n = console_ring_get(index, buf, n);
    console_leave(taken, flags);
    return n;
}

/* Where a read begins: at the caller's position, or at what was not yet cleared. */
static u32 ring_read_start(const struct xen_sysctl_readconsole *op)
{
    unsigned long flags;
    bool taken = console_enter(&flags);
    u32 start = written - cleared <= kept ? cleared : console_ring_start();

    /* A position between start and the end; any other gets all there is. */
    if (op->incremental && written - op->index <= written - start)
        start = op->index;
    console_leave(taken, flags);
    return start;
}

static void ring_clear(u32 upto)
{
    unsigned long flags;
    bool taken = console_enter(&flags);

    cleared = upto;
    console_leave(taken, flags);
}

int console_sysctl_read(struct xen_sysctl_readconsole *op)
{
    u32 index = ring_read_start(op), done = 0;
    char buf[256];
    size_t n;

    /* Ends: the buffer is full, or the ring has been read up to its end. */
    while (done < op->count) {
        n = ring_read_locked(&index, buf, MIN((size_t)(op->count - done), sizeof(buf)));
        if (!n)
            break;
        if (copy_to_handle_offset(op->buffer, done, buf, n))
            return -EFAULT;
        done += (u32)n;
    }
    if (op->clear)
        ring_clear(index);
    op->index = index;
    op->count = done;
    return 0;
}
