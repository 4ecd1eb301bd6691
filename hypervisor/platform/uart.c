/* SPDX-License-Identifier: MIT */
/*
 * Serial lines: 16550-compatible UARTs at I/O ports, output polled, input by
 * interrupt or, without one, by a timer.
 *
 *   com1=BAUD[/CLOCK_HZ][,DPS[,IO_BASE[,IRQ]]]    com2= likewise
 *
 * BAUD "auto" keeps the speed the firmware has set; DPS is data bits, parity
 * (n o e m s) and stop bits, as in 8n1; IRQ 0 means none.  A line is the
 * hypervisor's if its option is given or console= names it.
 */
#include "uart.h"

#include <zelo/console.h>
#include <zelo/irq.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/timer.h>
#include <arch/machine.h>
#include <arch/seam.h>

#define UART_PORTS 8
#define UART_DATA 0
#define UART_DIVISOR_LOW 0  /* with LCR_DLAB */
#define UART_DIVISOR_HIGH 1 /* with LCR_DLAB */
#define UART_IER 1
#define IER_RECEIVED 0x01
#define UART_FCR 2
#define FCR_ENABLE_AND_CLEAR 0x07
#define UART_IIR 2
#define IIR_FIFO 0xc0
#define UART_LCR 3
#define LCR_DLAB 0x80
#define UART_MCR 4
#define MCR_DTR_RTS 0x03
#define MCR_OUT2 0x08 /* lets the interrupt out */
#define UART_LSR 5
#define LSR_RECEIVED 0x01
#define LSR_SENT 0x20 /* transmit buffer empty */
#define UART_SCRATCH 7

#define POLL_NS 10000000 /* input without interrupt */
#define INPUT_BURST 256  /* bytes taken in one go, so that a stuck line does not hold the CPU */

struct uart {
    struct console_device device;
    struct uart_config config;
    bool present;    /* found and set up */
    bool stuck;      /* its hardware took no byte for long (console lock) */
    u8 fifo, room;   /* bytes the transmit buffer takes at once; still free (console lock) */
    struct timer poll;
};

static void com1_write(const char *s, size_t n);
static void com2_write(const char *s, size_t n);

static struct uart uarts[2] = {
    { .device = { .name = "com1", .write = com1_write }, .config = { .base = 0x3f8, .irq = 4 } },
    { .device = { .name = "com2", .write = com2_write }, .config = { .base = 0x2f8, .irq = 3 } },
};

static u8 uart_in(const struct uart *u, unsigned reg)
{
    return inb((u16)(u->config.base + reg));
}

static void uart_out(const struct uart *u, unsigned reg, u8 value)
{
    outb((u16)(u->config.base + reg), value);
}

/* --- output --- */

/* A byte takes 87 us at 115200 baud; hardware that takes none for 100 ms is not waited for until it does again. */
static bool uart_wait_room(struct uart *u)
{
    u64 start = rdtsc(), limit = (tsc_khz ? tsc_khz : 3000000) * 100;

    while (!(uart_in(u, UART_LSR) & LSR_SENT)) {
        if (u->stuck || rdtsc() - start > limit) {
            u->stuck = true;
            return false;
        }
        cpu_relax();
    }
    u->stuck = false;
    u->room = u->fifo;
    return true;
}

static void uart_write(struct uart *u, const char *s, size_t n)
{
    for (; n; n--, s++) {
        if (!u->room && !uart_wait_room(u))
            return;
        uart_out(u, UART_DATA, (u8)*s);
        u->room--;
    }
}

static void com1_write(const char *s, size_t n) { uart_write(&uarts[0], s, n); }
static void com2_write(const char *s, size_t n) { uart_write(&uarts[1], s, n); }

/* --- input --- */

static void uart_receive(struct uart *u)
{
    for (unsigned i = 0; i < INPUT_BURST && (uart_in(u, UART_LSR) & LSR_RECEIVED); i++)
        console_input(uart_in(u, UART_DATA));
}

static void uart_interrupt(void *data, struct cpu_user_regs *regs)
{
    struct uart *u = data;

    (void)regs;
    (void)uart_in(u, UART_IIR); /* an edge-triggered line needs its cause read */
    uart_receive(u);
}

static void uart_poll(void *data)
{
    struct uart *u = data;

    uart_receive(u);
    timer_set(&u->poll, time_now() + POLL_NS);
}

static void uart_start_input(struct uart *u)
{
    if (u->config.irq && !irq_request_gsi(u->config.irq, uart_interrupt, u)) {
        uart_out(u, UART_MCR, MCR_DTR_RTS | MCR_OUT2);
        uart_out(u, UART_IER, IER_RECEIVED);
        uart_receive(u); /* what came before would never raise an edge */
        return;
    }
    if (u->config.irq)
        log_warn("%s: no interrupt %u: input is polled\n", u->device.name, u->config.irq);
    timer_init(&u->poll, uart_poll, u, this_cpu());
    timer_set(&u->poll, time_now() + POLL_NS);
}

void uart_init_irq(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(uarts); i++)
        if (uarts[i].present)
            uart_start_input(&uarts[i]);
}

/* --- setting up --- */

static bool uart_probe(const struct uart *u)
{
    uart_out(u, UART_SCRATCH, 0x5a);
    if (uart_in(u, UART_SCRATCH) != 0x5a)
        return false;
    uart_out(u, UART_SCRATCH, 0xa5);
    return uart_in(u, UART_SCRATCH) == 0xa5;
}

static void uart_set_line(const struct uart *u)
{
    u32 divisor = u->config.baud ? u->config.clock / 16 / u->config.baud : 0;

    if (divisor && divisor <= 0xffff) {
        uart_out(u, UART_LCR, u->config.lcr | LCR_DLAB);
        uart_out(u, UART_DIVISOR_LOW, (u8)divisor);
        uart_out(u, UART_DIVISOR_HIGH, (u8)(divisor >> 8));
    }
    uart_out(u, UART_LCR, u->config.lcr);
}

static void uart_set_up(struct uart *u)
{
    uart_out(u, UART_IER, 0);
    uart_set_line(u);
    uart_out(u, UART_MCR, MCR_DTR_RTS);
    uart_out(u, UART_FCR, FCR_ENABLE_AND_CLEAR);
    u->fifo = (uart_in(u, UART_IIR) & IIR_FIFO) == IIR_FIFO ? 16 : 1;
    u->present = true;
}

/* Does console= name the line? */
static bool uart_is_console(const char *name)
{
    const char *list = cmdline_get("console"), *at = list ? strstr(list, name) : NULL;

    return at && (at == list || at[-1] == ',');
}

static void uart_init_one(struct uart *u)
{
    const char *option = cmdline_get(u->device.name);

    if (!option && !uart_is_console(u->device.name))
        return;
    if (!uart_parse_config(option ? option : "", &u->config))
        log_warn("%s=%s: not understood from some point on\n", u->device.name, option);
    if (!uart_probe(u))
        return;
    uart_set_up(u);
    console_register(&u->device);
}

void uart_init_early(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(uarts); i++)
        uart_init_one(&uarts[i]);
}

bool uart_uses_port(u16 port)
{
    for (size_t i = 0; i < ARRAY_SIZE(uarts); i++)
        if (uarts[i].present && port >= uarts[i].config.base && port < uarts[i].config.base + UART_PORTS)
            return true;
    return false;
}
