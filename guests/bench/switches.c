/* SPDX-License-Identifier: MIT */
/* A CPU that goes from one vCPU to another: of another domain, and of the same. */
#include "bench.h"

/* One turn each: from this vCPU to the other and back. */
static long turn(const volatile uint64_t *turns)
{
    uint64_t before = *turns;

    return HC2(sched_op, SCHEDOP_yield, 0) | (*turns == before);
}

/* --- the other domain --- */

static void child_yields(void)
{
    uint64_t before = child_answers();

    child->mode = CHILD_YIELDS;
    must("event", port_send(child_port));
    child_wait_for_answer(before);
    HC2(sched_op, SCHEDOP_yield, 0);
}

static bool sleeps(uint64_t id) { return tools_domain_waits((domid_t)id); }

static void child_sleeps(void)
{
    child->mode = CHILD_ANSWERS;
    must("the child's sleep", !wait_for(sleeps, child_id));
}

static long switch_domains(unsigned i)
{
    (void)i;
    return turn(&child->turns);
}

static const struct row domain_rows[] = {
    { .name = "switch_domains", .operate = switch_domains, .each = 2 }, { .name = NULL },
};

const struct family switches = { child_yields, domain_rows, child_sleeps };

/* --- the other vCPU --- */

static char second_stack[PAGE_SIZE] __attribute__((aligned(16)));
static volatile uint64_t second_turns;
static volatile bool second_ends;

void guest_secondary(void *arg)
{
    (void)arg;
    while (!second_ends) {
        second_turns++;
        HC2(sched_op, SCHEDOP_yield, 0);
    }
    for (;;)
        HC3(vcpu_op, VCPUOP_down, 1, 0);
}

static uint64_t root_frame(void)
{
    return virt_to_mfn((void *)start_info->pt_base);
}

static void second_start(void)
{
    static vcpu_guest_context_t c;

    c.flags = VGCF_in_kernel | VGCF_online;
    c.user_regs.rip = PTR(secondary_start);
    c.user_regs.rsp = c.kernel_sp = PTR(second_stack) + sizeof(second_stack) - 16;
    c.user_regs.cs = FLAT_KERNEL_CS;
    c.user_regs.ss = c.kernel_ss = FLAT_KERNEL_SS;
    c.user_regs.rflags = 2;
    c.ctrlreg[3] = root_frame() << 12;
    must("VCPUOP_initialise", HC3(vcpu_op, VCPUOP_initialise, 1, PTR(&c)));
    must("VCPUOP_up", HC3(vcpu_op, VCPUOP_up, 1, 0));
    HC3(vcpu_op, VCPUOP_stop_periodic_timer, 1, 0);
    HC2(sched_op, SCHEDOP_yield, 0);
}

static bool is_down(uint64_t vcpu) { return !HC3(vcpu_op, VCPUOP_is_up, vcpu, 0); }

static void second_stop(void)
{
    second_ends = true;
    must("VCPUOP_down", !wait_for(is_down, 1));
}

static long switch_vcpus(unsigned i)
{
    (void)i;
    return turn(&second_turns);
}

static const struct row vcpu_rows[] = {
    { .name = "switch_vcpus", .operate = switch_vcpus, .each = 2 }, { .name = NULL },
};

const struct family two_vcpus = { second_start, vcpu_rows, second_stop };
