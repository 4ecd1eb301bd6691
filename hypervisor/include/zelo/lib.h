/* SPDX-License-Identifier: MIT */
/*
 * What a C library would give: strings, formatted output, parsing, bitmaps.
 * Implemented in core/lib_*.c; the host build uses the host's libc for the
 * standard names.
 */
#ifndef ZELO_LIB_H
#define ZELO_LIB_H

#include <zelo/types.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
#ifndef ZELO_HOST
/* Without a C library the compiler takes these for anybody's functions; so it knows them, and what is short needs no call. */
#define memcpy(dst, src, n) __builtin_memcpy(dst, src, n)
#define memset(dst, c, n) __builtin_memset(dst, c, n)
#define memcmp(a, b, n) __builtin_memcmp(a, b, n)
#endif
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strstr(const char *h, const char *n);
/* Copies at most size - 1 bytes and always terminates; returns strlen(src). */
size_t str_copy(char *dst, const char *src, size_t size);

int snprintf(char *buf, size_t size, const char *fmt, ...) printf_like(3, 4);
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap) printf_like(3, 0);

/*
 * Parses an unsigned number (0x, 0 octal or decimal); *end is set to the
 * first character not used.  parse_size also takes a K, M, G, T suffix and,
 * with none, multiplies by default_unit.  Overflow saturates.
 */
u64 parse_u64(const char *s, const char **end);
u64 parse_size(const char *s, const char **end, u64 default_unit);

/* Bitmaps: arrays of unsigned long, bit 0 lowest.  Non-atomic. */
#define BITS_PER_LONG 64
#define BITMAP_LONGS(n) DIV_ROUND_UP((size_t)(n), BITS_PER_LONG)
static inline bool bitmap_test(const unsigned long *m, unsigned i) { return (m[i / 64] >> (i % 64)) & 1; }
static inline void bitmap_set(unsigned long *m, unsigned i) { m[i / 64] |= 1UL << (i % 64); }
static inline void bitmap_clear(unsigned long *m, unsigned i) { m[i / 64] &= ~(1UL << (i % 64)); }
/* First set bit at or after from, or n if none. */
unsigned bitmap_next_set(const unsigned long *m, unsigned n, unsigned from);
unsigned bitmap_weight(const unsigned long *m, unsigned n);

#define ilog2(x) (63 - (unsigned)__builtin_clzll(x))
static inline unsigned order_for_pages(u64 n) { return n <= 1 ? 0 : ilog2(n - 1) + 1; }

#endif
