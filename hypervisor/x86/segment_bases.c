/* SPDX-License-Identifier: MIT */
/*
 * The bases of FS and GS while a guest runs: FS's and the GS of the mode it is
 * in are active, the other mode's GS waits in MSR_KERNEL_GS_BASE for SWAPGS.
 * Where the CPU has them, RDFSBASE and its kin are used: unlike WRMSR they do
 * not serialise (Intel SDM vol. 3, "Serializing Instructions").
 *
 * The hypervisor itself uses neither, so an interrupt between two SWAPGS finds
 * nothing amiss.
 */
#include "segment_bases.h"

#include <zelo/domain.h>
#include <arch/cpu.h>
#include <arch/machine.h>

#include "entry.h"

static u64 rdfsbase(void)
{
    u64 base;

    __asm__ volatile("rdfsbase %0" : "=r"(base));
    return base;
}

static u64 rdgsbase(void)
{
    u64 base;

    __asm__ volatile("rdgsbase %0" : "=r"(base));
    return base;
}

static void wrfsbase(u64 base) { __asm__ volatile("wrfsbase %0" :: "r"(base)); }
static void wrgsbase(u64 base) { __asm__ volatile("wrgsbase %0" :: "r"(base)); }
static void swapgs(void) { __asm__ volatile("swapgs" ::: "memory"); }

void pv_write_fs_base(u64 base)
{
    if (cpu_features.fsgsbase)
        wrfsbase(base);
    else
        wrmsr(MSR_FS_BASE, base);
}

void pv_write_gs_base(u64 base)
{
    if (cpu_features.fsgsbase)
        wrgsbase(base);
    else
        wrmsr(MSR_GS_BASE, base);
}

void pv_write_gs_base_other(u64 base)
{
    if (!cpu_features.fsgsbase) {
        wrmsr(MSR_KERNEL_GS_BASE, base);
        return;
    }
    swapgs();
    wrgsbase(base);
    swapgs();
}

u64 pv_read_fs_base(void) { return cpu_features.fsgsbase ? rdfsbase() : rdmsr(MSR_FS_BASE); }
u64 pv_read_gs_base(void) { return cpu_features.fsgsbase ? rdgsbase() : rdmsr(MSR_GS_BASE); }

u64 pv_read_gs_base_other(void)
{
    u64 base;

    if (!cpu_features.fsgsbase)
        return rdmsr(MSR_KERNEL_GS_BASE);
    swapgs();
    base = rdgsbase();
    swapgs();
    return base;
}

void segment_bases_save(struct vcpu *v)
{
    u64 active = pv_read_gs_base(), other = pv_read_gs_base_other();
    bool kernel = v->pv.flags & PVF_KERNEL;

    v->pv.fs_base = pv_read_fs_base();
    v->pv.gs_base_kernel = kernel ? active : other;
    v->pv.gs_base_user = kernel ? other : active;
}

void segment_bases_load(const struct vcpu *v)
{
    bool kernel = v->pv.flags & PVF_KERNEL;

    pv_write_fs_base(v->pv.fs_base);
    pv_write_gs_base(kernel ? v->pv.gs_base_kernel : v->pv.gs_base_user);
    pv_write_gs_base_other(kernel ? v->pv.gs_base_user : v->pv.gs_base_kernel);
}

/* SEGBASE_GS_USER_SEL: loads GS as user mode will see it, with the base its descriptor gives. */
bool pv_load_user_gs_selector(u16 selector)
{
    int bad;

    swapgs();
    bad = load_gs_safe(selector);
    swapgs();
    return !bad;
}
