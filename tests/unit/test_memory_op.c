/* SPDX-License-Identifier: MIT */
/*
 * HYPERVISOR_memory_op from the guest's side: domain 0, a guest it builds, and
 * a guest that wants too much.  Each call is repeated until it is done, as a
 * guest's continuation would, and once more with a preemption at every turn.
 */
#include "unit.h"

#include <zelo/memory.h>

#include <xen/memory.h>

#include <sys/mman.h>

static struct domain *control, *d;
static bool preempt;
static unsigned continuations;
static bool continued;
static struct hypercall_args again;

bool hypercall_should_preempt(void) { return preempt; }

long hypercall_continue(unsigned nr, const struct hypercall_args *next)
{
    assert_int_equal(nr, __HYPERVISOR_memory_op);
    continued = true;
    continuations++;
    again = *next;
    return 0;
}

static int setup(void **state)
{
    host_boot(4);
    control = host_domain_create(0, true, 1, ~0ULL);
    d = host_domain_create(1, false, 1, 10000);
    return 0;
}

static int each(void **state)
{
    preempt = false;
    continuations = 0;
    host_guest_heal();
    host_set_current(control->vcpu[0]);
    return 0;
}

static int drop_all(void **state)
{
    while (d->page_first != PAGE_LINK_NONE)
        assert_int_equal(domain_release_page(d, &frame_table[d->page_first]), 0);
    assert_int_equal(d->tot_pages, 0);
    assert_int_equal(d->refs, 1);
    assert_int_equal(host_locks_held(), 0);
    assert_invariants();
    return 0;
}

static long op(unsigned long cmd, void *arg)
{
    struct hypercall_args a = { { cmd, (unsigned long)arg } };
    long rc;

    do {
        continued = false;
        rc = do_memory_op(&a);
        a = again;
    } while (continued);
    assert_int_equal(host_locks_held(), 0);
    return rc;
}

static void as_guest(void) { host_set_current(d->vcpu[0]); }

static struct xen_memory_reservation reservation(xen_pfn_t *list, u64 n, unsigned order, domid_t id)
{
    struct xen_memory_reservation r = { .nr_extents = n, .extent_order = order, .domid = id };

    set_xen_guest_handle(r.extent_start, list);
    return r;
}

/* --- reservations --- */

static void populate_and_give_up(unsigned order)
{
    enum { N = 20 };
    xen_pfn_t list[N], gpfn[N];
    struct xen_memory_reservation r = reservation(list, N, order, 1);
    u64 size = 1u << order;

    for (unsigned i = 0; i < N; i++)
        list[i] = gpfn[i] = 5000 + i * size;
    assert_int_equal(op(XENMEM_populate_physmap, &r), N);
    assert_int_equal(d->tot_pages, N * size);
    for (unsigned i = 0; i < N; i++)
        for (u64 j = 0; j < size; j++) {
            assert_int_equal(m2p_get(MFN(list[i] + j)).n, gpfn[i] + j);
            assert_ptr_equal(page_owner(mfn_to_page(MFN(list[i] + j))), d);
        }
    as_guest();
    r.domid = DOMID_SELF;
    assert_int_equal(op(XENMEM_decrease_reservation, &r), N);
    assert_int_equal(d->tot_pages, 0);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(m2p_get(MFN(list[i])).n, PFN_INVALID.n);
}

static void test_populate_and_decrease(void **state)
{
    u64 before = heap_free_page_count();

    populate_and_give_up(0);
    each(state);
    populate_and_give_up(4);
    each(state);
    preempt = true;
    populate_and_give_up(0);
    assert_int_equal(continuations, 2 * 19);
    assert_int_equal(heap_free_page_count(), before);
}

