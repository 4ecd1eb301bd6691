/* SPDX-License-Identifier: MIT */
#ifndef PLATFORM_UART_H
#define PLATFORM_UART_H

#include <zelo/types.h>

struct uart_config {
    u16 base;   /* I/O port */
    u32 irq;    /* GSI; 0: none */
    u32 baud;   /* 0: as the firmware left it */
    u32 clock;  /* Hz; 16 ticks make a bit at divisor 1 */
    u8 lcr;     /* data bits, parity, stop bits */
};

/* Reads BAUD[/CLOCK][,DPS[,BASE[,IRQ]]] over the defaults in *c; false if something was not understood. */
bool must_check uart_parse_config(const char *s, struct uart_config *c);

#endif
