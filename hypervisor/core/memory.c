/* SPDX-License-Identifier: MIT */
/*
 * HYPERVISOR_memory_op (<xen/memory.h>): a domain's memory reservation, and
 * what it may know of the machine's memory.
 *
 * The low bits of the command are the operation, the others the progress of a
 * call that was preempted.  Operations that the table does not name answer
 * -EOPNOTSUPP; numbers that the ABI does not have, -ENOSYS.
 */
#include "memory_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/nospec.h>

#define MEMOP_EXTENT_SHIFT 6
#define MEMOP_LAST XENMEM_acquire_resource

#define GUEST_MAX_ORDER 9 /* 2 MiB */

#define RESUMES (1u << 0) /* takes up where an earlier round stopped */

static const struct memory_entry {
    memory_fn *fn;
    u32 flags;
} memory_table[MEMOP_LAST + 1] = {
    [XENMEM_increase_reservation] = { memory_increase_reservation, RESUMES },
    [XENMEM_decrease_reservation] = { memory_decrease_reservation, RESUMES },
    [XENMEM_populate_physmap] = { memory_populate_physmap, RESUMES },
    [XENMEM_exchange] = { memory_exchange, 0 },
    [XENMEM_maximum_ram_page] = { memory_maximum_ram_page, 0 },
    [XENMEM_current_reservation] = { memory_current_reservation, 0 },
    [XENMEM_maximum_reservation] = { memory_maximum_reservation, 0 },
    [XENMEM_maximum_gpfn] = { memory_maximum_gpfn, 0 },
    [XENMEM_machphys_mapping] = { memory_machphys_mapping, 0 },
    [XENMEM_machphys_mfn_list] = { memory_machphys_mfn_list, 0 },
    [XENMEM_memory_map] = { memory_memory_map, 0 },
    [XENMEM_machine_memory_map] = { memory_machine_memory_map, 0 },
    [XENMEM_set_memory_map] = { memory_set_memory_map, 0 },
    [XENMEM_claim_pages] = { memory_claim_pages, 0 },
    [XENMEM_get_pod_target] = { memory_pod_target, 0 },
    [XENMEM_set_pod_target] = { memory_set_pod_target, 0 },
    [XENMEM_get_sharing_freed_pages] = { memory_no_sharing, 0 },
    [XENMEM_get_sharing_shared_pages] = { memory_no_sharing, 0 },
    [XENMEM_add_to_physmap] = { memory_for_translated_only, 0 },
    [XENMEM_add_to_physmap_batch] = { memory_for_translated_only, 0 },
    [XENMEM_remove_from_physmap] = { memory_for_translated_only, 0 },
    [XENMEM_acquire_resource] = { memory_acquire_resource, RESUMES },
};

unsigned memory_max_order(void)
{
    return current->domain->is_privileged ? HEAP_MAX_ORDER : GUEST_MAX_ORDER;
}

bool memory_heap_flags(unsigned mem_flags, u32 *flags)
{
    unsigned bits = XENMEMF_get_address_bits(mem_flags);

    /* All memory is node 0, real or virtual. */
    if ((mem_flags & XENMEMF_exact_node_request) && XENMEMF_get_node(mem_flags) != 0)
        return false;
    *flags = bits && bits < 64 ? HEAP_DMA_BITS(bits) : 0;
    return true;
}

long do_memory_op(const struct hypercall_args *a)
{
    unsigned op = a->arg[0] & ((1u << MEMOP_EXTENT_SHIFT) - 1);
    struct memory_call c = { .arg = a->arg[1], .start = a->arg[0] >> MEMOP_EXTENT_SHIFT };
    long rc;

    if (op > MEMOP_LAST)
        return -ENOSYS;
    op = array_index_nospec(op, MEMOP_LAST + 1);
    if (!memory_table[op].fn)
        return -EOPNOTSUPP;
    if (c.start && !(memory_table[op].flags & RESUMES))
        return -EINVAL;
    rc = memory_table[op].fn(&c);
    if (rc == -E_PREEMPTED) {
        struct hypercall_args next = { { op | c.start << MEMOP_EXTENT_SHIFT, c.arg } };

        return hypercall_continue(__HYPERVISOR_memory_op, &next);
    }
    return rc;
}
