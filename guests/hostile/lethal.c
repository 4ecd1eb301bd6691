/* SPDX-License-Identifier: MIT */
/* What a domain cannot survive, and nobody else may notice; and what does not end by itself. */
#include "hostile.h"


static void set_handler(uint8_t vector, uint64_t address)
{
    static trap_info_t t[2];

    t[0] = (trap_info_t){ vector, 0, FLAT_KERNEL_CS, address };
    HC1(set_trap_table, PTR(t));
}

static bool user_root(void)
{
    return !mmuext(MMUEXT_NEW_USER_BASEPTR, table_of(_text, 4), 0);
}

/* A trap with nowhere to put its frame: the hypervisor's memory, or none. */
static bool stack(uint64_t sp)
{
    __asm__ volatile("movq %0, %%rsp; ud2" :: "r"(sp) : "memory");
    return false;
}
static bool stack_in_hypervisor(void) { return stack(DIRECT_MAP + PAGE_SIZE); }
static bool stack_in_m2p(void) { return stack(PTR(&M2P[virt_to_mfn(_text) + 64])); }
static bool stack_not_canonical(void) { return stack(NOT_CANONICAL + 64); }
static bool stack_wraps(void) { return stack(8); }
static bool stack_on_table(void) { return stack(PTR(mfn_to_virt(table_of(_text, 1))) + PAGE_SIZE); }

static bool kernel_stack(void)
{
    static const uint8_t ud2[] = { 0x0f, 0x0b };
    struct iret_context f = frame_here(PTR(code_page()));

    MUST(user_root());
    HC2(stack_switch, FLAT_KERNEL_SS, HYPERVISOR_IMAGE + 0x8000);
    __builtin_memcpy(code_page(), ud2, sizeof(ud2));
    f.cs = FLAT_USER_CS64;
    leave_to(&f);
    return false;
}

static bool iret_frame(void)
{
    __asm__ volatile("movq %0, %%rsp; syscall" :: "r"(HYPERVISOR_IMAGE), "a"(__HYPERVISOR_iret) : "memory");
    return false;
}

static bool no_user_root(void)
{
    struct iret_context f = frame_here(PTR(code_page()));

    f.cs = FLAT_USER_CS64;
    leave_to(&f);
    return false;
}

/* In 32-bit mode the stack of a 64-bit kernel is elsewhere. */
static bool iret_to_32bit(void)
{
    struct iret_context f = frame_here(PTR(code_page()));

    f.cs = FLAT_RING3_CS32 & ~3u;
    leave_to(&f);
    return false;
}

static bool no_failsafe(void)
{
    struct iret_context f = frame_here(PTR(code_page()));

    HC3(set_callbacks, PTR(event_entry), 0, PTR(syscall_entry));
    f.cs = 0xe008;
    leave_to(&f);
    return false;
}

static bool no_event_handler(void)
{
    evtchn_bind_ipi_t ipi = { .vcpu = 0 };
    evtchn_send_t send;

    HC3(set_callbacks, 0, PTR(failsafe_entry), PTR(syscall_entry));
    MUST(!HC2(event_channel_op, EVTCHNOP_bind_ipi, PTR(&ipi)));
    send.port = ipi.port;
    shared_info->evtchn_mask[ipi.port / 64] &= ~(1UL << ipi.port % 64);
    vcpu_info()->evtchn_upcall_mask = 0;
    HC2(event_channel_op, EVTCHNOP_send, PTR(&send));
    return false;
}

static bool no_syscall_handler(void)
{
    HC3(set_callbacks, PTR(event_entry), PTR(failsafe_entry), 0);
    RUN_USER(0, 0x0f, 0x05);
    return false;
}

static bool no_trap_handler(void)
{
    HC1(set_trap_table, 0);
    __asm__ volatile("ud2");
    return false;
}

/* Each fault pushes a frame, until there is no stack. */
static bool faulting_handler(void)
{
    set_handler(TRAP_PF, 0x1000);
    do_read((void *)0x2000);
    return false;
}

static bool faulting_failsafe(void)
{
    struct iret_context f = frame_here(PTR(code_page()));

    set_handler(TRAP_PF, 0x1000);
    HC3(set_callbacks, PTR(event_entry), DIRECT_MAP, PTR(syscall_entry));
    f.cs = 0xe008;
    leave_to(&f);
    return false;
}

/* Without its own memory: the kernel's half of the root, or a root that has nothing but the hypervisor. */
static bool kernel_unmapped(void)
{
    entry_set(pt_entry(_text, 4), 0);
    mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0);
    return false;
}

static bool empty_root(void)
{
    mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(table_new()), 0);
    return false;
}

/* SYSENTER from kernel mode: no such call, and no stack. Where the CPU does not know it, the same as UD2. */
static bool sysenter(void)
{
    set_handler(TRAP_UD, 0x1000);
    set_handler(TRAP_PF, 0x1000);
    __asm__ volatile("sysenter");
    return false;
}