static void test_increase(void **state)
{
    xen_pfn_t list[8];
    struct xen_memory_reservation r = reservation(list, 8, 1, DOMID_SELF);

    as_guest();
    assert_int_equal(op(XENMEM_increase_reservation, &r), 8);
    assert_int_equal(d->tot_pages, 16);
    assert_ptr_equal(page_owner(mfn_to_page(MFN(list[7] + 1))), d);
    set_xen_guest_handle(r.extent_start, NULL);
    assert_int_equal(op(XENMEM_increase_reservation, &r), 8);
    assert_int_equal(d->tot_pages, 32);
}

static void test_partial_success(void **state)
{
    xen_pfn_t list[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    struct xen_memory_reservation r = reservation(list, 8, 0, 1);
    u64 before = heap_free_page_count();

    d->max_pages = 5;
    assert_int_equal(op(XENMEM_populate_physmap, &r), 5);
    assert_int_equal(list[5], 6); /* untouched */
    d->max_pages = 10000;
    as_guest();
    r.domid = DOMID_SELF;
    list[3] = list[2]; /* one twice: the call ends there */
    assert_int_equal(op(XENMEM_decrease_reservation, &r), 3);
    drop_all(state);
    /* A list that ends early, or cannot be written. */
    host_guest_fault(&list[4], sizeof(list[0]));
    assert_int_equal(op(XENMEM_populate_physmap, &r), 4);
    assert_int_equal(d->tot_pages, 4);
    assert_int_equal(op(XENMEM_increase_reservation, &r), 4);
    assert_int_equal(d->tot_pages, 8);
    drop_all(state);
    assert_int_equal(heap_free_page_count(), before);
}

static void test_reservation_arguments(void **state)
{
    xen_pfn_t list[2] = { 0, 1 };
    struct xen_memory_reservation r = reservation(list, 2, 10, DOMID_SELF);

    as_guest();
    assert_int_equal(op(XENMEM_populate_physmap, &r), -EPERM); /* too large for a guest */
    assert_int_equal(op(XENMEM_decrease_reservation, &r), -EPERM);
    r.extent_order = 64;
    assert_int_equal(op(XENMEM_populate_physmap, &r), -EPERM);
    r = reservation(list, 2, 0, 0);
    assert_int_equal(op(XENMEM_populate_physmap, &r), -EPERM); /* another domain */
    r.domid = 77;
    assert_int_equal(op(XENMEM_populate_physmap, &r), -ESRCH);
    r.domid = DOMID_XEN;
    assert_int_equal(op(XENMEM_decrease_reservation, &r), -ESRCH);
    r = reservation(list, ~0UL, 0, DOMID_SELF);
    assert_int_equal(op(XENMEM_populate_physmap, &r), -EINVAL);
    r = reservation(list, 2, 0, DOMID_SELF);
    r.mem_flags = XENMEMF_populate_on_demand;
    assert_int_equal(op(XENMEM_populate_physmap, &r), -EOPNOTSUPP);
    r.mem_flags = XENMEMF_exact_node(1);
    assert_int_equal(op(XENMEM_populate_physmap, &r), -EINVAL);
    r.mem_flags = XENMEMF_exact_node(0);
    assert_int_equal(op(XENMEM_populate_physmap | 3 << 6, &r), -EINVAL); /* progress past the end */
    assert_int_equal(op(XENMEM_populate_physmap | 2 << 6, &r), 2);
    assert_int_equal(op(XENMEM_populate_physmap | 1 << 6, &r), 2);
    assert_int_equal(d->tot_pages, 1);
    assert_int_equal(op(XENMEM_populate_physmap, (void *)0xffff800000001000), -EFAULT);
    assert_int_equal(op(XENMEM_populate_physmap, NULL), -EFAULT);
    r.nr_extents = 0;
    assert_int_equal(op(XENMEM_populate_physmap, &r), 0);
}

static void test_decrease_of_what_is_not_ones_own(void **state)
{
    xen_pfn_t list[1];
    struct xen_memory_reservation r = reservation(list, 1, 0, DOMID_SELF);
    struct page *p = domain_alloc_pages(control, 0, 0);
    static const u64 wild[] = { 0, 1, HOST_FRAMES, HOST_FRAMES - 1, ~0ULL, ~0ULL >> 1, 1ULL << 40 };

    as_guest();
    list[0] = page_to_mfn(p).n;
    assert_int_equal(op(XENMEM_decrease_reservation, &r), 0);
    list[0] = virt_to_mfn(d->shared_info).n;
    assert_int_equal(op(XENMEM_decrease_reservation, &r), 0);
    list[0] = virt_to_mfn(d).n;
    assert_int_equal(op(XENMEM_decrease_reservation, &r), 0);
    for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
        list[0] = wild[i];
        r.extent_order = i % 2 ? 9 : 0;
        assert_int_equal(op(XENMEM_decrease_reservation, &r), 0);
    }
    assert_int_equal(domain_release_page(control, p), 0);
}

