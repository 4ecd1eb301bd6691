/* SPDX-License-Identifier: MIT */
/*
 * The paravirtual machine: what a PV guest sees as its CPU and its page
 * tables.  The pv/ room, entered from x86/entry.S.
 */
#ifndef ZELO_PV_H
#define ZELO_PV_H

#include <zelo/cpumask.h>
#include <zelo/hypercall.h>
#include <zelo/lock.h>
#include <zelo/page.h>
#include <zelo/types.h>

#include <xen/xen.h>

struct domain;
struct vcpu;

/* pv_vcpu.flags; offsets of this structure reach the entry code through x86/asm_offsets.c */
#define PVF_KERNEL (1u << 0)            /* runs in guest kernel mode (kernel page tables, kernel GS) */
#define PVF_SYSCALL_MASKS (1u << 1)     /* CALLBACKF_mask_events per callback */
#define PVF_SYSCALL32_MASKS (1u << 2)
#define PVF_SYSENTER_MASKS (1u << 3)
#define PVF_FAILSAFE_MASKS (1u << 4)
#define PVF_NMI_MASKED (1u << 5)

struct pv_vcpu {
    /* Owned by the vCPU itself while it runs, by whoever paused it else. */
    struct cpu_user_regs regs;          /* while not running; running: top of the CPU's stack */
    u32 flags;                          /* PVF_ */
    u32 nmi_pending;                    /* (a) 0 or 1 */
    u32 iopl;                           /* virtual IOPL, 0..3 */
    vaddr_t kernel_sp;                  /* and kernel_ss: pv_set_kernel_stack */
    u64 kernel_ss;
    vaddr_t syscall_frame;              /* where a system call's frame begins on it; 0: not where one may be */
    vaddr_t event_callback, failsafe_callback, syscall_callback, syscall32_callback, sysenter_callback, nmi_callback;
    u64 fs_base, gs_base_kernel, gs_base_user; /* gs_base_kernel: the one active in kernel mode */
    u64 ctrlreg[5];                     /* virtual CR0..CR4 (2: in vcpu_info) */
    u64 dr[8];
    struct trap_info *traps;            /* 256 entries, own page */
    u8 *iobitmap_va; u32 iobitmap_nports; /* PHYSDEVOP_set_iobitmap, guest address */
    mfn_t gdt_frames[16]; u32 gdt_entries;
    vaddr_t ldt_base; u32 ldt_entries;
    spinlock_t ldt_lock; u32 ldt_mapped; /* bitmap of LDT pages shadow-mapped */
    void *fpu;                          /* XSAVE area, 64-byte aligned */
    u64 xcr0, xcr0_accum;
    bool fpu_initialised, ts; /* ts: guest's virtual CR0.TS */
    bool dr7_active;
    struct pv_msrs {                    /* MSRs of its own; in the CPU while it runs (pv_msrs_load) */
        u64 spec_ctrl;
        u32 tsc_aux;
        bool cpuid_fault;               /* MISC_FEATURES_ENABLES: the kernel wants user mode's CPUID to fault */
    } msrs;

    /* Page tables; referenced and typed while here. Kernel root never invalid on a running vCPU. */
    mfn_t root_kernel, root_user;       /* L4 frames; user: MFN_INVALID if none */
    u64 cr3;                            /* what pv_load_cr3 loaded; CR3 while it runs if cr3_indirect */
    struct page *undo;                  /* referenced; a table this vCPU's hypercall left half undone (pv/pt_undo.c) */
};

/* The root in use in the vCPU's mode. */
static inline mfn_t pv_mode_root(const struct pv_vcpu *pv)
{
    return pv->flags & PVF_KERNEL ? pv->root_kernel : pv->root_user;
}

struct cpuid_policy;                    /* pv/cpuid.c */
struct msr_policy;

