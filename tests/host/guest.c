/* SPDX-License-Identifier: MIT */
/*
 * Guest memory of the host build.  A guest address is a pointer of the test
 * program; one that is not mapped, or that a test made faulty, gives a fault
 * as it would on the machine.  The copies go through the kernel, so that any
 * wild address is safe to try.
 */
#include "host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FAULTS 16
static struct { vaddr_t va; size_t n; } faults[FAULTS];
static unsigned fault_count;

/* The sanitizer's shadow is mapped, but no guest's. */
#ifdef __SANITIZE_THREAD__
#define SHADOW_START 0x10000000000UL
#define SHADOW_END 0x340000000000UL
#else
#define SHADOW_START 0x7fff8000UL
#define SHADOW_END 0x10007fff8000UL
#endif

#ifdef __SANITIZE_ADDRESS__
void *__asan_region_is_poisoned(void *beg, size_t size);
#else
static void *__asan_region_is_poisoned(void *beg, size_t size) { (void)beg, (void)size; return NULL; }
#endif

void host_guest_fault(const void *va, size_t n)
{
    if (fault_count == FAULTS) {
        fprintf(stderr, "host_guest_fault: too many ranges\n");
        exit(2);
    }
    faults[fault_count].va = (vaddr_t)va;
    faults[fault_count++].n = n;
}

void host_guest_heal(void) { fault_count = 0; }

static bool overlaps(vaddr_t a, size_t an, vaddr_t b, size_t bn) { return a < b + bn && b < a + an; }

static bool guest_faults(vaddr_t va, size_t n)
{
    if (overlaps(va, n, SHADOW_START, SHADOW_END - SHADOW_START))
        return true;
    for (unsigned i = 0; i < fault_count; i++)
        if (overlaps(va, n, faults[i].va, faults[i].n))
            return true;
    return false;
}

/* Moves n bytes between memory of ours and a guest address; false on a fault. */
static bool guest_move(vaddr_t ours, vaddr_t va, size_t n, bool write)
{
    struct iovec local = { (void *)ours, n }, remote = { (void *)va, n };
    void *bad = __asan_region_is_poisoned((void *)va, n);
    long done;

    if (guest_faults(va, n))
        return false;
    done = syscall(write ? SYS_process_vm_writev : SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0);
    if (done < 0 && (errno == EPERM || errno == ENOSYS)) {
        fprintf(stderr, "tests need process_vm_readv: %m\n");
        exit(2);
    }
    if (done == (long)n && bad) {
        fprintf(stderr, "guest copy of %zu bytes at %p runs over the test's object at %p\n", n, (void *)va,
                bad);
        abort();
    }
    return done == (long)n;
}

size_t arch_guest_read(void *dst, vaddr_t va, size_t n)
{
    return n && !guest_move((vaddr_t)dst, va, n, false) ? n : 0;
}

size_t arch_guest_write(vaddr_t va, const void *src, size_t n)
{
    return n && !guest_move((vaddr_t)src, va, n, true) ? n : 0;
}

size_t arch_guest_clear(vaddr_t va, size_t n)
{
    static const char zeros[PAGE_SIZE];

    while (n) {
        size_t chunk = MIN(n, sizeof(zeros));

        if (arch_guest_write(va, zeros, chunk))
            return n;
        va += chunk;
        n -= chunk;
    }
    return 0;
}

int arch_guest_cmpxchg64(vaddr_t va, u64 *expect, u64 want)
{
    u64 probe;

    if (va % sizeof(u64) || arch_guest_read(&probe, va, sizeof(probe)))
        return 1;
    (void)atomic_cas((u64 *)va, expect, want);
    return 0;
}
