/* SPDX-License-Identifier: MIT */
/* How firmware calls a CPU, for domain 0's ACPI code (VCPUOP_get_physid). */
#include <arch/machine.h>
#include <arch/seam.h>

u64 arch_cpu_physid(unsigned cpu)
{
    u32 apicid = cpu_apicid[cpu];

    for (unsigned i = 0; i < acpi_info.cpu_count; i++)
        if (acpi_info.cpus[i].apicid == apicid)
            return apicid | (u64)acpi_info.cpus[i].acpi_uid << 32;
    return apicid | (u64)0xff << 32;
}
