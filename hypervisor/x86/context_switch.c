/* SPDX-License-Identifier: MIT */
/*
 * Switching a CPU from one vCPU to another. State is moved eagerly: once
 * context_switch has called sched_context_saved(prev), nothing of prev is left
 * in this CPU, and another may run it.
 *
 * Which parts live where while a guest runs: registers at the stack's top;
 * FS base, and the GS bases of both modes (the active one in GS_BASE, the
 * other in KERNEL_GS_BASE) in the CPU, since guests may have WRGSBASE; the
 * selectors in the CPU; everything else only in struct pv_vcpu.
 */
#include <zelo/domain.h>
#include <zelo/log.h>
#include <arch/machine.h>

#include "../pv/traps.h"
#include "debugreg.h"
#include "descriptor_tables.h"
#include "entry.h"
#include "fpu.h"
#include "speculation.h"
#include "xpti.h"

/* --- CR3 --- */

/* The mode's root, or its shadow: every root of a domain in log-dirty mode has one (pv/roots.c). */
static u64 mode_cr3(const struct vcpu *v)
{
    mfn_t root = v->pv.flags & PVF_KERNEL ? v->pv.root_kernel : v->pv.root_user;

    if (unlikely(v->domain->pv.shadow))
        return (u64)mfn_to_page(root)->pt.shadow << PAGE_SHIFT;
    return root.n << PAGE_SHIFT;
}

void pv_load_cr3(struct vcpu *v)
{
    v->pv.cr3 = mode_cr3(v);
    xpti_set_cr3(v);
    write_cr3(v->pv.cr3);
}

void pv_load_ldt(struct vcpu *v)
{
    ldt_load(this_cpu(), PERDOMAIN_LDT(v->id), v->pv.ldt_entries);
}

void pv_toggle_mode(struct vcpu *v)
{
    v->pv.flags ^= PVF_KERNEL;
    __asm__ volatile("swapgs");
    pv_load_cr3(v);
}

bool pv_guest_kernel_mode(const struct vcpu *v, const struct cpu_user_regs *regs)
{
    (void)regs;
    return v->pv.flags & PVF_KERNEL;
}

/* --- segment bases --- */

void pv_write_fs_base(u64 base) { wrmsr(MSR_FS_BASE, base); }
void pv_write_gs_base(u64 base) { wrmsr(MSR_GS_BASE, base); }
void pv_write_gs_base_other(u64 base) { wrmsr(MSR_KERNEL_GS_BASE, base); }
u64 pv_read_fs_base(void) { return rdmsr(MSR_FS_BASE); }
u64 pv_read_gs_base(void) { return rdmsr(MSR_GS_BASE); }
u64 pv_read_gs_base_other(void) { return rdmsr(MSR_KERNEL_GS_BASE); }

static void bases_save(struct vcpu *v)
{
    u64 active = rdmsr(MSR_GS_BASE), other = rdmsr(MSR_KERNEL_GS_BASE);
    bool kernel = v->pv.flags & PVF_KERNEL;

    v->pv.fs_base = rdmsr(MSR_FS_BASE);
    v->pv.gs_base_kernel = kernel ? active : other;
    v->pv.gs_base_user = kernel ? other : active;
}

static void bases_load(const struct vcpu *v)
{
    bool kernel = v->pv.flags & PVF_KERNEL;

    wrmsr(MSR_FS_BASE, v->pv.fs_base);
    wrmsr(MSR_GS_BASE, kernel ? v->pv.gs_base_kernel : v->pv.gs_base_user);
    wrmsr(MSR_KERNEL_GS_BASE, kernel ? v->pv.gs_base_user : v->pv.gs_base_kernel);
}

void pv_save_selectors(struct cpu_user_regs *r)
{
    __asm__ volatile("movw %%ds, %0; movw %%es, %1; movw %%fs, %2; movw %%gs, %3"
                     : "=m"(r->ds), "=m"(r->es), "=m"(r->fs), "=m"(r->gs));
}

/* True if all selectors of r loaded; null in place of each that did not. */
static bool selectors_load(const struct cpu_user_regs *r)
{
    int bad = load_ds_safe(r->ds) | load_es_safe(r->es) | load_fs_safe(r->fs) | load_gs_safe(r->gs);

    return !bad;
}

/* SEGBASE_GS_USER_SEL: loads GS as user mode will see it, with the base its descriptor gives. */
bool pv_load_user_gs_selector(u16 selector)
{
    int bad;

    __asm__ volatile("swapgs" ::: "memory");
    bad = load_gs_safe(selector);
    __asm__ volatile("swapgs" ::: "memory");
    return !bad;
}

/* --- a whole vCPU --- */

static void vcpu_save(struct vcpu *v)
{
    v->pv.regs = *guest_regs();
    pv_save_selectors(&v->pv.regs);
    bases_save(v);
    fpu_save(v);
    debugreg_save(v);
}

/* Time and runstate areas are the guest kernel's: they may not be mapped in user mode. */
static void vcpu_update_areas(struct vcpu *v)
{
    bool user = !(v->pv.flags & PVF_KERNEL), clock = pvclock_is_stale(v);

    if (!v->runstate_area && !clock)
        return;
    if (user) {
        v->pv.flags |= PVF_KERNEL; /* a fault on the way looks there for the tables that CR3 means */
        pv_load_cr3(v);
    }
    if (clock)
        pvclock_update(v);
    if (v->runstate_area)
        pv_runstate_update(v);
    if (user) {
        v->pv.flags &= ~PVF_KERNEL;
        pv_load_cr3(v);
    }
}

/* cpu_info()->vcpu is v already. */
static void vcpu_load(struct vcpu *v, unsigned cpu)
{
    bool selectors_ok;

    gdt_load_idle(cpu); /* an NMI must find a GDT while CR3 changes under the old one */
    cpumask_set(&v->domain->pv.dirty_cpus, cpu); /* before CR3: who flushes must find this CPU */
    pv_perdomain_load_cpu(v, cpu);
    pv_load_cr3(v);
    gdt_load_vcpu(v->id);
    pv_load_ldt(v);
    *guest_regs() = v->pv.regs;
    selectors_ok = selectors_load(&v->pv.regs);
    bases_load(v);
    fpu_load(v);
    debugreg_load(v);
    pv_msrs_load(v);
    speculation_switch(v->domain);
    vcpu_update_areas(v);
    if (unlikely(!selectors_ok))
        pv_deliver_failsafe(v);
}

static void idle_load(unsigned cpu)
{
    gdt_load_idle(cpu);
    ldt_load(cpu, 0, 0);
    xpti_set_cr3(NULL);
    write_cr3(hypervisor_root.n << PAGE_SHIFT);
}

static no_return void stack_reset_and_go(void *stack, void (*where)(void))
{
    __asm__ volatile("movq %0, %%rsp; jmp __x86_indirect_thunk_rax" :: "r"(stack), "a"(where) : "memory");
    __builtin_unreachable();
}

void context_switch(struct vcpu *prev, struct vcpu *next)
{
    struct cpu_info *info = cpu_info();
    bool idle = next->domain->is_idle;

    if (!prev->domain->is_idle)
        vcpu_save(prev);
    info->vcpu = next;
    if (idle)
        idle_load(info->cpu);
    else
        vcpu_load(next, info->cpu);
    if (!prev->domain->is_idle && prev->domain != next->domain)
        cpumask_clear(&prev->domain->pv.dirty_cpus, info->cpu); /* CR3 is another by now */
    sched_context_saved(prev);
    stack_reset_and_go(&info->regs, idle ? idle_loop : exit_to_guest);
}
