/* SPDX-License-Identifier: MIT */
/*
 * The few names of a C library that the decompression libraries call and that
 * core/lib_*.c does not have: memory from the heap, and the two ways in which
 * they may find that something is wrong.  decompress.mk checks that there is
 * no other.
 */
#include <zelo/log.h>
#include <zelo/page.h>

void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void free(void *p);
no_return void __stack_chk_fail(void);
no_return void boot_libc_unreachable(void);

void *malloc(size_t size)
{
    return mem_alloc(MAX(size, (size_t)1));
}

void *calloc(size_t n, size_t size)
{
    return mem_alloc_array_bytes(size, MAX(n, (size_t)1));
}

void free(void *p)
{
    mem_free(p);
}

void __stack_chk_fail(void)
{
    panic("Stack overrun in a decompression library\n");
}

/* In the place of parts of the libraries that are left out: formats that decompress() does not take. */
void boot_libc_unreachable(void)
{
    panic("Call to a part of a decompression library that is left out\n");
}
