/* SPDX-License-Identifier: MIT */
/* core/grant_*.c: both versions' entries, mappings and their references, copies, limits, hostile tables. */
#include "unit.h"

#include "core/grant_private.h"

#include <zelo/hypercall.h>

static struct domain *granter, *mapper, *third;
static struct page *page; /* the granter's */

/* --- the page-table side, and preemption, as the tests want them --- */

#define HOST_ADDR 0x7000
static struct { int map_status, unmap_status; unsigned maps, unmaps, flushes, drops; u64 new_addr; } tables;

int pv_grant_map(u64 host_addr, mfn_t frame, u32 flags)
{
    atomic_add(&tables.maps, 1);
    return tables.map_status;
}
int pv_grant_unmap(u64 host_addr, mfn_t frame, u64 new_addr, u32 flags, u64 *old)
{
    WRITE_ONCE(tables.new_addr, new_addr);
    if (tables.unmap_status)
        return tables.unmap_status;
    atomic_add(&tables.unmaps, 1);
    *old = frame.n << PAGE_SHIFT | (flags & GNTMAP_readonly ? 1 : 3);
    return 0;
}
void pv_grant_flush(void) { atomic_add(&tables.flushes, 1); }
void pv_grant_drop(u64 old)
{
    struct page *p = mfn_to_page(MFN(old >> PAGE_SHIFT));

    atomic_add(&tables.drops, 1);
    if (old & 2)
        page_put_type(p);
    page_put(p);
}

/* What log-dirty mode is told. */
static unsigned noted;
static mfn_t noted_last;
void pv_mark_dirty(struct domain *d, mfn_t m)
{
    atomic_add(&noted, 1);
    WRITE_ONCE(noted_last.n, m.n);
}
void pv_mark_page_dirty(struct page *p) { pv_mark_dirty(page_owner(p), page_to_mfn(p)); }

static bool preempt;
static struct hypercall_args continued;
bool hypercall_should_preempt(void) { return preempt; }
long hypercall_continue(unsigned nr, const struct hypercall_args *next)
{
    continued = *next;
    return 4711;
}

/* --- fixture --- */

static int setup_group(void **state)
{
    host_init(4);
    domain_room_init();
    granter = host_domain_create(1, false, 1, 1000);
    mapper = host_domain_create(2, false, 1, 1000);
    third = host_domain_create(3, false, 1, 1000);
    return 0;
}

static long op(struct domain *as, unsigned cmd, void *arg, unsigned count)
{
    struct hypercall_args a = { { cmd, (unsigned long)arg, count } };
    long rc;

    host_set_current(as->vcpu[0]);
    rc = do_grant_table_op(&a);
    assert_int_equal(host_locks_held(), 0);
    return rc;
}

static void set_version(struct domain *d, u32 version)
{
    struct gnttab_set_version v = { version };

    assert_int_equal(op(d, GNTTABOP_set_version, &v, 1), 0);
    assert_int_equal(v.version, version);
}

static void setup_table(struct domain *d, u32 frames)
{
    u64 list[64];
    struct gnttab_setup_table t = { .dom = DOMID_SELF, .nr_frames = frames, .status = 99 };

    t.frame_list.p = (void *)list;
    assert_int_equal(op(d, GNTTABOP_setup_table, &t, 1), 0);
    assert_int_equal(t.status, GNTST_okay);
    for (u32 i = 0; i < frames; i++)
        assert_ptr_equal(mfn_to_virt(MFN(list[i])), d->grants->shared[i]);
}

static int setup(void **state)
{
    memset(&tables, 0, sizeof(tables));
    preempt = false;
    noted = 0;
    setup_table(granter, 1);
    setup_table(third, 1);
    set_version(granter, 1);
    set_version(third, 1);
    page = domain_alloc_pages(granter, 0, 0);
    assert_non_null(page);
    return 0;
}

static u64 refs(const struct page *p) { return p->count & PGC_COUNT_MASK; }
static u64 types(const struct page *p) { return p->type & PGT_COUNT_MASK; }

static int teardown(void **state)
{
    assert_int_equal(granter->grants->pinned, 0);
    assert_int_equal(refs(page), 1);
    assert_int_equal(types(page), 0);
    assert_int_equal(domain_release_page(granter, page), 0);
    memset(granter->grants->shared[0], 0, PAGE_SIZE);
    memset(third->grants->shared[0], 0, PAGE_SIZE);
    assert_invariants();
    return 0;
}

