/* SPDX-License-Identifier: MIT */
/*
 * The standard memory and string functions.  The compiler must not turn these
 * loops into calls of the functions that they are, hence the pragma.
 */
#pragma GCC optimize("no-tree-loop-distribute-patterns")

#include <zelo/lib.h>

#ifndef ZELO_HOST
#undef memcpy
#undef memset
#undef memcmp
#endif

/* A word that may lie at any address and stand for any type. */
typedef u64 __attribute__((__may_alias__, __aligned__(1))) word_t;

/* From this size on the CPU's own string instructions are at least as fast as loops, which they take a while to be. */
#define LONG_BYTES 256

void *memcpy(void *dst, const void *src, size_t n)
{
    char *d = dst;
    const char *s = src;

    if (n >= LONG_BYTES) {
        size_t words = n / 8;

        __asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(words) :: "memory");
        n %= 8;
    }
    for (; n >= 32; n -= 32, d += 32, s += 32) {
        u64 a = ((const word_t *)s)[0], b = ((const word_t *)s)[1];
        u64 c = ((const word_t *)s)[2], e = ((const word_t *)s)[3];

        ((word_t *)d)[0] = a;
        ((word_t *)d)[1] = b;
        ((word_t *)d)[2] = c;
        ((word_t *)d)[3] = e;
    }
    for (; n >= 8; n -= 8, d += 8, s += 8)
        *(word_t *)d = *(const word_t *)s;
    while (n--)
        *d++ = *s++;
    return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
    char *d = dst;
    const char *s = src;

    if ((vaddr_t)d - (vaddr_t)s >= n) /* also when dst is below src */
        return memcpy(dst, src, n);
    for (; n >= 8; n -= 8)
        *(word_t *)(d + n - 8) = *(const word_t *)(s + n - 8);
    while (n--)
        d[n] = s[n];
    return dst;
}

void *memset(void *dst, int c, size_t n)
{
    u64 w = (u8)c * 0x0101010101010101ULL;
    char *d = dst;

    if (n >= LONG_BYTES) {
        size_t words = n / 8;

        __asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(w) : "memory");
        n %= 8;
    }
    for (; n >= 32; n -= 32, d += 32) {
        ((word_t *)d)[0] = w;
        ((word_t *)d)[1] = w;
        ((word_t *)d)[2] = w;
        ((word_t *)d)[3] = w;
    }
    for (; n >= 8; n -= 8, d += 8)
        *(word_t *)d = w;
    while (n--)
        *d++ = (char)c;
    return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const u8 *x = a, *y = b;

    for (; n >= 8 && *(const word_t *)x == *(const word_t *)y; n -= 8, x += 8, y += 8)
        ;
    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

void *memchr(const void *s, int c, size_t n)
{
    for (const u8 *p = s; n; n--, p++)
        if (*p == (u8)c)
            return (void *)(vaddr_t)p;
    return NULL;
}

size_t strlen(const char *s)
{
    const char *p = s;

    while (*p)
        p++;
    return (size_t)(p - s);
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;

    while (n < max && s[n])
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n; n--, a++, b++)
        if (*a != *b || !*a)
            return (u8)*a - (u8)*b;
    return 0;
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c)
            return (char *)(vaddr_t)s;
        if (!*s)
            return NULL;
    }
}

char *strstr(const char *h, const char *n)
{
    size_t len = strlen(n);

    for (;; h++) {
        if (!strncmp(h, n, len))
            return (char *)(vaddr_t)h;
        if (!*h)
            return NULL;
    }
}


size_t str_copy(char *dst, const char *src, size_t size)
{
    size_t len = strlen(src);

    if (size) {
        size_t n = MIN(len, size - 1);

        memcpy(dst, src, n);
        dst[n] = '\0';
    }
    return len;
}
