/* SPDX-License-Identifier: MIT */
/*
 * Domains and their virtual CPUs: creation, reference counting, death.
 * core/domain*.c.  Each room keeps its own part in a structure of its own,
 * embedded here.
 */
#ifndef ZELO_DOMAIN_H
#define ZELO_DOMAIN_H

#include <zelo/event.h>
#include <zelo/grant.h>
#include <zelo/page.h>
#include <zelo/pv.h>
#include <zelo/rangeset.h>
#include <zelo/sched.h>
#include <zelo/softirq.h>
#include <zelo/timer.h>
#include <zelo/irq.h>
#include <zelo/nospec.h>

#include <xen/xen.h>

#define DOMAIN_MAX_VCPUS 8192 /* far above what the FIFO ABI can serve; arrays are sized per domain */

enum domain_dying { DOMAIN_ALIVE, DOMAIN_DYING, DOMAIN_DEAD };

struct vcpu {
    unsigned id;
    unsigned processor;        /* pCPU; run-queue lock */
    struct domain *domain;
    vcpu_info_t *info;         /* where the guest sees it; never NULL (own_info before it has one) */
    mfn_t info_mfn;            /* its frame if registered by VCPUOP_register_vcpu_info, else MFN_INVALID */

    u32 pause_flags;           /* (a) VPF_ */
    u32 pause_count;           /* (a) */
    bool is_running;           /* on a CPU; run-queue lock */
    bool is_initialised;       /* has a guest context; domain lock */
    bool state_saved;          /* registers are in memory (sched_context_saved) */
    bool paused_for_shutdown;  /* domain lock */
    u32 poll_port;             /* SCHEDOP_poll on a single port: the port; 0: several */
    int dirty_cpu;             /* CPU whose registers or TLB may still hold its state; -1: none */

    struct sched_vcpu sched;
    struct timer periodic_timer, singleshot_timer, poll_timer;
    ns_t period, period_last;
    vaddr_t runstate_area;     /* guest address, 0: none */
    vaddr_t time_area;         /* secondary time info, 0: none */
    struct pvclock_state { u32 version; } clock;

    struct evtchn_vcpu evt;
    struct pv_vcpu pv;
    vcpu_info_t own_info;      /* nobody but the hypervisor reads it */
};

/* True if v has an event to take and would take it (upcall not masked). */
static inline bool vcpu_event_deliverable(const struct vcpu *v)
{
    const vcpu_info_t *info = atomic_read_acquire(&v->info);

    return READ_ONCE(info->evtchn_upcall_pending) && !READ_ONCE(info->evtchn_upcall_mask);
}

struct domain {
    domid_t id;
    u64 refs;                  /* (a); structure freed at zero. Guests' entries for shared frames count */
    struct list link;          /* domain list; list lock */
    bool is_privileged;        /* dom0 */
    bool is_dom0;
    bool is_idle, is_system;   /* idle, DOMID_XEN, DOMID_IO: no guests */
    u8 handle[16];             /* xen_domain_handle_t */
    u32 options;               /* XEN_DOMCTL_CDF_* given at creation */
    u32 ssidref;

    spinlock_t lock;           /* LOCK_DOMAIN */
    enum domain_dying dying;   /* domctl lock to change, READ_ONCE without; not missed under d's locks: domain.c */
    bool is_shutting_down, is_shut_down, creation_finished;
    int shutdown_code;         /* SHUTDOWN_*; -1: none */
    u32 pause_count;           /* (a) */
    u32 tools_pause_count;     /* domain lock */
    struct domain *target;     /* XEN_DOMCTL_set_target: the domain this one may act for */

    struct vcpu **vcpu;        /* max_vcpus pointers, NULL until created */
    unsigned max_vcpus;

    spinlock_t page_lock;      /* LOCK_DOMAIN_PAGES: the fields below */
    u32 page_first, page_last; /* list of frames (struct page links) */
    u64 tot_pages;             /* frames owned, in the list; READ_ONCE without the lock */
    u64 max_pages;             /* XEN_DOMCTL_max_mem; the same */
    u64 claimed_pages;         /* outstanding claim; heap lock */
    u64 shared_pages;          /* unused by PV; reported */
    u64 shr_frames;
    struct e820_range *memory_map; /* XENMEM_set_memory_map, NULL: none; domain lock */
    u32 memory_map_count;