static volatile grant_entry_v1_t *v1(u32 ref) { return grant_v1(granter->grants, ref); }

static void grant(u32 ref, struct domain *to, struct page *p, u16 flags)
{
    v1(ref)->domid = to->id;
    v1(ref)->frame = (u32)page_to_mfn(p).n;
    v1(ref)->flags = GTF_permit_access | flags;
}

static struct gnttab_map_grant_ref map(u32 ref, u32 flags)
{
    struct gnttab_map_grant_ref m = { .host_addr = HOST_ADDR, .flags = flags, .ref = ref, .dom = granter->id,
                                      .status = 99 };

    assert_int_equal(op(mapper, GNTTABOP_map_grant_ref, &m, 1), 0);
    return m;
}

static int unmap(u32 handle, u64 host_addr, u64 dev)
{
    struct gnttab_unmap_grant_ref u = { .host_addr = host_addr, .dev_bus_addr = dev, .handle = handle, .status = 99 };

    assert_int_equal(op(mapper, GNTTABOP_unmap_grant_ref, &u, 1), 0);
    return u.status;
}

/* --- mapping --- */

static void test_map_and_unmap(void **state)
{
    struct gnttab_map_grant_ref m;

    grant(9, mapper, page, 0);
    m = map(9, GNTMAP_host_map);
    assert_int_equal(m.status, GNTST_okay);
    assert_int_equal(m.dev_bus_addr, page_to_mfn(page).n << PAGE_SHIFT);
    assert_int_equal(v1(9)->flags, GTF_permit_access | GTF_reading | GTF_writing);
    assert_int_equal(refs(page), 2);
    assert_int_equal(page->type & PGT_TYPE_MASK, PGT_WRITABLE);
    assert_int_equal(types(page), 1);
    assert_int_equal(unmap(m.handle, HOST_ADDR, 0), GNTST_okay);
    assert_int_equal(v1(9)->flags, GTF_permit_access);
    assert_int_equal(tables.flushes, 1);
    assert_int_equal(tables.drops, 1);
    assert_int_equal(unmap(m.handle, HOST_ADDR, 0), GNTST_bad_handle);
}

static void test_readonly_counts(void **state)
{
    struct gnttab_map_grant_ref a, b;

    grant(0, mapper, page, GTF_readonly);
    assert_int_equal(map(0, GNTMAP_host_map).status, GNTST_general_error);
    assert_int_equal(v1(0)->flags, GTF_permit_access | GTF_readonly);
    a = map(0, GNTMAP_host_map | GNTMAP_readonly);
    v1(0)->flags &= (u16)~GTF_readonly; /* the granter may allow more */
    b = map(0, GNTMAP_host_map);
    assert_int_equal(b.status, GNTST_okay);
    assert_int_equal(refs(page), 3);
    assert_int_equal(types(page), 1);
    assert_int_equal(unmap(b.handle, HOST_ADDR, 0), GNTST_okay);
    assert_int_equal(v1(0)->flags, GTF_permit_access | GTF_reading);
    assert_int_equal(unmap(a.handle, HOST_ADDR, 0), GNTST_okay);
    assert_int_equal(v1(0)->flags, GTF_permit_access);
}

static void test_device_mapping(void **state)
{
    struct gnttab_map_grant_ref m;

    grant(1, mapper, page, 0);
    m = map(1, GNTMAP_device_map);
    assert_int_equal(m.status, GNTST_okay);
    assert_int_equal(tables.maps, 0);
    assert_int_equal(refs(page), 2);
    assert_int_equal(unmap(m.handle, 0, m.dev_bus_addr + PAGE_SIZE), GNTST_bad_dev_addr);
    assert_int_equal(unmap(m.handle, 0, m.dev_bus_addr), GNTST_okay);
    /* both kinds, undone one by one */
    m = map(1, GNTMAP_device_map | GNTMAP_host_map);
    assert_int_equal(m.status, GNTST_okay);
    assert_int_equal(refs(page), 3);
    assert_int_equal(types(page), 2);
    assert_int_equal(unmap(m.handle, HOST_ADDR, 0), GNTST_okay);
    assert_int_equal(v1(1)->flags & GTF_writing, GTF_writing);
    assert_int_equal(unmap(m.handle, HOST_ADDR, 0), GNTST_okay); /* ignored: no longer there */
    assert_int_equal(unmap(m.handle, 0, m.dev_bus_addr), GNTST_okay);
    /* and both in one list */
    m = map(1, GNTMAP_device_map | GNTMAP_host_map);
    {
        struct gnttab_unmap_grant_ref u[2] = { { .host_addr = HOST_ADDR, .handle = m.handle, .status = 9 },
                                               { .dev_bus_addr = m.dev_bus_addr, .handle = m.handle, .status = 9 } };

        assert_int_equal(op(mapper, GNTTABOP_unmap_grant_ref, u, 2), 0);
        assert_int_equal(u[0].status, GNTST_okay);
        assert_int_equal(u[1].status, GNTST_okay);
    }
}

