/* SPDX-License-Identifier: MIT */
/* Hypercalls that are given the hypervisor's memory, or no memory, to read from and to write to. */
#include "hostile.h"

#include <xen/callback.h>
#include <xen/nmi.h>
#include <xen/physdev.h>

struct call { unsigned nr, cmd, place; uint64_t more; };

/* The pointer is argument 'place'; 'cmd' is argument 0 where that is not it, 'more' the one behind. */
#define FIRST(n, count) { __HYPERVISOR_##n, 0, 0, count }
#define SECOND(n, command, count) { __HYPERVISOR_##n, command, 1, count }
#define THIRD(n, command) { __HYPERVISOR_##n, command, 2, 0 }

static const struct call calls[] = {
    SECOND(xen_version, XENVER_extraversion, 0), SECOND(xen_version, XENVER_compile_info, 0),
    SECOND(xen_version, XENVER_capabilities, 0), SECOND(xen_version, XENVER_changeset, 0),
    SECOND(xen_version, XENVER_platform_parameters, 0), SECOND(xen_version, XENVER_get_features, 0),
    FIRST(set_trap_table, 0), FIRST(mmu_update, 1), FIRST(set_gdt, 1), FIRST(multicall, 1), FIRST(mmuext_op, 1),
    FIRST(event_channel_op_compat, 0),
    SECOND(memory_op, XENMEM_increase_reservation, 0), SECOND(memory_op, XENMEM_decrease_reservation, 0),
    SECOND(memory_op, XENMEM_populate_physmap, 0), SECOND(memory_op, XENMEM_exchange, 0),
    SECOND(memory_op, XENMEM_current_reservation, 0), SECOND(memory_op, XENMEM_maximum_reservation, 0),
    SECOND(memory_op, XENMEM_maximum_gpfn, 0), SECOND(memory_op, XENMEM_machphys_mapping, 0),
    SECOND(memory_op, XENMEM_memory_map, 0),
    SECOND(event_channel_op, EVTCHNOP_bind_interdomain, 0), SECOND(event_channel_op, EVTCHNOP_bind_virq, 0),
    SECOND(event_channel_op, EVTCHNOP_bind_pirq, 0), SECOND(event_channel_op, EVTCHNOP_close, 0),
    SECOND(event_channel_op, EVTCHNOP_send, 0), SECOND(event_channel_op, EVTCHNOP_status, 0),
    SECOND(event_channel_op, EVTCHNOP_alloc_unbound, 0), SECOND(event_channel_op, EVTCHNOP_bind_ipi, 0),
    SECOND(event_channel_op, EVTCHNOP_bind_vcpu, 0), SECOND(event_channel_op, EVTCHNOP_unmask, 0),
    SECOND(event_channel_op, EVTCHNOP_init_control, 0), SECOND(event_channel_op, EVTCHNOP_expand_array, 0),
    SECOND(event_channel_op, EVTCHNOP_set_priority, 0),
    SECOND(grant_table_op, GNTTABOP_map_grant_ref, 1), SECOND(grant_table_op, GNTTABOP_unmap_grant_ref, 1),
    SECOND(grant_table_op, GNTTABOP_setup_table, 1), SECOND(grant_table_op, GNTTABOP_copy, 1),
    SECOND(grant_table_op, GNTTABOP_query_size, 1), SECOND(grant_table_op, GNTTABOP_unmap_and_replace, 1),
    SECOND(grant_table_op, GNTTABOP_set_version, 1), SECOND(grant_table_op, GNTTABOP_get_status_frames, 1),
    SECOND(grant_table_op, GNTTABOP_get_version, 1), SECOND(grant_table_op, GNTTABOP_swap_grant_ref, 1),
    SECOND(sched_op, SCHEDOP_shutdown, 0), SECOND(sched_op, SCHEDOP_poll, 0),
    SECOND(sched_op, SCHEDOP_remote_shutdown, 0), SECOND(sched_op, SCHEDOP_shutdown_code, 0),
    SECOND(sched_op, SCHEDOP_watchdog, 0),
    THIRD(vcpu_op, VCPUOP_get_runstate_info), THIRD(vcpu_op, VCPUOP_register_runstate_memory_area),
    THIRD(vcpu_op, VCPUOP_set_periodic_timer), THIRD(vcpu_op, VCPUOP_set_singleshot_timer),
    THIRD(vcpu_op, VCPUOP_register_vcpu_info), THIRD(vcpu_op, VCPUOP_register_vcpu_time_memory_area),
    SECOND(callback_op, CALLBACKOP_register, 0), SECOND(callback_op, CALLBACKOP_unregister, 0),
    SECOND(nmi_op, XENNMI_register_callback, 0), SECOND(physdev_op, PHYSDEVOP_set_iopl, 0),
};

/* Those that not everybody may make: the permission may be looked at first. */
static const struct call privileged_calls[] = {
    FIRST(domctl, 0), FIRST(sysctl, 0), FIRST(platform_op, 0), SECOND(memory_op, XENMEM_machine_memory_map, 0),
    SECOND(memory_op, XENMEM_machphys_mfn_list, 0), SECOND(xen_version, XENVER_commandline, 0),
    SECOND(memory_op, XENMEM_set_memory_map, 0), SECOND(memory_op, XENMEM_acquire_resource, 0),
};