    shared_info_t *shared_info;

    struct rangeset io_ports, io_frames, irqs; /* what it may touch directly */

    ns_t created;
    ns_t time_offset_s;        /* XEN_DOMCTL_settimeoffset */
    struct timer watchdog[2];
    u8 watchdog_inuse;
    u64 vm_assist;             /* bits by VMASST_TYPE_* number; set by vCPUs of d, (a) */
    u32 suspend_port;
    u32 tsc_mode, tsc_incarnation; /* XEN_DOMCTL_settscinfo */

    struct sched_domain sched;
    struct evtchn_domain evt;
    struct grant_table *grants;
    struct pirq_domain pirqs;
    struct pv_domain pv;
    struct tasklet destroy_tasklet;
};

extern struct domain *dom0, *dom_idle, *dom_io, *dom_xen;
extern struct vcpu **idle_vcpu; /* indexed by CPU */

void domain_room_init(void);    /* the pseudo domains */
void domain_dump_init(void);    /* debug keys q, e, g: core/domain_dump.c */
struct vcpu *idle_vcpu_create(unsigned cpu);

struct xen_domctl_createdomain;
/* domid 0..DOMID_FIRST_RESERVED-1, not in use.  A reference for the caller is held by the domain list. -errno in *err. */
struct domain *domain_create(domid_t id, const struct xen_domctl_createdomain *cfg, bool privileged, int *err);
struct vcpu *vcpu_create(struct domain *d, unsigned id); /* NULL: no memory */
/* Finds and references; NULL if none. DOMID_SELF is the current domain. */
struct domain *must_check domain_get(domid_t id);
void domain_hold(struct domain *d);    /* a further reference */
bool must_check domain_hold_unless_dead(struct domain *d); /* one, if d is not at its end; its memory is known to be there */
void domain_put(struct domain *d);     /* the last one frees */
/* The next domain with id >= from, referenced; NULL at the end. */
struct domain *must_check domain_next(unsigned from);

/*
 * Tears down: 0, or -E_PREEMPTED with work left (call again), then the domain
 * waits for its last frame references.  Called under the domctl lock.
 */
int must_check domain_kill(struct domain *d);
void domain_shutdown(struct domain *d, int reason);  /* SHUTDOWN_*; any context with interrupts on */
void domain_resume(struct domain *d);
/* The guest broke the rules: logs why and its registers, shuts it down as crashed. Any context. */
void domain_crash(struct domain *d, const char *fmt, ...) printf_like(2, 3);

/* Access control in one place: may 'by' control 'd' (domctl and foreign mappings)? */
static inline bool domain_controls(const struct domain *by, const struct domain *d)
{
    return by->is_privileged || (by->target && by->target == d);
}

/* The domain of the number, referenced, if the caller is it or controls it: -ESRCH, -EPERM. core/domain_target.c */
int must_check domain_target_get(domid_t id, struct domain **out);

void vcpu_free(struct vcpu *v);         /* NULL is fine; v does not run and cannot be found */

int vcpu_register_info(struct vcpu *v, u64 gmfn, unsigned offset);
void vcpu_unregister_info(struct vcpu *v);

#define for_each_vcpu(d, v)                                         \
    for (unsigned vi_ = 0; vi_ < (d)->max_vcpus; vi_++)             \
        if (((v) = atomic_read_acquire(&(d)->vcpu[vi_])) == NULL) continue; else

static inline struct vcpu *domain_vcpu(const struct domain *d, unsigned id)
{
    return id < d->max_vcpus ? atomic_read_acquire(&d->vcpu[array_index_nospec(id, d->max_vcpus)]) : NULL;
}

/* All of them at once, as a saved domain had them (VMASST_TYPE_* bits); those that are not known are dropped. */
void vm_assist_restore(struct domain *d, u64 assists);

hypercall_fn do_domctl, do_sysctl, do_platform_op, do_xen_version, do_vm_assist, do_nmi_op;

#endif
