/* SPDX-License-Identifier: MIT */
/* HYPERVISOR_memory_op where its structures and lists cannot be read or written, or there is no memory: what then stays. */
#include "control_fixture.h"

#include "scarce_memory.h"

#include <zelo/memory.h>

#include <xen/memory.h>

static int setup(void **state)
{
    control_setup(state);
    control->max_pages = guest->max_pages = 1000;
    return 0;
}

static long op_by(struct domain *d, unsigned cmd, const void *arg)
{
    host_set_current(d->vcpu[0]);
    return call_through(do_memory_op, (struct hypercall_args){ { cmd, (unsigned long)arg } });
}

static long op(unsigned cmd, const void *arg) { return op_by(control, cmd, arg); }

/* --- structures --- */

static void test_not_readable(void **state)
{
    static const unsigned ops[] = {
        XENMEM_increase_reservation, XENMEM_decrease_reservation, XENMEM_populate_physmap, XENMEM_exchange,
        XENMEM_current_reservation, XENMEM_maximum_reservation, XENMEM_maximum_gpfn, XENMEM_machphys_mapping,
        XENMEM_machphys_mfn_list, XENMEM_memory_map, XENMEM_machine_memory_map, XENMEM_set_memory_map,
        XENMEM_claim_pages, XENMEM_get_pod_target, XENMEM_set_pod_target, XENMEM_add_to_physmap,
        XENMEM_add_to_physmap_batch, XENMEM_remove_from_physmap, XENMEM_acquire_resource,
    };

    for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
        assert_int_equal(op(ops[i], BAD_POINTER), -EFAULT);
}

static void test_answers_not_writable(void **state)
{
    struct xen_pod_target pod = { .domid = 1 };
    struct xen_machphys_mfn_list list = { .max_extents = 0 };
    struct xen_memory_map map = { .nr_entries = 0 };
    struct xen_mem_acquire_resource resource = { .domid = 1, .type = XENMEM_resource_grant_table };

    assert_int_equal(op(XENMEM_get_pod_target, read_only(&pod, sizeof(pod))), -EFAULT);
    assert_int_equal(op(XENMEM_machphys_mfn_list, read_only(&list, sizeof(list))), -EFAULT);
    assert_int_equal(op(XENMEM_machine_memory_map, read_only(&map, sizeof(map))), -EFAULT);
    assert_int_equal(op(XENMEM_memory_map, read_only(&map, sizeof(map))), -EFAULT);
    assert_int_equal(op(XENMEM_acquire_resource, read_only(&resource, sizeof(resource))), -EFAULT);
}

static void test_lists_not_writable(void **state)
{
    struct xen_machphys_mfn_list list = { .max_extents = 1 };
    struct xen_memory_map map = { .nr_entries = 1 };
    struct xen_mem_acquire_resource resource = { .domid = 1, .type = XENMEM_resource_grant_table, .nr_frames = 1 };

    set_xen_guest_handle(list.extent_start, (xen_pfn_t *)BAD_POINTER);
    assert_int_equal(op(XENMEM_machphys_mfn_list, &list), -EFAULT);
    map.buffer.p = BAD_POINTER;
    assert_int_equal(op(XENMEM_machine_memory_map, &map), -EFAULT);
    set_xen_guest_handle(resource.frame_list, (xen_pfn_t *)BAD_POINTER);
    assert_int_equal(op(XENMEM_acquire_resource, &resource), -EFAULT);
}

static void test_map_not_readable(void **state)
{
    struct xen_foreign_memory_map map = { .domid = 1, .map.nr_entries = 1 };

    map.map.buffer.p = BAD_POINTER;
    assert_int_equal(op(XENMEM_set_memory_map, &map), -EFAULT);
    assert_null(guest->memory_map);
}

static void test_pod_target(void **state)
{
    struct xen_pod_target pod = { .domid = 1, .target_pages = 1001 };

    assert_int_equal(op(XENMEM_set_pod_target, &pod), -EINVAL);
    pod.domid = 77;
    assert_int_equal(op(XENMEM_set_pod_target, &pod), -ESRCH);
    pod.domid = DOMID_SELF;
    assert_int_equal(op_by(guest, XENMEM_set_pod_target, &pod), -EPERM);
}

/* --- reservations: what could not be told of is not kept --- */

static void test_frames_nobody_can_be_told_of(void **state)
{
    xen_pfn_t wanted = 0x777;
    struct xen_memory_reservation r = { .nr_extents = 1, .extent_order = 2, .domid = 1 };
    u64 before = heap_free_page_count();

    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)read_only(&wanted, sizeof(wanted)));
    assert_int_equal(op(XENMEM_populate_physmap, &r), 0);
    assert_int_equal(op(XENMEM_increase_reservation, &r), 0);
    assert_int_equal(guest->tot_pages, 0);
    assert_int_equal(heap_free_page_count(), before);
    for (u64 mfn = 0; mfn < HOST_FRAMES; mfn++)
        assert_int_not_equal(m2p_get(MFN(mfn)).n, 0x777);
    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)BAD_POINTER);
    assert_int_equal(op(XENMEM_populate_physmap, &r), 0);
    assert_int_equal(op(XENMEM_decrease_reservation, &r), 0);
}