struct pv_domain {
    cpumask_t dirty_cpus;               /* CPUs whose TLB may hold this domain's translations */
    spinlock_t pt_lock;                 /* LOCK_PAGE_TABLES: page-table types and entries of this domain's tables */
    u64 *perdomain_l3;                  /* see pv/perdomain.c; NULL: no area (idle) */
    mfn_t perdomain_root;               /* L3 frame that slot 258 of its L4s points to */
    u64 **perdomain_l1;                 /* L1 pages of the area, by index */
    u32 perdomain_l1_count;
    struct cpuid_policy *cpuid;         /* own; changed only while the domain has not run (domctl lock) */
    u32 pci_config_address;             /* what it wrote last to port 0xcf8; its own locking */
    bool tsc_disabled;
    bool cr3_indirect;                  /* xpti or shadow: CR3 is more than the number of the root in use */
    bool xpti;                          /* runs without the hypervisor's mappings: x86/xpti.c */
    bool l1tf;                          /* may not have absent entries that point to RAM: pt_absent_refused */
    void *relmem_cursor; u32 relmem_phase; /* progress of pv_domain_relinquish */
    u64 tlb_flushed_at;                 /* (a) pv/pt_flush.c: all its CPUs were flushed at this tick */
    struct shadow *shadow;              /* log-dirty mode (pv/shadow.h); NULL: off. Changes while paused, pt_lock */
    struct log_dirty *log_dirty;        /* its record; once made, stays for good */
    u64 foreign_unmapped_at;            /* (a) tick at which another domain lost a writable mapping of its frame */
};

int pv_domain_init(struct domain *d);      /* per-domain area, CPUID policy */
void pv_domain_free(struct domain *d);
int pv_vcpu_init(struct vcpu *v);
void pv_vcpu_free(struct vcpu *v);

/* False where the CPU has no no-execute bit: entries with it are refused. Set at boot, before the first domain. */
extern bool pt_nx_usable;

/* --- page tables: pv/page_type.c, pv/mmu_update.c, pv/mmuext.c, pv/va_mapping.c ... --- */
hypercall_fn do_mmu_update, do_mmuext_op, do_update_va_mapping, do_update_va_mapping_otherdomain;
/* Drops roots, pins and page types and all frames of a dying domain: 0 or -E_PREEMPTED. */
int must_check pv_domain_relinquish(struct domain *d);
/* A fault at a write to a page-table page that the guest holds read-only: emulates it. True if handled. */
bool pv_emulate_pt_write(vaddr_t va, struct cpu_user_regs *regs);
/* A fault in the per-domain LDT window: maps the guest's LDT page. True if handled. */
bool pv_map_ldt_page(struct vcpu *v, unsigned page);
/* Drops all shadow-mapped LDT pages; true if any was mapped (flush needed by the caller). */
bool pv_unmap_ldt(struct vcpu *v);
/* Maps the frames (already PGT_SEG_DESC) as v's GDT; MFN_INVALID entries map nothing. */
int pv_set_gdt(struct vcpu *v, const u64 *frames, unsigned entries);
void pv_drop_gdt(struct vcpu *v);
/* Writes the hypervisor's slots into an L4 page of d (validation of an L4; idle and boot tables too). */
void pv_fill_hypervisor_slots(u64 *l4, struct domain *d);
/* Installs the reserved GDT page of the CPU into v's per-domain GDT window (context switch). */
void pv_perdomain_load_cpu(struct vcpu *v, unsigned cpu);
/* Reads the guest page-table entry that maps va in the current kernel or user tables; 0 if none. */
u64 pv_walk_l1e(struct vcpu *v, vaddr_t va);
/* Is the frame used as page table of d at level 1..4 (XEN_DOMCTL_getpageframeinfo3)? */
u32 pv_frame_info(struct domain *d, struct page *p);
/* Sets the roots at domain building and VCPUOP_initialise: takes references and types. 0, -EINVAL, -E_PREEMPTED. */
int must_check pv_set_roots(struct vcpu *v, mfn_t kernel, mfn_t user);
/* --- log-dirty mode: pv/shadow_op.c, pv/shadow.c, pv/log_dirty.c --- */
struct xen_domctl_shadow_op;
int pv_shadow_op(struct domain *d, struct xen_domctl_shadow_op *op);
/*
 * Whoever writes to a guest's frame by other ways than the guest's own mappings says so here, after the write;
 * does nothing unless its owner is in log-dirty mode.  The caller holds a reference.  No lock.
 */
