/* SPDX-License-Identifier: MIT */
/*
 * Formatted output: %d %i %u %x %X %o %c %s %p %%, the flags - 0 # + and space,
 * width and precision (also *), lengths hh h l ll z j t.
 */
#include <zelo/lib.h>

enum {
    F_LEFT = 1 << 0,
    F_ZERO = 1 << 1,
    F_ALT = 1 << 2,
    F_PLUS = 1 << 3,
    F_SPACE = 1 << 4,
};

/* Where the text goes; len counts what would have been written. */
struct out { char *buf; size_t size, len; };

struct spec {
    unsigned flags;
    int width, precision; /* precision < 0: none given */
    unsigned bytes;       /* size of the integer argument */
};

static void out_char(struct out *o, char c)
{
    if (o->len + 1 < o->size)
        o->buf[o->len] = c;
    o->len++;
}

static void out_fill(struct out *o, char c, int n)
{
    while (n-- > 0)
        out_char(o, c);
}

static void out_text(struct out *o, const struct spec *s, const char *text, int len)
{
    if (!(s->flags & F_LEFT))
        out_fill(o, ' ', s->width - len);
    for (int i = 0; i < len; i++)
        out_char(o, text[i]);
    if (s->flags & F_LEFT)
        out_fill(o, ' ', s->width - len);
}

/* Digits of v, most significant first; returns how many.  Zero has one digit. */
static int digits_of(u64 v, unsigned base, bool upper, char digits[24])
{
    const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char reversed[24];
    int n = 0;

    do {
        reversed[n++] = set[v % base];
        v /= base;
    } while (v);
    for (int i = 0; i < n; i++)
        digits[i] = reversed[n - 1 - i];
    return n;
}

static void out_number(struct out *o, const struct spec *s, u64 v, unsigned base, bool upper, const char *prefix)
{
    char digits[24];
    int n = v || s->precision ? digits_of(v, base, upper, digits) : 0;
    int zeros = MAX(s->precision - n, 0), plen = (int)strlen(prefix);

    if (s->precision < 0 && (s->flags & F_ZERO) && !(s->flags & F_LEFT))
        zeros = MAX(s->width - plen - n, 0);

    int total = plen + zeros + n;

    if (!(s->flags & F_LEFT))
        out_fill(o, ' ', s->width - total);
    for (int i = 0; i < plen; i++)
        out_char(o, prefix[i]);
    out_fill(o, '0', zeros);
    for (int i = 0; i < n; i++)
        out_char(o, digits[i]);
    if (s->flags & F_LEFT)
        out_fill(o, ' ', s->width - total);
}

static void out_signed(struct out *o, const struct spec *s, s64 v)
{
    const char *sign = v < 0 ? "-" : s->flags & F_PLUS ? "+" : s->flags & F_SPACE ? " " : "";

    out_number(o, s, v < 0 ? -(u64)v : (u64)v, 10, false, sign);
}

static void out_unsigned(struct out *o, const struct spec *s, u64 v, char conv)
{
    bool alt = (s->flags & F_ALT) && v;

    switch (conv) {
    case 'x': out_number(o, s, v, 16, false, alt ? "0x" : ""); break;
    case 'X': out_number(o, s, v, 16, true, alt ? "0X" : ""); break;
    case 'o': out_number(o, s, v, 8, false, alt ? "0" : ""); break;
    default: out_number(o, s, v, 10, false, ""); break;
    }
}

static void out_string(struct out *o, const struct spec *s, const char *text)
{
    if (!text)
        text = "(null)";
    out_text(o, s, text, (int)strnlen(text, s->precision < 0 ? 0x7fffffff : (size_t)s->precision));
}

static void out_pointer(struct out *o, const struct spec *s, const void *p)
{
    struct spec as = { .flags = s->flags & F_LEFT, .width = s->width, .precision = 16 };

    out_number(o, &as, (vaddr_t)p, 16, false, "");
}

static const char *parse_flags(const char *f, struct spec *s)
{
    for (;; f++) {
        switch (*f) {
        case '-': s->flags |= F_LEFT; break;
        case '0': s->flags |= F_ZERO; break;
        case '#': s->flags |= F_ALT; break;
        case '+': s->flags |= F_PLUS; break;
        case ' ': s->flags |= F_SPACE; break;
        default: return f;
        }
    }
}

static const char *parse_digits(const char *f, int *n)
{
    for (*n = 0; *f >= '0' && *f <= '9'; f++)
        *n = MIN(*n * 10 + (*f - '0'), 4096);
    return f;
}

static const char *parse_length(const char *f, struct spec *s)
{
    s->bytes = sizeof(int);
    switch (*f) {
    case 'h':
        s->bytes = f[1] == 'h' ? 1 : 2;
        return f + (f[1] == 'h' ? 2 : 1);
    case 'l':
        s->bytes = 8;
        return f + (f[1] == 'l' ? 2 : 1);
    case 'z':
    case 'j':
    case 't':
        s->bytes = 8;
        return f + 1;
    default:
        return f;
    }
}

static s64 narrow_signed(s64 v, unsigned bytes)
{
    return bytes == 1 ? (s8)v : bytes == 2 ? (s16)v : v;
}

static u64 narrow_unsigned(u64 v, unsigned bytes)
{
    return bytes == 1 ? (u8)v : bytes == 2 ? (u16)v : v;
}

/* A va_list passed on by address keeps its place for the caller. */
struct args { va_list ap; };

static const char *parse_width(const char *f, struct spec *s, struct args *a)
{
    if (*f == '*') {
        s->width = va_arg(a->ap, int);
        f++;
    } else {
        f = parse_digits(f, &s->width);
    }
    if (s->width < 0) {
        s->flags |= F_LEFT;
        s->width = -s->width;
    }
    s->precision = -1;
    if (*f != '.')
        return f;
    if (*++f == '*') {
        s->precision = va_arg(a->ap, int);
        return f + 1;
    }
    return parse_digits(f, &s->precision);
}

/* One conversion, f after the '%'; returns what follows it. */
static const char *convert(struct out *o, const char *f, struct args *a)
{
    struct spec s = { 0 };
    char c;

    f = parse_flags(f, &s);
    f = parse_width(f, &s, a);
    f = parse_length(f, &s);
    switch (*f) {
    case 'd':
    case 'i':
        out_signed(o, &s, narrow_signed(s.bytes == 8 ? va_arg(a->ap, s64) : va_arg(a->ap, int), s.bytes));
        break;
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        out_unsigned(o, &s, narrow_unsigned(s.bytes == 8 ? va_arg(a->ap, u64) : va_arg(a->ap, unsigned), s.bytes),
                     *f);
        break;
    case 'c':
        c = (char)va_arg(a->ap, int);
        out_text(o, &s, &c, 1);
        break;
    case 's':
        out_string(o, &s, va_arg(a->ap, const char *));
        break;
    case 'p':
        out_pointer(o, &s, va_arg(a->ap, const void *));
        break;
    case '\0':
        return f;
    default:
        out_char(o, *f);
        break;
    }
    return f + 1;
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
    struct out o = { buf, size, 0 };
    struct args a;

    va_copy(a.ap, ap);
    while (*fmt) {
        if (*fmt == '%')
            fmt = convert(&o, fmt + 1, &a);
        else
            out_char(&o, *fmt++);
    }
    va_end(a.ap);
    if (size)
        buf[MIN(o.len, size - 1)] = '\0';
    return (int)o.len;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(buf, size, fmt, ap);
    va_end(ap);
    return n;
}
