/* SPDX-License-Identifier: MIT */
/* Another domain's pages: mapped, unmapped, copied from, as a back end does. */
#include "bench.h"

#define REFS 64u
#define SMALL 64u

static grant_handle_t handles[REFS];

/* What is mapped there goes where our own page was. */
static long map(unsigned i)
{
    gnttab_map_grant_ref_t op = { .host_addr = PTR(pages[i]), .flags = GNTMAP_host_map,
                                  .ref = CHILD_FIRST_REF + i, .dom = child_id };
    long rc = HC3(grant_table_op, GNTTABOP_map_grant_ref, PTR(&op), 1);

    handles[i] = op.handle;
    return rc | op.status;
}

static long unmap(unsigned i)
{
    gnttab_unmap_grant_ref_t op = { .host_addr = PTR(pages[i]), .handle = handles[i] };

    return HC3(grant_table_op, GNTTABOP_unmap_grant_ref, PTR(&op), 1) | op.status;
}

static long map_unmap(unsigned i)
{
    return map(i) | unmap(i);
}

static long copy(unsigned i, unsigned bytes)
{
    gnttab_copy_t op = { .source = { .u.ref = CHILD_FIRST_REF + i, .domid = child_id },
                         .dest = { .u.gmfn = virt_to_mfn(pages[i]), .domid = DOMID_SELF },
                         .len = (uint16_t)bytes, .flags = GNTCOPY_source_gref };

    return HC3(grant_table_op, GNTTABOP_copy, PTR(&op), 1) | op.status;
}

static long copy_page(unsigned i) { return copy(i, PAGE_SIZE); }
static long copy_small(unsigned i) { return copy(i, SMALL); }

static void map_all(void)
{
    for (unsigned i = 0; i < REFS; i++)
        must("grant map", map(i));
}

static void unmap_all(void)
{
    for (unsigned i = 0; i < REFS; i++)
        must("grant unmap", unmap(i));
}

static void prepare(void)
{
    for (unsigned i = 0; i < REFS; i++)
        page_set(pages[i], 0);
}

static void give_back(void)
{
    for (unsigned i = 0; i < REFS; i++)
        page_set(pages[i], PAGE_FLAGS | PTE_RW);
}

#define ROW(n, ...) { .name = n, .repeats = REFS, __VA_ARGS__ }
static const struct row rows[] = {
    ROW("grant_map", .operate = map, .after = unmap_all),
    ROW("grant_unmap", .operate = unmap, .before = map_all),
    ROW("grant_map_unmap", .operate = map_unmap),
    ROW("grant_copy_page", .operate = copy_page),
    ROW("grant_copy_64", .operate = copy_small),
    { .name = NULL },
};

const struct family grants = { prepare, rows, give_back };