void pv_mark_dirty(struct domain *d, mfn_t m);
void pv_mark_page_dirty(struct page *p);
/*
 * A page fault at va while the current domain runs on shadow tables: true if the access is to be tried again.
 * Else the fault is the guest's, with *error (the CPU's error code) as its own tables make it.  Any interrupt state.
 */
bool pv_shadow_fault(vaddr_t va, u32 *error);
/* From pt_update.c, grant_map.c and page_type.c, for a domain in log-dirty mode, pt_lock held. */
void pv_shadow_entry_changed(struct domain *d, u64 *pte);
void pv_shadow_table_gone(struct page *guest);

/* --- CPU state: pv/context.c, pv/traps.c, pv/callback.c, pv/emulate_*.c, pv/descriptor.c --- */
hypercall_fn do_set_trap_table, do_set_callbacks, do_callback_op, do_iret, do_stack_switch, do_set_segment_base,
    do_set_gdt, do_update_descriptor, do_set_debugreg, do_get_debugreg, do_fpu_taskswitch, do_mca;
/* Guest context as in vcpu_guest_context (VCPUOP_initialise, XEN_DOMCTL_setvcpucontext, dom0's first). */
int must_check pv_set_context(struct vcpu *v, const vcpu_guest_context_t *c);
void pv_get_context(struct vcpu *v, vcpu_guest_context_t *c);
/* Callbacks of 32-bit programs (XEN_DOMCTL_set_ext_vcpucontext): -EINVAL for a non-canonical address. */
int must_check pv_set_ext_callbacks(struct vcpu *v, vaddr_t syscall32, bool syscall32_masks, vaddr_t sysenter,
                                    bool sysenter_masks);
/* Fills a guest's hypercall page. x86/hypercall_page.c */
void hypercall_page_fill(void *page);
/* Loads v's CPU state (segments, bases, FPU, debug registers, CR3, syscall stubs) on this CPU; saves it. */
void pv_ctxt_save(struct vcpu *v);
void pv_ctxt_load(struct vcpu *v);
/* Loads the CR3 of v's current mode (kernel or user) on this CPU; v is current. v->pv.cr3 becomes it. */
void pv_load_cr3(struct vcpu *v);
/* Makes the CPU use v's ldt_base and ldt_entries; v is current. */
void pv_load_ldt(struct vcpu *v);
/* Delivers a trap to the running guest's handler: builds its frame. error < 0: no error code. */
void pv_inject_trap(unsigned vector, s64 error);
void pv_inject_page_fault(vaddr_t cr2, u32 error);
/* Kernel<->user mode of the current vCPU: GS, CR3. */
void pv_toggle_mode(struct vcpu *v);
bool pv_guest_kernel_mode(const struct vcpu *v, const struct cpu_user_regs *regs);
/* Makes the running or sleeping vCPU notice pending events. Any context. */
void vcpu_kick(struct vcpu *v);
/* Makes an NMI pending (dom0: NMI watchdog, PCI SERR). */
void pv_raise_nmi(struct vcpu *v);
/* Prints the guest's registers and stack, for domain_crash. */
void pv_dump_guest(struct vcpu *v);
u32 pv_wordsize_bits(const struct domain *d); /* 64; 32-bit kernels are refused */

/* From pv_domain_init and pv_domain_free: the domain's CPUID and MSR policy starts as the default one. */
int must_check pv_cpuid_domain_init(struct domain *d);
void pv_cpuid_domain_free(struct domain *d);
/* From pv_ctxt_load, interrupts off: v's TSC_AUX, SPEC_CTRL, CPUID faulting and CR4.TSD. pv/msr_switch.c */
void pv_msrs_load(const struct vcpu *v);
/* The XCR0 bits that d may set, 0 without XSAVE; and whether it may set exactly this value. */
u64 pv_xcr0_allowed(const struct domain *d);
bool pv_xcr0_valid(const struct domain *d, u64 xcr0);

