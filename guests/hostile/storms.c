/* SPDX-License-Identifier: MIT */
/* Much of everything, for a while: what others get done meanwhile is theirs to check. */
#include "hostile.h"

static bool page_faults(void)
{
    for (unsigned i = 0; i < 20000; i++)
        MUST(catch_trap(do_read, (void *)0x1000) == TRAP_PF);
    for (unsigned i = 0; i < 2000; i++)
        MUST(catch_trap(do_write, (void *)DIRECT_MAP) == TRAP_PF);
    return true;
}

/* To domain 0, at the port of our console, and to ourselves. */
static bool events(void)
{
    evtchn_bind_ipi_t ipi = { .vcpu = 0 };
    evtchn_send_t console = { start_info->console.domU.evtchn }, store = { start_info->store_evtchn }, own;
    evtchn_close_t close;

    MUST(!HC2(event_channel_op, EVTCHNOP_bind_ipi, PTR(&ipi)));
    own.port = close.port = ipi.port;
    for (unsigned i = 0; i < 20000; i++) {
        HC2(event_channel_op, EVTCHNOP_send, PTR(&console));
        HC2(event_channel_op, EVTCHNOP_send, PTR(&store));
        MUST(!HC2(event_channel_op, EVTCHNOP_send, PTR(&own)));
    }
    return !HC2(event_channel_op, EVTCHNOP_close, PTR(&close));
}

static bool console_output(void)
{
    for (unsigned i = 0; i < 2000; i++)
        print("%u: a line of no use to anybody, that somebody has to take away nevertheless\n", i);
    return true;
}

static uint64_t soon(void)
{
    volatile vcpu_time_info_t *t = &vcpu_info()->time;

    return t->system_time; /* long past */
}

/* Timers that are due at once, each an event that is masked. */
static bool timers(void)
{
    evtchn_bind_virq_t virq = { .virq = VIRQ_TIMER, .vcpu = 0 };
    evtchn_close_t close;
    struct vcpu_set_periodic_timer fast = { .period_ns = 1 };

    MUST(!HC2(event_channel_op, EVTCHNOP_bind_virq, PTR(&virq)));
    close.port = virq.port;
    /* below a millisecond: <xen/vcpu.h> */
    REFUSED(EINVAL, HC3(vcpu_op, VCPUOP_set_periodic_timer, 0, PTR(&fast)));
    for (unsigned i = 0; i < 20000; i++)
        MUST(!HC1(set_timer_op, soon()));
    MUST(!HC1(set_timer_op, 0));
    return !HC2(event_channel_op, EVTCHNOP_close, PTR(&close));
}

/* Faults that end up as lines in the hypervisor's log: it must not be slowed down by them for ever. */
static bool log_lines(void)
{
    for (unsigned i = 0; i < 3000; i++)
        MUST(RUN((&(struct code_regs){ .rcx = 0xc0000082, .rax = i }), 0x0f, 0x30) == TRAP_GP); /* wrmsr */
    return true;
}

const struct attack storm_attacks[] = {
    { "page faults without end", page_faults },
    { "events without end", events },
    { "timers without end", timers },
    { "log lines without end", log_lines },
    { "console output without end", console_output },
    { NULL, NULL },
};
