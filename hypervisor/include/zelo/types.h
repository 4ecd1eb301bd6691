/* SPDX-License-Identifier: MIT */
/*
 * Basic types shared by every room: fixed-width integers, frame numbers that
 * cannot be mixed up, and compiler attributes.
 */
#ifndef ZELO_TYPES_H
#define ZELO_TYPES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef ZELO_HOST
/* One image: what is declared is in it, and is reached without a table of addresses. */
#pragma GCC visibility push(hidden)
#endif

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef long ssize_t;

typedef u64 paddr_t; /* machine physical address, bytes */
typedef u64 vaddr_t; /* virtual (linear) address */
typedef s64 ns_t;    /* nanoseconds since boot (system time of the PV ABI) */

/* Machine frame number: a real 4 KiB page of the host. */
typedef struct { u64 n; } mfn_t;
/* Guest (pseudo-physical) frame number: what a PV guest thinks is physical. */
typedef struct { u64 n; } pfn_t;

#define MFN(x) ((mfn_t){(x)})
#define PFN(x) ((pfn_t){(x)})
#define MFN_INVALID MFN(~0ULL)
#define PFN_INVALID PFN(~0ULL)
static inline bool mfn_eq(mfn_t a, mfn_t b) { return a.n == b.n; }
static inline bool mfn_is_invalid(mfn_t a) { return a.n == ~0ULL; }

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096UL
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PAGE_OFFSET_MASK (PAGE_SIZE - 1)
#define PFN_UP(x) (((u64)(x) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define PFN_DOWN(x) ((u64)(x) >> PAGE_SHIFT)

#define KiB(x) ((u64)(x) << 10)
#define MiB(x) ((u64)(x) << 20)
#define GiB(x) ((u64)(x) << 30)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) \
    ((type *)((char *)(p) - offsetof(type, member)))
#define MIN(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define MAX(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })
#define ALIGN_UP(x, a) (((x) + (a) - 1) & ~((__typeof__(x))(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
#define DIV_ROUND_UP(x, y) (((x) + (y) - 1) / (y))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define must_check __attribute__((__warn_unused_result__))
#define no_return __attribute__((__noreturn__))
#define packed_struct __attribute__((__packed__))
#define aligned_to(n) __attribute__((__aligned__(n)))
#define printf_like(f, a) __attribute__((__format__(__printf__, f, a)))
#define unused_arg __attribute__((__unused__))
#define never_inline __attribute__((__noinline__))
#define always_inline inline __attribute__((__always_inline__))
#define used_symbol __attribute__((__used__))

/* A linear address that the CPU takes: bits 63..47 alike (48-bit addresses; Intel SDM vol. 1, 3.3.7.1). */
static inline bool va_is_canonical(vaddr_t va) { return (s64)(va << 16) >> 16 == (s64)va; }

/* One read or write, not torn, not repeated by the compiler, and perhaps against another CPU's; orders nothing. */
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define barrier() __asm__ volatile("" ::: "memory")

#endif
