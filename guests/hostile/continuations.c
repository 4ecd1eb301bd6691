/* SPDX-License-Identifier: MIT */
/* Calls that pretend to go on from an earlier round, or are changed between two. */
#include "hostile.h"

#define GOES_ON 0x80000000u /* in the count of the page-table calls */

static mmu_update_t nothing_update(void)
{
    return (mmu_update_t){ .ptr = virt_to_mfn(_text) << 12 | MMU_MACHPHYS_UPDATE, .val = virt_to_pfn(_text) };
}

static bool page_table_lists(void)
{
    mmu_update_t *last = (mmu_update_t *)cliff() - 1;
    uint32_t done = 0xfffffff0u;

    *last = nothing_update();
    GIVES(0, HC4(mmu_update, PTR(last), 1 | GOES_ON, PTR(&done), DOMID_SELF));
    MUST(done == 0xfffffff1u); /* the guest's own counter */
    REFUSED(EFAULT, HC4(mmu_update, PTR(last), 1 | GOES_ON, HYPERVISOR_IMAGE, DOMID_SELF));
    done = 0;
    REFUSED(EFAULT, HC4(mmu_update, PTR(last), 0x7fffffff, PTR(&done), DOMID_SELF));
    MUST(done <= 1);
    REFUSED(EFAULT, HC4(mmu_update, PTR(last), ~0u, PTR(&done), DOMID_SELF));
    REFUSED(EFAULT, HC4(mmuext_op, PTR(cliff()), ~0u, 0, DOMID_SELF));
    return true;
}

static long memory_from(unsigned op, uint64_t start, void *arg)
{
    return HC2(memory_op, op | start << 6, PTR(arg));
}

static bool memory_starts(void)
{
    xen_pfn_t frame = ~0UL;
    struct xen_memory_reservation r = { .nr_extents = 3, .domid = DOMID_SELF };

    set_xen_guest_handle(r.extent_start, &frame);
    REFUSED(EINVAL, memory_from(XENMEM_decrease_reservation, 4, &r));
    REFUSED(EINVAL, memory_from(XENMEM_populate_physmap, ~0UL >> 6, &r));
    GIVES(3, memory_from(XENMEM_populate_physmap, 3, &r));
    REFUSED(EINVAL, memory_from(XENMEM_memory_map, 1, &r));
    r.nr_extents = ~0UL;
    REFUSED(EINVAL, memory_from(XENMEM_decrease_reservation, 0, &r));
    r.nr_extents = 1;
    r.extent_order = 64;
    REFUSED(EPERM, memory_from(XENMEM_populate_physmap, 0, &r));
    r.extent_order = ~0u;
    REFUSED(EPERM, memory_from(XENMEM_decrease_reservation, 0, &r));
    return true;
}

static bool exchange_progress(void)
{
    xen_pfn_t frame = virt_to_mfn(page_alloc());
    struct xen_memory_exchange x = { .in = { .nr_extents = 1, .domid = DOMID_SELF },
                                     .out = { .nr_extents = 1, .domid = DOMID_SELF }, .nr_exchanged = 2 };

    set_xen_guest_handle(x.in.extent_start, &frame);
    set_xen_guest_handle(x.out.extent_start, &frame);
    REFUSED(EINVAL, HC2(memory_op, XENMEM_exchange, PTR(&x)));
    x.nr_exchanged = ~0UL;
    REFUSED(EINVAL, HC2(memory_op, XENMEM_exchange, PTR(&x)));
    x.nr_exchanged = 0;
    x.in.nr_extents = x.out.nr_extents = 1UL << 60;
    x.in.extent_order = x.out.extent_order = 8;
    REFUSED(EINVAL, HC2(memory_op, XENMEM_exchange, PTR(&x)));
    x.in.nr_extents = 1;
    REFUSED(EINVAL, HC2(memory_op, XENMEM_exchange, PTR(&x)));
    return true;
}

