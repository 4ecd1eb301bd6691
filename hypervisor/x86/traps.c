/* SPDX-License-Identifier: MIT */
/*
 * Exceptions. From a guest: a few mean something to us (descriptor loads that
 * need a page mapped, writes to page tables, privileged instructions), the
 * rest is the guest's own and is delivered to it. From the hypervisor: either
 * an instruction that was expected to fault (exception table), or a bug.
 */
#include <zelo/domain.h>
#include <zelo/guest.h>
#include <zelo/log.h>
#include <zelo/softirq.h>
#include <arch/machine.h>

#include <xen/nmi.h>

#include "../pv/traps.h"
#include "entry.h"
#include "fpu.h"
#include "xpti.h"

enum {
    TRAP_DE = 0, TRAP_DB = 1, TRAP_BP = 3, TRAP_OF = 4, TRAP_BR = 5, TRAP_UD = 6, TRAP_NM = 7, TRAP_DF = 8,
    TRAP_TS = 10, TRAP_NP = 11, TRAP_SS = 12, TRAP_GP = 13, TRAP_PF = TRAP_PAGE_FAULT, TRAP_MF = 16, TRAP_AC = 17,
    TRAP_XM = 19,
};

#define ERROR_IDT 2u /* the selector of an error code names a gate */
#define ERROR_EXT 1u

struct exception_fixup { u64 fault, fixup; };
extern const struct exception_fixup __ex_table_start[], __ex_table_end[];

static bool exception_fixup(struct cpu_user_regs *regs)
{
    for (const struct exception_fixup *e = __ex_table_start; e < __ex_table_end; e++) {
        if (e->fault == regs->rip) {
            regs->rip = e->fixup;
            return true;
        }
    }
    return false;
}

/*
 * A segment load reached for a descriptor in the per-domain area: an LDT page
 * not mapped yet, or one the guest does not have. True if the load may be tried again.
 */
static bool ldt_fault(vaddr_t va, u32 error)
{
    struct vcpu *v = current;
    vaddr_t ldt = PERDOMAIN_LDT(v->id);

    if ((error & PF_PRESENT) || va < ldt || va >= ldt + 0x10000)
        return false;
    return pv_map_ldt_page(v, (unsigned)((va - ldt) >> PAGE_SHIFT));
}

static bool in_perdomain_area(vaddr_t va)
{
    return va >= PERDOMAIN_START && va < PERDOMAIN_START + L4_SLOT_BYTES;
}

/* --- from a guest --- */

static void guest_page_fault(struct cpu_user_regs *regs)
{
    vaddr_t va = read_cr2();
    u32 error = regs->error_code;

    if (unlikely(current->domain->pv.xpti) && xpti_root_is_stale(current, va))
        return; /* the way out makes a new copy */
    arch_irq_enable();
    if (unlikely(in_perdomain_area(va)) && !(error & PF_USER)) {
        /* The CPU's own read of a descriptor: to the guest it is a bad selector. */
        if (!ldt_fault(va, error))
            pv_inject_trap(TRAP_GP, (s64)(va & 0xfff8));
        return;
    }
    if (unlikely(current->domain->pv.shadow) && !(error & PF_RESERVED) && pv_shadow_fault(va, &error))
        return;
    if (pf_write_refused(error) && guest_range_ok(va, 1) && pv_guest_kernel_mode(current, regs) &&
        pv_emulate_pt_write(va, regs))
        return;
    pv_inject_page_fault(va, error);
}

static void guest_general_protection(struct cpu_user_regs *regs)
{
    u32 error = regs->error_code;

    if ((error & ERROR_IDT) && !(error & ERROR_EXT)) {
        pv_software_interrupt(regs, (error >> 3) & 0xff, false);
        return;
    }
    if (!error && pv_emulate_privileged(regs))
        return;
    pv_inject_trap(TRAP_GP, error);
}

static void guest_debug(void)
{
    u64 dr6;

    __asm__ volatile("movq %%dr6, %0" : "=r"(dr6));
    __asm__ volatile("movq %0, %%dr6" :: "r"(DR6_DEFAULT));
    current->pv.dr[6] = dr6;
    pv_inject_trap(TRAP_DB, -1);
}

/* A guest's TS is ours only while it asked for it. */
static void guest_no_device(void)
{
    struct vcpu *v = current;

    if (!v->pv.ts)
        return;
    pv_set_ts(false);
    pv_inject_trap(TRAP_NM, -1);
}