static long make(const struct call *c, uint64_t p)
{
    uint64_t a[4] = { c->cmd, 0, 0, DOMID_SELF };

    a[c->place] = p;
    if (c->place < 2)
        a[c->place + 1] = c->more;
    return hypercall(c->nr, a[0], a[1], a[2], a[3], 0, 0);
}

static bool all_refused(uint64_t p)
{
    for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
        long rc = make(&calls[i], p);

        if (rc != -XEN_EFAULT)
            print("  call %u, command %u, pointer %lx\n", calls[i].nr, calls[i].cmd, p);
        GIVES(-XEN_EFAULT, rc);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(privileged_calls); i++) {
        long rc = make(&privileged_calls[i], p);

        if (rc != -XEN_EFAULT && rc != -XEN_EPERM)
            print("  call %u, command %u, pointer %lx\n", privileged_calls[i].nr, privileged_calls[i].cmd, p);
        REFUSED_EITHER(EFAULT, EPERM, rc);
    }
    return true;
}

static bool to_hypervisor(void)
{
    uint64_t own = virt_to_mfn(_text);
    const uint64_t places[] = { PTR(&M2P[own]), HYPERVISOR_IMAGE, HYPERVISOR_IMAGE + 0x100000, PERDOMAIN,
                                FRAME_TABLE,
                                0xffff820000000000UL, DIRECT_MAP, DIRECT_MAP + (own << 12), HYPERVISOR_END - 8 };

    for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
        MUST(all_refused(places[i]));
    MUST(M2P[own] == virt_to_pfn(_text));
    return true;
}

static bool to_nothing(void)
{
    const uint64_t places[] = { 0x10, NOT_CANONICAL, NOT_CANONICAL - 1, 0x8000000000000000UL,
                                0xffff7fffffffffffUL,
                                0xffff7ffffffffff8UL, ~7UL, ~0UL };

    for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
        MUST(all_refused(places[i]));
    return true;
}

/* Half of it is there: one byte, which is less than any of these structures. */
static bool to_the_cliff(void)
{
    return all_refused(PTR(cliff()) - 1);
}

/* Addresses within structures, and those that the hypervisor keeps. */
static bool inner_pointers(void)
{
    const uint64_t places[] = { HYPERVISOR_IMAGE, DIRECT_MAP, HYPERVISOR_END - 8, NOT_CANONICAL,
                                0xffff7ffffffffff8UL };
    mmu_update_t nothing = { .ptr = virt_to_mfn(_text) << 12 | MMU_MACHPHYS_UPDATE, .val = virt_to_pfn(_text) };

    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        struct vcpu_register_runstate_memory_area runstate = { .addr.p = places[i] };
        struct vcpu_register_time_memory_area time = { .addr.p = places[i] };
        sched_poll_t poll = { .nr_ports = 2 };
        struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };
        gnttab_setup_table_t setup = { .dom = DOMID_SELF, .nr_frames = 1 };

        if (places[i] >= HYPERVISOR_IMAGE) { /* elsewhere the page may be mapped later */
            REFUSED(EFAULT, HC3(vcpu_op, VCPUOP_register_runstate_memory_area, 0, PTR(&runstate)));
            REFUSED(EFAULT, HC3(vcpu_op, VCPUOP_register_vcpu_time_memory_area, 0, PTR(&time)));
        }
        set_xen_guest_handle(poll.ports, (evtchn_port_t *)places[i]);
        REFUSED(EFAULT, HC2(sched_op, SCHEDOP_poll, PTR(&poll)));
        poll.nr_ports = ~0u;
        REFUSED(EINVAL, HC2(sched_op, SCHEDOP_poll, PTR(&poll)));
        set_xen_guest_handle(r.extent_start, (xen_pfn_t *)places[i]);
        GIVES(0, HC2(memory_op, XENMEM_decrease_reservation, PTR(&r))); /* how many were done */
        GIVES(0, HC2(memory_op, XENMEM_populate_physmap, PTR(&r)));
        GIVES(0, HC2(memory_op, XENMEM_increase_reservation, PTR(&r)));
        set_xen_guest_handle(setup.frame_list, (xen_pfn_t *)places[i]);
        REFUSED(EFAULT, HC3(grant_table_op, GNTTABOP_setup_table, PTR(&setup), 1));
        REFUSED(EFAULT, HC4(mmu_update, PTR(&nothing), 1, places[i], DOMID_SELF));
        REFUSED(EFAULT, HC3(update_va_mapping, PTR(code_page()), pte(virt_to_mfn(code_page()), PTE_RW | PTE_D),
                            (places[i] & ~3UL) | UVMF_INVLPG));
    }
    return true;
}

const struct attack pointer_attacks[] = {
    { "pointers to the hypervisor", to_hypervisor },
    { "pointers to nothing", to_nothing },
    { "pointers over the edge of a mapping", to_the_cliff },
    { "pointers within structures", inner_pointers },
    { NULL, NULL },
};
