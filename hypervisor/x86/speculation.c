/* SPDX-License-Identifier: MIT */
/*
 * CPU flaws: asks the CPU, has pv/speculation.c decide, and puts the decision
 * into the text while that can still be written: thunks (x86/thunk.S), and the
 * blocks of the ways in and out (x86/entry.S), each of which begins with a jump
 * over itself that becomes a NOP. No branch that a CPU could guess is left.
 */
#include "speculation.h"

#include <zelo/domain.h>
#include <zelo/lib.h>
#include <zelo/speculation.h>
#include <arch/machine.h>

#include <xen/arch-x86/cpufeatureset.h>

#include "../pv/msr.h"
#include "entry.h"
#include "xpti.h"

#define MSR_ARCH_CAPABILITIES 0x10a
#define EFER_AIBRSE (1u << 21)

u32 speculation_host_spec_ctrl; /* for entry.S */

/* --- what the CPU says --- */

static struct speculation_cpu boot_cpu;

/* This early no exception can be handled: the MSR is read only if CPUID has it. */
static u64 arch_capabilities(u32 leaf7d)
{
    return leaf7d & (1u << XEN_X86_FEATURE_ARCH_CAPS % 32) ? rdmsr(MSR_ARCH_CAPABILITIES) : 0;
}

static void cpu_ask(struct speculation_cpu *c)
{
    u32 max_sub, unused, word;

    *c = (struct speculation_cpu){
        .intel = cpu_features.intel, .amd = cpu_features.amd, .smep = cpu_features.smep,
        .family = cpu_features.family, .model = cpu_features.model,
    };
    if (cpu_features.max_leaf >= 7) {
        cpuid(7, 0, &max_sub, &c->leaf7b, &word, &c->leaf7d);
        if (max_sub >= 2)
            cpuid(7, 2, &unused, &unused, &unused, &c->leaf7_2d);
    }
    if (cpu_features.max_ext_leaf >= 0x80000008)
        cpuid(0x80000008, 0, &unused, &c->ext8b, &unused, &unused);
    if (cpu_features.max_ext_leaf >= 0x80000021)
        cpuid(0x80000021, 0, &c->ext21a, &unused, &c->ext21c, &unused);
    c->arch_caps = arch_capabilities(c->leaf7d);
}

/* --- the text --- */

struct spec_site { u64 addr, kinds; };
extern struct spec_site __start_spec_sites[], __stop_spec_sites[];

static u64 kinds_on(void)
{
    return (xpti_is_used() ? SPEC_XPTI : 0) | (speculation.switch_spec_ctrl ? SPEC_MSR : 0) |
           (speculation.rsb ? SPEC_RSB : 0) | (speculation.ibpb_entry ? SPEC_IBPB : 0) |
           (speculation.verw ? SPEC_VERW : 0);
}

static void blocks_open(void)
{
    u64 on = kinds_on();

    for (const struct spec_site *s = __start_spec_sites; s < __stop_spec_sites; s++) {
        u8 *code = (u8 *)s->addr;

        if (!(s->kinds & on))
            continue;
        code[0] = 0x66; /* a NOP of two bytes in place of the jump over the block */
        code[1] = 0x90;
    }
}

/* LFENCE; JMP *reg, or the jump alone. */
static void thunks_write(bool fence)
{
    static const u8 lfence[] = { 0x0f, 0xae, 0xe8 };

    for (unsigned reg = 0; reg < 16; reg++) {
        u8 *code = indirect_thunks + (size_t)reg * THUNK_BYTES;

        if (fence) {
            memcpy(code, lfence, sizeof(lfence));
            code += sizeof(lfence);
        }
        if (reg >= 8)
            *code++ = 0x41; /* REX.B */
        *code++ = 0xff;
        *code = (u8)(0xe0 | (reg & 7));
    }
}

void speculation_init(void)
{
    const struct speculation_words words = {
        .spec_ctrl = cmdline_get("spec-ctrl"), .xpti = cmdline_get("xpti"), .pv_l1tf = cmdline_get("pv-l1tf"),
    };

    cpu_ask(&boot_cpu);
    speculation_decide(&boot_cpu, &words, &speculation);
    if (xpti_is_used())
        cpu_features.cr4 &= ~(u64)CR4_PGE; /* x86/xpti.c */
    speculation_host_spec_ctrl = speculation.spec_ctrl;
    blocks_open();
    if (speculation.thunk != THUNK_RETPOLINE)
        thunks_write(speculation.thunk == THUNK_LFENCE);
    speculation_report(&speculation);
}

/* --- each CPU --- */

static bool has_all(u32 mine, u32 boot)
{
    return (mine & boot) == boot;
}

bool speculation_cpu_agrees(void)
{
    struct speculation_cpu c;

    cpu_ask(&c);
    return has_all(c.leaf7d, boot_cpu.leaf7d) && has_all(c.leaf7_2d, boot_cpu.leaf7_2d) &&
           has_all(c.ext8b, boot_cpu.ext8b) && has_all(c.ext21a, boot_cpu.ext21a);
}

void speculation_init_cpu(void)
{
    if (speculation.switch_spec_ctrl)
        wrmsr(MSR_SPEC_CTRL, speculation.spec_ctrl);
    if (speculation.auto_ibrs)
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_AIBRSE);
}

/* --- vCPUs --- */

void speculation_guest_spec_ctrl(u64 value)
{
    if (speculation.switch_spec_ctrl)
        cpu_info()->guest_spec_ctrl = value; /* the way out loads it */
    else
        (void)!wrmsr_safe(MSR_SPEC_CTRL, value);
}

/* The domain whose branches this CPU has learnt last: number and birth, since numbers are used again. */
struct learnt { domid_t id; ns_t created; };
static DEFINE_PER_CPU(struct learnt, learnt_from);

void speculation_switch(const struct domain *d)
{
    struct learnt *last = &this_cpu_var(learnt_from);

    if (!speculation.ibpb_switch || (last->id == d->id && last->created == d->created))
        return;
    *last = (struct learnt){ d->id, d->created };
    wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB);
}
