/* SPDX-License-Identifier: MIT */
/* The machine's end: halting, restarting, and stopping the other CPUs first. */
#include <zelo/console.h>
#include <zelo/cpumask.h>
#include <zelo/log.h>
#include <arch/machine.h>
#include <arch/seam.h>

#include "smp.h"

#define ICR_NMI 0x4400u
#define STOP_SPINS 2000000u

/* Address spaces of ACPI's generic address structure. */
#define SPACE_MEMORY 0
#define SPACE_IO 1
#define SPACE_PCI_CONFIG 2

static unsigned stopper;          /* (a) CPU + 1 of the one that stops all others */
static cpumask_t stopped;         /* (a) */
static volatile u8 *reset_memory; /* the ACPI reset register, if it lies in memory */

static no_return void halt_here(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

void machine_stop_check(void)
{
    unsigned by = atomic_read_acquire(&stopper);

    if (!by || by == this_cpu() + 1)
        return;
    cpumask_set(&stopped, this_cpu());
    halt_here();
}

/*
 * By NMI, since the other CPU may hang with interrupts off. Waits a moment; one
 * in a deeper hole is left there. Whatever locks they hold they keep, so from
 * here on nothing is said under the console's.
 */
void machine_stop_others(void)
{
    unsigned expect = 0, cpu;

    if (!atomic_cas(&stopper, &expect, this_cpu() + 1)) {
        if (expect == this_cpu() + 1)
            return; /* done before */
        machine_stop_check();
    }
    console_panic_mode();
    for_each_online_cpu(cpu)
        if (cpu != this_cpu())
            apic_send_ipi(cpu_apicid[cpu], ICR_NMI);
    for (unsigned spins = 0; spins < STOP_SPINS; spins++) {
        if (cpumask_weight(&cpu_online) - cpumask_weight(&stopped) <= 1)
            break;
        cpu_relax();
    }
}

void machine_halt(void)
{
    arch_irq_disable();
    machine_stop_others();
    log_err("The machine is halted\n");
    halt_here();
}

void reboot_room_init(void)
{
    /* Asked for only when the machine ends, but known. */
    (void)cmdline_bool("noreboot", false);
    (void)cmdline_get("panic_delay");
    if (acpi_info.reset_supported && acpi_info.reset.space == SPACE_MEMORY)
        reset_memory = vmap_io(acpi_info.reset.addr, 1, MAP_RW | MAP_UC);
}

static void wait_a_moment(void)
{
    for (unsigned i = 0; i < 100000; i++)
        (void)inb(0x80); /* about a microsecond each on real hardware */
}

static void reset_by_acpi(void)
{
    u64 addr = acpi_info.reset.addr;

    if (!acpi_info.reset_supported)
        return;
    if (acpi_info.reset.space == SPACE_IO)
        outb((u16)addr, acpi_info.reset.value);
    else if (acpi_info.reset.space == SPACE_MEMORY && reset_memory)
        *reset_memory = acpi_info.reset.value;
    else if (acpi_info.reset.space == SPACE_PCI_CONFIG)
        pci_write_alone(0, 0, (u8)((addr >> 32 & 0x1f) << 3 | (addr >> 16 & 7)), (u16)addr, 1, acpi_info.reset.value);
    wait_a_moment();
}

/* The chip set's reset control register: hard reset, then go. */
static void reset_by_chipset(void)
{
    outb(0xcf9, 0x02);
    wait_a_moment();
    outb(0xcf9, 0x06);
    wait_a_moment();
}

static void reset_by_keyboard(void)
{
    for (unsigned i = 0; i < 0x10000 && (inb(0x64) & 2); i++)
        cpu_relax();
    outb(0x64, 0xfe);
    wait_a_moment();
}

static no_return void reset_by_triple_fault(void)
{
    static const struct { u16 limit; u64 base; } packed_struct none = { 0, 0 };

    __asm__ volatile("lidt %0; int3" :: "m"(none));
    halt_here();
}

void machine_reboot(void)
{
    arch_irq_disable();
    machine_stop_others();
    reset_by_acpi();
    reset_by_chipset();
    reset_by_keyboard();
    reset_by_triple_fault();
}