static void test_refused(void **state)
{
    struct page *foreign = domain_alloc_pages(mapper, 0, 0);
    struct gnttab_map_grant_ref m = { .host_addr = 1, .flags = GNTMAP_host_map, .dom = 77 };

    assert_int_equal(op(mapper, GNTTABOP_map_grant_ref, &m, 1), 0);
    assert_int_equal(m.status, GNTST_bad_domain);
    assert_int_equal(map(512, GNTMAP_host_map).status, GNTST_bad_gntref);
    assert_int_equal(map(0xffffffff, GNTMAP_host_map).status, GNTST_bad_gntref);
    assert_int_equal(map(2, GNTMAP_host_map).status, GNTST_general_error); /* nothing granted */
    assert_int_equal(map(2, 0).status, GNTST_general_error);
    grant(2, third, page, 0);
    assert_int_equal(map(2, GNTMAP_host_map).status, GNTST_general_error); /* to another */
    grant(2, mapper, foreign, 0);
    assert_int_equal(map(2, GNTMAP_host_map).status, GNTST_bad_page); /* not the granter's */
    v1(2)->frame = 0xffffffff;
    assert_int_equal(map(2, GNTMAP_host_map).status, GNTST_bad_page);
    v1(2)->flags = GTF_accept_transfer;
    assert_int_equal(map(2, GNTMAP_host_map).status, GNTST_general_error);
    grant(2, mapper, page, 0);
    tables.map_status = GNTST_bad_virt_addr;
    assert_int_equal(map(2, GNTMAP_host_map | GNTMAP_device_map).status, GNTST_bad_virt_addr);
    assert_int_equal(v1(2)->flags, GTF_permit_access);
    assert_int_equal(domain_release_page(mapper, foreign), 0);
}

/* What the guest put in the address's place keeps the handle, so that nothing is dropped twice. */
static void test_unmap_that_fails_keeps_the_handle(void **state)
{
    struct gnttab_map_grant_ref m;

    grant(3, mapper, page, 0);
    m = map(3, GNTMAP_host_map);
    tables.unmap_status = GNTST_general_error;
    assert_int_equal(unmap(m.handle, HOST_ADDR, 0), GNTST_general_error);
    assert_int_equal(v1(3)->flags, GTF_permit_access | GTF_reading | GTF_writing);
    tables.unmap_status = 0;
    assert_int_equal(unmap(m.handle, HOST_ADDR, 0), GNTST_okay);
}

static void test_unmap_and_replace(void **state)
{
    struct gnttab_unmap_and_replace r = { .host_addr = HOST_ADDR, .new_addr = 0x9000 };

    grant(4, mapper, page, 0);
    r.handle = map(4, GNTMAP_host_map).handle;
    assert_int_equal(op(mapper, GNTTABOP_unmap_and_replace, &r, 1), 0);
    assert_int_equal(r.status, GNTST_okay);
    assert_int_equal(tables.new_addr, 0x9000);
}

/* 100 mappings are unmapped in a few batches, with one flush each. */
static void test_batches_and_handles(void **state)
{
    struct gnttab_map_grant_ref m[100];
    struct gnttab_unmap_grant_ref u[100];

    grant(5, mapper, page, 0);
    for (unsigned i = 0; i < 100; i++)
        m[i] = (struct gnttab_map_grant_ref){ .host_addr = HOST_ADDR, .flags = GNTMAP_host_map, .ref = 5, .dom = 1 };
    assert_int_equal(op(mapper, GNTTABOP_map_grant_ref, m, 100), 0);
    assert_int_equal(refs(page), 101);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(m[i].status, 0);
        u[i] = (struct gnttab_unmap_grant_ref){ .host_addr = HOST_ADDR, .handle = m[i].handle };
    }
    u[50].handle = u[49].handle; /* the same one twice in a batch */
    assert_int_equal(op(mapper, GNTTABOP_unmap_grant_ref, u, 100), 0);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(u[i].status, i == 50 ? GNTST_bad_handle : 0);
    assert_int_equal(tables.flushes, 4);
    assert_int_equal(unmap(m[50].handle, HOST_ADDR, 0), 0);
}

