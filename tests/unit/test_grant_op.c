/* SPDX-License-Identifier: MIT */
/* core/grant.c, grant_setup.c, grant_version.c: the hypercall's structures and lists, unreadable, foreign or long. */
#include "control_fixture.h"

#include "core/grant_private.h"

#define NOBODY 77
#define MANY 40 /* more than two stretches without a look at what else is to do */

int pv_grant_map(u64 host_addr, mfn_t frame, u32 flags) { return GNTST_okay; }
void pv_grant_flush(void) { }

static int setup(void **state)
{
    control_setup(state);
    guest->max_pages = stub->max_pages = 200;
    return 0;
}

static int begin(void **state)
{
    preempt_every = 0;
    continuations = 0;
    return 0;
}

static long op(struct domain *by, unsigned cmd, const void *arg, unsigned count)
{
    host_set_current(by->vcpu[0]);
    return call_through(do_grant_table_op, (struct hypercall_args){ { cmd, (unsigned long)arg, count } });
}

/* --- operations of one structure --- */

static void test_not_readable(void **state)
{
    static const unsigned singles[] = {
        GNTTABOP_setup_table, GNTTABOP_query_size, GNTTABOP_set_version, GNTTABOP_get_status_frames,
        GNTTABOP_get_version, GNTTABOP_dump_table,
    };
    static const unsigned lists[] = {
        GNTTABOP_map_grant_ref, GNTTABOP_unmap_grant_ref, GNTTABOP_copy, GNTTABOP_unmap_and_replace,
        GNTTABOP_swap_grant_ref, GNTTABOP_transfer,
    };

    for (size_t i = 0; i < ARRAY_SIZE(singles); i++) {
        assert_int_equal(op(guest, singles[i], BAD_POINTER, 1), -EFAULT);
        assert_int_equal(op(guest, singles[i], BAD_POINTER, 0), -EINVAL);
        assert_int_equal(op(guest, singles[i], BAD_POINTER, 2), -EINVAL);
    }
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        assert_int_equal(op(guest, lists[i], BAD_POINTER, 1), -EFAULT);
        assert_int_equal(op(guest, lists[i], BAD_POINTER, 0), 0);
    }
}

/* Domain numbers: one's own, one that there is not, one that is somebody else's. */
static void test_whose_table(void **state)
{
    struct gnttab_setup_table t = { .dom = NOBODY };
    struct gnttab_query_size q = { .dom = NOBODY };
    struct gnttab_get_status_frames f = { .dom = NOBODY };

    assert_int_equal(op(control, GNTTABOP_setup_table, &t, 1), 0);
    assert_int_equal(t.status, GNTST_bad_domain);
    assert_int_equal(op(control, GNTTABOP_query_size, &q, 1), 0);
    assert_int_equal(q.status, GNTST_bad_domain);
    assert_int_equal(op(control, GNTTABOP_get_status_frames, &f, 1), 0);
    assert_int_equal(f.status, GNTST_bad_domain);
    t.dom = q.dom = f.dom = control->id;
    assert_int_equal(op(guest, GNTTABOP_setup_table, &t, 1), 0);
    assert_int_equal(t.status, GNTST_permission_denied);
    assert_int_equal(op(guest, GNTTABOP_query_size, &q, 1), 0);
    assert_int_equal(q.status, GNTST_permission_denied);
    assert_int_equal(op(guest, GNTTABOP_get_status_frames, &f, 1), 0);
    assert_int_equal(f.status, GNTST_permission_denied);
    q.dom = guest->id;
    assert_int_equal(op(stub, GNTTABOP_query_size, &q, 1), 0);
    assert_int_equal(q.status, GNTST_okay); /* it acts for the guest */
}

static long get_version(struct domain *by, domid_t of, u32 *version)
{
    struct gnttab_get_version v = { .dom = of };
    long rc = op(by, GNTTABOP_get_version, &v, 1);

    *version = v.version;
    return rc;
}

static long set_version(struct domain *d, u32 version)
{
    struct gnttab_set_version v = { version };

    return op(d, GNTTABOP_set_version, &v, 1);
}

static void test_versions(void **state)
{
    u32 version;

    assert_int_equal(get_version(guest, DOMID_SELF, &version), 0);
    assert_int_equal(version, 1);
    assert_int_equal(set_version(guest, 2), 0);
    assert_int_equal(get_version(control, guest->id, &version), 0);
    assert_int_equal(version, 2);
    assert_int_equal(get_version(control, NOBODY, &version), -ESRCH);
    assert_int_equal(get_version(guest, control->id, &version), -EPERM);
    assert_int_equal(set_version(guest, 0), -EINVAL);
    assert_int_equal(set_version(guest, 3), -EINVAL);
    assert_int_equal(set_version(guest, 1), 0);
    guest->grants->max_version = 1;
    assert_int_equal(set_version(guest, 2), -ENOSYS);
    assert_int_equal(set_version(guest, 1), 0);
    guest->grants->max_version = 2;
}

