/* SPDX-License-Identifier: MIT */
/* Numbers and sizes out of text: the command line's options. */
#include <zelo/lib.h>

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    return 99;
}

static u64 mul_saturating(u64 a, u64 b)
{
    u64 r;

    return __builtin_mul_overflow(a, b, &r) ? ~0ULL : r;
}

u64 parse_u64(const char *s, const char **end)
{
    unsigned base = 10;
    u64 v = 0;

    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit_value(s[2]) < 16) {
        base = 16;
        s += 2;
    } else if (s[0] == '0') {
        base = 8;
    }
    for (; digit_value(*s) < base; s++) {
        v = mul_saturating(v, base);
        if (__builtin_add_overflow(v, digit_value(*s), &v))
            v = ~0ULL;
    }
    if (end)
        *end = s;
    return v;
}

u64 parse_size(const char *s, const char **end, u64 default_unit)
{
    const char *e;
    u64 v = parse_u64(s, &e), unit = default_unit;

    switch (*e) {
    case 'B': case 'b': unit = 1; break;
    case 'K': case 'k': unit = KiB(1); break;
    case 'M': case 'm': unit = MiB(1); break;
    case 'G': case 'g': unit = GiB(1); break;
    case 'T': case 't': unit = GiB(1024); break;
    default: e--; break; /* no suffix to skip */
    }
    e++;
    if (end)
        *end = e;
    return mul_saturating(v, unit);
}