static bool lists_within_lists(void)
{
    multicall_entry_t *m = page_alloc(), *last = (multicall_entry_t *)cliff() - 1;

    m[0] = (multicall_entry_t){ .op = __HYPERVISOR_multicall, .args = { PTR(m), 4 } };
    m[1] = (multicall_entry_t){ .op = ~0UL };
    m[2] = (multicall_entry_t){ .op = __HYPERVISOR_mmu_update, .args = { HYPERVISOR_IMAGE, ~0UL,
            HYPERVISOR_IMAGE, 0 } };
    m[3] = (multicall_entry_t){ .op = __HYPERVISOR_xen_version };
    GIVES(0, HC2(multicall, PTR(m), 4));
    GIVES(-XEN_EINVAL, m[0].result);
    GIVES(-XEN_ENOSYS, m[1].result);
    GIVES(-XEN_EFAULT, m[2].result);
    GIVES(4 << 16 | 17, m[3].result);
    *last = m[3];
    REFUSED(EFAULT, HC2(multicall, PTR(last), 0xffffffffu));
    GIVES(4 << 16 | 17, last->result);
    return true;
}

/* A list whose second call leaves for elsewhere. */
static void leave_by_list(void *p)
{
    static multicall_entry_t m[3];

    m[0] = (multicall_entry_t){ .op = __HYPERVISOR_xen_version };
    m[1] = (multicall_entry_t){ .op = __HYPERVISOR_iret };
    m[2] = (multicall_entry_t){ .op = __HYPERVISOR_xen_version };
    __asm__ volatile("movq %0, %%rsp; syscall; ud2"
                     :: "r"(p), "a"(__HYPERVISOR_multicall), "D"(m), "S"(3UL) : "memory");
}

static bool iret_in_list(void)
{
    static struct iret_context f;

    f = frame_here(PTR(code_page()));
    *(uint8_t *)code_page() = 0xcc;
    GIVES(3, catch_trap(leave_by_list, &f));
    MUST(last_trap.rip == PTR(code_page()) + 1);
    f.rip = NOT_CANONICAL;
    MUST(catch_trap(leave_by_list, &f) != TRAP_NONE);
    return true;
}

static void spoil(struct frame *f)
{
    if (f->rax == __HYPERVISOR_multicall) { /* the interrupted one: it is to go on from the next instruction */
        f->rdi = HYPERVISOR_IMAGE;
        f->rsi = 0xffffffffu;
        event_handler = NULL;
    }
}

/* The registers of a call that goes on, changed by the event handler that came between. */
static bool spoiled_registers(void)
{
    multicall_entry_t *m = page_alloc();
    evtchn_bind_ipi_t ipi = { .vcpu = 0 };
    evtchn_send_t send;
    evtchn_close_t close;
    long rc;

    MUST(!HC2(event_channel_op, EVTCHNOP_bind_ipi, PTR(&ipi)));
    send.port = close.port = ipi.port;
    shared_info->evtchn_mask[ipi.port / 64] &= ~(1UL << ipi.port % 64);
    m[0] = (multicall_entry_t){ .op = __HYPERVISOR_event_channel_op, .args = { EVTCHNOP_send, PTR(&send) } };
    for (unsigned i = 1; i < 60; i++)
        m[i] = (multicall_entry_t){ .op = __HYPERVISOR_xen_version, .result = 1 };
    event_handler = spoil;
    vcpu_info()->evtchn_upcall_mask = 0;
    rc = HC2(multicall, PTR(m), 60);
    vcpu_info()->evtchn_upcall_mask = 1;
    MUST(!event_handler);
    GIVES(-XEN_EFAULT, rc);
    MUST(m[59].result == 1);
    shared_info->evtchn_pending[ipi.port / 64] = 0;
    return !HC2(event_channel_op, EVTCHNOP_close, PTR(&close));
}

const struct attack continuation_attacks[] = {
    { "lists that go on", page_table_lists },
    { "memory calls that go on", memory_starts },
    { "exchanges that go on", exchange_progress },
    { "lists within lists", lists_within_lists },
    { "iret in a list", iret_in_list },
    { "registers changed between", spoiled_registers },
    { NULL, NULL },
};