static void test_lists_are_preemptible(void **state)
{
    struct gnttab_map_grant_ref m[40];

    grant(6, mapper, page, 0);
    for (unsigned i = 0; i < 40; i++)
        m[i] = (struct gnttab_map_grant_ref){ .host_addr = 1, .flags = GNTMAP_host_map, .ref = 6, .dom = 1 };
    preempt = true;
    assert_int_equal(op(mapper, GNTTABOP_map_grant_ref, m, 40), 4711);
    assert_int_equal(continued.arg[0], GNTTABOP_map_grant_ref);
    assert_ptr_equal((void *)continued.arg[1], &m[16]);
    assert_int_equal(continued.arg[2], 24);
    assert_int_equal(refs(page), 17);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(unmap(m[i].handle, HOST_ADDR, 0), 0);
}

static void test_maptrack_limit(void **state)
{
    u32 limit = mapper->grants->max_maptrack_frames, n = 0;
    u32 *handles = calloc(2 * MAPTRACK_PER_FRAME + 1, sizeof(*handles));
    struct gnttab_map_grant_ref m;

    mapper->grants->max_maptrack_frames = 2;
    grant(7, mapper, page, 0);
    while ((m = map(7, GNTMAP_host_map | GNTMAP_readonly)).status == 0)
        handles[n++] = m.handle;
    assert_int_equal(m.status, GNTST_no_space);
    assert_int_equal(n, 2 * MAPTRACK_PER_FRAME);
    while (n)
        assert_int_equal(unmap(handles[--n], HOST_ADDR, 0), 0);
    assert_int_equal(map(7, GNTMAP_host_map).status, 0);
    assert_int_equal(unmap(handles[0], HOST_ADDR, 0) && unmap(handles[511], HOST_ADDR, 0), 0);
    mapper->grants->max_maptrack_frames = limit;
    free(handles);
}

/* --- copies --- */

static struct gnttab_copy copy(u32 ref, struct page *to, u16 from_offset, u16 to_offset, u16 len)
{
    struct gnttab_copy c = {
        .source = { .u.ref = ref, .domid = granter->id, .offset = from_offset },
        .dest = { .u.gmfn = page_to_mfn(to).n, .domid = DOMID_SELF, .offset = to_offset },
        .len = len, .flags = GNTCOPY_source_gref, .status = 99,
    };

    assert_int_equal(op(mapper, GNTTABOP_copy, &c, 1), 0);
    return c;
}

static void test_copy(void **state)
{
    struct page *mine = domain_alloc_pages(mapper, 0, 0);
    struct gnttab_copy c[3];

    memset(page_to_virt(page), 0x5a, PAGE_SIZE);
    grant(0, mapper, page, GTF_readonly);
    assert_int_equal(copy(0, mine, 100, 200, 300).status, GNTST_okay);
    assert_int_equal(((u8 *)page_to_virt(mine))[199], 0);
    assert_int_equal(((u8 *)page_to_virt(mine))[200], 0x5a);
    assert_int_equal(((u8 *)page_to_virt(mine))[499], 0x5a);
    assert_int_equal(((u8 *)page_to_virt(mine))[500], 0);
    assert_int_equal(copy(0, mine, 1, 0, 4096).status, GNTST_bad_copy_arg);
    assert_int_equal(copy(0, mine, 0, 4095, 2).status, GNTST_bad_copy_arg);
    assert_int_equal(copy(0, mine, 0, 0, 4096).status, GNTST_okay);
    assert_int_equal(copy(0, page, 0, 0, 1).status, GNTST_bad_page); /* not one's own */
    /* the other way is forbidden, and what went well before it stays */
    for (unsigned i = 0; i < 3; i++)
        c[i] = copy(0, mine, 0, 0, 1);
    c[1].dest = c[1].source;
    c[1].source = c[0].dest;
    c[1].flags = GNTCOPY_dest_gref;
    assert_int_equal(op(mapper, GNTTABOP_copy, c, 3), 0);
    assert_int_equal(c[0].status, 0);
    assert_int_equal(c[1].status, GNTST_general_error);
    assert_int_equal(c[2].status, 0);
    assert_int_equal(v1(0)->flags, GTF_permit_access | GTF_readonly);
    assert_int_equal(refs(mine), 1);
    c[0].source.domid = granter->id; /* a frame number of somebody else's */
    c[0].flags = 0;
    assert_int_equal(op(mapper, GNTTABOP_copy, c, 1), 0);
    assert_int_equal(c[0].status, GNTST_permission_denied);
    assert_int_equal(domain_release_page(mapper, mine), 0);
}

