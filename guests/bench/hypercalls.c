/* SPDX-License-Identifier: MIT */
/* Each hypercall of a PV guest in the cheapest form that does what it is asked. */
#include "bench.h"

#include <xen/physdev.h>

#define CHEAPEST(name, answer)              \
    static long name(unsigned i)            \
    {                                       \
        (void)i;                            \
        return (answer);                    \
    }

#define VERSION (4 << 16 | 17)

static char gdt_page[PAGE_SIZE] __attribute__((aligned(4096)));
static uint64_t gdt_frame;
static evtchn_port_t quiet_port;

static void prepare(void)
{
    evtchn_bind_ipi_t ipi = { .vcpu = 0 };

    must("bind_ipi", HC2(event_channel_op, EVTCHNOP_bind_ipi, PTR(&ipi)));
    quiet_port = ipi.port;
    __atomic_fetch_or(&shared_info->evtchn_mask[quiet_port / 64], 1UL << quiet_port % 64, __ATOMIC_SEQ_CST);
    page_set(gdt_page, PAGE_FLAGS);
    gdt_frame = virt_to_mfn(gdt_page);
}

static long nothing(unsigned i)
{
    (void)i;
    return 0;
}

CHEAPEST(xen_version, HC2(xen_version, XENVER_version, 0) - VERSION)
CHEAPEST(sched_op_yield, HC2(sched_op, SCHEDOP_yield, 0))
CHEAPEST(event_channel_op, port_send(quiet_port)) /* masked, and pending from the first time on */
CHEAPEST(grant_table_op, HC3(grant_table_op, GNTTABOP_map_grant_ref, PTR(pages), 0))
CHEAPEST(memory_op, HC2(memory_op, XENMEM_maximum_ram_page, 0) <= 0)
CHEAPEST(mmu_update, HC4(mmu_update, PTR(pages), 0, 0, DOMID_SELF))
CHEAPEST(mmuext_op, HC4(mmuext_op, PTR(pages), 0, 0, DOMID_SELF))
CHEAPEST(set_gdt, HC2(set_gdt, PTR(&gdt_frame), PAGE_SIZE / 8))
CHEAPEST(update_descriptor, HC2(update_descriptor, gdt_frame << 12, 0))
CHEAPEST(stack_switch, HC2(stack_switch, FLAT_KERNEL_SS, PTR(pages[1])))
CHEAPEST(set_callbacks, HC3(set_callbacks, PTR(event_entry), PTR(failsafe_entry), PTR(syscall_entry)))
CHEAPEST(fpu_taskswitch, HC1(fpu_taskswitch, 0))
CHEAPEST(set_debugreg, HC2(set_debugreg, 0, 0))
CHEAPEST(get_debugreg, HC1(get_debugreg, 0))
/* The first is stopped by the second. */
CHEAPEST(set_timer_op_armed, HC1(set_timer_op, system_time() + 1000000000))
CHEAPEST(set_timer_op, HC1(set_timer_op, 0))
CHEAPEST(console_io, HC3(console_io, 0 /* CONSOLEIO_write */, 0, PTR(pages)))
CHEAPEST(vm_assist, HC2(vm_assist, VMASST_CMD_disable, VMASST_TYPE_architectural_iopl))
CHEAPEST(vcpu_op, HC3(vcpu_op, VCPUOP_is_up, 0, 0) - 1)
CHEAPEST(set_segment_base, HC2(set_segment_base, SEGBASE_FS, 0))

/* An empty list: its end is the first thing in it. */
static long set_trap_table(unsigned i)
{
    static trap_info_t none;

    (void)i;
    return HC1(set_trap_table, PTR(&none));
}

static long physdev_op(unsigned i)
{
    physdev_set_iopl_t iopl = { .iopl = 1 };

    (void)i;
    return HC2(physdev_op, PHYSDEVOP_set_iopl, PTR(&iopl));
}

static long domctl(unsigned i)
{
    static struct xen_domctl op;

    (void)i;
    return tools_domctl(&op, XEN_DOMCTL_getdomaininfo, 0);
}

static long sysctl(unsigned i)
{
    static struct xen_sysctl op;

    (void)i;
    return tools_sysctl(&op, XEN_SYSCTL_sched_id);
}

static long multicall_of(unsigned n)
{
    static multicall_entry_t m[8];

    for (unsigned i = 0; i < n; i++)
        m[i] = (multicall_entry_t){ .op = __HYPERVISOR_xen_version, .args = { XENVER_version } };
    return HC2(multicall, PTR(m), n) | ((long)m[n - 1].result - VERSION);
}

CHEAPEST(multicall_1, multicall_of(1))
CHEAPEST(multicall_8, multicall_of(8))

/* To the instruction after it, with the same stack. */
static long iret(unsigned i)
{
    (void)i;
    __asm__ volatile("movq %%rsp, %%rax\n"
                     "pushq %[ss]\n"
                     "pushq %%rax\n"
                     "pushq $2\n" /* events stay masked */
                     "pushq %[cs]\n"
                     "pushq $1f\n"
                     "pushq $0\n"
                     "jmp hypercall_page + %c[nr] * 32\n"
                     "1:"
                     :: [ss] "i"(FLAT_KERNEL_SS), [cs] "i"(FLAT_KERNEL_CS & ~3), [nr] "i"(__HYPERVISOR_iret)
                     : "rax", "rcx", "r11", "memory", "cc");
    return 0;
}

static void finish(void)
{
    evtchn_close_t close = { quiet_port };

    must("closing", HC2(event_channel_op, EVTCHNOP_close, PTR(&close)));
    must("no GDT", HC2(set_gdt, 0, 0));
    page_set(gdt_page, PAGE_FLAGS | PTE_RW);
}

#define ROW(f) { .name = #f, .operate = f }
static const struct row rows[] = {
    ROW(nothing), ROW(xen_version), ROW(sched_op_yield), ROW(event_channel_op), ROW(grant_table_op),
    ROW(memory_op), ROW(mmu_update), ROW(mmuext_op), ROW(set_trap_table), ROW(set_gdt), ROW(stack_switch),
    ROW(set_callbacks), ROW(fpu_taskswitch), ROW(set_debugreg), ROW(get_debugreg), ROW(update_descriptor),
    ROW(multicall_1), ROW(multicall_8), ROW(set_timer_op_armed), ROW(set_timer_op), ROW(console_io),
    ROW(vm_assist), ROW(vcpu_op), ROW(set_segment_base), ROW(physdev_op), ROW(domctl), ROW(sysctl), ROW(iret),
    { .name = NULL },
};

const struct family hypercalls = { prepare, rows, finish };