/* A frame that is still mapped somewhere stays until the mapping goes. */
static void test_decrease_of_a_mapped_frame(void **state)
{
    xen_pfn_t list[1] = { 42 };
    struct xen_memory_reservation r = reservation(list, 1, 0, DOMID_SELF);
    struct page *p;

    as_guest();
    assert_int_equal(op(XENMEM_populate_physmap, &r), 1);
    p = mfn_to_page(MFN(list[0]));
    assert_int_equal(page_get_and_type(p, d, PGT_WRITABLE), 0);
    assert_int_equal(op(XENMEM_decrease_reservation, &r), 1);
    assert_int_equal(op(XENMEM_decrease_reservation, &r), 0);
    assert_int_equal(d->tot_pages, 1);
    page_put_and_type(p);
    assert_int_equal(d->tot_pages, 0);
}

static void test_address_bits(void **state)
{
    xen_pfn_t list[4] = { 0, 1, 2, 3 };
    struct xen_memory_reservation r = reservation(list, 4, 2, 1);

    r.mem_flags = XENMEMF_address_bits(24);
    assert_int_equal(op(XENMEM_populate_physmap, &r), 4);
    for (unsigned i = 0; i < 4; i++)
        assert_true(list[i] + 4 <= 1u << (24 - PAGE_SHIFT));
    r.mem_flags = XENMEMF_address_bits(12);
    assert_int_equal(op(XENMEM_populate_physmap, &r), 0);
}

/* --- exchange --- */

static struct xen_memory_exchange exchange(xen_pfn_t *in, u64 nin, unsigned oin, xen_pfn_t *out, u64 nout,
                                           unsigned oout)
{
    return (struct xen_memory_exchange){
        .in = reservation(in, nin, oin, DOMID_SELF),
        .out = reservation(out, nout, oout, DOMID_SELF),
    };
}

/* n frames of the guest at pfn 100 on. */
static void frames_of_guest(xen_pfn_t *list, unsigned n)
{
    struct xen_memory_reservation r = reservation(list, n, 0, DOMID_SELF);

    as_guest();
    for (unsigned i = 0; i < n; i++)
        list[i] = 100 + i;
    assert_int_equal(op(XENMEM_populate_physmap, &r), n);
}

/* Linux makes a contiguous buffer and later takes it apart again. */
static void exchange_there_and_back(void)
{
    enum { N = 64, ORDER = 4 };
    xen_pfn_t frames[N], big[N >> ORDER];
    struct xen_memory_exchange x;
    u64 before;

    frames_of_guest(frames, N);
    before = heap_free_page_count();
    for (unsigned i = 0; i < N >> ORDER; i++)
        big[i] = 100 + (i << ORDER);
    x = exchange(frames, N, 0, big, N >> ORDER, ORDER);
    x.out.mem_flags = XENMEMF_address_bits(26);
    assert_int_equal(op(XENMEM_exchange, &x), 0);
    assert_int_equal(x.nr_exchanged, N);
    assert_int_equal(d->tot_pages, N);
    for (unsigned i = 0; i < N; i++) {
        mfn_t now = MFN(big[i >> ORDER] + i % (1 << ORDER));

        assert_int_equal(m2p_get(now).n, 100 + i);
        assert_true(now.n < 1 << (26 - PAGE_SHIFT));
        assert_ptr_equal(page_owner(mfn_to_page(now)), d);
        assert_int_equal(mfn_to_page(now)->count, PGC_ALLOCATED | 1);
    }
    for (unsigned i = 0; i < N; i++)
        frames[i] = 100 + i;
    x = exchange(big, N >> ORDER, ORDER, frames, N, 0);
    assert_int_equal(op(XENMEM_exchange, &x), 0);
    assert_int_equal(x.nr_exchanged, N >> ORDER);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(m2p_get(MFN(frames[i])).n, 100 + i);
    assert_int_equal(d->tot_pages, N);
    assert_int_equal(heap_free_page_count(), before);
}