/* --- log-dirty mode: a page that others could write to is noted when they no longer can, or at the end --- */

static void test_writers_are_noted(void **state)
{
    struct page *mine = domain_alloc_pages(mapper, 0, 0);
    struct gnttab_map_grant_ref m;
    struct gnttab_copy c;

    grant(2, mapper, page, 0);
    m = map(2, GNTMAP_device_map);
    assert_int_equal(noted, 0);
    grant_mark_dirty(granter); /* mapped right now */
    assert_int_equal(noted, 1);
    assert_int_equal(noted_last.n, page_to_mfn(page).n);
    assert_int_equal(unmap(m.handle, 0, m.dev_bus_addr), GNTST_okay);
    assert_int_equal(noted, 2);
    grant_mark_dirty(granter);
    assert_int_equal(noted, 2);

    m = map(2, GNTMAP_device_map | GNTMAP_readonly); /* who only reads does not count */
    grant_mark_dirty(granter);
    assert_int_equal(unmap(m.handle, 0, m.dev_bus_addr), GNTST_okay);
    assert_int_equal(noted, 2);

    c = copy(2, mine, 0, 0, 8); /* into the caller's own page */
    assert_int_equal(c.status, GNTST_okay);
    assert_int_equal(noted, 3);
    assert_int_equal(noted_last.n, page_to_mfn(mine).n);
    c.dest = c.source; /* and into the granted one */
    c.source = (struct gnttab_copy_ptr){ .u.gmfn = page_to_mfn(mine).n, .domid = DOMID_SELF };
    c.flags = GNTCOPY_dest_gref;
    assert_int_equal(op(mapper, GNTTABOP_copy, &c, 1), 0);
    assert_int_equal(c.status, GNTST_okay);
    assert_int_equal(noted, 4);
    assert_int_equal(noted_last.n, page_to_mfn(page).n);
    assert_int_equal(domain_release_page(mapper, mine), 0);
}

static void test_version_2_parts_and_transitive(void **state)
{
    struct page *mine = domain_alloc_pages(mapper, 0, 0);
    grant_entry_v2_t *e, *t;

    set_version(granter, 2);
    e = grant_v2(granter->grants, 20);
    *e = (grant_entry_v2_t){ .sub_page = { { GTF_permit_access | GTF_sub_page, mapper->id }, 64, 32, page_to_mfn(page).n } };
    assert_int_equal(map(20, GNTMAP_host_map).status, GNTST_general_error); /* copies only */
    assert_int_equal(copy(20, mine, 64, 0, 32).status, GNTST_okay);
    assert_int_equal(copy(20, mine, 63, 0, 32).status, GNTST_general_error);
    assert_int_equal(copy(20, mine, 64, 0, 33).status, GNTST_general_error);
    e->sub_page.page_off = 0xfff0;
    assert_int_equal(copy(20, mine, 0xff0, 0, 1).status, GNTST_general_error);
    assert_int_equal(*grant_status(granter->grants, 20), 0);

    /* third passes on what granter granted it */
    *e = (grant_entry_v2_t){ .full_page = { { GTF_permit_access | GTF_readonly, third->id }, 0, page_to_mfn(page).n } };
    set_version(third, 2);
    t = grant_v2(third->grants, 10);
    *t = (grant_entry_v2_t){ .transitive = { { GTF_transitive, mapper->id }, granter->id, 0, 20 } };
    {
        struct gnttab_copy c = { .source = { .u.ref = 10, .domid = third->id },
                                 .dest = { .u.gmfn = page_to_mfn(mine).n, .domid = DOMID_SELF },
                                 .len = 16, .flags = GNTCOPY_source_gref };

        assert_int_equal(op(mapper, GNTTABOP_copy, &c, 1), 0);
        assert_int_equal(c.status, GNTST_okay);
        t->transitive.trans_domid = third->id; /* itself */
        assert_int_equal(op(mapper, GNTTABOP_copy, &c, 1), 0);
        assert_int_equal(c.status, GNTST_general_error);
        t->transitive.trans_domid = DOMID_SELF;
        assert_int_equal(op(mapper, GNTTABOP_copy, &c, 1), 0);
        assert_int_equal(c.status, GNTST_bad_domain);
    }
    assert_int_equal(third->grants->pinned, 0);
    assert_int_equal(*grant_status(third->grants, 10), 0);
    assert_int_equal(domain_release_page(mapper, mine), 0);
}

