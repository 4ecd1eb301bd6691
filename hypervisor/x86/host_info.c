/* SPDX-License-Identifier: MIT */
/* Facts of this machine's CPUs for the tools, and what becomes of the host when domain 0 ends. */
#include <zelo/cpumask.h>
#include <zelo/log.h>
#include <arch/machine.h>
#include <arch/seam.h>

#include <xen/sched.h>
#include <xen/sysctl.h>

unsigned arch_phys_addr_bits(void)
{
    return cpu_features.phys_bits;
}

u32 arch_tsc_khz(void)
{
    return (u32)tsc_khz;
}

/* Bits of the APIC ID below the core number and below the package number (CPUID leaf 0xb, else AMD's 0x80000008). */
static void topology_shifts(unsigned *core_shift, unsigned *package_shift)
{
    u32 a, b, c, d;

    *core_shift = *package_shift = 0;
    if (cpu_features.max_leaf >= 0xb) {
        for (u32 sub = 0; sub < 2; sub++) {
            cpuid(0xb, sub, &a, &b, &c, &d);
            if (((c >> 8) & 0xff) == 1)
                *core_shift = a & 0x1f;
            else if (((c >> 8) & 0xff) == 2)
                *package_shift = a & 0x1f;
        }
        if (*package_shift)
            return;
    }
    if (cpu_features.amd && cpu_features.max_ext_leaf >= 0x80000008) {
        cpuid(0x80000008, 0, &a, &b, &c, &d);
        *package_shift = (c >> 12) & 0xf;
        if (!*package_shift && (c & 0xff))
            *package_shift = ilog2((c & 0xff) + 1) + (((c & 0xff) & ((c & 0xff) + 1)) != 0);
    }
}

void arch_cputopo(unsigned cpu, struct xen_sysctl_cputopo *t)
{
    unsigned core_shift, package_shift;

    topology_shifts(&core_shift, &package_shift);
    t->socket = cpu_apicid[cpu] >> package_shift;
    t->core = (cpu_apicid[cpu] & ((1u << package_shift) - 1)) >> core_shift;
}

u64 arch_cycles(void)
{
    return rdtsc();
}

void arch_physinfo(struct xen_sysctl_physinfo *pi)
{
    unsigned core_shift, package_shift, cpu, cores = 0, threads = 0;
    u32 a, b, c, d;

    topology_shifts(&core_shift, &package_shift);
    for_each_online_cpu(cpu) {
        threads += (cpu_apicid[cpu] >> core_shift) == (cpu_apicid[0] >> core_shift);
        cores += (cpu_apicid[cpu] >> package_shift) == (cpu_apicid[0] >> package_shift);
    }
    pi->threads_per_core = MAX(threads, 1u);
    pi->cores_per_socket = MAX(cores / pi->threads_per_core, 1u);
    pi->cpu_khz = (u32)tsc_khz;

    /* The order of the words is that of <xen/arch-x86/cpufeatureset.h>. */
    cpuid(1, 0, &a, &b, &c, &d);
    pi->hw_cap[0] = d;
    pi->hw_cap[1] = c;
    cpuid(0x80000001, 0, &a, &b, &c, &d);
    pi->hw_cap[2] = d;
    pi->hw_cap[3] = c;
    if (cpu_features.max_leaf >= 0xd) {
        cpuid(0xd, 1, &a, &b, &c, &d);
        pi->hw_cap[4] = a;
    }
    if (cpu_features.max_leaf >= 7) {
        cpuid(7, 0, &a, &b, &c, &d);
        pi->hw_cap[5] = b;
        pi->hw_cap[6] = c;
    }
    if (cpu_features.max_ext_leaf >= 0x80000007) {
        cpuid(0x80000007, 0, &a, &b, &c, &d);
        pi->hw_cap[7] = d;
    }
}

void arch_host_shutdown(int reason)
{
    switch (reason) {
    case SHUTDOWN_poweroff:
        log_info("Domain 0 powered off: halting the machine\n");
        machine_halt();
    case SHUTDOWN_reboot:
        log_info("Domain 0 rebooted: restarting the machine\n");
        machine_reboot();
    default:
        log_err("Domain 0 stopped with reason %d: the host cannot go on\n", reason);
        if (cmdline_bool("noreboot", false))
            machine_halt();
        machine_reboot();
    }
}