static void test_exchange(void **state)
{
    exchange_there_and_back();
    drop_all(state);
    preempt = true;
    exchange_there_and_back();
    assert_in_range(continuations, 3, 1000);
}

static void test_exchange_at_the_limit(void **state)
{
    xen_pfn_t frames[16], big[1] = { 100 };
    struct xen_memory_exchange x = exchange(frames, 16, 0, big, 1, 4);

    frames_of_guest(frames, 16);
    d->max_pages = 16;
    assert_int_equal(op(XENMEM_exchange, &x), 0);
    d->max_pages = 10000;
}

/* What fails half-way leaves the chunk as it was. */
static void test_exchange_failures(void **state)
{
    xen_pfn_t frames[32], copy[32], big[2] = { 100, 116 };
    struct xen_memory_exchange x = exchange(frames, 32, 0, big, 2, 4);
    struct page *p;
    u64 before;

    frames_of_guest(frames, 32);
    memcpy(copy, frames, sizeof(copy));
    before = heap_free_page_count();

    p = mfn_to_page(MFN(frames[20]));
    assert_true(page_get(p, d)); /* in use: the second chunk fails, the first is done */
    assert_int_equal(op(XENMEM_exchange, &x), -EBUSY);
    assert_int_equal(x.nr_exchanged, 16);
    assert_int_equal(d->tot_pages, 32);
    assert_int_equal(big[1], 116);
    assert_ptr_equal(page_owner(mfn_to_page(MFN(frames[17]))), d);
    assert_int_equal(m2p_get(MFN(frames[17])).n, 117);
    page_put(p);

    frames[31] = frames[16]; /* the same frame twice */
    assert_int_equal(op(XENMEM_exchange, &x), -EINVAL);
    frames[31] = 5; /* not RAM */
    assert_int_equal(op(XENMEM_exchange, &x), -EINVAL);
    frames[31] = ~0UL;
    assert_int_equal(op(XENMEM_exchange, &x), -EINVAL);
    frames[31] = copy[31];
    x.out.mem_flags = XENMEMF_address_bits(13);
    assert_int_equal(op(XENMEM_exchange, &x), -ENOMEM);
    x.out.mem_flags = 0;
    host_guest_fault(&big[1], sizeof(big[1]));
    assert_int_equal(op(XENMEM_exchange, &x), -EFAULT);
    host_guest_heal();
    assert_int_equal(x.nr_exchanged, 16);
    assert_int_equal(d->tot_pages, 32);
    assert_int_equal(heap_free_page_count(), before);
    for (unsigned i = 16; i < 32; i++) {
        assert_int_equal(m2p_get(MFN(frames[i])).n, 100 + i);
        assert_int_equal(mfn_to_page(MFN(frames[i]))->count, PGC_ALLOCATED | 1);
    }
    assert_int_equal(op(XENMEM_exchange, &x), 0);
    assert_int_equal(x.nr_exchanged, 32);
}