/* --- the table --- */

static void test_version_change_keeps_reserved_entries(void **state)
{
    struct gnttab_set_version v = { 3 };
    struct gnttab_map_grant_ref m;

    assert_int_equal(op(granter, GNTTABOP_set_version, &v, 1), -EINVAL);
    grant(GNTTAB_RESERVED_XENSTORE, mapper, page, 0);
    grant(30, mapper, page, 0);
    m = map(GNTTAB_RESERVED_XENSTORE, GNTMAP_host_map);
    set_version(granter, 2);
    assert_int_equal(grant_v2(granter->grants, 1)->hdr.flags, GTF_permit_access);
    assert_int_equal(grant_v2(granter->grants, 1)->full_page.frame, page_to_mfn(page).n);
    assert_int_equal(*grant_status(granter->grants, 1), GTF_reading | GTF_writing);
    assert_int_equal(grant_v2(granter->grants, 30)->hdr.flags, 0);
    set_version(granter, 1);
    assert_int_equal(v1(1)->flags, GTF_permit_access | GTF_reading | GTF_writing);
    assert_int_equal(unmap(m.handle, HOST_ADDR, 0), 0);
    assert_int_equal(v1(1)->flags, GTF_permit_access);

    grant(30, mapper, page, 0);
    m = map(30, GNTMAP_host_map);
    v.version = 2;
    assert_int_equal(op(granter, GNTTABOP_set_version, &v, 1), -EBUSY);
    assert_int_equal(unmap(m.handle, HOST_ADDR, 0), 0);
}

static void test_growing(void **state)
{
    struct gnttab_setup_table t = { .dom = DOMID_SELF, .nr_frames = 65 };
    struct gnttab_query_size q = { .dom = DOMID_SELF };
    struct gnttab_get_status_frames s = { .dom = DOMID_SELF, .nr_frames = 1 };
    u64 list[4];
    mfn_t m;

    assert_int_equal(op(granter, GNTTABOP_setup_table, &t, 1), 0);
    assert_int_equal(t.status, GNTST_general_error);
    t.dom = mapper->id;
    assert_int_equal(op(granter, GNTTABOP_setup_table, &t, 1), 0);
    assert_int_equal(t.status, GNTST_permission_denied);
    assert_int_equal(op(granter, GNTTABOP_setup_table, &t, 2), -EINVAL);
    assert_int_equal(grant_table_frame(granter, 9, &m), 0);
    assert_int_equal(grant_table_frame(granter, 64, &m), -EINVAL);
    assert_int_equal(grant_status_frame(granter, 0, &m), -EINVAL); /* version 1 has none */
    assert_int_equal(op(granter, GNTTABOP_query_size, &q, 1), 0);
    assert_int_equal(q.nr_frames, 10);
    assert_int_equal(q.max_nr_frames, 64);
    s.frame_list.p = list;
    assert_int_equal(op(granter, GNTTABOP_get_status_frames, &s, 1), 0);
    assert_int_equal(s.status, GNTST_general_error);
    set_version(granter, 2);
    assert_int_equal(op(granter, GNTTABOP_get_status_frames, &s, 1), 0);
    assert_int_equal(s.status, GNTST_okay);
    assert_int_equal(list[0], virt_to_mfn(granter->grants->status[0]).n);
    assert_int_equal(grant_status_frame(granter, 7, &m), 0);
    assert_int_equal(grant_table_frame_count(granter), 64);
    assert_int_equal(grant_status_frame(granter, 8, &m), -EINVAL);
}

