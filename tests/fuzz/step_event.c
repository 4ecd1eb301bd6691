/* SPDX-License-Identifier: MIT */
/* Steps: event channels of both ABIs. */
#include "fuzz.h"

#include "core/event_fifo.h"

static bool event_call(struct call *c, unsigned cmd, vaddr_t va)
{
    *c = (struct call){ __HYPERVISOR_event_channel_op, { { cmd, va } } };
    return true;
}

bool step_event_bind(struct act *a, struct call *c)
{
    static const u8 commands[] = { EVTCHNOP_alloc_unbound, EVTCHNOP_bind_interdomain, EVTCHNOP_bind_virq,
                                   EVTCHNOP_bind_ipi, EVTCHNOP_bind_pirq, EVTCHNOP_bind_vcpu };
    u8 cmd = PICK(a, commands);
    vaddr_t va;
    u32 *arg;

    arg = ARG_NEW(a, u32, 8, &va);
    switch (cmd) {
    case EVTCHNOP_alloc_unbound: {
        struct evtchn_alloc_unbound op = { .dom = pick_domid(a), .remote_dom = pick_domid(a) };

        memcpy(arg, &op, sizeof(op));
        break;
    }
    case EVTCHNOP_bind_interdomain: {
        struct evtchn_bind_interdomain op = { .remote_dom = pick_domid(a), .remote_port = pick_port(a) };

        memcpy(arg, &op, sizeof(op));
        break;
    }
    case EVTCHNOP_bind_virq:
        arg[0] = take(a) % 26;
        arg[1] = pick_vcpu(a);
        break;
    case EVTCHNOP_bind_pirq:
        arg[0] = take(a) % 8;
        arg[1] = take(a) % 2;
        break;
    case EVTCHNOP_bind_vcpu:
        arg[0] = pick_port(a);
        arg[1] = pick_vcpu(a);
        break;
    default:
        arg[0] = pick_vcpu(a);
    }
    return event_call(c, cmd, va);
}

bool step_event(struct act *a, struct call *c)
{
    static const u8 commands[] = { EVTCHNOP_send, EVTCHNOP_close, EVTCHNOP_unmask, EVTCHNOP_status, EVTCHNOP_reset,
                                   EVTCHNOP_send, EVTCHNOP_set_priority, 14, 99 };
    u8 cmd = PICK(a, commands);
    vaddr_t va;
    u32 *arg;

    arg = ARG_NEW(a, u32, 8, &va);
    if (cmd == EVTCHNOP_status) {
        struct evtchn_status op = { .dom = pick_domid(a), .port = pick_port(a) };

        memcpy(arg, &op, sizeof(op));
    } else if (cmd == EVTCHNOP_reset) {
        *(domid_t *)(void *)arg = a->busy == DOMID_INVALID ? pick_domid(a) : DOMID_SELF;
    } else {
        arg[0] = pick_port(a);
        arg[1] = take(a) % 17;
    }
    return event_call(c, cmd, va);
}

bool step_event_fifo(struct act *a, struct call *c)
{
    bool control = take(a) & 1;
    vaddr_t va;
    u64 *arg;

    arg = ARG_NEW(a, u64, 3, &va);
    if (control) {
        static const u32 offsets[] = { 0, 0, 8, 4032, 4088, 4, 4096 };
        struct evtchn_init_control op = { .control_gfn = pick_mfn(a), .vcpu = pick_vcpu(a) };

        op.offset = PICK(a, offsets);
        memcpy(arg, &op, sizeof(op));
    } else {
        arg[0] = pick_mfn(a);
    }
    return event_call(c, control ? EVTCHNOP_init_control : EVTCHNOP_expand_array, va);
}

/* What the guest does with its event words, queue heads and masks, which are its own memory. */
bool step_event_word(struct act *a, struct call *c)
{
    u32 port = pick_port(a), value = take16(a) | (u32)take(a) << 24;
    struct evtchn_fifo *f = a->d->evt.fifo;
    u8 what = take(a);

    (void)c;
    if (what & 1) {
        event_word_t *w = f ? fifo_word(f, port) : NULL;
        struct evtchn_fifo_vcpu *q = a->v->evt.fifo;

        if (w && !(what & 2))
            WRITE_ONCE(*w, what & 4 ? value : READ_ONCE(*w) ^ (0x80000000u >> what / 16 % 4));
        else if (q)
            WRITE_ONCE(q->queue[what / 8 % EVTCHN_FIFO_MAX_QUEUES].block->head[what / 8 % 16], value & 0x1ffff);
        return false;
    }
    if (port < EVTCHN_2L_NR_CHANNELS) {
        unsigned long *bits = what & 2 ? a->d->shared_info->evtchn_mask : a->d->shared_info->evtchn_pending;

        WRITE_ONCE(bits[port / 64], READ_ONCE(bits[port / 64]) ^ 1UL << port % 64);
    }
    WRITE_ONCE(a->v->info->evtchn_upcall_mask, what >> 3 & 1);
    WRITE_ONCE(a->v->info->evtchn_upcall_pending, what >> 4 & 1);
    return false;
}
