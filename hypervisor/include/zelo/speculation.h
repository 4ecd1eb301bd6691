/* SPDX-License-Identifier: MIT */
/*
 * CPU flaws (docs/security.md): what the CPU says of itself, and what is done
 * about it. pv/speculation.c decides, x86/speculation.c asks and applies.
 */
#ifndef ZELO_SPECULATION_H
#define ZELO_SPECULATION_H

#include <zelo/types.h>

/* CPUID words and MSR_ARCH_CAPABILITIES as read; zero where there is none. */
struct speculation_cpu {
    bool intel, amd, smep;
    u32 family, model;
    u32 leaf7b, leaf7d;     /* 7:0 EBX, EDX */
    u32 leaf7_2d;           /* 7:2 EDX */
    u32 ext8b;              /* 0x80000008 EBX */
    u32 ext21a, ext21c;     /* 0x80000021 EAX, ECX */
    u64 arch_caps;
};

/* The values of spec-ctrl=, xpti=, pv-l1tf= on the command line; NULL: not given. */
struct speculation_words { const char *spec_ctrl, *xpti, *pv_l1tf; };

enum speculation_thunk { THUNK_RETPOLINE, THUNK_LFENCE, THUNK_JMP };

struct speculation {
    /* The CPU has the flaw, as far as it says. */
    bool meltdown, l1tf, mds, taa, mmio, rfds, tsa, ssb, btc, srso, rsb_underflow;
    /* What is on. */
    enum speculation_thunk thunk;
    u32 spec_ctrl;          /* MSR_SPEC_CTRL while the hypervisor runs */
    bool switch_spec_ctrl;  /* it is written at each entry and exit */
    bool auto_ibrs;         /* EFER.AIBRSE */
    bool rsb;               /* the return stack buffer is filled at each entry from a guest */
    bool verw;              /* buffers are cleared at each return to a guest */
    bool ibpb_entry;        /* IBPB at each entry from a guest */
    bool ibpb_switch;       /* IBPB when a CPU goes from one domain to another */
    bool xpti_dom0, xpti_domu;
    bool l1tf_dom0, l1tf_domu;
};

/* What the machine runs with; written once, before the first domain. */
extern struct speculation speculation;

void speculation_decide(const struct speculation_cpu *cpu, const struct speculation_words *words,
                        struct speculation *s);
/* The current vCPU's MSR_SPEC_CTRL, from now on or from its next entry on; the CPU has it. Interrupts off. */
void speculation_guest_spec_ctrl(u64 value);
/* One line for each class of flaws. */
void speculation_report(const struct speculation *s);

#endif
