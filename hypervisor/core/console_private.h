/* SPDX-License-Identifier: MIT */
/* What the files of the console share. */
#ifndef ZELO_CORE_CONSOLE_PRIVATE_H
#define ZELO_CORE_CONSOLE_PRIVATE_H

#include <zelo/console.h>
#include <zelo/lock.h>

extern spinlock_t console_lock; /* LOCK_CONSOLE (irq): ring, devices */

/* --- console.c --- */
/* Takes the lock unless the machine is dying or this CPU was interrupted in here; true if taken. */
bool must_check console_enter(unsigned long *flags);
void console_leave(bool taken, unsigned long flags);
void console_write_raw(const char *s, size_t n); /* a guest's bytes, as they are, to the devices */

/* --- console_ring.c; all with the console lock held --- */
void console_ring_put(const char *s, size_t n);
/* Copies what is there from *index on, at most n bytes, and advances *index; returns the bytes copied. */
size_t console_ring_get(u32 *index, char *buf, size_t n);
u32 console_ring_start(void);    /* index of the oldest byte */
void console_ring_resize(void);  /* conring_size=; takes the lock itself */

/* --- console_input.c --- */
/* Takes at most n bytes that were typed for domain 0. */
size_t console_input_take(char *buf, size_t n);

/* --- debug_keys.c --- */
void debug_keys_init(void);

#endif