/* --- lists of frames that have nowhere to go --- */

static void test_frame_lists_not_writable(void **state)
{
    struct gnttab_setup_table t = { .dom = DOMID_SELF, .nr_frames = 1, .status = 99 };
    struct gnttab_get_status_frames f = { .dom = DOMID_SELF, .nr_frames = 1, .status = 99 };

    set_xen_guest_handle(t.frame_list, (xen_pfn_t *)BAD_POINTER);
    assert_int_equal(op(guest, GNTTABOP_setup_table, &t, 1), -EFAULT);
    assert_int_equal(set_version(guest, 2), 0);
    set_xen_guest_handle(f.frame_list, (uint64_t *)BAD_POINTER);
    assert_int_equal(op(guest, GNTTABOP_get_status_frames, &f, 1), -EFAULT);
    f.nr_frames = 2;
    assert_int_equal(op(guest, GNTTABOP_get_status_frames, &f, 1), 0);
    assert_int_equal(f.status, GNTST_general_error); /* there is one */
    assert_int_equal(set_version(guest, 1), 0);
    f.nr_frames = 1;
    assert_int_equal(op(guest, GNTTABOP_get_status_frames, &f, 1), 0);
    assert_int_equal(f.status, GNTST_general_error); /* version 1 has none */
}

static void test_answers_not_writable(void **state)
{
    struct gnttab_query_size q = { .dom = DOMID_SELF };
    struct gnttab_get_version v = { .dom = DOMID_SELF };
    struct gnttab_set_version set = { .version = 1 };
    struct gnttab_swap_grant_ref swap = { .ref_a = 1, .ref_b = 2 };
    struct gnttab_transfer transfer = { .mfn = 1 };

    assert_int_equal(op(guest, GNTTABOP_query_size, read_only(&q, sizeof(q)), 1), -EFAULT);
    assert_int_equal(op(guest, GNTTABOP_get_version, read_only(&v, sizeof(v)), 1), -EFAULT);
    assert_int_equal(op(guest, GNTTABOP_set_version, read_only(&set, sizeof(set)), 1), -EFAULT);
    assert_int_equal(op(guest, GNTTABOP_swap_grant_ref, read_only(&swap, sizeof(swap)), 1), -EFAULT);
    assert_int_equal(op(guest, GNTTABOP_transfer, read_only(&transfer, sizeof(transfer)), 1), -EFAULT);
}

/* --- long lists: in parts, each operation once --- */

static void test_swaps_in_parts(void **state)
{
    struct gnttab_swap_grant_ref swaps[MANY];
    grant_entry_v1_t *entries = guest->grants->shared[0];

    for (unsigned i = 0; i < MANY; i++) { /* the mark wanders up */
        entries[100 + i] = (grant_entry_v1_t){ .flags = 0 };
        swaps[i] = (struct gnttab_swap_grant_ref){ .ref_a = 100 + i, .ref_b = 101 + i, .status = 99 };
    }
    entries[100].frame = 0x1234;
    preempt_every = 1;
    assert_int_equal(op(guest, GNTTABOP_swap_grant_ref, swaps, MANY), 0);
    assert_true(continuations >= 2);
    assert_int_equal(entries[100 + MANY].frame, 0x1234);
    assert_int_equal(entries[100].frame, 0);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(swaps[i].status, GNTST_okay);
    swaps[0].ref_b = swaps[0].ref_a; /* with itself */
    assert_int_equal(op(guest, GNTTABOP_swap_grant_ref, swaps, 1), 0);
    assert_int_equal(swaps[0].status, GNTST_okay);
}

static void test_swap_in_version_2(void **state)
{
    struct gnttab_swap_grant_ref swap = { .ref_a = 20, .ref_b = 30 };
    grant_entry_v2_t *entries;

    assert_int_equal(set_version(guest, 2), 0);
    entries = guest->grants->shared[0];
    entries[20].full_page.frame = 0x123456789;
    entries[30].full_page.hdr.domid = 9;
    assert_int_equal(op(guest, GNTTABOP_swap_grant_ref, &swap, 1), 0);
    assert_int_equal(swap.status, GNTST_okay);
    assert_int_equal(entries[30].full_page.frame, 0x123456789);
    assert_int_equal(entries[30].full_page.hdr.domid, 0);
    assert_int_equal(entries[20].full_page.hdr.domid, 9);
    assert_int_equal(set_version(guest, 1), 0);
}

static void test_transfers_in_parts(void **state)
{
    struct gnttab_transfer transfers[MANY];

    for (unsigned i = 0; i < MANY; i++)
        transfers[i] = (struct gnttab_transfer){ .domid = control->id, .status = 99 };
    preempt_every = 1;
    assert_int_equal(op(guest, GNTTABOP_transfer, transfers, MANY), 0);
    assert_true(continuations >= 2);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(transfers[i].status, GNTST_bad_page);
}

