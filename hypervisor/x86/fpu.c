/* SPDX-License-Identifier: MIT */
/*
 * FPU and extended state. A vCPU has an area in the standard XSAVE format for
 * all components the CPU has, so that what it enabled once (XCR0) survives
 * also while it is switched off. State is saved and loaded at each switch to
 * or from a guest, never left behind in a CPU.
 */
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <arch/machine.h>

#include "entry.h"
#include "fpu.h"

#define XCR0_X87 1u
#define XCR0_SSE 2u
#define FXSAVE_BYTES 512u
#define XSAVE_HEADER_BYTES 64u
#define FCW_DEFAULT 0x37f
#define MXCSR_DEFAULT 0x1f80

static DEFINE_PER_CPU(u64, fpu_xcr0); /* what this CPU's XCR0 holds; 0: not known yet */

size_t pv_fpu_area_size(void)
{
    return cpu_features.xsave ? MAX(cpu_features.xsave_size, FXSAVE_BYTES + XSAVE_HEADER_BYTES) : FXSAVE_BYTES;
}

static void xcr0_load(u64 xcr0)
{
    if (this_cpu_var(fpu_xcr0) == xcr0)
        return;
    __asm__ volatile("xsetbv" :: "c"(0), "a"((u32)xcr0), "d"((u32)(xcr0 >> 32)));
    this_cpu_var(fpu_xcr0) = xcr0;
}

static void ts_clear(void)
{
    __asm__ volatile("clts");
}

static void ts_set(void)
{
    write_cr0(read_cr0() | CR0_TS);
}

void pv_fpu_reset(struct vcpu *v)
{
    memset(v->pv.fpu, 0, pv_fpu_area_size());
    *(u16 *)v->pv.fpu = FCW_DEFAULT;
    *(u32 *)((char *)v->pv.fpu + 24) = MXCSR_DEFAULT;
}

int pv_fpu_init(struct vcpu *v)
{
    /* Page aligned, since a page or more: the areas of CPUs with AVX-512 are close to that anyway. */
    v->pv.fpu = mem_alloc(MAX(pv_fpu_area_size(), PAGE_SIZE));
    if (!v->pv.fpu)
        return -ENOMEM;
    v->pv.xcr0 = v->pv.xcr0_accum = cpu_features.xsave ? XCR0_X87 : 0;
    pv_fpu_reset(v);
    return 0;
}

void pv_fpu_free(struct vcpu *v)
{
    mem_free(v->pv.fpu);
    v->pv.fpu = NULL;
}

/* The components a vCPU may have touched; a component never enabled is still in its initial state. */
static u64 fpu_components(const struct vcpu *v)
{
    return v->pv.xcr0_accum | XCR0_X87 | XCR0_SSE;
}

void fpu_save(struct vcpu *v)
{
    u64 mask = fpu_components(v);

    if (v->pv.ts)
        ts_clear();
    if (!cpu_features.xsave) {
        __asm__ volatile("fxsave64 (%0)" :: "r"(v->pv.fpu) : "memory");
        return;
    }
    xcr0_load(mask); /* SSE registers can be used also with XCR0.SSE clear */
    if (cpu_features.xsaveopt)
        __asm__ volatile("xsaveopt64 (%0)" :: "r"(v->pv.fpu), "a"((u32)mask), "d"((u32)(mask >> 32)) : "memory");
    else
        __asm__ volatile("xsave64 (%0)" :: "r"(v->pv.fpu), "a"((u32)mask), "d"((u32)(mask >> 32)) : "memory");
}

void fpu_load(struct vcpu *v)
{
    u64 mask = fpu_components(v);
    int bad;

    ts_clear();
    if (cpu_features.xsave) {
        xcr0_load(mask);
        bad = xrstor_safe(v->pv.fpu, mask);
        if (bad) {
            /* The tools loaded an image that the CPU refuses. */
            log_guest(LOG_WARNING, "d%uv%u: extended state not loadable, reset\n", v->domain->id, v->id);
            pv_fpu_reset(v);
            if (xrstor_safe(v->pv.fpu, mask))
                panic("The initial FPU state does not load\n");
        }
        if (v->pv.xcr0 != mask)
            xcr0_load(v->pv.xcr0 | XCR0_X87);
    } else if (fxrstor_safe(v->pv.fpu)) {
        pv_fpu_reset(v);
        if (fxrstor_safe(v->pv.fpu))
            panic("The initial FPU state does not load\n");
    }
    if (v->pv.ts)
        ts_set();
}

/*
 * A component that the vCPU enables for the first time still holds in the CPU
 * what another vCPU left there: it is brought to its initial state.
 */
void pv_write_xcr0(u64 xcr0)
{
    struct vcpu *v = current;
    unsigned long flags = arch_irq_save();
    bool fresh = xcr0 & ~fpu_components(v);

    if (fresh)
        fpu_save(v);
    v->pv.xcr0 = xcr0;
    v->pv.xcr0_accum |= xcr0;
    if (fresh)
        fpu_load(v);
    else
        xcr0_load(xcr0 | XCR0_X87);
    arch_irq_restore(flags);
}

void pv_set_ts(bool ts)
{
    struct vcpu *v = current;

    if (v->pv.ts == ts)
        return;
    v->pv.ts = ts;
    if (ts)
        ts_set();
    else
        ts_clear();
}