/* --- exchange --- */

static xen_pfn_t in[2], out[2];

static struct xen_memory_exchange exchange(unsigned in_order, unsigned out_order)
{
    struct xen_memory_exchange x = {
        .in = { .nr_extents = 2 >> in_order, .extent_order = in_order, .domid = DOMID_SELF },
        .out = { .nr_extents = 2 >> out_order, .extent_order = out_order, .domid = DOMID_SELF },
    };

    set_xen_guest_handle(x.in.extent_start, in);
    set_xen_guest_handle(x.out.extent_start, out);
    return x;
}

/* The guest has two frames, one after the other, numbered 0x700 and 0x701. */
static int begin_exchange(void **state)
{
    struct page *p = domain_alloc_pages(guest, 1, 0);

    for (unsigned i = 0; i < 2; i++) {
        in[i] = page_to_mfn(p).n + i;
        out[i] = 0x700 + i;
        m2p_set(MFN(in[i]), PFN(0x700 + i));
    }
    return 0;
}

static int end_exchange(void **state)
{
    memory_give_all();
    guest->dying = DOMAIN_ALIVE;
    while (guest->page_first != PAGE_LINK_NONE)
        assert_int_equal(domain_release_page(guest, &frame_table[guest->page_first]), 0);
    return 0;
}

static void assert_has_old_frames(void)
{
    assert_int_equal(guest->tot_pages, 2);
    for (unsigned i = 0; i < 2; i++)
        assert_ptr_equal(page_owner(mfn_to_page(MFN(in[i]))), guest);
}

static void test_exchange_without_memory(void **state)
{
    struct xen_memory_exchange x = exchange(0, 0);

    memory_take_all();
    assert_int_equal(op_by(guest, XENMEM_exchange, &x), -ENOMEM);
    assert_int_equal(x.nr_exchanged, 0);
    assert_has_old_frames();
    assert_true(memory_give_one());
    assert_int_equal(op_by(guest, XENMEM_exchange, &x), 0); /* one is enough: each goes back before the next */
    assert_int_equal(x.nr_exchanged, 2);
    assert_int_equal(guest->tot_pages, 2);
    assert_int_equal(heap_free_page_count(), 1);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(m2p_get(MFN(out[i])).n, 0x700 + i);
}

/* Of two new frames one was there already when the other's number could not be read. */
static void test_exchange_with_half_a_list(void **state)
{
    struct xen_memory_exchange x = exchange(1, 0);
    u64 before = heap_free_page_count();

    host_guest_fault(&out[0], sizeof(out[0])); /* the last is made first */
    assert_int_equal(op_by(guest, XENMEM_exchange, &x), -EFAULT);
    host_guest_heal();
    assert_int_equal(x.nr_exchanged, 0);
    assert_has_old_frames();
    assert_int_equal(heap_free_page_count(), before);
    for (u64 mfn = 0; mfn < HOST_FRAMES; mfn++)
        if (mfn != in[1])
            assert_int_not_equal(m2p_get(MFN(mfn)).n, 0x701);
}

/* Too late to go back: the frames are the guest's, though it was not told which. */
static void test_exchange_with_a_list_not_writable(void **state)
{
    struct xen_memory_exchange x = exchange(0, 0);

    set_xen_guest_handle(x.out.extent_start, (xen_pfn_t *)read_only(out, sizeof(out)));
    assert_int_equal(op_by(guest, XENMEM_exchange, &x), -EFAULT);
    assert_int_equal(x.nr_exchanged, 1);
    assert_int_equal(guest->tot_pages, 2);
}

static void test_exchange_not_writable(void **state)
{
    struct xen_memory_exchange x = exchange(0, 0);

    assert_int_equal(op_by(guest, XENMEM_exchange, read_only(&x, sizeof(x))), -EFAULT);
    assert_int_equal(guest->tot_pages, 2);
    x.out.mem_flags = XENMEMF_exact_node(3);
    assert_int_equal(op_by(guest, XENMEM_exchange, &x), -EINVAL);
    assert_int_equal(x.nr_exchanged, 0);
}

/* It dies meanwhile: neither the old frames nor the new ones are lost. */
static void test_exchange_of_a_dying_domain(void **state)
{
    struct xen_memory_exchange x = exchange(0, 0);
    u64 before = heap_free_page_count();

    guest->dying = DOMAIN_DYING;
    x.in.domid = x.out.domid = guest->id;
    assert_true(op(XENMEM_exchange, &x) < 0);
    assert_int_equal(heap_free_page_count() + guest->tot_pages, before + 2);
}

int main(void)
{
#define T(f) cmocka_unit_test(f)
#define X(f) cmocka_unit_test_setup_teardown(f, begin_exchange, end_exchange)
    const struct CMUnitTest tests[] = {
        T(test_not_readable), T(test_answers_not_writable), T(test_lists_not_writable), T(test_map_not_readable),
        T(test_pod_target), T(test_frames_nobody_can_be_told_of), X(test_exchange_without_memory),
        X(test_exchange_with_half_a_list), X(test_exchange_with_a_list_not_writable), X(test_exchange_not_writable),
        X(test_exchange_of_a_dying_domain),
    };

    return cmocka_run_group_tests(tests, setup, invariants_hold);
}