static void test_unmaps_in_parts(void **state)
{
    struct gnttab_unmap_grant_ref unmaps[MANY];

    for (unsigned i = 0; i < MANY; i++)
        unmaps[i] = (struct gnttab_unmap_grant_ref){ .host_addr = 0x1000, .handle = 5000 + i, .status = 99 };
    preempt_every = 1;
    assert_int_equal(op(guest, GNTTABOP_unmap_grant_ref, unmaps, MANY), 0);
    assert_true(continuations >= 2);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(unmaps[i].status, GNTST_bad_handle);
}

/* --- copies --- */

static struct page *from, *to;

static struct gnttab_copy copy_of_own(u16 len)
{
    return (struct gnttab_copy){
        .source = { .u.gmfn = page_to_mfn(from).n, .domid = DOMID_SELF, .offset = 8 },
        .dest = { .u.gmfn = page_to_mfn(to).n, .domid = DOMID_SELF, .offset = 100 },
        .len = len, .status = 99,
    };
}

static int begin_copy(void **state)
{
    begin(state);
    from = domain_alloc_pages(guest, 0, 0);
    to = domain_alloc_pages(guest, 0, 0);
    memset(page_to_virt(from), 0x5a, PAGE_SIZE);
    return 0;
}

static int end_copy(void **state)
{
    assert_int_equal(domain_release_page(guest, from), 0);
    assert_int_equal(domain_release_page(guest, to), 0);
    return 0;
}

static void test_copies_in_parts(void **state)
{
    struct gnttab_copy copies[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        copies[i] = copy_of_own(4);
        copies[i].dest.offset = (u16)(i * 8);
    }
    preempt_every = 1;
    assert_int_equal(op(guest, GNTTABOP_copy, copies, MANY), 0);
    assert_true(continuations >= 2);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(copies[i].status, GNTST_okay);
        assert_int_equal(((u32 *)page_to_virt(to))[i * 2], 0x5a5a5a5a);
        assert_int_equal(((u32 *)page_to_virt(to))[i * 2 + 1], 0);
    }
}

static void expect_copy(struct gnttab_copy c, s16 status)
{
    assert_int_equal(op(guest, GNTTABOP_copy, &c, 1), 0);
    assert_int_equal(c.status, status);
    assert_int_equal(from->count & PGC_COUNT_MASK, 1);
    assert_int_equal(to->count & PGC_COUNT_MASK, 1);
    assert_int_equal(to->type & PGT_COUNT_MASK, 0);
}

#define REFUSED(field, value, why)           \
    do {                                     \
        struct gnttab_copy c_ = copy_of_own(4); \
        c_.field = (value);                  \
        expect_copy(c_, why);                \
    } while (0)

static void test_copies_refused(void **state)
{
    struct gnttab_copy by_grant = copy_of_own(4);

    REFUSED(len, PAGE_SIZE - 100 + 1, GNTST_bad_copy_arg);
    REFUSED(source.offset, 0xffff, GNTST_bad_copy_arg);
    REFUSED(flags, 0x80, GNTST_general_error);
    REFUSED(source.u.gmfn, HOST_FRAMES, GNTST_bad_page);
    REFUSED(dest.u.gmfn, HOST_FRAMES, GNTST_bad_page);
    REFUSED(dest.u.gmfn, virt_to_mfn(control->shared_info).n, GNTST_bad_page);
    REFUSED(source.domid, control->id, GNTST_permission_denied); /* by number only what is one's own */
    assert_int_equal(((u8 *)page_to_virt(to))[100], 0);
    by_grant.flags = GNTCOPY_source_gref;
    by_grant.source.domid = NOBODY;
    expect_copy(by_grant, GNTST_bad_domain);
    by_grant.source.domid = control->id;
    by_grant.source.u.ref = 0xffff;
    expect_copy(by_grant, GNTST_bad_gntref);
}

/* A page that is a page table now is none to write to. */
static void test_copy_to_a_page_table(void **state)
{
    assert_int_equal(page_get_and_type(to, guest, PGT_SEG_DESC), 0);
    struct gnttab_copy c = copy_of_own(4);

    assert_int_equal(op(guest, GNTTABOP_copy, &c, 1), 0);
    assert_int_equal(c.status, GNTST_bad_page);
    page_put_and_type(to);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, begin)
#define C(f) cmocka_unit_test_setup_teardown(f, begin_copy, end_copy)
    const struct CMUnitTest tests[] = {
        T(test_not_readable), T(test_whose_table), T(test_versions), T(test_frame_lists_not_writable),
        T(test_answers_not_writable), T(test_swaps_in_parts), T(test_swap_in_version_2), T(test_transfers_in_parts),
        T(test_unmaps_in_parts), C(test_copies_in_parts), C(test_copies_refused), C(test_copy_to_a_page_table),
    };

    return cmocka_run_group_tests(tests, setup, invariants_hold);
}
