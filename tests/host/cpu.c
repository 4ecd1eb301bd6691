/* SPDX-License-Identifier: MIT */
/*
 * A CPU for the host build: by default what QEMU's "max" looks like (AMD),
 * or an Intel server CPU with AVX-512 and the speculation controls.
 */
#include "cpu.h"

#include <zelo/lib.h>
#include <zelo/pv.h>
#include <zelo/speculation.h>

#include <arch/machine.h>

#include "pv/msr.h"

#include <stdio.h>
#include <stdlib.h>

struct leaf { u32 leaf, subleaf; struct cpuid_regs r; };
#define ANY 0xffffffffu

static const struct leaf amd[] = {
    { 0, ANY, { 0xd, 0x68747541, 0x444d4163, 0x69746e65 } },
    { 1, ANY, { 0x00060fb1, 0x01020800, 0xfffab223, 0x178bfbff } },
    { 4, 0, { 0x04000121, 0x01c0003f, 0x3f, 1 } },
    { 4, 1, { 0x04000122, 0x01c0003f, 0x3f, 1 } },
    { 4, 2, { 0x04000143, 0x03c0003f, 0xfff, 1 } },
    { 4, 3, { 0x04004163, 0x03c0003f, 0x3fff, 6 } },
    { 5, ANY, { 0, 0, 3, 0 } },
    { 6, ANY, { 4, 0, 0, 0 } },
    { 7, 0, { 0, 0x21dc47ab, 0x0041060c, 0x00000010 } },
    { 0xb, 0, { 0, 1, 0x100, 1 } },
    { 0xb, 1, { 1, 2, 0x201, 1 } },
    { 0xd, 0, { 0x21f, 0xa88, 0xa88, 0 } },
    { 0xd, 1, { 0x7, 0x240, 0, 0 } },
    { 0xd, 2, { 0x100, 0x240, 0, 0 } },
    { 0xd, 9, { 0x8, 0xa80, 0, 0 } },
    { 0x80000000, ANY, { 0x8000000a, 0x68747541, 0x444d4163, 0x69746e65 } },
    { 0x80000001, ANY, { 0x00060fb1, 0, 0x00000177, 0xefd3fbff } },
    { 0x80000002, ANY, { 0x554d4551, 0x20554d20, 0, 0 } },
    { 0x80000005, ANY, { 0x01ff01ff, 0x01ff01ff, 0x40020140, 0x40020140 } },
    { 0x80000006, ANY, { 0, 0x42004200, 0x02008140, 0x00808140 } },
    { 0x80000008, ANY, { 0x3928, 0, 0x1001, 0 } },
    { 0x8000000a, ANY, { 1, 0x10, 0, 0x9 } },
};

static const struct leaf intel[] = {
    { 0, ANY, { 0x16, 0x756e6547, 0x6c65746e, 0x49656e69 } },
    { 1, ANY, { 0x00050657, 0x07200800, 0x7ffefbff, 0xbfebfbff } },
    { 4, 0, { 0x7c004121, 0x01c0003f, 0x3f, 0 } },
    { 4, 1, { 0x7c004122, 0x01c0003f, 0x3f, 0 } },
    { 4, 2, { 0x7c004143, 0x03c0003f, 0x3ff, 0 } },
    { 4, 3, { 0x7c0fc163, 0x0280003f, 0x9fff, 4 } },
    { 5, ANY, { 0x40, 0x40, 3, 0x2020 } },
    { 6, ANY, { 0xef7, 2, 9, 0 } },
    { 7, 0, { 1, 0xd39ffffb, 0x00000818, 0xbc000400 } },
    { 7, 1, { 0x30, 0, 0, 0 } },
    { 0xa, ANY, { 0x07300404, 0, 0, 0x603 } },
    { 0xb, 0, { 1, 2, 0x100, 7 } },
    { 0xb, 1, { 6, 0x20, 0x201, 7 } },
    { 0xd, 0, { 0x2ff, 0xa88, 0xa88, 0 } },
    { 0xd, 1, { 0xf, 0xa08, 0x100, 0 } },
    { 0xd, 2, { 0x100, 0x240, 0, 0 } },
    { 0xd, 3, { 0x40, 0x3c0, 0, 0 } },
    { 0xd, 4, { 0x40, 0x400, 0, 0 } },
    { 0xd, 5, { 0x40, 0x440, 0, 0 } },
    { 0xd, 6, { 0x200, 0x480, 0, 0 } },
    { 0xd, 7, { 0x400, 0x680, 0, 0 } },
    { 0xd, 8, { 0x80, 0, 1, 0 } },
    { 0xd, 9, { 0x8, 0xa80, 0, 0 } },
    { 0x80000000, ANY, { 0x80000008, 0, 0, 0 } },
    { 0x80000001, ANY, { 0, 0, 0x121, 0x2c100800 } },
    { 0x80000006, ANY, { 0, 0, 0x01006040, 0 } },
    { 0x80000007, ANY, { 0, 0, 0, 0x100 } },
    { 0x80000008, ANY, { 0x302e, 0, 0, 0 } },
};

