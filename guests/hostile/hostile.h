/* SPDX-License-Identifier: MIT */
/*
 * The hostile guest: a tiny kernel that tries the ways out of its domain.  Each
 * attack is a function that returns true if the hypervisor answered it as the
 * ABI says; main.c runs those that its command line names.
 *
 * Errors expected here are those of the public headers (<xen/errno.h>, GNTST_*
 * of <xen/grant_table.h>) and of docs/caveats.md.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "../common/guest.h"

#include <xen/errno.h>

struct attack { const char *name; bool (*run)(void); };

/* By subject, each list ended by one without a name. */
extern const struct attack table_attacks[], frame_attacks[], descriptor_attacks[], return_attacks[],
    debug_attacks[], pointer_attacks[], continuation_attacks[], cpu_attacks[], port_attacks[], event_attacks[],
    grant_attacks[], storm_attacks[], race_attacks[], protected_attacks[];
/* Of two domains (meeting.h). */
extern const struct attack owner_attacks[], peer_attacks[], alias_attacks[], peer_race_attacks[], parting_attacks[],
    foreign_alias_attacks[], foreign_attacks[], owner_off_attacks[], owner_crashed_attacks[], owner_gone_attacks[];
/* They do not come back. */
extern const struct attack lethal_attacks[], end_attacks[];

bool not_so(const char *file, int line, const char *what, long got);

/* What an attack stands on, or has to find afterwards. */
#define MUST(c)                                                    \
    do {                                                           \
        if (!(c))                                                  \
            return not_so(__FILE__, __LINE__, #c, 0);              \
    } while (0)
#define GIVES(want, call)                                          \
    do {                                                           \
        long got_ = (long)(call);                                  \
        if (got_ != (long)(want))                                  \
            return not_so(__FILE__, __LINE__, #want ": " #call, got_); \
    } while (0)
#define REFUSED(error, call) GIVES(-XEN_##error, call)
/* Two answers that the ABI leaves open. */
#define REFUSED_EITHER(error, other, call)                         \
    do {                                                           \
        long got_ = (long)(call);                                  \
        if (got_ != -XEN_##error && got_ != -XEN_##other)          \
            return not_so(__FILE__, __LINE__, #error " or " #other ": " #call, got_); \
    } while (0)

/* --- the machine as a hostile kernel sees it (machine.c) --- */

#define TRAP_NONE (-1)
#define TRAP_DB 1
#define TRAP_UD 6
#define TRAP_NP 11
#define TRAP_GP 13
#define TRAP_PF 14
#define TRAP_SYSCALL 0x101 /* from guest user mode */
#define TRAP_FAILSAFE 0x102

#define M2P ((uint64_t *)0xffff800000000000UL)
#define HYPERVISOR_IMAGE 0xffff808000000000UL
#define PERDOMAIN 0xffff810000000000UL
#define FRAME_TABLE 0xffff818000000000UL
#define DIRECT_MAP 0xffff830000000000UL
#define HYPERVISOR_END 0xffff880000000000UL
#define NOT_CANONICAL 0x0000800000000000UL
#define HYPERVISOR_MFN 0x200UL /* of its image, which is loaded at 2 MiB */

#define RFLAGS_TF 0x100UL
#define RFLAGS_IF 0x200UL
#define RFLAGS_DF 0x400UL
#define RFLAGS_NT 0x4000UL
#define RFLAGS_AC 0x40000UL

#define PTE_PWT 8UL
#define PTE_PCD 0x10UL
#define PTE_PSE 0x80UL
#define PTE_NX (1UL << 63)
#define PTE_FRAME 0x000ffffffffff000UL
static inline uint64_t pte(uint64_t mfn, uint64_t flags) { return mfn << 12 | flags | PTE_P | PTE_A; }
#define PTE_TABLE (PTE_RW | PTE_US | PTE_D)

void *mfn_to_virt(uint64_t mfn);              /* of the guest's own, as it is mapped from the start */
uint64_t *pt_entry(const void *va, unsigned level); /* the entry of the kernel's tables that va is mapped by */
uint64_t table_of(const void *va, unsigned level);  /* the frame of the table that this entry is in */
long entry_set(const uint64_t *entry, uint64_t val);
long mmuext(unsigned cmd, uint64_t arg1, uint64_t arg2);
long set_writable(void *va, bool writable);   /* its one mapping */
uint64_t *table_new(void);                    /* an empty page, mapped read-only */
bool is_own(uint64_t mfn);
bool refill(void *va);                        /* a new frame where the page's old one was given up */

/* Registers of a piece of code: what it begins with, and what it left if no trap came. */
struct code_regs { uint64_t rax, rbx, rcx, rdx, rdi, rsi; };
/* Runs up to a page of machine code in kernel mode: the trap's vector, or TRAP_NONE. regs may be NULL. */
int run_code(const void *code, size_t n, struct code_regs *regs);
#define RUN(regs, ...) run_code((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }), regs)
/* The same in guest user mode; it must end with a trap or SYSCALL. */
int run_user(const void *code, size_t n, uint64_t rflags);
#define RUN_USER(rflags, ...) \
    run_user((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }), rflags)
int leave_to(const struct iret_context *f);   /* HYPERVISOR_iret with this frame: the trap that came */
struct iret_context frame_here(uint64_t rip); /* kernel mode, a stack of its own */
void *code_page(void);                        /* what run_code writes to, executable */

char *cliff(void);                            /* the end of a page, behind which nothing is mapped */

void do_read(void *p);
void do_write(void *p);

void do_load_ds(void *p);                     /* the selector */
#define LDT_SELECTOR(n) ((void *)((n) * 8UL | 7))

/* --- what a page may be that nobody may write to then (kinds.c) --- */

struct kind {
    const char *name;
    bool table;
    long refusal;                             /* while somebody may write to it */
    uint64_t word;                            /* the second of its contents; the others are 0 */
    long (*use)(uint64_t *page);
    long (*unuse)(uint64_t *page);
};
enum { KIND_L1, KIND_L2, KIND_L3, KIND_L4, KIND_GDT, KIND_LDT, KINDS };
extern const struct kind kinds[KINDS];
/* 0, or what refused it: then the page is as before, but empty. */
long kind_begin(const struct kind *k, uint64_t *page);
long kind_end(const struct kind *k, uint64_t *page);

/* --- the second vCPU (racer.c) --- */

bool racer_start(void);
vcpu_guest_context_t *racer_context(void);    /* a good one for it */
void race_begin(void (*job)(void));           /* it does the job again and again */
bool race_goes_on(unsigned round);
void race_end(void);

extern uint32_t peer_id;                      /* owner.c; from the command line */

void neighbour(void) __attribute__((__noreturn__)); /* neighbour.c */

#endif
