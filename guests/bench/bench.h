/* SPDX-License-Identifier: MIT */
/*
 * The tiny guest of the cost ledger (bench/README.md): what a PV guest asks of a
 * hypervisor, one row for each thing, done many times between two marks.  The
 * same binary is domain 0 under any hypervisor of the Xen ABI.
 *
 * A row's operations must succeed: one that does not ends the guest, as a
 * refused operation has no cost worth knowing.
 */
#ifndef GUESTS_BENCH_H
#define GUESTS_BENCH_H

#include "../common/tools.h"

#define REPEATS 256u

struct row {
    const char *name;
    long (*operate)(unsigned i); /* the i-th time; an answer other than 0: it failed */
    unsigned repeats;            /* of operate between the marks; 0: REPEATS */
    unsigned each;               /* operations in one call of operate; 0: 1 */
    void (*before)(void);        /* each batch of repeats, outside of the marks; may be NULL, as may after */
    void (*after)(void);
    bool marks_itself;           /* operate has the marks, in its last call */
};

/* Rows that share what is made before them; the list ends with one without a name. */
struct family {
    void (*prepare)(void);       /* may be NULL, as may finish */
    const struct row *rows;
    void (*finish)(void);
};

extern const struct family hypercalls, memory_operations, traps, user_mode, events, grants, switches,
    two_vcpus;

/* Ends the guest with a line that says what was refused. */
void must(const char *what, long rc);

/* --- memory.c --- */

#define PAGES 128u
#define PAGE_FLAGS (PTE_P | PTE_A | PTE_D)
extern char pages[PAGES][PAGE_SIZE];      /* to do things with; each family leaves them as they were */
void page_set(const void *va, uint64_t flags); /* maps a page where it was from the start; flags 0: nothing */
uint64_t *tables_new(unsigned count);     /* empty pages that may become page tables */
uint64_t entry_of(const void *table, uint64_t flags);
uint64_t root_entry(void);                /* of the kernel's L4, that maps the guest itself */
long mmuext(unsigned cmd, uint64_t arg1);

/* --- events.c --- */

uint64_t system_time(void);
bool port_take(evtchn_port_t port);       /* in a handler: it was pending, and is no more */
void port_open(evtchn_port_t port);       /* it may be handled, from now on */
long port_send(evtchn_port_t port);

/* --- child.c: another domain, of the same image --- */

enum { CHILD_ANSWERS, CHILD_MARKS, CHILD_YIELDS };
#define CHILD_FIRST_REF 8u                /* grants of its `pages`, to domain 0 */

/* What the two say to each other, through a page of the child's. */
struct child {
    volatile uint32_t mode;               /* of the above; after a change, an event wakes the child */
    evtchn_port_t remote, port;           /* domain 0's end of the channel, and the child's */
    volatile uint32_t ready;
    volatile uint64_t turns;              /* events handled, or yields */
};
extern struct child *child;
extern domid_t child_id;
extern evtchn_port_t child_port;          /* domain 0's end */
void child_make(void);
void child_wait_for_answer(uint64_t before); /* sleeps until there have been more answers than these */
uint64_t child_answers(void);
void child_main(void) __attribute__((__noreturn__));

#endif
