/* SPDX-License-Identifier: MIT */
/*
 * A tiny paravirtual guest's library: hypercalls, page tables, traps, events,
 * text output.  For guests that test the hypervisor: no scheduler, no heap but
 * whole pages, one address space.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#define PAGE_SIZE 4096UL
void *memset(void *d, int c, size_t n);
void *memcpy(void *d, const void *s, size_t n);
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* What the entry code saves; see start.S. */
struct frame {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    uint64_t vector, error;
    uint64_t rip;
    uint32_t cs, saved_mask;
    uint64_t rflags, rsp, ss;
};

/* --- hypercalls --- */
#define HYPERCALL_ASM(nr)                                                                            \
    __asm__ volatile("call *%[page]"                                                                 \
                     : "=a"(res), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5), "+r"(a6)         \
                     : [page] "r"((char *)hypercall_page + (nr) * 32UL)                                \
                     : "memory", "rcx", "r11")
extern char hypercall_page[];
static inline long hypercall(unsigned nr, uint64_t x1, uint64_t x2, uint64_t x3, uint64_t x4, uint64_t x5, uint64_t x6)
{
    register uint64_t a1 __asm__("rdi") = x1;
    register uint64_t a2 __asm__("rsi") = x2;
    register uint64_t a3 __asm__("rdx") = x3;
    register uint64_t a4 __asm__("r10") = x4;
    register uint64_t a5 __asm__("r8") = x5;
    register uint64_t a6 __asm__("r9") = x6;
    long res;

    HYPERCALL_ASM(nr);
    return res;
}
#define PTR(p) ((uint64_t)(uintptr_t)(p))
#define HC1(n, a) hypercall(__HYPERVISOR_##n, (a), 0, 0, 0, 0, 0)
#define HC2(n, a, b) hypercall(__HYPERVISOR_##n, (a), (b), 0, 0, 0, 0)
#define HC3(n, a, b, c) hypercall(__HYPERVISOR_##n, (a), (b), (c), 0, 0, 0)
#define HC4(n, a, b, c, d) hypercall(__HYPERVISOR_##n, (a), (b), (c), (d), 0, 0)

/* --- start.S, guest.c --- */
extern start_info_t *start_info;
extern shared_info_t *shared_info;
extern char _text[], _end[];
void guest_main(void);                        /* the test program */
void guest_secondary(void *arg);              /* other vCPUs */
void guest_return_to(const struct frame *f) __attribute__((__noreturn__));
void secondary_start(void);
void event_entry(void), failsafe_entry(void), syscall_entry(void);
void guest_shutdown(unsigned reason) __attribute__((__noreturn__));
static inline vcpu_info_t *vcpu_info(void) { return &shared_info->vcpu_info[0]; }
/* In ns, as of when the first vCPU was last let run. */
static inline uint64_t coarse_time(void) { return *(volatile uint64_t *)&vcpu_info()->time.system_time; }
#define PATIENCE_NS 60000000000UL             /* what a wait may take which should be short */

/* --- text: to the hypervisor's console if allowed, and to the PV console --- */
void print(const char *fmt, ...) __attribute__((__format__(__printf__, 1, 2)));
void print_flush(void);                       /* until it was taken from the PV console */

/* --- memory --- */
uint64_t virt_to_mfn(const void *va);
uint64_t pfn_to_mfn(uint64_t pfn);
uint64_t virt_to_pfn(const void *va);
void *page_alloc(void);                       /* a zeroed mapped page of the guest's own */
#define PTE_P 1UL
#define PTE_RW 2UL
#define PTE_US 4UL
#define PTE_A 0x20UL
#define PTE_D 0x40UL
int map_page(const void *va, uint64_t pte);         /* update_va_mapping with an INVLPG */

/* --- traps: expected ones --- */
/*
 * Runs fn(arg) and catches the first trap in it: returns the vector, or -1 if
 * none came; the frame is kept in last_trap, CR2 in last_cr2.  A system call
 * without a handler is vector 0x101, the failsafe callback 0x102.
 */
int catch_trap(void (*fn)(void *), void *arg);
extern struct frame last_trap;
extern uint64_t last_cr2;
extern volatile uint64_t event_count;
/* Called for a system call from guest user mode, if set. */
extern void (*syscall_handler)(struct frame *f);
/* Called for an event, if set, before it is acknowledged. */
extern void (*event_handler)(struct frame *f);

#endif
