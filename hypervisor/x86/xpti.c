/* SPDX-License-Identifier: MIT */
/*
 * XPTI: while a guest runs, the hypervisor is not mapped (Meltdown: a CPU with
 * that flaw lets user code read what the tables map for the supervisor only).
 *
 * Each CPU has a root of its own for this. Of the hypervisor's slots it has
 *
 *   256  the machine-to-phys table, as the guest's own L4 has it
 *   257  only what a way in needs before it can change CR3: the entry code, the
 *        IDT, the TSSs, the SYSCALL stubs' data, and this CPU's stack
 *   258  the domain's descriptor tables
 *
 * and everything else is copied from the vCPU's L4 (or its shadow) each time
 * the CPU goes back to the guest, so it cannot be behind what a hypercall has
 * done. Another CPU's changes: an entry taken away is flushed by an interrupt
 * before it matters, and with that comes a new copy; one that was added shows as
 * a fault, which xpti_root_is_stale knows from the guest's own.
 *
 * Nothing is mapped global then (CR4.PGE is off), or the TLB would keep it.
 */
#include "xpti.h"

#include <zelo/domain.h>
#include <zelo/log.h>
#include <zelo/speculation.h>

#include "boot/boot.h"
#include "paging.h"

extern char __entry_text_start[], __entry_text_end[], __entry_data_start[], __entry_data_end[];

static DEFINE_PER_CPU(u64 *, xpti_root);

bool xpti_is_used(void)
{
    return speculation.xpti_dom0 || speculation.xpti_domu;
}

/* --- at boot --- */

static u64 *table_below(u64 *e)
{
    if (!(*e & PTE_P)) {
        u64 *t = heap_alloc(0, 0);

        if (!t)
            panic("No memory for the page tables of XPTI\n");
        *e = virt_to_phys(t) | PTE_P | PTE_RW | PTE_A;
    }
    return phys_to_virt(*e & PTE_ADDR);
}

static void page_map(u64 *root, vaddr_t va, paddr_t pa, u64 flags)
{
    u64 *t = root;

    for (unsigned level = 4; level > 1; level--)
        t = table_below(&t[TABLE_INDEX(va, level)]);
    t[TABLE_INDEX(va, 1)] = pa | (flags & ~PTE_G);
}

static void image_map(u64 *root, const char *start, const char *end, u64 flags)
{
    for (const char *p = start; p < end; p += PAGE_SIZE)
        page_map(root, (vaddr_t)p, image_pa(p), flags);
}

static void stack_map(u64 *root)
{
    vaddr_t stack = (vaddr_t)(cpu_info() + 1) - STACK_SIZE;

    for (unsigned i = 0; i < STACK_SIZE / PAGE_SIZE; i++) {
        vaddr_t va = stack + i * PAGE_SIZE;
        const u64 *e = paging_entry(va, 1);

        if (e && (*e & PTE_P))
            page_map(root, va, *e & PTE_ADDR, PAGE_RW);
    }
}

void xpti_init_cpu(void)
{
    u64 *root;

    if (!xpti_is_used())
        return;
    root = heap_alloc(0, 0);
    if (!root)
        panic("No memory for the page tables of XPTI\n");
    image_map(root, __entry_text_start, __entry_text_end, PAGE_RX);
    image_map(root, __entry_data_start, __entry_data_end, PAGE_RW);
    stack_map(root);
    this_cpu_var(xpti_root) = root;
}

/* --- in use --- */

void xpti_set_cr3(const struct vcpu *v)
{
    struct cpu_info *info = cpu_info();
    bool on = v && v->domain->pv.xpti;

    info->host_cr3 = on ? v->pv.cr3 : 0;
    info->guest_cr3 = on ? virt_to_phys(this_cpu_var(xpti_root)) : 0;
}

/* Entry by entry, each in one access: other CPUs change the original meanwhile. */
static void slots_copy(u64 *to, const u64 *from, unsigned first, unsigned end)
{
    unsigned long n = end - first;

    to += first;
    from += first;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) :: "memory");
}

void xpti_copy_root(const struct vcpu *v)
{
    const u64 *l4 = phys_to_virt(v->pv.cr3);
    u64 *root = this_cpu_var(xpti_root);

    slots_copy(root, l4, 0, L4_SLOT_IMAGE);
    slots_copy(root, l4, L4_SLOT_PERDOMAIN, L4_SLOT_PERDOMAIN + 1);
    slots_copy(root, l4, L4_SLOT_LAST + 1, TABLE_ENTRIES);
}

bool xpti_root_is_stale(const struct vcpu *v, vaddr_t va)
{
    unsigned slot = (unsigned)TABLE_INDEX(va, 4);
    const u64 *l4 = phys_to_virt(v->pv.cr3), *root = this_cpu_var(xpti_root);

    if (slot >= L4_SLOT_IMAGE && slot <= L4_SLOT_LAST)
        return false;
    return (READ_ONCE(l4[slot]) ^ READ_ONCE(root[slot])) & ~(PTE_A | PTE_D);
}
