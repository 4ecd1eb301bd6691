/* SPDX-License-Identifier: MIT */
/*
 * The fuzzer of core/ and pv/ (README.md).  An input is a list of steps; each
 * is something that one vCPU does: a hypercall, a fault, a write to its memory.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "host.h"

#include "core/hypercall_private.h"
#include "pv/pt.h"

#include <string.h>

#define STEP_PARAMS 20
#define STEPS_MAX 48

/* One step as it lies in the input. */
struct step {
    u8 kind;                /* which of step_kinds */
    u8 who;                 /* bits 0-1: domain; 2: vCPU; 3: not the privileged domain, though the step is for it */
    u8 flow;                /* bits 0-2: when it is preempted; 3-4: what then; 5: its arguments end in a fault;
                               6: the race waits for what is read again */
    u8 race;                /* n > 0: the next step happens in the middle of this one, at the n-th occasion */
    u8 param[STEP_PARAMS];
};

/* A step being carried out. */
struct act {
    const struct step *s;
    unsigned at;            /* parameters taken */
    struct vcpu *v;
    struct domain *d;
    size_t args;            /* bytes of the argument area in use */
    domid_t busy;           /* a domain that is in a hypercall of its own, or DOMID_INVALID: it is not to be paused */
};

/* HYPERVISOR_iret takes its argument on the stack: here arg[0] says where that is. */
struct call { unsigned long nr; struct hypercall_args a; };

/* True if there is a call to be made; false: the step is done. */
typedef bool step_fn(struct act *a, struct call *c);
/* What the guest makes of the result. */
typedef void step_after_fn(struct act *a, const struct call *c, long result);

struct step_kind {
    const char *name;
    step_fn *fn;
    step_after_fn *after;
    u32 flags;
};
#define STEP_PRIVILEGED (1u << 0) /* domain 0's, unless the step says otherwise */
#define STEP_MEMORY (1u << 1)     /* only changes guests' memory: at any time, whatever locks another CPU holds */
#define STEP_WHOLE (1u << 2)      /* not in the middle of another */

extern const struct step_kind step_kinds[];
extern const unsigned step_kind_count;

/* --- the domains: world.c --- */
#define DOMAINS 4            /* 0 is privileged; 3 is not there at first */
#define VCPUS 2
#define PIRQS 8
#define SLOTS 32             /* frames that a domain knows the numbers of */
#define FUZZ_VA 0x00007f1234400000UL /* slot n is mapped at page n from here */
#define SLOT_L4 0            /* the first four are the tables; 24 and above are not mapped at first */
#define SLOT_L1 3
#define SLOT_STACK 23
#define SLOT_UNMAPPED 24

/* What the fuzzer knows; put back before each input like the machine. */
struct world {
    u64 slot[DOMAINS][SLOTS];
    u64 heap_before;         /* free frames when there was no domain */
    u32 pirq_port[DOMAINS][PIRQS]; /* what x86/pirq.c would know */
};
extern struct world world;

void world_make(void);       /* once: the machine with domains 0, 1 and 2 */
void world_end(void);        /* kills all domains; stops if not all memory is back */
struct domain *world_domain(unsigned n); /* NULL: not there; referenced by nobody */
bool world_can_run(struct vcpu *v);
void world_note_frame(unsigned n, u64 mfn); /* the domain has got a frame: one of its slots knows it */
bool step_build(struct act *a, struct call *c); /* the tools make a domain */

/* --- an input: run.c --- */
extern bool run_over;        /* domain 0 has ended the machine */
no_return void run_fail(const char *what);
long guest_call(struct vcpu *v, unsigned long nr, const struct hypercall_args *args); /* to its end, undisturbed */
void run_softirqs(void);
bool run_shows(void);        /* FUZZ_SHOW is in the environment: all that happens is told */
void log_kept(void);         /* tells what the hypervisor logged lately: machine.c */

/* --- guests' memory: guest.c --- */
#define ARGS_BYTES 0x4000
/* The argument area of v: guest address, and where the fuzzer finds it. */
vaddr_t args_va(const struct vcpu *v);
u8 *args_at(const struct vcpu *v);
size_t args_latest(const struct vcpu *v); /* bytes that its latest step has put there */
void args_clear(void);
/* Room for n bytes of arguments. */
void *arg_new(struct act *a, size_t n, vaddr_t *va);
#define ARG_NEW(a, type, count, va) ((type *)arg_new((a), sizeof(type) * (count), (va)))
/* The guest's own access, by its page tables; false: it faults. */
bool guest_store(struct vcpu *v, vaddr_t va, const void *src, size_t n);

/* --- interleaving: race.c --- */
extern unsigned race_left;   /* occasions until the next step of the input happens; 0: never */
void race_occasion(void);
void race_read(vaddr_t va, size_t n);    /* the hypervisor reads guest memory: an occasion too */
void race_call_begins(void); /* issued anew, it may read all again */
/* While the step in between happens: what the call is about to read again; no bytes: that is not why. */
extern vaddr_t race_again_va;
extern size_t race_again_bytes;
void race_begin(const struct step *s);
void race_end(void);       /* the call under way is to come to its end */
/* Carries out the input's next step, as another CPU, in the middle of the present one. */
void run_nested(void);

/* --- snapshot.c, poison.c --- */
void snapshot_take(void);
void snapshot_restore(void);
void poison_forget(void);    /* as at the snapshot */
void poison_remember(void);

/* --- choices: pick.c --- */
u8 take(struct act *a);
u16 take16(struct act *a);
u64 pick_mfn(struct act *a);
u64 pick_mfn_of(unsigned domain, u8 b);
u64 pick_pte(struct act *a);
u64 pick_va(struct act *a);
u64 pick_entry_ma(struct act *a); /* machine address of a page-table entry */
domid_t pick_domid(struct act *a);
u32 pick_port(struct act *a);
u32 pick_ref(struct act *a);
u32 pick_vcpu(struct act *a);
u32 pick_count(struct act *a);    /* small, rarely not */
u64 pick_word(struct act *a);     /* anything that a guest may have somewhere */
#define PICK(a, list) ((list)[take(a) % ARRAY_SIZE(list)])

/* --- the kinds of steps --- */
step_fn step_mmu_update, step_va_mapping, step_va_mapping_other, step_mmuext, step_fault, step_table_write;
step_fn step_grant_entry, step_grant_map, step_grant_unmap, step_grant_replace, step_grant_copy, step_grant_setup,
    step_grant_transfer, step_grant_swap;
step_after_fn after_grant_map;
step_fn step_event, step_event_bind, step_event_fifo, step_event_word;
step_fn step_reservation, step_exchange, step_memory_query;
step_after_fn after_reservation, after_exchange;
step_fn step_domctl, step_domctl_life, step_domctl_shadow, step_domctl_context;
step_fn step_sched, step_vcpu, step_timer, step_time_passes;
step_fn step_gdt, step_descriptor, step_traps, step_iret, step_registers, step_privileged_instruction;
step_fn step_store, step_poke, step_multicall, step_other;

#endif
