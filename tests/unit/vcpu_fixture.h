/* SPDX-License-Identifier: MIT */
/* One vCPU of a guest that is current, with registers and a stack of its kernel, and nothing behind it. */
#ifndef TESTS_VCPU_FIXTURE_H
#define TESTS_VCPU_FIXTURE_H

#include "preempt_fixture.h"

#include "pv/traps.h"

#define NON_CANONICAL (1UL << 60)

static struct domain dom;
static struct vcpu vcpu;
static vcpu_info_t info;
static struct trap_info traps[256];
static struct cpu_user_regs *regs;

/* In guest kernel mode, with events let through. */
static unused_arg int vcpu_begin(void **state)
{
    (void)state;
    memset(&dom, 0, sizeof(dom));
    memset(&vcpu, 0, sizeof(vcpu));
    memset(&info, 0, sizeof(info));
    memset(traps, 0, sizeof(traps));
    preempt_every = 0;
    dom.id = 3;
    vcpu.domain = &dom;
    vcpu.info = &info;
    vcpu.pv.traps = traps;
    vcpu.pv.flags = PVF_KERNEL;
    vcpu.pv.root_kernel = MFN(0x1234);
    vcpu.pv.root_user = MFN(0x1235);
    host_set_current(&vcpu);
    regs = guest_regs();
    memset(regs, 0, sizeof(*regs));
    regs->cs = FLAT_KERNEL_CS;
    regs->ss = FLAT_KERNEL_SS;
    regs->rip = 0xffffffff81000010;
    regs->rflags = RFLAGS_IF | RFLAGS_FIXED;
    return 0;
}

static unused_arg int vcpu_end(void **state)
{
    (void)state;
    host_guest_heal();
    host_set_current(NULL);
    assert_int_equal(host_locks_held(), 0);
    return 0;
}

#endif