/* A frame that was out of the domain for a moment may be in a TLB as what it was. */
static void test_exchange_failure_keeps_type(void **state)
{
    xen_pfn_t frames[16], big[1] = { 100 };
    struct xen_memory_exchange x = exchange(frames, 16, 0, big, 1, 4);
    struct page *p, *q;

    frames_of_guest(frames, 16);
    p = mfn_to_page(MFN(frames[3]));
    q = mfn_to_page(MFN(frames[4]));
    p->type = PGT_WRITABLE;
    q->type = PGT_L1;
    p->tlb_stamp = q->tlb_stamp = 4711;
    x.out.mem_flags = XENMEMF_address_bits(13);
    assert_int_equal(op(XENMEM_exchange, &x), -ENOMEM);
    assert_int_equal(p->type, PGT_WRITABLE);
    assert_int_equal(q->type, PGT_L1);
    assert_int_equal(p->tlb_stamp, 4711);
    assert_int_equal(q->tlb_stamp, 4711);
}

static void test_exchange_arguments(void **state)
{
    xen_pfn_t frames[16], big[1] = { 100 };
    struct xen_memory_exchange x, good = exchange(frames, 16, 0, big, 1, 4);

    frames_of_guest(frames, 16);
    x = good, x.out.domid = 0;
    assert_int_equal(op(XENMEM_exchange, &x), -EINVAL);
    x = good, x.in.domid = x.out.domid = 0;
    assert_int_equal(op(XENMEM_exchange, &x), -EPERM);
    x = good, x.in.nr_extents = 15;
    assert_int_equal(op(XENMEM_exchange, &x), -EINVAL);
    x = good, x.in.nr_extents = ~0UL, x.out.nr_extents = ~0UL;
    assert_int_equal(op(XENMEM_exchange, &x), -EINVAL);
    x = good, x.out.extent_order = 10;
    assert_int_equal(op(XENMEM_exchange, &x), -EPERM);
    x = good, x.in.extent_order = 200;
    assert_int_equal(op(XENMEM_exchange, &x), -EPERM);
    x = good, x.nr_exchanged = 17;
    assert_int_equal(op(XENMEM_exchange, &x), -EINVAL);
    x = good, x.nr_exchanged = 3; /* not whole chunks */
    assert_int_equal(op(XENMEM_exchange, &x), -EINVAL);
    x = good, x.nr_exchanged = 16;
    assert_int_equal(op(XENMEM_exchange, &x), 0); /* nothing left */
    assert_int_equal(op(XENMEM_exchange | 1 << 6, &good), -EINVAL);
    assert_int_equal(big[0], 100);
    assert_int_equal(d->tot_pages, 16);
}

/* --- numbers --- */

static void test_numbers(void **state)
{
    struct xen_memory_domain q = { .domid = 1 };
    struct xen_machphys_mapping m;

    assert_int_equal(op(XENMEM_maximum_ram_page, NULL), HOST_FRAMES - 1);
    assert_non_null(domain_alloc_pages(d, 3, 0));
    assert_int_equal(op(XENMEM_current_reservation, &q), 8);
    assert_int_equal(op(XENMEM_maximum_reservation, &q), 10000);
    assert_int_equal(op(XENMEM_maximum_gpfn, &q), 0);
    d->shared_info->arch.max_pfn = 1234;
    assert_int_equal(op(XENMEM_maximum_gpfn, &q), 1233);
    d->shared_info->arch.max_pfn = ~0UL; /* the guest's own word */
    assert_true(op(XENMEM_maximum_gpfn, &q) < 0);
    d->shared_info->arch.max_pfn = 0;
    q.domid = DOMID_SELF;
    assert_true(op(XENMEM_maximum_reservation, &q) > 0); /* no limit is no error */
    as_guest();
    assert_int_equal(op(XENMEM_current_reservation, &q), 8);
    q.domid = 0;
    assert_int_equal(op(XENMEM_current_reservation, &q), -EPERM);
    q.domid = 99;
    assert_int_equal(op(XENMEM_current_reservation, &q), -ESRCH);
    assert_int_equal(op(XENMEM_machphys_mapping, &m), 0);
    assert_int_equal(m.v_start, MACH2PHYS_VIRT_START);
    assert_int_equal(m.max_mfn, MACH2PHYS_NR_ENTRIES - 1);
    assert_int_equal(op(XENMEM_get_sharing_freed_pages, NULL), 0);
}

