/* SPDX-License-Identifier: MIT */
/* The text of com1= and com2=. */
#include "uart.h"

#include <zelo/lib.h>

#define CLOCK_DEFAULT 1843200 /* of a PC's UARTs */
#define LCR_STOP2 0x04
#define LCR_8N1 0x03

/* Each of these reads its part at *s and goes on behind it; false if it is not one. */

static bool parse_number(const char **s, u64 max, u64 *v)
{
    const char *end;

    *v = parse_u64(*s, &end);
    if (end == *s || *v > max)
        return false;
    *s = end;
    return true;
}

static bool parse_speed(const char **s, struct uart_config *c)
{
    u64 baud, clock = CLOCK_DEFAULT;

    if (!strncmp(*s, "auto", 4)) {
        *s += 4;
        return true;
    }
    if (!parse_number(s, 4000000, &baud))
        return false;
    if (**s == '/') {
        ++*s;
        if (!parse_number(s, 1000000000, &clock))
            return false;
    }
    c->baud = (u32)baud;
    c->clock = (u32)clock;
    return true;
}

/* The parity bits of the LCR, -1 for a letter that names none. */
static int parity_bits(char letter)
{
    switch (letter) {
    case 'n': return 0x00;
    case 'o': return 0x08;
    case 'e': return 0x18;
    case 'm': return 0x28;
    case 's': return 0x38;
    default: return -1;
    }
}

static bool parse_frame(const char **s, struct uart_config *c)
{
    const char *f = *s;

    if (f[0] < '5' || f[0] > '8' || parity_bits(f[1]) < 0 || (f[2] != '1' && f[2] != '2'))
        return false;
    c->lcr = (u8)((f[0] - '5') | parity_bits(f[1]) | (f[2] == '2' ? LCR_STOP2 : 0));
    *s += 3;
    return true;
}

static bool parse_base(const char **s, struct uart_config *c)
{
    u64 base;

    if (!parse_number(s, 0xfff8, &base) || !base)
        return false;
    c->base = (u16)base;
    return true;
}

static bool parse_irq(const char **s, struct uart_config *c)
{
    u64 irq;

    if (!parse_number(s, 0xffff, &irq))
        return false;
    c->irq = (u32)irq;
    return true;
}

bool uart_parse_config(const char *s, struct uart_config *c)
{
    static bool (*const parts[])(const char **, struct uart_config *) = {
        parse_speed, parse_frame, parse_base, parse_irq,
    };

    c->baud = 0;
    c->clock = CLOCK_DEFAULT;
    c->lcr = LCR_8N1;
    for (size_t i = 0; *s && i < ARRAY_SIZE(parts); i++) {
        if (*s != ',' && !parts[i](&s, c)) /* an empty part keeps the default */
            return false;
        if (*s == ',')
            s++;
        else if (*s)
            return false;
    }
    return !*s;
}
