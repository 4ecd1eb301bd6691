/* SPDX-License-Identifier: MIT */
/* The hypervisor console: ring, output devices, input to dom0. core/console.c */
#ifndef ZELO_CONSOLE_H
#define ZELO_CONSOLE_H

#include <zelo/hypercall.h>
#include <zelo/types.h>

/*
 * An output device (UART, VGA); write is called with the console lock held,
 * interrupts off, and sends the bytes as they are: lines end with CR LF.
 */
struct console_device {
    const char *name; /* as in console=NAME */
    void (*write)(const char *s, size_t n);
    struct console_device *next;
    bool enabled;     /* chosen by console=; console lock */
};
void console_register(struct console_device *dev);
void console_select(const char *list);          /* the console= option: comma list */
void console_write(const char *s, size_t n);    /* the hypervisor's own text, to ring and devices */
void console_panic_mode(void);                  /* stop locking: the machine is dying */
bool console_in_panic(void);
void console_report_unknown(void);              /* the words of console= that are no device; once all are registered */
/* A byte came in from the serial line; Ctrl-a three times moves input between dom0 and debug keys. Any context. */
void console_input(u8 c);
void console_set_levels(const char *loglvl, const char *guest_loglvl); /* "all", "info", "warning/all" ... NULL: default */
void console_room_init(void);
/* For XEN_SYSCTL_readconsole; returns bytes copied to the guest buffer at va, updates *index. */
struct xen_sysctl_readconsole;
int console_sysctl_read(struct xen_sysctl_readconsole *op);
/* Debug keys: run in softirq context of some CPU. */
void debug_key_register(u8 key, const char *what, void (*fn)(u8 key));
void debug_key(u8 key);

hypercall_fn do_console_io;

#endif
