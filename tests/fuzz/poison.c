/* SPDX-License-Identifier: MIT */
/*
 * The sanitizer is told of the hypervisor's small objects: what is free, and
 * what lies behind an object, is not to be touched.  The linker leads calls
 * from other files than slab.c here (--wrap); slab.c itself is compiled
 * without the sanitizer.
 */
#include "fuzz.h"

#include <sanitizer/asan_interface.h>

/* Of page.type, as slab.c keeps it. */
union slab_word {
    u64 raw;
    struct { u16 kind, index, used, first_free; };
};
#define SLAB_OBJECTS 1
#define SLAB_BLOCK 2

#define SHADOW_OF(va) ((u8 *)(((va) >> 3) + 0x7fff8000UL))
#define SHADOW_PER_PAGE (PAGE_SIZE / 8)

static u8 shadow_copy[HOST_FRAMES][SHADOW_PER_PAGE];
static u64 touched[HOST_FRAMES / 64]; /* pages whose shadow may differ from the copy */

void *__real_mem_alloc(size_t size);
void *__real_mem_alloc_array_bytes(size_t size, size_t n);
void __real_mem_free(void *v);
void __real_heap_free(void *v, unsigned order);
void *__wrap_mem_alloc(size_t size);
void *__wrap_mem_alloc_array_bytes(size_t size, size_t n);
void __wrap_mem_free(void *v);
void __wrap_heap_free(void *v, unsigned order);
void *poison_memset(void *to, int c, size_t n);

/* slab.c's own, on memory that is still poisoned. */
void *poison_memset(void *to, int c, size_t n)
{
    void *at = to;

    __asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(c) : "memory");
    return to;
}

static void touch(const void *v, size_t n)
{
    u64 first = virt_to_mfn(v).n, last = virt_to_mfn((const char *)v + n - 1).n;

    for (u64 m = first; m <= last; m++)
        touched[m / 64] |= 1ULL << (m % 64);
}

/* What the allocator has given for an object: 0 if the memory has gone back to the heap. */
static size_t object_size(const void *v)
{
    const struct page *p = virt_to_page(v);
    union slab_word w = { .raw = p->type };

    if (!(p->count & PGC_HEAP))
        return 0;
    if (w.kind == SLAB_OBJECTS)
        return 16UL << w.index;
    return w.kind == SLAB_BLOCK ? PAGE_SIZE << w.index : 0;
}

static void *allocated(void *v, size_t size)
{
    size_t room;

    if (!v)
        return NULL;
    room = object_size(v);
    size = MAX(size, (size_t)1); /* one of no bytes can be freed too */
    touch(v, room);
    ASAN_UNPOISON_MEMORY_REGION(v, size);
    ASAN_POISON_MEMORY_REGION((char *)v + size, room - size);
    return v;
}

void *__wrap_mem_alloc(size_t size)
{
    return allocated(__real_mem_alloc(size), size);
}

void *__wrap_mem_alloc_array_bytes(size_t size, size_t n)
{
    return allocated(__real_mem_alloc_array_bytes(size, n), size * n);
}

void __wrap_mem_free(void *v)
{
    size_t room = v ? object_size(v) : 0;
    bool block = room >= PAGE_SIZE;

    if (v && __asan_address_is_poisoned(v))
        run_fail("memory that is free is freed");
    if (block)
        ASAN_UNPOISON_MEMORY_REGION(v, room);
    __real_mem_free(v);
    if (v && !block && object_size(v) == room) {
        touch(v, room);
        ASAN_POISON_MEMORY_REGION(v, room);
    }
}

/* From slab.c too, whose page may hold nothing but poisoned objects. */
void __wrap_heap_free(void *v, unsigned order)
{
    if (v)
        ASAN_UNPOISON_MEMORY_REGION(v, PAGE_SIZE << order);
    __real_heap_free(v, order);
}

static __attribute__((no_sanitize("address"))) void copy_shadow(u8 *to, const u8 *from)
{
    size_t n = SHADOW_PER_PAGE;

    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) :: "memory");
}

void poison_remember(void)
{
    for (u64 m = 0; m < HOST_FRAMES; m++)
        copy_shadow(shadow_copy[m], SHADOW_OF((vaddr_t)mfn_to_virt(MFN(m))));
    memset(touched, 0, sizeof(touched));
}

void poison_forget(void)
{
    for (u64 m = 0; m < HOST_FRAMES; m++)
        if (touched[m / 64] >> (m % 64) & 1)
            copy_shadow(SHADOW_OF((vaddr_t)mfn_to_virt(MFN(m))), shadow_copy[m]);
    memset(touched, 0, sizeof(touched));
}
