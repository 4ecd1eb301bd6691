/* SPDX-License-Identifier: MIT */
/*
 * XENPF_* (<xen/platform.h>): domain 0 asks about, and steers, the machine.
 * What the hypervisor leaves alone (MTRRs, frequencies, CPU and memory hot-
 * plug, microcode, EFI runtime services) answers -EOPNOTSUPP.
 */
#include "platform_op.h"

#include <arch/machine.h>

#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/nospec.h>

#define NS_PER_SECOND 1000000000u

static int settime(u64 secs, u32 nsecs, u64 system_time)
{
    if (nsecs >= NS_PER_SECOND || (s64)system_time < 0)
        return -EINVAL;
    wallclock_set(secs, nsecs, (ns_t)system_time);
    return 0;
}

static int platform_settime32(struct xen_platform_op *op)
{
    const xenpf_settime32_t *t = &op->u.settime32;

    return settime(t->secs, t->nsecs, t->system_time);
}

static int platform_settime64(struct xen_platform_op *op)
{
    const xenpf_settime64_t *t = &op->u.settime64;

    return t->mbz ? -EINVAL : settime(t->secs, t->nsecs, t->system_time);
}

static int platform_enter_acpi_sleep(struct xen_platform_op *op)
{
    return power_enter_sleep(&op->u.enter_acpi_sleep);
}

static int platform_get_symbol(struct xen_platform_op *op)
{
    xenpf_symdata_t *s = &op->u.symdata;
    vaddr_t address;
    const char *name = symbol_at(s->symnum, &address);
    u32 len;

    if (!name) /* the end: symnum as it came */
        return 0;
    len = (u32)strlen(name);
    if (copy_to_handle(s->name, name, MIN(len, s->namelen)))
        return -EFAULT;
    s->namelen = len;
    s->address = address;
    s->type = 't';
    s->symnum++;
    return 0;
}

static int platform_not_supported(struct xen_platform_op *op)
{
    (void)op;
    return -EOPNOTSUPP;
}

static platform_fn *const platform_table[] = {
    [XENPF_settime32] = platform_settime32,
    [XENPF_settime64] = platform_settime64,
    [XENPF_add_memtype] = platform_not_supported,
    [XENPF_del_memtype] = platform_not_supported,
    [XENPF_read_memtype] = platform_read_memtype,
    [XENPF_microcode_update] = platform_not_supported,
    [XENPF_platform_quirk] = platform_not_supported,
    [XENPF_get_cpu_version] = platform_get_cpu_version,
    [XENPF_efi_runtime_call] = platform_not_supported,
    [XENPF_firmware_info] = platform_firmware_info,
    [XENPF_enter_acpi_sleep] = platform_enter_acpi_sleep,
    [XENPF_change_freq] = platform_not_supported,
    [XENPF_getidletime] = platform_getidletime,
    [XENPF_set_processor_pminfo] = platform_not_supported,
    [XENPF_get_cpuinfo] = platform_get_cpuinfo,
    [XENPF_cpu_online] = platform_not_supported,
    [XENPF_cpu_offline] = platform_not_supported,
    [XENPF_cpu_hotadd] = platform_not_supported,
    [XENPF_mem_hotadd] = platform_not_supported,
    [XENPF_core_parking] = platform_not_supported,
    [XENPF_resource_op] = platform_not_supported,
    [XENPF_get_symbol] = platform_get_symbol,
};

long do_platform_op(const struct hypercall_args *a)
{
    struct xen_platform_op op;
    platform_fn *fn;
    int rc;

    if (!current->domain->is_privileged)
        return -EPERM;
    if (copy_from_guest(&op, a->arg[0]))
        return -EFAULT;
    if (op.interface_version != XENPF_INTERFACE_VERSION)
        return -EACCES;
    if (op.cmd >= ARRAY_SIZE(platform_table))
        return -ENOSYS;
    fn = platform_table[array_index_nospec(op.cmd, ARRAY_SIZE(platform_table))];
    if (!fn)
        return -ENOSYS;
    rc = fn(&op);
    if (!rc && copy_to_guest(a->arg[0], &op))
        return -EFAULT;
    return rc;
}