static void test_machphys_list(void **state)
{
    xen_pfn_t list[4] = { 7, 7, 7, 7 };
    struct xen_machphys_mfn_list l = { .max_extents = 4 };
    struct page *p;

    set_xen_guest_handle(l.extent_start, list);
    assert_int_equal(op(XENMEM_machphys_mfn_list, &l), 0);
    assert_int_equal(l.nr_extents, 1);
    assert_int_equal(list[0], m2p_extent_mfn(0).n);
    assert_int_equal(list[1], 7);
    p = mfn_to_page(MFN(list[0] + 511));
    assert_true(page_get(p, dom_xen)); /* mappable now, */
    assert_int_equal(page_get_type(p, PGT_WRITABLE), -EBUSY); /* but not writable */
    page_put(p);
    assert_int_equal(op(XENMEM_machphys_mfn_list, &l), 0);
    as_guest();
    assert_int_equal(op(XENMEM_machphys_mfn_list, &l), -EPERM);
}

static void test_claim(void **state)
{
    struct xen_memory_reservation r = reservation(NULL, 500, 0, 1);
    xen_pfn_t x;

    assert_int_equal(op(XENMEM_claim_pages, &r), 0);
    assert_int_equal(d->claimed_pages, 500);
    assert_int_equal(op(XENMEM_claim_pages, &r), -EINVAL);
    r.nr_extents = 0;
    assert_int_equal(op(XENMEM_claim_pages, &r), 0);
    assert_int_equal(heap_claimed_page_count(), 0);
    r = reservation(NULL, 10001, 0, 1);
    assert_int_equal(op(XENMEM_claim_pages, &r), -EINVAL); /* over its limit */
    r = reservation(&x, 5, 0, 1);
    assert_int_equal(op(XENMEM_claim_pages, &r), -EINVAL);
    r = reservation(NULL, 5, 1, 1);
    assert_int_equal(op(XENMEM_claim_pages, &r), -EINVAL);
    as_guest();
    r = reservation(NULL, 5, 0, DOMID_SELF);
    assert_int_equal(op(XENMEM_claim_pages, &r), -EPERM);
}

static void test_pod(void **state)
{
    struct xen_pod_target t = { .target_pages = 100, .domid = 1, .pod_entries = 9 };

    assert_int_equal(op(XENMEM_set_pod_target, &t), 0);
    assert_int_equal(t.pod_entries, 0);
    t.target_pages = 10001;
    assert_int_equal(op(XENMEM_set_pod_target, &t), -EINVAL);
    as_guest();
    assert_int_equal(op(XENMEM_get_pod_target, &t), 0);
    assert_int_equal(op(XENMEM_set_pod_target, &t), -EPERM);
}

/* --- maps --- */

static void test_machine_map(void **state)
{
    struct e820_range got[10];
    struct xen_memory_map m = { .nr_entries = 10 };

    assert_int_equal(op(XENMEM_machine_memory_map, &m), 0);
    assert_int_equal(m.nr_entries, e820_count);
    m.nr_entries = 10;
    set_xen_guest_handle(m.buffer, got);
    assert_int_equal(op(XENMEM_machine_memory_map, &m), 0);
    assert_int_equal(m.nr_entries, e820_count);
    assert_memory_equal(got, e820_map, e820_count * sizeof(got[0]));
    m.nr_entries = 1;
    assert_int_equal(op(XENMEM_memory_map, &m), 0); /* domain 0's is the machine's */
    assert_int_equal(m.nr_entries, 1);
    host_guest_fault(got, 1);
    assert_int_equal(op(XENMEM_machine_memory_map, &m), -EFAULT);
    as_guest();
    assert_int_equal(op(XENMEM_machine_memory_map, &m), -EPERM);
}

