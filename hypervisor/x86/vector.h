/* SPDX-License-Identifier: MIT */
/* Which interrupt vectors are taken on which CPU. x86/vector.c */
#ifndef ZELO_X86_VECTOR_H
#define ZELO_X86_VECTOR_H

#include <zelo/types.h>

/* The first of 'count' (a power of two) vectors free on the CPU, aligned to count; now taken. -ENOSPC. */
int must_check vector_alloc(unsigned cpu, unsigned count);
/* Takes this very vector on the CPU; false if it is taken there or never given out. */
bool must_check vector_claim(unsigned cpu, u8 vector);
void vector_release(unsigned cpu, u8 vector);

#endif