/* CPUID as the domain sees it. */
struct cpuid_regs { u32 a, b, c, d; };
void pv_cpuid(struct vcpu *v, u32 leaf, u32 subleaf, struct cpuid_regs *out);
struct xen_domctl;
int pv_domctl_cpu_policy(struct domain *d, struct xen_domctl *op); /* get and set_cpu_policy */
struct xen_sysctl;
int pv_sysctl_cpu_policy(struct xen_sysctl *op);  /* get_cpu_policy, get_cpu_featureset, get_cpu_levelling_caps */
struct xen_domctl_vcpu_msrs;
int pv_vcpu_msrs(struct vcpu *v, struct xen_domctl_vcpu_msrs *op, bool set);
struct xen_domctl_vcpuextstate;
int pv_vcpu_extstate(struct vcpu *v, struct xen_domctl_vcpuextstate *op, bool set);
/* May the current guest touch these ports (real permission, not IOPL)? */
bool domain_may_use_ports(struct domain *d, u32 first, u32 last);

/* --- the CPU's own state of a vCPU that does not run, or current before it first does: x86/fpu.c, x86/debugreg.c --- */
int must_check pv_fpu_init(struct vcpu *v);    /* the area, in its initial state; -ENOMEM */
void pv_fpu_free(struct vcpu *v);
void pv_fpu_reset(struct vcpu *v);             /* as after FNINIT */
size_t pv_fpu_area_size(void);                 /* bytes, standard XSAVE format (FXSAVE's without XSAVE) */
int must_check pv_debugreg_set(struct vcpu *v, unsigned reg, u64 value); /* as pv_write_debugreg */

/* --- time area: x86/pvclock.c --- */
/*
 * vcpu_info.time and the registered secondary area.  The second only if v is the current vCPU, its kernel page
 * tables loaded.  Needed once, for the values do not change; again only after either of them moved.
 */
void pvclock_update(struct vcpu *v);
bool pvclock_is_stale(const struct vcpu *v); /* on switching in: is pvclock_update due? */
void pvclock_wallclock_update(struct domain *d); /* shared_info wc_* */
void pv_runstate_update(struct vcpu *v);    /* the registered runstate area, on switching in */

/* --- privileged instructions: pv/emulate*.c; regs are guest_regs() of the current vCPU --- */
/* #GP in a guest: true if the instruction was emulated (RIP advanced) or a fault was injected for it. */
bool pv_emulate_privileged(struct cpu_user_regs *regs);
/* #UD in a guest: the forced-emulation prefix of <xen/arch-x86/xen.h> before CPUID. True if handled. */
bool pv_emulate_forced_cpuid(struct cpu_user_regs *regs);
/*
 * State that lives in the CPU while the vCPU runs; pv/context.c keeps pv_vcpu in step.  Current vCPU only.
 * base: canonical; xcr0, dr: already validated by the caller.
 */
void pv_write_fs_base(u64 base);
void pv_write_gs_base(u64 base);        /* the one active now */
void pv_write_gs_base_other(u64 base);  /* the one of the other mode */
u64 pv_read_fs_base(void);
u64 pv_read_gs_base(void);
u64 pv_read_gs_base_other(void);
void pv_write_xcr0(u64 xcr0);           /* XCR0, also in xcr0_accum */
void pv_save_selectors(struct cpu_user_regs *r); /* DS, ES, FS, GS as they are in the CPU */
bool must_check pv_load_user_gs_selector(u16 selector); /* GS of user mode with its descriptor's base; false: null now */
void pv_set_ts(bool ts);                /* virtual CR0.TS */
int must_check pv_write_debugreg(unsigned reg, u64 value); /* 0..7: checks, 0 or -EPERM/-EINVAL */

/* --- domain 0: pv/dom0_*.c --- */
struct boot_module;
/*
 * Reads dom0_mem=, dom0_max_vcpus=, dom0_vcpus_pin; creates domain 0 and its vCPUs, builds it from the
 * kernel and initrd (NULL: none) modules, unpauses it.  Panics with one clear line if it cannot.
 */
void dom0_create(const struct boot_module *kernel, const struct boot_module *initrd);

#endif
