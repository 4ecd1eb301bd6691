/* SPDX-License-Identifier: MIT */
/*
 * What the CPU has, by CPUID alone (no exception can be handled yet), and the
 * control registers and MSRs that the hypervisor runs with on every CPU.
 */
#include <zelo/lib.h>
#include <zelo/log.h>
#include <arch/cpu.h>

#include "cpu_features.h"

struct cpu_features cpu_features;

struct regs { u32 a, b, c, d; };

/* All zero for a leaf that the CPU does not have. */
static struct regs leaf(const struct cpu_features *f, u32 number, u32 sub)
{
    struct regs r = { 0 };
    u32 max = number >= 0x80000000 ? f->max_ext_leaf : f->max_leaf;

    if (number <= max)
        cpuid(number, sub, &r.a, &r.b, &r.c, &r.d);
    return r;
}

static bool bit(u32 word, unsigned n)
{
    return (word >> n) & 1;
}

static void detect_identity(struct cpu_features *f)
{
    struct regs r;
    u32 unused;

    cpuid(0, 0, &f->max_leaf, &r.b, &r.c, &r.d);
    memcpy(f->vendor, &r.b, 4);
    memcpy(f->vendor + 4, &r.d, 4);
    memcpy(f->vendor + 8, &r.c, 4);
    cpuid(0x80000000, 0, &f->max_ext_leaf, &unused, &unused, &unused);
    f->intel = !strcmp(f->vendor, "GenuineIntel");
    f->amd = !strcmp(f->vendor, "AuthenticAMD") || !strcmp(f->vendor, "HygonGenuine");

    r = leaf(f, 1, 0);
    f->family = (r.a >> 8) & 0xf;
    f->model = (r.a >> 4) & 0xf;
    f->stepping = r.a & 0xf;
    if (f->family == 0xf)
        f->family += (r.a >> 20) & 0xff;
    if (f->family >= 6)
        f->model |= (r.a >> 12) & 0xf0;
}

static void detect_basic(struct cpu_features *f)
{
    struct regs r = leaf(f, 1, 0);

    f->pge = bit(r.d, 13);
    f->sysenter = bit(r.d, 11);
    f->pcid = bit(r.c, 17);
    f->x2apic = bit(r.c, 21);
    f->tsc_deadline = bit(r.c, 24);
    f->xsave = bit(r.c, 26);

    f->arat = bit(leaf(f, 6, 0).a, 2);

    r = leaf(f, 7, 0);
    f->fsgsbase = bit(r.b, 0);
    f->smep = bit(r.b, 7);
    f->avx512 = bit(r.b, 16);
    f->smap = bit(r.b, 20);
    f->umip = bit(r.c, 2);
    f->pku = bit(r.c, 3);
}

static void detect_extended(struct cpu_features *f)
{
    struct regs r = leaf(f, 0x80000001, 0);

    f->nx = bit(r.d, 20);
    f->pse1g = bit(r.d, 26);
    f->rdtscp = bit(r.d, 27);
    f->syscall32 = f->amd; /* Intel's SYSCALL is for 64-bit code only */
    f->tsc_invariant = bit(leaf(f, 0x80000007, 0).d, 8);
    r = leaf(f, 0x80000008, 0);
    f->phys_bits = r.a ? r.a & 0xff : 36;
    f->virt_bits = r.a ? (r.a >> 8) & 0xff : 48;
}

static void detect_xsave(struct cpu_features *f)
{
    struct regs r;

    if (!f->xsave)
        return;
    r = leaf(f, 0xd, 0);
    f->xcr0_mask = r.a | (u64)r.d << 32;
    f->xsave_size = r.c;
    r = leaf(f, 0xd, 1);
    f->xsaveopt = bit(r.a, 0);
    f->xsavec = bit(r.a, 1);
}

/*
 * The CR4 of every CPU while the hypervisor runs; a vCPU's own is made from it
 * at a switch. No CR4.PKE: the ABI gives protection keys to hardware guests
 * only, and a PV guest's PKRU would bind the hypervisor's copies as well.
 */
static u64 control_cr4(const struct cpu_features *f)
{
    u64 cr4 = CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

    cr4 |= f->pge ? CR4_PGE : 0;
    cr4 |= f->xsave ? CR4_OSXSAVE : 0;
    cr4 |= f->fsgsbase ? CR4_FSGSBASE : 0;
    cr4 |= f->smep ? CR4_SMEP : 0;
    cr4 |= f->smap ? CR4_SMAP : 0;
    cr4 |= f->umip ? CR4_UMIP : 0;
    return cr4;
}

static void features_read(struct cpu_features *f)
{
    detect_identity(f);
    detect_basic(f);
    detect_extended(f);
    detect_xsave(f);
    f->cr4 = control_cr4(f);
}

void cpu_features_detect(void)
{
    features_read(&cpu_features);
}

void cpu_features_report(void)
{
    const struct cpu_features *f = &cpu_features;

    log_info("CPU: %s family %#x model %#x stepping %u, %u-bit physical addresses%s%s%s%s%s\n", f->vendor, f->family,
             f->model, f->stepping, f->phys_bits, f->nx ? "" : ", no NX", f->smep ? ", SMEP" : "",
             f->smap ? ", SMAP" : "", f->umip ? ", UMIP" : "", f->xsave ? ", XSAVE" : "");
}

#define MSR_PLATFORM_INFO 0xce
#define PLATFORM_INFO_CPUID_FAULTING (1ULL << 31)

void cpu_features_probe(void)
{
    u64 v;

    if (cpu_features.intel && !rdmsr_safe(MSR_PLATFORM_INFO, &v))
        cpu_features.cpuid_faulting = v & PLATFORM_INFO_CPUID_FAULTING;
}

void cpu_init_control(void)
{
    write_cr0(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | (cpu_features.nx ? EFER_NX : 0));
    wrmsr(MSR_PAT, PV_PAT);
    write_cr4(cpu_features.cr4);
}

/* Does this CPU have all that the hypervisor and its guests count on? */
bool cpu_features_agree(void)
{
    static struct cpu_features mine; /* one CPU starts at a time */

    features_read(&mine);
    return (mine.cr4 & cpu_features.cr4) == cpu_features.cr4 && mine.nx == cpu_features.nx &&
           mine.phys_bits == cpu_features.phys_bits &&
           (mine.xcr0_mask & cpu_features.xcr0_mask) == cpu_features.xcr0_mask;
}
