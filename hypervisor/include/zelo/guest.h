/* SPDX-License-Identifier: MIT */
/*
 * Copies between the hypervisor and the current guest's memory.  Addresses
 * are checked against the hypervisor's part of the address space; a fault
 * gives -EFAULT.  What a guest wrote is read once, into a local.
 */
#ifndef ZELO_GUEST_H
#define ZELO_GUEST_H

#include <zelo/errno.h>
#include <zelo/nospec.h>
#include <zelo/types.h>
#include <arch/seam.h>

/* True if [va, va+n) lies wholly outside the hypervisor's range. What is not canonical faults, like what is not mapped. */
static inline bool guest_range_ok(vaddr_t va, size_t n)
{
    vaddr_t end = va + n;

    return end >= va && (end <= HYPERVISOR_VIRT_START || va >= HYPERVISOR_VIRT_END);
}

/*
 * va, or 0 if it lies in the hypervisor's range: what the copies use, so that a CPU which guesses that
 * guest_range_ok has answered yes copies nothing of the hypervisor's meanwhile.
 */
static inline vaddr_t guest_va_nospec(vaddr_t va)
{
    return va & ~nospec_mask(va - HYPERVISOR_VIRT_START, HYPERVISOR_VIRT_END - HYPERVISOR_VIRT_START);
}

/* The hypervisor's range is this power of two, and a multiple of it begins it. */
#define HYPERVISOR_RANGE_SHIFT 43
_Static_assert(HYPERVISOR_VIRT_END - HYPERVISOR_VIRT_START == 1UL << HYPERVISOR_RANGE_SHIFT, "the size of the range");
_Static_assert(HYPERVISOR_VIRT_START % (1UL << HYPERVISOR_RANGE_SHIFT) == 0, "the alignment of the range");

/*
 * May the bytes from *va on, a page of them at most, be tried, the lowest one first?  Below the hypervisor's range
 * only addresses lie that are not canonical, so that one that reaches into it fails at its lowest word; what a CPU may
 * guess there is the machine-to-phys table, which guests read as they like.  Beyond the highest address it goes on at
 * 0, also the guest's.  If a CPU guesses yes while it is no, *va is 0 for it.
 */
static inline bool guest_words_at(vaddr_t *va)
{
    return nospec_differ(*va >> HYPERVISOR_RANGE_SHIFT, HYPERVISOR_VIRT_START >> HYPERVISOR_RANGE_SHIFT, va);
}

/* A page at most; the copies go upwards. */
static inline int must_check guest_read_few(void *dst, vaddr_t va, size_t n)
{
    return guest_words_at(&va) && !arch_guest_read(dst, va, n) ? 0 : -EFAULT;
}
static inline int must_check guest_write_few(vaddr_t va, const void *src, size_t n)
{
    return guest_words_at(&va) && !arch_guest_write(va, src, n) ? 0 : -EFAULT;
}

#define guest_is_few(n) (__builtin_constant_p(n) && (n) <= PAGE_SIZE)
static always_inline int must_check guest_read(void *dst, vaddr_t va, size_t n)
{
    if (guest_is_few(n))
        return guest_read_few(dst, va, n);
    return guest_range_ok(va, n) && !arch_guest_read(dst, guest_va_nospec(va), n) ? 0 : -EFAULT;
}
static always_inline int must_check guest_write(vaddr_t va, const void *src, size_t n)
{
    if (guest_is_few(n))
        return guest_write_few(va, src, n);
    return guest_range_ok(va, n) && !arch_guest_write(guest_va_nospec(va), src, n) ? 0 : -EFAULT;
}
static inline int must_check guest_clear(vaddr_t va, size_t n)
{
    return guest_range_ok(va, n) && !arch_guest_clear(guest_va_nospec(va), n) ? 0 : -EFAULT;
}

/* Handles of the public headers: structures with one member, the pointer p. */
#define handle_va(h) ((vaddr_t)(h).p)
#define handle_is_null(h) ((h).p == NULL)
/* Counted in integers: a guest's pointer may be anything. */
#define handle_va_offset(h, off) (handle_va(h) + (vaddr_t)(off) * sizeof(*(h).p))
#define copy_from_handle_offset(dst, h, off, n) \
    guest_read((dst), handle_va_offset(h, off), sizeof(*(dst)) * (size_t)(n))
#define copy_from_handle(dst, h, n) copy_from_handle_offset(dst, h, 0, n)
#define copy_to_handle_offset(h, off, src, n) \
    guest_write(handle_va_offset(h, off), (src), sizeof(*(src)) * (size_t)(n))
#define copy_to_handle(h, src, n) copy_to_handle_offset(h, 0, src, n)
/* One structure at a plain guest address. */
#define copy_from_guest(dst, va) guest_read((dst), (vaddr_t)(va), sizeof(*(dst)))
#define copy_to_guest(va, src) guest_write((vaddr_t)(va), (src), sizeof(*(src)))
/* One member of the structure at va, from the local copy src. */
#define copy_field_to_guest(va, src, field)                                        \
    guest_write((vaddr_t)(va) + offsetof(__typeof__(*(src)), field), &(src)->field, \
                sizeof((src)->field))

#endif
