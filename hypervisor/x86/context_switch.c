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
#include "segment_bases.h"
#include "speculation.h"
#include "xpti.h"

/* --- CR3 --- */

/*
 * In log-dirty mode every root has a shadow (pv/roots.c).  With XPTI the ways in and out have to be told; without
 * there is nothing to tell them: v, or none, was current before.
 */
static never_inline void load_cr3_indirect(struct vcpu *v)
{
    if (v->domain->pv.shadow)
        v->pv.cr3 = (u64)mfn_to_page(pv_mode_root(&v->pv))->pt.shadow << PAGE_SHIFT;
    if (v->domain->pv.xpti)
        xpti_set_cr3(v);
    write_cr3(v->pv.cr3);
}

void pv_load_cr3(struct vcpu *v)
{
    v->pv.cr3 = pv_mode_root(&v->pv).n << PAGE_SHIFT;
    if (unlikely(v->domain->pv.cr3_indirect))
        load_cr3_indirect(v);
    else
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

/* --- selectors --- */

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

/* --- a whole vCPU --- */

static void vcpu_save(struct vcpu *v)
{
    v->pv.regs = *guest_regs();
    pv_save_selectors(&v->pv.regs);
    segment_bases_save(v);
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

/*
 * From prev's tables to v's.  A vCPU's GDT lies at an address that its number
 * gives.  An NMI must find one while CR3 changes: where v's lies elsewhere than
 * prev's did, the CPU's own in between.
 */
static void tables_load(const struct vcpu *prev, struct vcpu *v, unsigned cpu)
{
    bool idle = prev->domain->is_idle, elsewhere = idle || prev->id != v->id;

    if (elsewhere && !idle)
        gdt_load_idle(cpu);
    cpumask_set(&v->domain->pv.dirty_cpus, cpu); /* before CR3: who flushes must find this CPU */
    pv_perdomain_load_cpu(v, cpu);
    xpti_set_cr3(NULL); /* what prev had */
    pv_load_cr3(v);
    if (elsewhere)
        gdt_load_vcpu(v->id);
    pv_load_ldt(v);
}

/* cpu_info()->vcpu is v already. */
static void vcpu_load(const struct vcpu *prev, struct vcpu *v, unsigned cpu)
{
    bool selectors_ok;

    tables_load(prev, v, cpu);
    *guest_regs() = v->pv.regs;
    selectors_ok = selectors_load(&v->pv.regs);
    segment_bases_load(v);
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
        vcpu_load(prev, next, info->cpu);
    if (!prev->domain->is_idle && prev->domain != next->domain)
        cpumask_clear(&prev->domain->pv.dirty_cpus, info->cpu); /* CR3 is another by now */
    sched_context_saved(prev);
    stack_reset_and_go(&info->regs, idle ? idle_loop : exit_to_guest);
}
