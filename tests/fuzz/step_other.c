/* SPDX-License-Identifier: MIT */
/* Steps: what guests do to their memory, calls in a list, and calls with arguments of no sense. */
#include "fuzz.h"

#include <xen/arch-x86/xen-mca.h>
#include <xen/sched.h>

/* By its own page tables. */
bool step_store(struct act *a, struct call *c)
{
    u64 va = pick_va(a) + (take16(a) & 0xff8), value = pick_word(a);

    (void)c;
    (void)guest_store(a->v, va, &value, sizeof(value));
    return false;
}

/* Into the arguments of a vCPU of the same domain, which may be in its call now. */
bool step_poke(struct act *a, struct call *c)
{
    u32 other = take(a) & 1 ? a->v->id : 1 - a->v->id % VCPUS;
    struct vcpu *v = domain_vcpu(a->d, other);
    u64 offset = take(a) * 4UL, value = pick_word(a);
    u8 size = take(a) % 4;

    (void)c;
    if (race_again_bytes)
        (void)guest_store(a->v, race_again_va + offset % ALIGN_UP(race_again_bytes, 4UL), &value, 1UL << size);
    else if (v && args_latest(v))
        (void)guest_store(a->v, args_va(v) + offset % ALIGN_UP(args_latest(v), 4UL), &value, 1UL << size);
    return false;
}

/* Calls whose arguments need no memory. */
static void entry_any(struct act *a, multicall_entry_t *e)
{
    static const u8 numbers[] = { __HYPERVISOR_update_va_mapping, __HYPERVISOR_stack_switch,
                                  __HYPERVISOR_fpu_taskswitch, __HYPERVISOR_sched_op, __HYPERVISOR_mmu_update,
                                  __HYPERVISOR_mmuext_op, __HYPERVISOR_multicall, __HYPERVISOR_xen_version, 55, 99 };
    struct call sub = { 0 };

    e->op = PICK(a, numbers);
    switch (e->op) {
    case __HYPERVISOR_update_va_mapping:
        e->args[0] = pick_va(a);
        e->args[1] = pick_pte(a);
        e->args[2] = UVMF_INVLPG | UVMF_ALL;
        return;
    case __HYPERVISOR_mmu_update:
        (void)step_mmu_update(a, &sub);
        break;
    case __HYPERVISOR_mmuext_op:
        (void)step_mmuext(a, &sub);
        break;
    default:
        e->args[0] = take(a) % 2;
        e->args[1] = FUZZ_VA + SLOT_STACK * PAGE_SIZE;
        return;
    }
    for (unsigned i = 0; i < 6; i++)
        e->args[i] = sub.a.arg[i];
}

bool step_multicall(struct act *a, struct call *c)
{
    unsigned n = 1 + take(a) % 3;
    multicall_entry_t *list;
    vaddr_t va;

    list = ARG_NEW(a, multicall_entry_t, n, &va);
    memset(list, 0, n * sizeof(*list));
    for (unsigned i = 0; i < n; i++)
        entry_any(a, &list[i]);
    *c = (struct call){ __HYPERVISOR_multicall, { { va, n } } };
    return true;
}

/* Those that are served by x86/ or platform/ are not here. */
bool step_other(struct act *a, struct call *c)
{
    static const u8 numbers[] = {
        __HYPERVISOR_xen_version, __HYPERVISOR_console_io, __HYPERVISOR_mmu_update, __HYPERVISOR_mmuext_op,
        __HYPERVISOR_memory_op, __HYPERVISOR_grant_table_op, __HYPERVISOR_event_channel_op, __HYPERVISOR_vcpu_op,
        __HYPERVISOR_sched_op, __HYPERVISOR_set_gdt, __HYPERVISOR_multicall, __HYPERVISOR_update_descriptor,
        __HYPERVISOR_sched_op_compat, __HYPERVISOR_event_channel_op_compat, __HYPERVISOR_domctl, __HYPERVISOR_mca,
    };
    u8 nr = PICK(a, numbers);
    vaddr_t va;
    u64 *arg;

    arg = ARG_NEW(a, u64, 8, &va);
    for (unsigned i = 0; i < 8; i++)
        arg[i] = i < 3 ? pick_word(a) : 0;
    *c = (struct call){ nr, { { take(a) % 16, take(a) & 1 ? va : pick_word(a), pick_count(a), pick_word(a) } } };
    if (nr == __HYPERVISOR_mmu_update || nr == __HYPERVISOR_mmuext_op || nr == __HYPERVISOR_multicall)
        c->a.arg[0] = va;
    if (nr == __HYPERVISOR_sched_op && c->a.arg[0] == SCHEDOP_shutdown)
        c->a.arg[0] = SCHEDOP_yield;
    return true;
}
