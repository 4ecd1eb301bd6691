/* SPDX-License-Identifier: MIT */
/* Steps: grant tables. */
#include "fuzz.h"

#include "core/grant_private.h"

static u32 last_handle(const struct act *a, u8 b) { return b < 0xf0 ? b % 8 : a->d->id + 0x7ffffff0u + b; }

static bool grant_call(struct call *c, unsigned cmd, vaddr_t va, u32 n)
{
    *c = (struct call){ __HYPERVISOR_grant_table_op, { { cmd, va, n } } };
    return true;
}

/* --- the granting side: memory of the guest that it has mapped --- */

static void entry_v2(struct act *a, grant_entry_v2_t *e, u16 flags, domid_t to)
{
    static const u16 parts[][2] = { { 0, 64 }, { 4000, 96 }, { 4095, 1 }, { 4096, 1 }, { 100, 0 }, { 0, 4096 } };
    u16 kind = flags & GTF_type_mask;

    memset(e, 0, sizeof(*e));
    if (kind == GTF_transitive) {
        e->transitive.trans_domid = (domid_t)(take(a) % DOMAINS);
        e->transitive.gref = pick_ref(a);
    } else if (flags & GTF_sub_page) {
        unsigned part = take(a) % ARRAY_SIZE(parts);

        e->sub_page.frame = pick_mfn(a);
        e->sub_page.page_off = parts[part][0];
        e->sub_page.length = parts[part][1];
    } else {
        e->full_page.frame = pick_mfn(a);
    }
    e->hdr.domid = to;
    e->hdr.flags = flags;
}

bool step_grant_entry(struct act *a, struct call *c)
{
    static const u16 flags[] = {
        GTF_permit_access, GTF_permit_access | GTF_readonly, GTF_permit_access | GTF_sub_page, GTF_transitive,
        GTF_invalid, GTF_permit_access | GTF_reading | GTF_writing, GTF_accept_transfer,
        GTF_permit_access | GTF_readonly | GTF_sub_page, GTF_transitive | GTF_readonly, GTF_permit_access | GTF_PCD,
    };
    struct grant_table *gt = a->d->grants;
    u32 ref = pick_ref(a);
    domid_t to = (domid_t)(take(a) % DOMAINS);
    u16 f = PICK(a, flags);

    (void)c;
    if (ref >= grant_entry_count(gt))
        return false;
    if (gt->version == 2)
        entry_v2(a, grant_v2(gt, ref), f, to);
    else
        *grant_v1(gt, ref) = (grant_entry_v1_t){ f, to, (u32)pick_mfn(a) };
    return false;
}

bool step_grant_setup(struct act *a, struct call *c)
{
    static const u8 commands[] = { GNTTABOP_setup_table, GNTTABOP_set_version, GNTTABOP_query_size,
                                   GNTTABOP_get_status_frames, GNTTABOP_get_version, GNTTABOP_dump_table };
    u8 cmd = PICK(a, commands);
    vaddr_t va, list;
    u64 *arg;

    arg = ARG_NEW(a, u64, 8, &va);
    (void)ARG_NEW(a, u64, 64, &list);
    switch (cmd) {
    case GNTTABOP_setup_table: {
        struct gnttab_setup_table op = { .dom = pick_domid(a), .nr_frames = take(a) % 6 };

        op.frame_list.p = (void *)list;
        memcpy(arg, &op, sizeof(op));
        break;
    }
    case GNTTABOP_get_status_frames: {
        struct gnttab_get_status_frames op = { .dom = pick_domid(a), .nr_frames = take(a) % 6 };

        op.frame_list.p = (void *)list;
        memcpy(arg, &op, sizeof(op));
        break;
    }
    case GNTTABOP_set_version:
        *(u32 *)arg = 1 + take(a) % 3;
        break;
    default:
        *(domid_t *)arg = pick_domid(a);
    }
    return grant_call(c, cmd, va, 1);
}

/* --- the mapping side --- */

static u64 host_addr(struct act *a, u32 flags) { return flags & GNTMAP_contains_pte ? pick_entry_ma(a) : pick_va(a); }

static const u32 map_flags[] = {
    GNTMAP_host_map, GNTMAP_host_map | GNTMAP_readonly, GNTMAP_device_map, GNTMAP_device_map | GNTMAP_host_map,
    GNTMAP_host_map | GNTMAP_contains_pte, GNTMAP_host_map | GNTMAP_contains_pte | GNTMAP_readonly,
    GNTMAP_host_map | GNTMAP_application_map, 0, GNTMAP_device_map | GNTMAP_readonly, ~0u,
};

bool step_grant_map(struct act *a, struct call *c)
{
    u32 n = 1 + take(a) % 2;
    struct gnttab_map_grant_ref *op;
    vaddr_t va;

    op = ARG_NEW(a, struct gnttab_map_grant_ref, n, &va);
    for (u32 i = 0; i < n; i++) {
        u32 flags = PICK(a, map_flags);

        op[i] = (struct gnttab_map_grant_ref){ .flags = flags, .ref = pick_ref(a), .dom = pick_domid(a),
                                               .host_addr = host_addr(a, flags) };
    }
    return grant_call(c, GNTTABOP_map_grant_ref, va, n);
}

