/* SPDX-License-Identifier: MIT */
/* What the files of linuxbench share: the rows, and how each of them is run. */
#ifndef LINUXBENCH_H
#define LINUXBENCH_H

#include <stdbool.h>
#include <stddef.h>

/* What happens now and then in a kernel happens in fewer of a short row. */
#define TRIES 3

/*
 * One measurement. `once` is what is repeated between the marks, and does `operations` of what the row is named for.
 * `prepare` and `finish` come before and after, unmarked.
 */
struct row {
    const char *name;
    unsigned repeats, operations;
    unsigned tries; /* so many pairs of marks, of which the least counts */
    void (*prepare)(void), (*once)(void), (*finish)(void);
};

/* The families; each ends with a row without a name. */
extern const struct row entry_rows[], memory_rows[], process_rows[], ipc_rows[], file_rows[];

/* Warms up, runs a row between marks, and says so. */
void measure(const struct row *row);

/* Ends the program, with a word on what failed, unless `good`. */
void need(bool good, const char *what);

/* Waits for a child that must have ended well. */
void reap(int child);

/* The program that ends as soon as it begins: nothing.c, beside this one. */
extern const char *nothing;

/* Measures a command: `run NAME COMMAND...`. */
void measure_command(const char *name, char *const words[]);

#endif