static void test_swap(void **state)
{
    struct gnttab_swap_grant_ref s = { 40, 41, 99 };
    struct gnttab_map_grant_ref m;

    grant(40, mapper, page, 0);
    assert_int_equal(op(granter, GNTTABOP_swap_grant_ref, &s, 1), 0);
    assert_int_equal(s.status, 0);
    assert_int_equal(v1(40)->flags, 0);
    m = map(41, GNTMAP_host_map);
    assert_int_equal(m.status, 0);
    assert_int_equal(op(granter, GNTTABOP_swap_grant_ref, &s, 1), 0);
    assert_int_equal(s.status, GNTST_eagain);
    assert_int_equal(unmap(m.handle, HOST_ADDR, 0), 0);
    s.ref_b = 0xffffffff;
    assert_int_equal(op(granter, GNTTABOP_swap_grant_ref, &s, 1), 0);
    assert_int_equal(s.status, GNTST_bad_gntref);
}

static void test_not_offered(void **state)
{
    struct gnttab_transfer t = { .mfn = page_to_mfn(page).n, .domid = 2, .status = 99 };
    struct gnttab_cache_flush f = { 0 };

    assert_int_equal(op(granter, GNTTABOP_transfer, &t, 1), 0);
    assert_int_equal(t.status, GNTST_bad_page);
    assert_int_equal(op(granter, GNTTABOP_cache_flush, &f, 1), -EOPNOTSUPP);
    assert_int_equal(op(granter, 13, &f, 1), -ENOSYS);
    assert_int_equal(op(granter, GNTTABOP_copy, NULL, 0x80000000), -EINVAL);
    assert_int_equal(op(granter, GNTTABOP_map_grant_ref, (void *)0x10, 1), -EFAULT);
    assert_int_equal(op(granter, GNTTABOP_map_grant_ref, NULL, 0), 0);
}

/* --- races and death --- */

static bool stop;

/* A granter that changes its entry all the time; whatever is mapped, the counts agree in the end. */
static void hostile(void *unused)
{
    if (this_cpu() == 0) {
        for (unsigned i = 0; !atomic_read(&stop); i++) {
            WRITE_ONCE(v1(50)->flags, i % 3 ? GTF_permit_access : GTF_readonly | GTF_permit_access);
            WRITE_ONCE(v1(50)->domid, i % 5 ? mapper->id : third->id);
            WRITE_ONCE(v1(50)->frame, i % 7 ? (u32)page_to_mfn(page).n : i);
        }
        return;
    }
    host_set_current(mapper->vcpu[0]);
    for (unsigned i = 0; i < 3000; i++) {
        struct gnttab_map_grant_ref m = { .host_addr = 1, .flags = GNTMAP_host_map, .ref = 50, .dom = 1 };
        struct gnttab_unmap_grant_ref u = { .host_addr = 1 };
        struct hypercall_args a = { { GNTTABOP_map_grant_ref, (unsigned long)&m, 1 } };
        struct hypercall_args b = { { GNTTABOP_unmap_grant_ref, (unsigned long)&u, 1 } };

        (void)!do_grant_table_op(&a);
        u.handle = m.handle;
        if (!m.status)
            (void)!do_grant_table_op(&b);
    }
    if (this_cpu() == 1)
        atomic_set(&stop, true);
}

static void test_hostile_granter(void **state)
{
    stop = false;
    host_run_cpus(3, hostile, NULL);
    v1(50)->flags = 0;
}

/* --- a granter that keeps to the rules: what it has withdrawn is in nobody's hands --- */

static u32 race_on;

static void race_grant(void)
{
    WRITE_ONCE(v1(50)->domid, mapper->id);
    WRITE_ONCE(v1(50)->frame, (u32)page_to_mfn(page).n);
    atomic_set_release((u16 *)&grant_v1(granter->grants, 50)->flags, (u16)GTF_permit_access);
}

/* As the ABI has it: flags without a use are exchanged for none in one step. */
static void race_end_access(void)
{
    u16 idle = GTF_permit_access;

    while (!atomic_cas(&grant_v1(granter->grants, 50)->flags, &idle, (u16)0)) {
        idle = GTF_permit_access;
        cpu_relax();
    }
    spin_lock(&granter->grants->entry_lock);
    assert_int_equal(grant_active(granter->grants, 50)->readers, 0);
    assert_int_equal(grant_active(granter->grants, 50)->writers, 0);
    spin_unlock(&granter->grants->entry_lock);
}

