/* SPDX-License-Identifier: MIT */
/* A CPU that goes from one vCPU to another: of another domain, and of the same. */
#include "bench.h"

/* From this vCPU to the other and back. Who is interrupted at the wrong moment has its turn later. */
static uint64_t turns_before;

static long turn(unsigned i)
{
    (void)i;
    return HC2(sched_op, SCHEDOP_yield, 0);
}

static void must_have_turned(uint64_t turns)
{
    if (turns < REPEATS - REPEATS / 64)
        must("turns of the other", (long)turns - REPEATS);
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

static void child_before(void) { turns_before = child->turns; }
static void child_after(void) { must_have_turned(child->turns - turns_before); }

static const struct row domain_rows[] = {
    { .name = "switch_domains", .operate = turn, .each = 2, .before = child_before, .after = child_after },
    { .name = NULL },
};

const struct family switches = { child_yields, domain_rows, child_sleeps };

/* --- the other vCPU --- */

static char second_stack[PAGE_SIZE] __attribute__((aligned(16)));
static volatile uint64_t second_turns;
static volatile bool second_ends;

void guest_secondary(void *arg)
{
    (void)arg;
    HC3(vcpu_op, VCPUOP_stop_periodic_timer, 1, 0);
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

static bool second_runs(uint64_t unused) { return (void)unused, second_turns; }

static void second_start(void)
{
    static vcpu_guest_context_t c;

    c.flags = VGCF_in_kernel; /* not online: VCPUOP_up is what brings it up */
    c.user_regs.rip = PTR(secondary_start);
    c.user_regs.rsp = c.kernel_sp = PTR(second_stack) + sizeof(second_stack) - 16;
    c.user_regs.cs = FLAT_KERNEL_CS;
    c.user_regs.ss = c.kernel_ss = FLAT_KERNEL_SS;
    c.user_regs.rflags = 2;
    c.ctrlreg[3] = root_frame() << 12;
    must("VCPUOP_initialise", HC3(vcpu_op, VCPUOP_initialise, 1, PTR(&c)));
    must("VCPUOP_up", HC3(vcpu_op, VCPUOP_up, 1, 0));
    must("the second vCPU's start", !wait_for(second_runs, 0));
}

static bool is_down(uint64_t vcpu) { return !HC3(vcpu_op, VCPUOP_is_up, vcpu, 0); }

static void second_stop(void)
{
    second_ends = true;
    must("VCPUOP_down", !wait_for(is_down, 1));
}

static void second_before(void) { turns_before = second_turns; }
static void second_after(void) { must_have_turned(second_turns - turns_before); }

static const struct row vcpu_rows[] = {
    { .name = "switch_vcpus", .operate = turn, .each = 2, .before = second_before, .after = second_after },
    { .name = NULL },
};

const struct family two_vcpus = { second_start, vcpu_rows, second_stop };