/* Dies with as much as possible in use and half-done: pins, roots, GDT, LDT, FIFO, channels, a hundred tables. */
static bool all_in_use(void)
{
    uint64_t *l4 = page_alloc(), *l3 = page_alloc(), *l2 = page_alloc();
    uint64_t *gdt = page_alloc(), mfn = virt_to_mfn(gdt);
    evtchn_init_control_t control = { .control_gfn = virt_to_mfn(page_alloc()) };
    evtchn_expand_array_t expand = { .array_gfn = virt_to_mfn(page_alloc()) };
    evtchn_alloc_unbound_t unbound = { .dom = DOMID_SELF, .remote_dom = 0 };

    for (unsigned i = 0; i < 100; i++)
        l2[i] = pte(virt_to_mfn(table_new()), PTE_TABLE);
    for (unsigned i = 0; i < 256; i++)
        l3[i] = l4[i] = 0;
    l3[0] = l3[1] = l3[511] = pte(virt_to_mfn(l2), PTE_TABLE);
    l4[0] = l4[5] = l4[500] = pte(virt_to_mfn(l3), PTE_TABLE);
    MUST(!set_writable(l2, false) && !set_writable(l3, false) && !set_writable(l4, false) && !set_writable(gdt,
            false));
    MUST(!mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(l4), 0) && !mmuext(MMUEXT_PIN_L3_TABLE, virt_to_mfn(l3), 0));
    MUST(!mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(l4), 0));
    MUST(!HC2(set_gdt, PTR(&mfn), 512) && !mmuext(MMUEXT_SET_LDT, PTR(gdt), 512));
    MUST(!HC2(event_channel_op, EVTCHNOP_init_control, PTR(&control)));
    MUST(!HC2(event_channel_op, EVTCHNOP_expand_array, PTR(&expand)));
    while (!HC2(event_channel_op, EVTCHNOP_alloc_unbound, PTR(&unbound)))
        ;
    return stack_in_hypervisor();
}

/* Gives up every frame it has, in use or not, and crashes. */
static bool all_given_up(void)
{
    xen_pfn_t frame;
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(r.extent_start, &frame);
    for (uint64_t pfn = 0; pfn < start_info->nr_pages; pfn++) {
        frame = pfn_to_mfn(pfn);
        if (HC2(memory_op, XENMEM_decrease_reservation, PTR(&r)) != 1)
            return false;
    }
    guest_shutdown(SHUTDOWN_crash);
}

/* --- without end --- */

static volatile bool forever = true;

static bool spin_masked(void)
{
    vcpu_info()->evtchn_upcall_mask = 1;
    __asm__ volatile("1: jmp 1b");
    return false;
}

static bool spin_in_calls(void)
{
    static multicall_entry_t m[64];

    while (forever) {
        for (unsigned i = 0; i < ARRAY_SIZE(m); i++)
            m[i] = (multicall_entry_t){ .op = i % 2 ? __HYPERVISOR_mmuext_op : __HYPERVISOR_xen_version };
        HC2(multicall, PTR(m), ARRAY_SIZE(m));
    }
    return false;
}

static bool spin_in_faults(void)
{
    while (forever)
        catch_trap(do_read, (void *)DIRECT_MAP);
    return false;
}

/* An event that stays pending and is not masked: each way back delivers it again, on the same stack. */
static char events_stack[PAGE_SIZE] __attribute__((aligned(16), used));
__asm__("events_again:\n"
        "        leaq events_stack + 4096(%rip), %rsp\n"
        "        call events_go_on\n");
extern char events_again[];
void events_go_on(void) __attribute__((__noreturn__));

void events_go_on(void)
{
    vcpu_info()->evtchn_upcall_pending = 1;
    vcpu_info()->evtchn_upcall_mask = 0;
    for (;;)
        HC2(xen_version, XENVER_version, 0);
}

static bool spin_in_events(void)
{
    HC3(set_callbacks, PTR(events_again), PTR(failsafe_entry), PTR(syscall_entry));
    events_go_on();
}

/* Two vCPUs that give the CPU to each other. */
static bool spin_in_yields(void)
{
    MUST(racer_start()); /* it yields, having nothing to do */
    for (;;)
        HC2(sched_op, SCHEDOP_yield, 0);
}

const struct attack lethal_attacks[] = {
    { "stack-in-hypervisor", stack_in_hypervisor },
    { "stack-in-m2p", stack_in_m2p },
    { "stack-not-canonical", stack_not_canonical },
    { "stack-wraps", stack_wraps },
    { "stack-on-table", stack_on_table },
    { "kernel-stack", kernel_stack },
    { "iret-frame", iret_frame },
    { "no-user-root", no_user_root },
    { "iret-to-32bit", iret_to_32bit },
    { "no-failsafe", no_failsafe },
    { "no-event-handler", no_event_handler },
    { "no-syscall-handler", no_syscall_handler },
    { "no-trap-handler", no_trap_handler },
    { "faulting-handler", faulting_handler },
    { "faulting-failsafe", faulting_failsafe },
    { "kernel-unmapped", kernel_unmapped },
    { "empty-root", empty_root },
    { "sysenter", sysenter },
    { "all-in-use", all_in_use },
    { "all-given-up", all_given_up },
    { "spin-masked", spin_masked },
    { "spin-in-calls", spin_in_calls },
    { "spin-in-faults", spin_in_faults },
    { "spin-in-events", spin_in_events },
    { "spin-in-yields", spin_in_yields },
    { NULL, NULL },
};
