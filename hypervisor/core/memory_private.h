/* SPDX-License-Identifier: MIT */
/* Between the files of core/memory*.c. */
#ifndef ZELO_CORE_MEMORY_PRIVATE_H
#define ZELO_CORE_MEMORY_PRIVATE_H

#include <zelo/domain.h>
#include <zelo/memory.h>

#include <xen/memory.h>

struct memory_call {
    vaddr_t arg; /* guest address of the operation's structure */
    u64 start;   /* extents, or what the operation counts, done by earlier rounds of this call */
};

/* One XENMEM_* operation.  On -E_PREEMPTED the call is issued again with 'start' as it is then. */
typedef long memory_fn(struct memory_call *c);

memory_fn memory_increase_reservation, memory_decrease_reservation, memory_populate_physmap, memory_exchange;
memory_fn memory_maximum_ram_page, memory_current_reservation, memory_maximum_reservation, memory_maximum_gpfn,
    memory_machphys_mapping, memory_machphys_mfn_list, memory_claim_pages, memory_pod_target,
    memory_set_pod_target, memory_no_sharing, memory_for_translated_only;
memory_fn memory_memory_map, memory_machine_memory_map, memory_set_memory_map;
memory_fn memory_acquire_resource;

/* Largest extent that the caller may ask for, as an order. */
unsigned memory_max_order(void);
/* HEAP_ flags for mem_flags; false if they name memory that there is not. */
bool must_check memory_heap_flags(unsigned mem_flags, u32 *flags);

#endif
