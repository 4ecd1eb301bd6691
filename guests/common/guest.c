/* SPDX-License-Identifier: MIT */
/* The tiny guest's library; see guest.h. */
#include "guest.h"

#include <xen/io/console.h>

start_info_t *start_info;
shared_info_t *shared_info;
struct frame last_trap;
uint64_t last_cr2;
volatile uint64_t event_count;
void (*syscall_handler)(struct frame *f);
void (*event_handler)(struct frame *f);

static char shared_info_page[PAGE_SIZE] __attribute__((aligned(4096)));
static char console_page[PAGE_SIZE] __attribute__((aligned(4096)));
static bool console_mapped;

void *memset(void *d, int c, size_t n)
{
    for (char *p = d; n--;)
        *p++ = (char)c;
    return d;
}
void *memcpy(void *d, const void *s, size_t n)
{
    char *p = d;

    for (const char *q = s; n--;)
        *p++ = *q++;
    return d;
}

/* --- text --- */

/* Until no more than so much lies there. */
static void console_ring_wait(size_t most)
{
    const struct xencons_interface *c = (void *)console_page;
    evtchn_send_t send = { start_info->console.domU.evtchn };

    while (c->out_prod - *(const volatile XENCONS_RING_IDX *)&c->out_cons > most) {
        HC2(event_channel_op, EVTCHNOP_send, PTR(&send));
        HC2(sched_op, SCHEDOP_yield, 0);
    }
}

static void console_ring_write(const char *s, size_t n)
{
    struct xencons_interface *c = (void *)console_page;
    evtchn_send_t send = { start_info->console.domU.evtchn };

    for (size_t i = 0; i < n; i++) {
        console_ring_wait(sizeof(c->out) - 1);
        c->out[MASK_XENCONS_IDX(c->out_prod, c->out)] = s[i];
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        c->out_prod++;
    }
    HC2(event_channel_op, EVTCHNOP_send, PTR(&send));
}

static void text_out(const char *s, size_t n)
{
    HC3(console_io, 0 /* CONSOLEIO_write */, n, PTR(s));
    if (console_mapped)
        console_ring_write(s, n);
}

void print_flush(void)
{
    if (console_mapped)
        console_ring_wait(0);
}

struct text { char buf[256]; size_t n; };

static void text_char(struct text *t, char c)
{
    if (t->n < sizeof(t->buf))
        t->buf[t->n++] = c;
}

static void text_number(struct text *t, uint64_t v, unsigned base, bool neg)
{
    char tmp[24];
    int n = 0;

    if (neg)
        text_char(t, '-');
    do
        tmp[n++] = "0123456789abcdef"[v % base];
    while (v /= base);
    while (n--)
        text_char(t, tmp[n]);
}

/* %s %d %u %x with an optional l: all a test needs. */
void print(const char *fmt, ...)
{
    struct text t = { .n = 0 };
    va_list ap;

    va_start(ap, fmt);
    for (; *fmt; fmt++) {
        bool l = false;

        if (*fmt != '%') {
            text_char(&t, *fmt);
            continue;
        }
        if (*++fmt == 'l') {
            l = true;
            fmt++;
        }
        if (*fmt == 's') {
            for (const char *s = va_arg(ap, const char *); *s; s++)
                text_char(&t, *s);
        } else if (*fmt == 'd') {
            int64_t v = l ? va_arg(ap, int64_t) : va_arg(ap, int);

            text_number(&t, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, v < 0);
        } else {
            uint64_t v = l ? va_arg(ap, uint64_t) : va_arg(ap, unsigned);

            text_number(&t, v, *fmt == 'x' ? 16 : 10, false);
        }
    }
    va_end(ap);
    text_out(t.buf, t.n);
}

/* --- memory --- */

uint64_t virt_to_pfn(const void *va)
{
    return (PTR(va) - VIRT_BASE) / PAGE_SIZE;
}

uint64_t pfn_to_mfn(uint64_t pfn)
{
    return ((const uint64_t *)start_info->mfn_list)[pfn];
}

