/* SPDX-License-Identifier: MIT */
/* What both of two domains need to meet, and what the peer's attacks have in common. */
#include "meeting.h"

domid_t owner_id;
struct meeting *meet;

void rest(void)
{
    HC2(sched_op, SCHEDOP_yield, 0);
}

long port_close(uint32_t port)
{
    evtchn_close_t close = { port };

    return HC2(event_channel_op, EVTCHNOP_close, PTR(&close));
}

long port_state(uint32_t port)
{
    evtchn_status_t status = { .dom = DOMID_SELF, .port = port };
    long rc = HC2(event_channel_op, EVTCHNOP_status, PTR(&status));

    return rc ? rc : (long)status.status;
}

long give_up(uint64_t mfn)
{
    xen_pfn_t frame = mfn;
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(r.extent_start, &frame);
    return HC2(memory_op, XENMEM_decrease_reservation, PTR(&r));
}

long exchange(uint64_t mfn)
{
    xen_pfn_t in = mfn, out = 0;
    struct xen_memory_exchange x = { .in = { .nr_extents = 1, .domid = DOMID_SELF },
                                     .out = { .nr_extents = 1, .domid = DOMID_SELF } };

    set_xen_guest_handle(x.in.extent_start, &in);
    set_xen_guest_handle(x.out.extent_start, &out);
    return HC2(memory_op, XENMEM_exchange, PTR(&x));
}

/* --- the peer's --- */

int map_ref_at(uint32_t ref, uint64_t host_addr, uint32_t flags, uint32_t *handle)
{
    gnttab_map_grant_ref_t map = { .host_addr = host_addr, .flags = flags, .ref = ref, .dom = owner_id };

    if (HC3(grant_table_op, GNTTABOP_map_grant_ref, PTR(&map), 1))
        return 1;
    if (handle && map.status == GNTST_okay)
        *handle = map.handle;
    return map.status;
}

int map_ref(uint32_t ref, const void *at, uint32_t flags, uint32_t *handle)
{
    return map_ref_at(ref, PTR(at), flags, handle);
}

int unmap_at(uint32_t handle, uint64_t host_addr, uint64_t dev_bus_addr)
{
    gnttab_unmap_grant_ref_t u = { .host_addr = host_addr, .dev_bus_addr = dev_bus_addr, .handle = handle };

    return HC3(grant_table_op, GNTTABOP_unmap_grant_ref, PTR(&u), 1) ? 1 : u.status;
}

int unmap(uint32_t handle, const void *at)
{
    return unmap_at(handle, PTR(at), 0);
}

int copy_between(uint32_t from, uint32_t to)
{
    gnttab_copy_t c = { .source = { .u.ref = from, .domid = owner_id },
                        .dest = { .u.ref = to, .domid = owner_id },
                        .len = 8, .flags = GNTCOPY_source_gref | GNTCOPY_dest_gref };

    return HC3(grant_table_op, GNTTABOP_copy, PTR(&c), 1) ? 1 : c.status;
}

long bind_owner_port(uint32_t *port)
{
    evtchn_bind_interdomain_t bind = { .remote_dom = owner_id, .remote_port = meet->port };
    long rc = HC2(event_channel_op, EVTCHNOP_bind_interdomain, PTR(&bind));

    *port = bind.local_port;
    return rc;
}

int64_t ask(uint32_t command, uint64_t arg)
{
    uint64_t end = coarse_time() + PATIENCE_NS;

    meet->arg = arg;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    meet->command = command;
    for (; coarse_time() < end; rest())
        if (meet->command != command)
            return meet->answer;
    return NO_ANSWER;
}

void owner_dismiss(void)
{
    if (meet)
        meet->command = POWER_OFF;
}

bool find_owner(void)
{
    void *va;

    if (meet)
        return true;
    va = page_alloc();
    for (owner_id = 1; owner_id < DOMID_FIRST_RESERVED; owner_id++) {
        int status = map_ref(REF_MEETING, va, GNTMAP_host_map, NULL);

        if (status == GNTST_okay) {
            meet = va;
            break;
        }
        MUST(status == GNTST_bad_domain || status == GNTST_general_error || status == GNTST_bad_gntref);
    }
    MUST(meet && meet->magic == MAGIC);
    return true;
}
