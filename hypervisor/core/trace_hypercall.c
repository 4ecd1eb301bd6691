/* SPDX-License-Identifier: MIT */
/*
 * TRC_PV_HYPERCALL_V2 and TRC_PV_HYPERCALL_SUBCALL: the call's number and those
 * arguments that say what is asked for and how much of it.
 */
#include <zelo/nospec.h>
#include <zelo/trace.h>

#include <xen/xen.h>

#define ARG(i) (1u << (i))

/* Arguments told, by the call's number: commands and counts, which have 32 bits. */
static const u8 told[] = {
    [__HYPERVISOR_mmu_update] = ARG(1),
    [__HYPERVISOR_multicall] = ARG(1),
    [__HYPERVISOR_grant_table_op] = ARG(0) | ARG(2),
    [__HYPERVISOR_vcpu_op] = ARG(0) | ARG(1),
    [__HYPERVISOR_mmuext_op] = ARG(1),
    [__HYPERVISOR_sched_op] = ARG(0),
    [__HYPERVISOR_memory_op] = ARG(0),
    [__HYPERVISOR_xen_version] = ARG(0),
    [__HYPERVISOR_console_io] = ARG(0) | ARG(1),
    [__HYPERVISOR_event_channel_op] = ARG(0),
    [__HYPERVISOR_physdev_op] = ARG(0),
};

void trace_hypercall(u32 event, unsigned long nr, const unsigned long *args)
{
    u32 words[TRACE_EXTRA_MAX] = { (u32)nr & ~TRC_PV_HYPERCALL_V2_ARG_MASK };
    u8 args_told = nr < ARRAY_SIZE(told) ? told[array_index_nospec(nr, ARRAY_SIZE(told))] : 0;
    unsigned n = 1;

    for (unsigned i = 0; args_told >> i; i++) {
        if (!(args_told & ARG(i)))
            continue;
        words[0] |= TRC_PV_HYPERCALL_V2_ARG_32(i);
        words[n++] = (u32)args[i];
    }
    trace_record(event, words, n);
}