/* Where a mapping is at, by its handle: the guest remembers. */
static u64 mapped_at(struct act *a, u32 handle)
{
    const struct grant_table *gt = a->d->grants;
    u8 b = take(a);

    if (b >= 0x80 || handle >= gt->maptrack_frames * MAPTRACK_PER_FRAME)
        return 0;
    for (unsigned i = 0; i < 64; i++) {
        u64 va = FUZZ_VA + i * PAGE_SIZE, e = pv_walk_l1e(a->v, va);
        const struct maptrack *m = &gt->maptrack[handle / MAPTRACK_PER_FRAME][handle % MAPTRACK_PER_FRAME];

        if (e && pte_mfn(e).n == m->frame)
            return va;
    }
    return 0;
}

static struct gnttab_unmap_grant_ref unmapping(struct act *a)
{
    u32 handle = last_handle(a, take(a));
    u64 at = mapped_at(a, handle);
    u8 b = take(a);

    if (!at && b & 1)
        at = host_addr(a, b & 2 ? GNTMAP_contains_pte : 0);
    return (struct gnttab_unmap_grant_ref){ .host_addr = at, .dev_bus_addr = b & 4 ? pick_mfn(a) << PAGE_SHIFT : 0,
                                            .handle = handle };
}

bool step_grant_unmap(struct act *a, struct call *c)
{
    u32 n = 1 + take(a) % 2;
    struct gnttab_unmap_grant_ref *op;
    vaddr_t va;

    op = ARG_NEW(a, struct gnttab_unmap_grant_ref, n, &va);
    for (u32 i = 0; i < n; i++)
        op[i] = unmapping(a);
    return grant_call(c, GNTTABOP_unmap_grant_ref, va, n);
}

bool step_grant_replace(struct act *a, struct call *c)
{
    struct gnttab_unmap_and_replace *op;
    struct gnttab_unmap_grant_ref u = unmapping(a);
    vaddr_t va;

    op = ARG_NEW(a, struct gnttab_unmap_and_replace, 1, &va);
    *op = (struct gnttab_unmap_and_replace){ .host_addr = u.host_addr, .new_addr = pick_va(a), .handle = u.handle };
    return grant_call(c, GNTTABOP_unmap_and_replace, va, 1);
}

/* --- copies and the rest --- */

bool step_grant_copy(struct act *a, struct call *c)
{
    static const u16 offsets[] = { 0, 0, 8, 100, 4000, 4095, 4096, 0xffff };
    static const u16 lengths[] = { 8, 64, 0, 96, 4096, 4097, 1, 0xffff };
    u32 n = 1 + take(a) % 2;
    struct gnttab_copy *op;
    vaddr_t va;

    op = ARG_NEW(a, struct gnttab_copy, n, &va);
    for (u32 i = 0; i < n; i++) {
        op[i].flags = take(a) % 4;
        op[i].source.domid = op[i].flags & GNTCOPY_source_gref ? (domid_t)(take(a) % DOMAINS) : pick_domid(a);
        if (op[i].flags & GNTCOPY_source_gref)
            op[i].source.u.ref = pick_ref(a);
        else
            op[i].source.u.gmfn = pick_mfn(a);
        op[i].dest.domid = op[i].flags & GNTCOPY_dest_gref ? (domid_t)(take(a) % DOMAINS) : pick_domid(a);
        if (op[i].flags & GNTCOPY_dest_gref)
            op[i].dest.u.ref = pick_ref(a);
        else
            op[i].dest.u.gmfn = pick_mfn(a);
        op[i].source.offset = PICK(a, offsets);
        op[i].dest.offset = PICK(a, offsets);
        op[i].len = PICK(a, lengths);
    }
    return grant_call(c, GNTTABOP_copy, va, n);
}

bool step_grant_transfer(struct act *a, struct call *c)
{
    struct gnttab_transfer *op;
    vaddr_t va;

    op = ARG_NEW(a, struct gnttab_transfer, 1, &va);
    *op = (struct gnttab_transfer){ .mfn = pick_mfn(a), .domid = pick_domid(a), .ref = pick_ref(a) };
    return grant_call(c, GNTTABOP_transfer, va, 1);
}

bool step_grant_swap(struct act *a, struct call *c)
{
    struct gnttab_swap_grant_ref *op;
    vaddr_t va;

    op = ARG_NEW(a, struct gnttab_swap_grant_ref, 1, &va);
    *op = (struct gnttab_swap_grant_ref){ .ref_a = pick_ref(a), .ref_b = pick_ref(a) };
    return grant_call(c, GNTTABOP_swap_grant_ref, va, 1);
}
