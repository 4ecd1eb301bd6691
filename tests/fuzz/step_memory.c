/* SPDX-License-Identifier: MIT */
/* Steps: HYPERVISOR_memory_op. */
#include "fuzz.h"

#include <xen/memory.h>

static bool memory_call(struct call *c, unsigned cmd, vaddr_t va)
{
    *c = (struct call){ __HYPERVISOR_memory_op, { { cmd, va } } };
    return true;
}

static u32 memory_flags(struct act *a)
{
    static const u32 flags[] = { 0, 0, XENMEMF_address_bits(23), XENMEMF_address_bits(1), XENMEMF_exact_node(1),
                                 XENMEMF_populate_on_demand };

    return PICK(a, flags);
}

static u32 order(struct act *a)
{
    static const u32 orders[] = { 0, 0, 0, 0, 1, 2, 9, 10, 21, 64 };

    return PICK(a, orders);
}

#define LIST 8

/* A list of frames: long for what the count says, and with room behind. */
static u64 *frame_list(struct act *a, vaddr_t *va)
{
    u64 *frame = ARG_NEW(a, u64, LIST, va);

    for (unsigned i = 0; i < 4; i++)
        frame[i] = pick_mfn(a);
    return frame;
}

bool step_reservation(struct act *a, struct call *c)
{
    static const u8 commands[] = { XENMEM_increase_reservation, XENMEM_decrease_reservation,
                                   XENMEM_populate_physmap, XENMEM_decrease_reservation };
    u8 cmd = PICK(a, commands);
    struct xen_memory_reservation *r;
    vaddr_t va, list;

    r = ARG_NEW(a, struct xen_memory_reservation, 1, &va);
    *r = (struct xen_memory_reservation){ .nr_extents = pick_count(a), .extent_order = order(a),
                                          .mem_flags = memory_flags(a), .domid = pick_domid(a) };
    (void)frame_list(a, &list);
    r->extent_start.p = take(a) < 0xf0 ? (void *)list : NULL;
    return memory_call(c, cmd, va);
}

/* The guest remembers its new frames. */
void after_reservation(struct act *a, const struct call *c, long result)
{
    const u64 *frame = (const u64 *)(const void *)(args_at(a->v) + (sizeof(struct xen_memory_reservation) + 7) / 8 * 8);

    if ((a->s->flow & 0x20) || (c->a.arg[0] & 63) == XENMEM_decrease_reservation)
        return;
    for (long i = 0; i < MIN(result, (long)LIST); i++)
        world_note_frame(a->d->id, frame[i]);
}

bool step_exchange(struct act *a, struct call *c)
{
    struct xen_memory_exchange *x;
    vaddr_t va, in, out;
    u32 n = pick_count(a);

    x = ARG_NEW(a, struct xen_memory_exchange, 1, &va);
    memset(x, 0, sizeof(*x));
    (void)frame_list(a, &in);
    memset(ARG_NEW(a, u64, LIST, &out), 0, LIST * sizeof(u64));
    x->in.nr_extents = n;
    x->in.extent_order = order(a);
    x->out.extent_order = order(a);
    x->out.nr_extents = x->in.extent_order == x->out.extent_order ? n : pick_count(a);
    x->in.domid = x->out.domid = pick_domid(a);
    x->out.mem_flags = memory_flags(a);
    x->nr_exchanged = take(a) < 0xe0 ? 0 : take(a);
    x->in.extent_start.p = (void *)in;
    x->out.extent_start.p = (void *)out;
    return memory_call(c, XENMEM_exchange, va);
}

void after_exchange(struct act *a, const struct call *c, long result)
{
    const struct xen_memory_exchange *x = (const void *)args_at(a->v);
    const u64 *out = (const u64 *)(const void *)(args_at(a->v) + (sizeof(*x) + 7) / 8 * 8) + LIST;

    (void)c;
    for (unsigned i = 0; !result && !(a->s->flow & 0x20) && i < LIST; i++)
        if (out[i] && out[i] < max_frame)
            world_note_frame(a->d->id, out[i]);
}

bool step_memory_query(struct act *a, struct call *c)
{
    static const u8 commands[] = {
        XENMEM_claim_pages, XENMEM_acquire_resource, XENMEM_set_memory_map, XENMEM_memory_map,
        XENMEM_machine_memory_map, XENMEM_machphys_mfn_list, XENMEM_machphys_mapping, XENMEM_maximum_ram_page,
        XENMEM_current_reservation, XENMEM_maximum_reservation, XENMEM_maximum_gpfn, XENMEM_acquire_resource,
        XENMEM_get_pod_target, XENMEM_set_pod_target, XENMEM_add_to_physmap, XENMEM_claim_pages, 55,
    };
    u8 cmd = PICK(a, commands);
    vaddr_t va, list;
    u64 *arg;

    arg = ARG_NEW(a, u64, 16, &va);
    (void)ARG_NEW(a, u64, 64, &list);
    memset(arg, 0, 16 * sizeof(u64));
    switch (cmd) {
    case XENMEM_claim_pages: {
        struct xen_memory_reservation op = { .nr_extents = take(a), .domid = pick_domid(a) };

        memcpy(arg, &op, sizeof(op));
        break;
    }
    case XENMEM_acquire_resource: {
        struct xen_mem_acquire_resource op = { .domid = pick_domid(a), .type = take(a) < 0xf0 ? 1 : 0,
                                               .id = take(a) % 3, .nr_frames = take(a) % 6, .frame = take(a) % 6 };

        op.frame_list.p = op.nr_frames ? (void *)list : NULL;
        memcpy(arg, &op, sizeof(op));
        break;
    }
    case XENMEM_set_memory_map: {
        struct xen_foreign_memory_map op = { .domid = pick_domid(a), .map.nr_entries = pick_count(a) };

        op.map.buffer.p = (void *)list;
        memcpy(arg, &op, sizeof(op));
        break;
    }
    case XENMEM_memory_map:
    case XENMEM_machine_memory_map: {
        struct xen_memory_map op = { .nr_entries = pick_count(a) };

        op.buffer.p = (void *)list;
        memcpy(arg, &op, sizeof(op));
        break;
    }
    case XENMEM_machphys_mfn_list: {
        struct xen_machphys_mfn_list op = { .max_extents = pick_count(a) };

        op.extent_start.p = (void *)list;
        memcpy(arg, &op, sizeof(op));
        break;
    }
    default:
        *(domid_t *)(void *)arg = pick_domid(a);
    }
    return memory_call(c, cmd, va);
}