static void test_domain_map(void **state)
{
    struct e820_range in[2] = { { 0, MiB(4), E820_RAM }, { MiB(8), MiB(4), E820_RAM } }, got[2];
    struct xen_foreign_memory_map f = { .domid = 1, .map.nr_entries = 2 };
    struct xen_memory_map m = { .nr_entries = 2 };

    set_xen_guest_handle(f.map.buffer, in);
    set_xen_guest_handle(m.buffer, got);
    as_guest();
    assert_int_equal(op(XENMEM_memory_map, &m), -ENOSYS); /* none yet */
    f.domid = DOMID_SELF;
    assert_int_equal(op(XENMEM_set_memory_map, &f), -EPERM);
    each(state);
    f.domid = 1;
    assert_int_equal(op(XENMEM_set_memory_map, &f), 0);
    f.map.nr_entries = 1; /* a second one replaces it */
    assert_int_equal(op(XENMEM_set_memory_map, &f), 0);
    as_guest();
    assert_int_equal(op(XENMEM_memory_map, &m), 0);
    assert_int_equal(m.nr_entries, 1);
    assert_memory_equal(got, in, sizeof(in[0]));
    each(state);
    f.map.nr_entries = 0;
    assert_int_equal(op(XENMEM_set_memory_map, &f), -EINVAL);
    f.map.nr_entries = ~0u;
    assert_int_equal(op(XENMEM_set_memory_map, &f), -EINVAL);
    f.map.nr_entries = 1;
    host_guest_fault(in, 1);
    assert_int_equal(op(XENMEM_set_memory_map, &f), -EFAULT);
    as_guest();
    assert_int_equal(op(XENMEM_memory_map, &m), 0);
}

/* --- resources --- */

static void test_acquire_resource(void **state)
{
    xen_pfn_t list[4] = { 0 };
    struct xen_mem_acquire_resource r = { .domid = 1, .type = XENMEM_resource_grant_table };

    assert_int_equal(op(XENMEM_acquire_resource, &r), 0);
    assert_int_equal(r.nr_frames, grant_table_max_frames(d));
    r.id = XENMEM_resource_grant_table_id_status, r.nr_frames = 0;
    assert_int_equal(op(XENMEM_acquire_resource, &r), 0);
    assert_true(r.nr_frames > 0);
    r.id = XENMEM_resource_grant_table_id_shared, r.nr_frames = 3;
    assert_int_equal(op(XENMEM_acquire_resource, &r), -EINVAL); /* no list */
    set_xen_guest_handle(r.frame_list, list);
    preempt = true;
    assert_int_equal(op(XENMEM_acquire_resource, &r), 0);
    assert_int_equal(continuations, 2);
    for (unsigned i = 0; i < 3; i++) {
        struct page *p = mfn_to_page(MFN(list[i]));

        assert_true(page_get(p, d));
        page_put(p);
    }
    assert_int_not_equal(list[0], list[1]);
    assert_int_equal(list[3], 0);
    r.frame = grant_table_max_frames(d) - 1;
    assert_int_equal(op(XENMEM_acquire_resource, &r), -EINVAL);
    r.frame = ~0ULL;
    assert_int_equal(op(XENMEM_acquire_resource, &r), -EINVAL);
    r.frame = 0, r.pad = 1;
    assert_int_equal(op(XENMEM_acquire_resource, &r), -EINVAL);
    r.pad = 0, r.id = 2;
    assert_int_equal(op(XENMEM_acquire_resource, &r), -EINVAL);
    r.id = 0, r.type = XENMEM_resource_ioreq_server;
    assert_int_equal(op(XENMEM_acquire_resource, &r), -EOPNOTSUPP);
    r.type = XENMEM_resource_grant_table;
    as_guest();
    assert_int_equal(op(XENMEM_acquire_resource, &r), -EPERM);
    r.domid = 0;
    assert_int_equal(op(XENMEM_acquire_resource, &r), -EPERM);
}

/* --- what is not there --- */