uint64_t virt_to_mfn(const void *va)
{
    return pfn_to_mfn(virt_to_pfn(va));
}

int map_page(const void *va, uint64_t pte)
{
    return (int)HC3(update_va_mapping, PTR(va), pte, UVMF_INVLPG | UVMF_LOCAL);
}

void *page_alloc(void)
{
    static char pool[256][PAGE_SIZE] __attribute__((aligned(4096)));
    static unsigned used;

    if (used == ARRAY_SIZE(pool)) {
        print("FAIL out of pages\n");
        guest_shutdown(SHUTDOWN_crash);
    }
    return pool[used++];
}

/* --- traps and events --- */

static void *catch_point[5]; /* where __builtin_longjmp goes */
static bool catching;

int catch_trap(void (*fn)(void *), void *arg)
{
    volatile int vector = -1;

    catching = true;
    if (!__builtin_setjmp(catch_point))
        fn(arg);
    else
        vector = (int)last_trap.vector;
    catching = false;
    return vector;
}

void guest_trap(struct frame *f);
void guest_trap(struct frame *f)
{
    last_trap = *f;
    last_cr2 = vcpu_info()->arch.cr2;
    if (catching) {
        catching = false;
        __builtin_longjmp(catch_point, 1);
    }
    print("FAIL unexpected trap %lu error %lx rip %lx cr2 %lx rsp %lx\n", f->vector, f->error, f->rip, last_cr2,
          f->rsp);
    guest_shutdown(SHUTDOWN_crash);
}

void guest_event(struct frame *f);
void guest_event(struct frame *f)
{
    if (event_handler)
        event_handler(f);
    /* Selector after flag: whoever sets the selector later sets the flag again. */
    vcpu_info()->evtchn_upcall_pending = 0;
    __atomic_exchange_n(&vcpu_info()->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
    event_count++;
}

void guest_syscall(struct frame *f);
void guest_syscall(struct frame *f)
{
    if (syscall_handler)
        syscall_handler(f);
    else
        guest_trap(f); /* for who catches it */
}

extern char trap_0[], trap_1[], trap_3[], trap_6[], trap_7[], trap_11[], trap_12[], trap_13[], trap_14[], trap_17[],
    trap_0x80[];

static void traps_init(void)
{
    static const struct { uint8_t vector, flags; const char *entry; } t[] = {
        { 0, 0, trap_0 },   { 1, 0, trap_1 },   { 3, 3, trap_3 },   { 6, 0, trap_6 },
        { 7, 0, trap_7 },   { 11, 0, trap_11 }, { 12, 0, trap_12 }, { 13, 0, trap_13 },
        { 14, 4, trap_14 }, { 17, 0, trap_17 }, { 0x80, 3, trap_0x80 },
    };
    static trap_info_t table[ARRAY_SIZE(t) + 1];

    for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
        table[i] = (trap_info_t){ t[i].vector, t[i].flags, FLAT_KERNEL_CS, PTR(t[i].entry) };
    HC1(set_trap_table, PTR(table));
    HC3(set_callbacks, PTR(event_entry), PTR(failsafe_entry), PTR(syscall_entry));
}

void guest_shutdown(unsigned reason)
{
    sched_shutdown_t s = { reason };

    for (;;)
        HC2(sched_op, SCHEDOP_shutdown, PTR(&s));
}

void guest_start(start_info_t *si);
void guest_start(start_info_t *si)
{
    start_info = si;
    shared_info = (void *)shared_info_page;
    map_page(shared_info_page, si->shared_info | PTE_P | PTE_RW | PTE_A | PTE_D);
    if (!(si->flags & SIF_INITDOMAIN) && si->console.domU.mfn)
        console_mapped = !map_page(console_page, si->console.domU.mfn << 12 | PTE_P | PTE_RW | PTE_A | PTE_D);
    traps_init();
    guest_main();
    guest_shutdown(SHUTDOWN_poweroff);
}

__attribute__((weak)) void guest_secondary(void *arg)
{
    (void)arg;
    guest_shutdown(SHUTDOWN_crash);
}