void trap_from_guest(struct cpu_user_regs *regs)
{
    switch (regs->entry_vector) {
    case TRAP_PF:
        guest_page_fault(regs); /* reads CR2 before anything can fault again */
        return;
    case TRAP_DB:
        guest_debug();
        return;
    case TRAP_NM:
        guest_no_device();
        return;
    case TRAP_GP:
        arch_irq_enable();
        guest_general_protection(regs);
        return;
    case TRAP_UD:
        arch_irq_enable();
        if (!pv_emulate_forced_cpuid(regs))
            pv_inject_trap(TRAP_UD, -1);
        return;
    case TRAP_TS:
    case TRAP_NP:
    case TRAP_SS:
    case TRAP_AC:
        pv_inject_trap(regs->entry_vector, regs->error_code);
        return;
    case VECTOR_INT80:
        pv_software_interrupt(regs, VECTOR_INT80, true);
        return;
    case TRAP_DE:
    case TRAP_BP:
    case TRAP_OF:
    case TRAP_BR:
    case TRAP_MF:
    case TRAP_XM:
        pv_inject_trap(regs->entry_vector, -1);
        return;
    default:
        domain_crash(current->domain, "exception %u, error code %x, that no guest can handle", regs->entry_vector,
                     regs->error_code);
    }
}

/* --- from the hypervisor --- */

static no_return void trap_fatal(const struct cpu_user_regs *regs, const char *what)
{
    panic_at(regs, "%s: vector %u, error code %04x, address %016lx\n", what, regs->entry_vector, regs->error_code,
             regs->entry_vector == TRAP_PF ? read_cr2() : regs->rip);
}

/* A copy to or from a guest that runs on shadow tables; with SMAP on, AC is set for them alone. */
static bool shadow_fault_in_hypervisor(const struct cpu_user_regs *regs)
{
    u32 error = regs->error_code;
    struct vcpu *v = current;
    vaddr_t va;
    bool done;

    if (regs->entry_vector != TRAP_PF || !v || !v->domain->pv.shadow || (error & PF_RESERVED))
        return false;
    if (cpu_features.smap && !(regs->rflags & FLAG_AC))
        return false;
    va = read_cr2();
    if (regs->rflags & FLAG_IF)
        arch_irq_enable(); /* frames may have to be flushed before they can be used */
    done = pv_shadow_fault(va, &error);
    arch_irq_disable();
    return done;
}

void trap_in_hypervisor(struct cpu_user_regs *regs)
{
    struct vcpu *v = current;

    if (regs->entry_vector == TRAP_PF && v && !v->domain->is_system && in_perdomain_area(read_cr2()) &&
        ldt_fault(read_cr2(), regs->error_code))
        return;
    if (shadow_fault_in_hypervisor(regs) || exception_fixup(regs))
        return;
    /* A UD2 stands where C leaves undefined what happens: in debug builds everywhere, else where gcc was sure of it. */
    trap_fatal(regs, regs->entry_vector == TRAP_UD ? "Undefined behaviour in the hypervisor"
                                                   : "Unexpected exception in the hypervisor");
}

/*
 * A guest's breakpoint on data that we touch for it, or its single step over
 * SYSENTER (which does not clear TF): neither is for us.
 */
void trap_debug_in_hypervisor(struct cpu_user_regs *regs)
{
    __asm__ volatile("movq %0, %%dr6" :: "r"(DR6_DEFAULT));
    regs->rflags &= ~(u64)FLAG_TF;
    regs->rflags |= FLAG_RF;
}

void trap_double_fault(struct cpu_user_regs *regs)
{
    trap_fatal(regs, "Double fault");
}

void trap_machine_check(struct cpu_user_regs *regs)
{
    trap_fatal(regs, "Machine check");
}

/*
 * Memory parity and bus errors are domain 0's to judge. An NMI comes in the
 * middle of anything, so waking the vCPU, which takes locks, is left to a softirq.
 */
void trap_nmi(struct cpu_user_regs *regs)
{
    u8 reason = inb(0x61);

    (void)regs;
    machine_stop_check(); /* another CPU may have stopped the machine by this NMI: does not return then */
    if (!(reason & 0xc0) || !dom0)
        return;
    if (reason & 0x80)
        atomic_set_bit(&dom0->shared_info->arch.nmi_reason, _XEN_NMIREASON_pci_serr);
    if (reason & 0x40)
        atomic_set_bit(&dom0->shared_info->arch.nmi_reason, _XEN_NMIREASON_io_error);
    softirq_raise(SOFTIRQ_NMI);
    apic_send_self(VECTOR_EVENT_CHECK); /* it may have come on the way out, behind the last look at softirqs */
}

static void nmi_softirq(void)
{
    struct vcpu *v = domain_vcpu(dom0, 0);

    if (v)
        pv_raise_nmi(v);
}

void traps_room_init(void)
{
    softirq_register(SOFTIRQ_NMI, nmi_softirq);
}
