/* SPDX-License-Identifier: MIT */
/* The second vCPU: starts it, and has it do one thing again and again while the first does another. */
#include "hostile.h"

#include <xen/vcpu.h>

#define ROUNDS 300u

/* The second vCPU's page-fault handler leaves out the instruction, which is three bytes long. */
__asm__(".globl racer_fault\n"
        "racer_fault:\n"
        "        popq %rcx\n"
        "        popq %r11\n"
        "        addq $8, %rsp\n"
        "        addq $3, (%rsp)\n"
        "        pushq $0\n"
        "        jmp hypercall_page + 23 * 32\n");
extern char racer_fault[];
_Static_assert(__HYPERVISOR_iret == 23, "racer_fault");

static char racer_stack[4 * PAGE_SIZE] __attribute__((aligned(16)));
static void (*volatile racer_job)(void);
static volatile uint64_t racer_rounds;

void guest_secondary(void *arg)
{
    (void)arg;
    for (;;) {
        void (*job)(void) = racer_job;

        if (job)
            job();
        else
            HC2(sched_op, SCHEDOP_yield, 0);
        racer_rounds++;
    }
}

vcpu_guest_context_t *racer_context(void)
{
    static vcpu_guest_context_t c __attribute__((aligned(4096)));

    c = (vcpu_guest_context_t){ .flags = VGCF_in_kernel | VGCF_online };
    c.user_regs.rip = PTR(secondary_start);
    c.user_regs.rsp = PTR(racer_stack) + sizeof(racer_stack) - 16;
    c.user_regs.cs = FLAT_KERNEL_CS;
    c.user_regs.ss = FLAT_KERNEL_SS;
    c.user_regs.rflags = 2;
    c.kernel_ss = FLAT_KERNEL_SS;
    c.kernel_sp = c.user_regs.rsp;
    c.ctrlreg[3] = table_of(_text, 4) << 12;
    c.trap_ctxt[TRAP_PF] = (trap_info_t){ TRAP_PF, 4, FLAT_KERNEL_CS, PTR(racer_fault) };
    return &c;
}

/* It runs, or did before. */
bool racer_start(void)
{
    vcpu_guest_context_t *c = racer_context();
    long rc;

    shared_info->vcpu_info[1].evtchn_upcall_mask = 1;
    rc = HC3(vcpu_op, VCPUOP_initialise, 1, PTR(c));
    if (rc != -XEN_EEXIST)
        MUST(!rc && !HC3(vcpu_op, VCPUOP_up, 1, 0));
    while (racer_rounds < 10)
        HC2(sched_op, SCHEDOP_yield, 0);
    return true;
}

void race_begin(void (*job)(void))
{
    racer_rounds = 0;
    racer_job = job;
}

/* Both have had their turns, often; on one CPU they are preempted in the middle of things. */
bool race_goes_on(unsigned round)
{
    if (round % 64 == 63)
        HC2(sched_op, SCHEDOP_yield, 0);
    return round < ROUNDS || (racer_rounds < 20 && round < 100 * ROUNDS);
}

void race_end(void)
{
    uint64_t seen;

    racer_job = NULL;
    seen = racer_rounds;
    while (racer_rounds < seen + 2)
        HC2(sched_op, SCHEDOP_yield, 0);
}