static void test_not_there(void **state)
{
    struct xen_add_to_physmap a = { .domid = 1, .space = XENMAPSPACE_grant_table };

    assert_int_equal(op(XENMEM_add_to_physmap, &a), -EACCES);
    assert_int_equal(op(XENMEM_remove_from_physmap, &a), -EACCES);
    assert_int_equal(op(XENMEM_get_vnumainfo, &a), -EOPNOTSUPP);
    assert_int_equal(op(XENMEM_access_op, &a), -EOPNOTSUPP);
    assert_int_equal(op(XENMEM_paging_op, &a), -EOPNOTSUPP);
    assert_int_equal(op(XENMEM_sharing_op, &a), -EOPNOTSUPP);
    assert_int_equal(op(XENMEM_reserved_device_memory_map, &a), -EOPNOTSUPP);
    assert_int_equal(op(XENMEM_machphys_compat_mfn_list, &a), -EOPNOTSUPP);
    assert_int_equal(op(8, &a), -EOPNOTSUPP);
    assert_int_equal(op(29, &a), -ENOSYS);
    assert_int_equal(op(63, &a), -ENOSYS);
    as_guest();
    a.domid = 0;
    assert_int_equal(op(XENMEM_add_to_physmap, &a), -EPERM);
}

/* Any words at all: an error or a number, never a fault of ours, and nothing lost. */
static void test_noise(void **state)
{
    u64 *words = mmap(NULL, MiB(1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), before;
    unsigned seed = 12345;

    drop_all(state);
    before = heap_free_page_count();
    as_guest();
    d->max_pages = 50;
    for (unsigned i = 0; i < 20000; i++) {
        for (unsigned w = 0; w < 16; w++) {
            unsigned kind = rand_r(&seed) % 6;

            words[w] = kind == 0   ? (u64)rand_r(&seed) << 32 | rand_r(&seed)
                       : kind == 1 ? (u64)words
                       : kind == 2 ? ~0ULL
                       : kind == 3 ? DOMID_SELF
                                   : rand_r(&seed) % 4u;
        }
        (void)op(rand_r(&seed) % 32 | (rand_r(&seed) % 8 ? 0 : rand_r(&seed) % 4 << 6), words);
    }
    d->max_pages = 10000;
    munmap(words, MiB(1));
    drop_all(state);
    assert_int_equal(heap_free_page_count(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_populate_and_decrease, each, drop_all),
        cmocka_unit_test_setup_teardown(test_increase, each, drop_all),
        cmocka_unit_test_setup_teardown(test_partial_success, each, drop_all),
        cmocka_unit_test_setup_teardown(test_reservation_arguments, each, drop_all),
        cmocka_unit_test_setup_teardown(test_decrease_of_what_is_not_ones_own, each, drop_all),
        cmocka_unit_test_setup_teardown(test_decrease_of_a_mapped_frame, each, drop_all),
        cmocka_unit_test_setup_teardown(test_address_bits, each, drop_all),
        cmocka_unit_test_setup_teardown(test_exchange, each, drop_all),
        cmocka_unit_test_setup_teardown(test_exchange_at_the_limit, each, drop_all),
        cmocka_unit_test_setup_teardown(test_exchange_failures, each, drop_all),
        cmocka_unit_test_setup_teardown(test_exchange_failure_keeps_type, each, drop_all),
        cmocka_unit_test_setup_teardown(test_exchange_arguments, each, drop_all),
        cmocka_unit_test_setup_teardown(test_numbers, each, drop_all),
        cmocka_unit_test_setup_teardown(test_machphys_list, each, drop_all),
        cmocka_unit_test_setup_teardown(test_claim, each, drop_all),
        cmocka_unit_test_setup_teardown(test_pod, each, drop_all),
        cmocka_unit_test_setup_teardown(test_machine_map, each, drop_all),
        cmocka_unit_test_setup_teardown(test_domain_map, each, drop_all),
        cmocka_unit_test_setup_teardown(test_acquire_resource, each, drop_all),
        cmocka_unit_test_setup_teardown(test_not_there, each, drop_all),
        cmocka_unit_test_setup_teardown(test_noise, each, drop_all),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