static void race_map(unsigned i)
{
    u32 kind = i % 3 ? GNTMAP_host_map : GNTMAP_device_map | GNTMAP_host_map;
    struct gnttab_map_grant_ref m = { .host_addr = HOST_ADDR, .flags = kind | (i % 5 ? 0 : GNTMAP_readonly),
                                      .ref = 50, .dom = granter->id };
    struct gnttab_unmap_grant_ref u = { .host_addr = HOST_ADDR };
    struct hypercall_args a = { { GNTTABOP_map_grant_ref, (unsigned long)&m, 1 } };
    struct hypercall_args b = { { GNTTABOP_unmap_grant_ref, (unsigned long)&u, 1 } };

    assert_int_equal(do_grant_table_op(&a), 0);
    if (m.status)
        return;
    u.handle = m.handle;
    u.dev_bus_addr = kind & GNTMAP_device_map ? m.dev_bus_addr : 0;
    assert_int_equal(do_grant_table_op(&b), 0);
    assert_int_equal(u.status, GNTST_okay);
}

static void ending_cpu(void *unused)
{
    if (!this_cpu()) {
        for (unsigned i = 0; i < 60; i++) {
            race_grant();
            cpu_relax();
            race_end_access();
        }
        atomic_set(&race_on, 0);
        return;
    }
    host_set_current(mapper->vcpu[0]);
    for (unsigned i = 0; atomic_read(&race_on); i++)
        race_map(i);
}

static void test_race_with_the_end_of_access(void **state)
{
    race_on = 1;
    host_run_cpus(3, ending_cpu, NULL);
}

/* The table is laid out anew, grows, and has entries swapped, while it is used. */
static void relaying_cpu(void *unused)
{
    struct gnttab_set_version v = { 0 };
    struct gnttab_swap_grant_ref s = { .ref_a = 50, .ref_b = 51 };
    struct hypercall_args version = { { GNTTABOP_set_version, (unsigned long)&v, 1 } };
    struct hypercall_args swap = { { GNTTABOP_swap_grant_ref, (unsigned long)&s, 1 } };
    mfn_t frame;

    if (this_cpu() > 1) {
        host_set_current(mapper->vcpu[0]);
        for (unsigned i = 0; atomic_read(&race_on); i++)
            race_map(i);
        return;
    }
    host_set_current(granter->vcpu[0]);
    for (unsigned i = 0; i < 300; i++) {
        if (this_cpu()) {
            (void)!do_grant_table_op(&swap);
            assert_int_equal(grant_table_frame(granter, MIN(i / 50, 4u), &frame), 0);
            (void)grant_table_frame_count(granter);
            (void)!grant_status_frame(granter, 0, &frame);
            grant_mark_dirty(granter);
            continue;
        }
        v.version = 2 - i % 2;
        (void)!do_grant_table_op(&version); /* -EBUSY at times */
        race_grant(); /* whatever that is in version 2 */
    }
    atomic_set(&race_on, 0);
}

static void test_race_with_a_new_layout(void **state)
{
    race_on = 1;
    host_run_cpus(4, relaying_cpu, NULL);
    set_version(granter, 1);
    for (u32 i = 1; i < granter->grants->frames; i++)
        memset(granter->grants->shared[i], 0, PAGE_SIZE);
}

static void test_death_releases_uses(void **state)
{
    struct domain *dying = host_domain_create(9, false, 1, 100), *saved = mapper;
    struct gnttab_map_grant_ref m;

    mapper = dying;
    grant(60, dying, page, 0);
    m = map(60, GNTMAP_device_map);
    assert_int_equal(m.status, 0);
    assert_int_equal(v1(60)->flags, GTF_permit_access | GTF_reading | GTF_writing);
    host_set_current(third->vcpu[0]);
    assert_int_equal(grant_domain_release_mappings(dying), 0);
    assert_int_equal(v1(60)->flags, GTF_permit_access);
    assert_true(host_domain_destroy(dying));
    mapper = saved;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_map_and_unmap), T(test_readonly_counts), T(test_device_mapping), T(test_refused),
        T(test_unmap_that_fails_keeps_the_handle), T(test_unmap_and_replace), T(test_batches_and_handles),
        T(test_lists_are_preemptible), T(test_maptrack_limit), T(test_copy), T(test_writers_are_noted),
        T(test_version_2_parts_and_transitive),
        T(test_version_change_keeps_reserved_entries), T(test_swap), T(test_not_offered), T(test_hostile_granter),
        T(test_race_with_the_end_of_access), T(test_race_with_a_new_layout),
        T(test_death_releases_uses), T(test_growing),
    };

    return cmocka_run_group_tests(tests, setup_group, NULL);
}
