/* SPDX-License-Identifier: MIT */
/* Steps: vCPUs, their timers, and the passing of time. */
#include "fuzz.h"

#include <zelo/softirq.h>

#include <xen/sched.h>
#include <xen/vcpu.h>

bool step_sched(struct act *a, struct call *c)
{
    static const u8 commands[] = { SCHEDOP_yield, SCHEDOP_block, SCHEDOP_poll, SCHEDOP_watchdog, SCHEDOP_shutdown_code,
                                   SCHEDOP_remote_shutdown, SCHEDOP_pin_override, SCHEDOP_shutdown, 77 };
    u8 cmd = PICK(a, commands);
    vaddr_t va, ports;
    u32 *arg, *port;

    arg = ARG_NEW(a, u32, 8, &va);
    port = ARG_NEW(a, u32, 4, &ports);
    memset(arg, 0, 32);
    switch (cmd) {
    case SCHEDOP_poll: {
        struct sched_poll op = { .nr_ports = pick_count(a), .timeout = take(a) & 1 ? 0 : (u64)host_time + take16(a) };

        for (unsigned i = 0; i < 4; i++)
            port[i] = pick_port(a);
        op.ports.p = (void *)ports;
        memcpy(arg, &op, sizeof(op));
        break;
    }
    case SCHEDOP_remote_shutdown:
        *(domid_t *)(void *)arg = pick_domid(a);
        arg[1] = take(a) % 8;
        break;
    default:
        arg[0] = take(a) % 4;
        arg[1] = take(a) % 4;
    }
    *c = (struct call){ __HYPERVISOR_sched_op, { { cmd, va } } };
    return true;
}

bool step_vcpu(struct act *a, struct call *c)
{
    static const u8 commands[] = {
        VCPUOP_register_vcpu_info, VCPUOP_up, VCPUOP_down, VCPUOP_is_up, VCPUOP_initialise,
        VCPUOP_get_runstate_info, VCPUOP_register_runstate_memory_area, VCPUOP_register_vcpu_time_memory_area,
        VCPUOP_set_periodic_timer, VCPUOP_stop_periodic_timer, VCPUOP_set_singleshot_timer,
        VCPUOP_stop_singleshot_timer, VCPUOP_send_nmi, VCPUOP_get_physid, VCPUOP_register_vcpu_info, 99,
    };
    u8 cmd = PICK(a, commands);
    u32 vcpu = pick_vcpu(a);
    vaddr_t va;
    u64 *arg;

    arg = ARG_NEW(a, u64, sizeof(vcpu_guest_context_t) / 8, &va);
    memset(arg, 0, 64);
    switch (cmd) {
    case VCPUOP_register_vcpu_info: {
        static const u32 offsets[] = { 0, 64, 4032, 4033, 4096, 8 };
        struct vcpu_register_vcpu_info op = { .mfn = pick_mfn(a), .offset = PICK(a, offsets) };

        memcpy(arg, &op, sizeof(op));
        break;
    }
    case VCPUOP_initialise: {
        vcpu_guest_context_t *x = (void *)arg;

        memset(x, 0, sizeof(*x));
        x->flags = VGCF_in_kernel;
        x->kernel_sp = FUZZ_VA + (SLOT_STACK + 1) * PAGE_SIZE;
        x->ctrlreg[3] = xen_pfn_to_cr3(take(a) < 0xc0 ? pick_mfn_of(a->d->id, SLOT_L4) : pick_mfn(a));
        x->ctrlreg[1] = take(a) < 0x80 ? 0 : xen_pfn_to_cr3(pick_mfn(a));
        x->gdt_ents = take(a) * 4u;
        x->gdt_frames[0] = pick_mfn(a);
        x->gdt_frames[1] = pick_mfn(a);
        x->event_callback_eip = 0x3000;
        break;
    }
    case VCPUOP_set_periodic_timer:
        arg[0] = take16(a) * 1000UL;
        break;
    case VCPUOP_set_singleshot_timer:
        arg[0] = (u64)host_time + take16(a);
        arg[1] = take(a) % 3;
        break;
    default:
        arg[0] = pick_va(a);
    }
    *c = (struct call){ __HYPERVISOR_vcpu_op, { { cmd, vcpu, va } } };
    return true;
}

bool step_timer(struct act *a, struct call *c)
{
    *c = (struct call){ __HYPERVISOR_set_timer_op, { { take(a) < 0x80 ? (u64)host_time + take16(a) : pick_word(a) } } };
    return true;
}

/* What is due by then happens on all CPUs. */
bool step_time_passes(struct act *a, struct call *c)
{
    static const ns_t spans[] = { 1000, 100000, 1000000, 30000000, 1000000000, 3000000000 };
    unsigned cpu;

    (void)c;
    host_time += PICK(a, spans);
    for_each_online_cpu(cpu)
        softirq_raise_on(cpu, SOFTIRQ_TIMER);
    run_softirqs();
    return false;
}
