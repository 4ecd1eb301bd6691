/* SPDX-License-Identifier: MIT */
/*
 * The order in which the hypervisor comes up, on the boot CPU, from the first
 * C function to domain 0. It begins on the boot stack and goes on, once there
 * is memory, on the stack that CPU 0 keeps.
 */
#include <zelo/check.h>
#include <zelo/console.h>
#include <zelo/debug.h>
#include <zelo/domain.h>
#include <zelo/irq.h>
#include <zelo/log.h>
#include <zelo/sched.h>
#include <zelo/softirq.h>
#include <zelo/timer.h>
#include <zelo/trace.h>
#include <arch/machine.h>

#include "boot/boot.h"
#include "cpu_features.h"
#include "paging.h"
#include "smp.h"
#include "speculation.h"
#include "xpti.h"

_Static_assert(sizeof(struct cpu_info) <= BOOT_STACK_TOP_ROOM, "the boot stack starts below cpu_info");

no_return void stack_switch(void *top, void (*fn)(void)); /* x86/boot/head.S */

static void banner(void)
{
    log_info("Zelo %s, Xen ABI %u.%u (%s, %s)\n", ZELO_VERSION, XEN_ABI_MAJOR, XEN_ABI_MINOR, zelo_changeset,
             zelo_compile_date);
    log_info("Boot loader: %s%s\n", boot_info.loader, boot_info.efi ? ", UEFI" : "");
    log_info("Command line: %s\n", boot_info.cmdline);
}

/* Until here nothing can be said; wrong is what the loader's data lacks. */
static void console_start(const char *wrong)
{
    const char *devices;

    cmdline_parse(boot_info.cmdline);
    uart_init_early();
    devices = cmdline_get("console");
    if (devices)
        console_select(devices);
    console_set_levels(cmdline_get("loglvl"), cmdline_get("guest_loglvl"));
    if (wrong)
        boot_refuse("Cannot boot: %s\n", wrong);
    banner();
}

static void cpu_start_control(void)
{
    cpu_features_detect();
    cpu_features_report();
    speculation_init();
    traps_init_early();
    cpu_init_control();
    speculation_init_cpu();
    cpu_features_probe();
    pt_nx_usable = cpu_features.nx;
    cpumask_set(&cpu_online, 0);
}

static void memory_map_report(void)
{
    static const char *const names[] = { "?", "RAM", "reserved", "ACPI", "NVS", "unusable" };

    for (unsigned i = 0; i < e820_count; i++)
        log_debug("Memory: 0x%012lx-0x%012lx %s\n", (unsigned long)e820_map[i].addr,
                  (unsigned long)(e820_map[i].addr + e820_map[i].size - 1),
                  e820_map[i].type < sizeof(names) / sizeof(*names) ? names[e820_map[i].type] : "other");
}

static void memory_start(void)
{
    memory_map_report();
    paging_init();
    frames_mark_boot_memory();
    boot_alloc_finish(heap_add_range);
    paging_init_tables();
    log_info("Memory: %lu MiB in the heap, frames up to %#lx\n",
             (unsigned long)(heap_total_page_count() >> (20 - PAGE_SHIFT)), (unsigned long)max_frame);
}

static const struct boot_module *module(unsigned n)
{
    return n < boot_info.module_count ? &boot_info.modules[n] : NULL;
}

/* Domain 0's own modules are given back by dom0_create. */
static void other_modules_free(void)
{
    for (unsigned i = 2; i < boot_info.module_count; i++)
        if (boot_info.modules[i].size)
            heap_add_range(boot_info.modules[i].start, boot_info.modules[i].start + boot_info.modules[i].size);
}

static void dom0_start(void)
{
    dom0_create(module(0), module(1));
    cmdline_report_unknown();
    console_report_unknown();
    other_modules_free();
}

static void machine_start(void)
{
    unsigned cpu = this_cpu();

    traps_init_cpu(cpu);
    xpti_init_cpu();
    irq_room_init();
    smp_room_init();
    ioapic_init();
    reboot_room_init();
    traps_room_init();
    tasklet_room_init();
    timer_room_init();
    timer_cpu_init(cpu);
    time_init_bsp();
    apic_timer_init_cpu();
    arch_irq_enable();
    uart_init_irq();
}

static void domains_start(void)
{
    unsigned cpu = this_cpu();

    domain_room_init();
    invariants_check_init();
    sched_room_init();
    trace_room_init();
    cpu_info()->vcpu = idle_vcpu_create(cpu);
    sched_cpu_init(cpu);
    smp_boot_others();
    time_check_sync();
    paging_drop_low_map();
}

/* On the stack that CPU 0 keeps. */
static void start_on_own_stack(void)
{
    machine_start();
    domains_start();
    dom0_start();
    idle_loop();
}

void hypervisor_start(u32 magic, paddr_t info)
{
    percpu_begin();
    console_start(boot_info_read(magic, info));
    cpu_start_control();
    memory_start();
    console_room_init();
    acpi_init();
    vga_init(); /* maps its memory; it is given the log so far */
    apic_init_bsp();
    percpu_init(smp_find_cpus());
    stack_switch(cpu_stack_alloc(0), start_on_own_stack);
}
