/* SPDX-License-Identifier: MIT */
/* XENPF_* about physical CPUs. */
#include "platform_op.h"

#include <arch/machine.h>

#include <zelo/cpumask.h>
#include <zelo/errno.h>

#define MSR_MTRR_CAP 0xfe
#define MSR_MTRR_BASE(n) (0x200u + 2 * (n))
#define MSR_MTRR_MASK(n) (0x201u + 2 * (n))
#define MTRR_CAP_COUNT 0xffu
#define MTRR_TYPE 0xffu
#define MTRR_VALID 0x800u

static u32 acpi_uid_of(u32 apicid)
{
    for (unsigned i = 0; i < acpi_info.cpu_count; i++)
        if (acpi_info.cpus[i].enabled && acpi_info.cpus[i].apicid == apicid)
            return acpi_info.cpus[i].acpi_uid;
    return ~0u;
}

int platform_get_cpuinfo(struct xen_platform_op *op)
{
    xenpf_pcpuinfo_t *c = &op->u.pcpu_info;
    u32 cpu = c->xen_cpuid;

    c->max_present = nr_cpus - 1;
    if (cpu >= nr_cpus || !cpumask_test(&cpu_possible, cpu)) {
        c->flags = XEN_PCPU_FLAGS_INVALID;
        return 0;
    }
    c->flags = cpumask_test(&cpu_online, cpu) ? XEN_PCPU_FLAGS_ONLINE : 0;
    c->apic_id = cpu_apicid[cpu];
    c->acpi_id = acpi_uid_of(cpu_apicid[cpu]);
    return 0;
}

int platform_get_cpu_version(struct xen_platform_op *op)
{
    xenpf_pcpu_version_t *v = &op->u.pcpu_version;

    v->max_present = nr_cpus - 1;
    memset(v->vendor_id, 0, sizeof(v->vendor_id));
    v->family = v->model = v->stepping = 0;
    if (v->xen_cpuid >= nr_cpus || !cpumask_test(&cpu_online, v->xen_cpuid))
        return 0;
    memcpy(v->vendor_id, cpu_features.vendor, sizeof(v->vendor_id));
    v->family = cpu_features.family;
    v->model = cpu_features.model;
    v->stepping = cpu_features.stepping;
    return 0;
}

/* One byte of the map: answers for its CPUs, clears the bits of those that are not there. */
static int getidletime_byte(const xenpf_getidletime_t *g, u32 byte)
{
    u8 bits;

    if (copy_from_handle_offset(&bits, g->cpumap_bitmap, byte, 1))
        return -EFAULT;
    for (u32 i = 0; i < 8 && byte * 8 + i < g->cpumap_nr_cpus; i++) {
        u32 cpu = byte * 8 + i;
        bool online = cpu < nr_cpus && cpumask_test(&cpu_online, cpu);
        u64 idle = online ? (u64)cpu_idle_time(cpu) : 0;

        if (!(bits & (1u << i)))
            continue;
        if (!online)
            bits &= (u8)~(1u << i);
        if (copy_to_handle_offset(g->idletime, cpu, &idle, 1))
            return -EFAULT;
    }
    return copy_to_handle_offset(g->cpumap_bitmap, byte, &bits, 1);
}

int platform_getidletime(struct xen_platform_op *op)
{
    xenpf_getidletime_t *g = &op->u.getidletime;
    int rc = 0;

    if (g->cpumap_nr_cpus > 65536)
        return -EINVAL;
    g->now = (u64)time_now();
    for (u32 byte = 0; !rc && byte < DIV_ROUND_UP(g->cpumap_nr_cpus, 8); byte++)
        rc = getidletime_byte(g, byte);
    return rc;
}

/* The variable MTRRs as firmware left them: Linux builds its own picture of cacheability from these. */
int platform_read_memtype(struct xen_platform_op *op)
{
    xenpf_read_memtype_t *m = &op->u.read_memtype;
    u64 cap, base, mask;

    if (rdmsr_safe(MSR_MTRR_CAP, &cap) || m->reg >= (cap & MTRR_CAP_COUNT) ||
        rdmsr_safe(MSR_MTRR_BASE(m->reg), &base) || rdmsr_safe(MSR_MTRR_MASK(m->reg), &mask))
        return -EINVAL;
    m->mfn = m->nr_mfns = m->type = 0;
    if (!(mask & MTRR_VALID))
        return 0;
    mask = PFN_DOWN(mask) | ~0ULL << (cpu_features.phys_bits - PAGE_SHIFT);
    m->mfn = PFN_DOWN(base);
    m->nr_mfns = -mask;
    m->type = base & MTRR_TYPE;
    return 0;
}