#define HOST_CR4 \
    (CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_DE | CR4_PGE | CR4_FSGSBASE)

static const struct cpu_features amd_features = {
    .vendor = "AuthenticAMD", .family = 0xf, .max_leaf = 0xd, .max_ext_leaf = 0x8000000a, .phys_bits = 40,
    .virt_bits = 48, .amd = true, .nx = true, .pge = true, .fsgsbase = true, .xsave = true, .xsaveopt = true,
    .rdtscp = true, .xcr0_mask = 7, .xsave_size = 0x340, .cr4 = HOST_CR4,
};
static const struct cpu_features intel_features = {
    .vendor = "GenuineIntel", .family = 6, .max_leaf = 0x16, .max_ext_leaf = 0x80000008, .phys_bits = 46,
    .virt_bits = 48, .intel = true, .nx = true, .pge = true, .fsgsbase = true, .xsave = true,
    .xsaveopt = true, .rdtscp = true, .avx512 = true, .tsc_invariant = true, .cpuid_faulting = true, .xcr0_mask = 0xe7,
    .xsave_size = 0xa80, .cr4 = HOST_CR4,
};

struct cpu_features cpu_features = {
    .vendor = "AuthenticAMD", .amd = true, .nx = true, .phys_bits = 40, .virt_bits = 48, .xsave = true,
    .fsgsbase = true, .rdtscp = true, .xcr0_mask = 7, .xsave_size = 0x340,
    .cr4 = HOST_CR4,
};
struct acpi_info acpi_info;

static const struct leaf *leaves = amd;
static size_t leaf_count = ARRAY_SIZE(amd);

static struct { u32 msr; u64 value; } msrs[32];
static unsigned msr_count;
u64 host_msr_writes;

void host_cpu_select(enum host_cpu_model model)
{
    bool is_intel = model == HOST_CPU_INTEL;

    leaves = is_intel ? intel : amd;
    leaf_count = is_intel ? ARRAY_SIZE(intel) : ARRAY_SIZE(amd);
    cpu_features = is_intel ? intel_features : amd_features;
    host_msr_clear_all();
    if (is_intel) {
        host_msr_set(0xce, 0x80000000 | 0x1800);
        host_msr_set(0x10a, 0x2b); /* ARCH_CAPABILITIES: RDCL_NO, EIBRS, SKIP_L1DFL, MDS_NO */
        host_msr_set(0x48, 0);
        host_msr_set(0x49, 0);
        host_msr_set(0x140, 0);
    }
    host_msr_set(0xc0000103, 0);
}

void cpuid_raw(u32 leaf, u32 subleaf, struct cpuid_regs *out);
void cpuid_raw(u32 leaf, u32 subleaf, struct cpuid_regs *out)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < leaf_count; i++)
        if (leaves[i].leaf == leaf && (leaves[i].subleaf == ANY || leaves[i].subleaf == subleaf))
            *out = leaves[i].r;
}

/* --- MSRs --- */

static u64 *msr_find(u32 msr)
{
    for (unsigned i = 0; i < msr_count; i++)
        if (msrs[i].msr == msr)
            return &msrs[i].value;
    return NULL;
}

void host_msr_clear_all(void) { msr_count = 0; }

void host_msr_set(u32 msr, u64 value)
{
    u64 *at = msr_find(msr);

    if (!at) {
        if (msr_count == ARRAY_SIZE(msrs))
            abort();
        msrs[msr_count].msr = msr;
        at = &msrs[msr_count++].value;
    }
    *at = value;
}

u64 host_msr_get(u32 msr)
{
    u64 *at = msr_find(msr);

    if (!at) {
        fprintf(stderr, "host_msr_get(%x): not there\n", msr);
        abort();
    }
    return *at;
}

int rdmsr_safe(u32 msr, u64 *v)
{
    u64 *at = msr_find(msr);

    *v = at ? *at : 0;
    return !at;
}

int wrmsr_safe(u32 msr, u64 v)
{
    u64 *at = msr_find(msr);

    if (!at)
        return 1;
    *at = v;
    host_msr_writes++;
    return 0;
}

/* As on a CPU where the hypervisor's own value is none. */
void speculation_guest_spec_ctrl(u64 value) { (void)!wrmsr_safe(MSR_SPEC_CTRL, value); }

void pvclock_params(u32 *mul, s8 *shift)
{
    *mul = 0x80000000;
    *shift = 1;
}
