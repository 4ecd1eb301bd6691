/* SPDX-License-Identifier: MIT */
/* core/domctl_memory.c: how much memory a domain may have, what its frames are used as, what devices it may touch. */
#include "control_fixture.h"

#include "core/xenctl.h"
#include "pv/pt.h"

static void test_maximum(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_max_mem, guest);

    op.u.max_mem.max_memkb = 4 * 120 + 3; /* a part of a page is none */
    assert_int_equal(domctl(&op), 0);
    assert_int_equal(guest->max_pages, 120);
}

/* --- getpageframeinfo3 --- */

#define FRAMES 130
static xen_pfn_t frames[FRAMES];

static long frame_info(u64 count, xen_pfn_t *array)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_getpageframeinfo3, guest);

    op.u.getpageframeinfo3.num = count;
    set_xen_guest_handle(op.u.getpageframeinfo3.array, array);
    return domctl(&op);
}

static void test_frames(void **state)
{
    struct page *plain = domain_alloc_pages(guest, 0, 0), *root = domain_alloc_pages(guest, 0, 0);

    assert_int_equal(pv_set_roots(guest->vcpu[0], page_to_mfn(root), MFN_INVALID), 0);
    frames[0] = page_to_mfn(plain).n;
    frames[1] = page_to_mfn(root).n;
    frames[2] = virt_to_mfn(control->shared_info).n; /* another's */
    frames[3] = HOST_FRAMES;
    frames[4] = 0x1234;
    assert_int_equal(frame_info(4, frames), 0);
    assert_int_equal(frames[0], XEN_DOMCTL_PFINFO_NOTAB);
    assert_int_equal(frames[1], XEN_DOMCTL_PFINFO_L4TAB);
    assert_int_equal(frames[2], XEN_DOMCTL_PFINFO_XTAB);
    assert_int_equal(frames[3], XEN_DOMCTL_PFINFO_XTAB);
    assert_int_equal(frames[4], 0x1234);
    assert_int_equal(pt_put_roots(guest->vcpu[0]), 0);
    assert_int_equal(domain_release_page(guest, plain), 0);
    assert_int_equal(domain_release_page(guest, root), 0);
}

/* A long list is gone through in parts, each entry once: a second time its answer would be taken for a number. */
static void test_many_frames(void **state)
{
    struct page *p = domain_alloc_pages(guest, 0, 0);

    for (unsigned i = 0; i < FRAMES; i++)
        frames[i] = page_to_mfn(p).n;
    preempt_every = 1;
    continuations = 0;
    assert_int_equal(frame_info(FRAMES, frames), 0);
    preempt_every = 0;
    assert_true(continuations > 0);
    for (unsigned i = 0; i < FRAMES; i++)
        assert_int_equal(frames[i], XEN_DOMCTL_PFINFO_NOTAB);
    assert_int_equal(domain_release_page(guest, p), 0);
}

static void test_frames_not_readable(void **state)
{
    assert_int_equal(frame_info(1, BAD_POINTER), -EFAULT);
    assert_int_equal(frame_info(0, BAD_POINTER), 0);
    assert_int_equal(frame_info(1, (xen_pfn_t *)HYPERVISOR_VIRT_START), -EFAULT);
}

/* --- shadow_op --- */

static void test_no_log_dirty_of_oneself(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_shadow_op, control);

    op.u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY;
    assert_int_equal(domctl(&op), -EINVAL);
    op = domctl_op(XEN_DOMCTL_shadow_op, guest);
    op.u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_OFF;
    assert_int_equal(domctl(&op), 0);
    op.u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_PEEK;
    assert_int_equal(domctl(&op), -EINVAL); /* it is off */
    op.u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_ENABLE;
    assert_int_equal(domctl(&op), -EOPNOTSUPP); /* what is not log-dirty */
    op.u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION;
    assert_int_equal(domctl(&op), -EOPNOTSUPP);
}

/* --- permissions --- */

static long irq(u32 pirq, bool allow)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_irq_permission, guest);

    op.u.irq_permission.pirq = pirq;
    op.u.irq_permission.allow_access = allow;
    return domctl(&op);
}

static long ports(u32 first, u32 count, bool allow)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_ioport_permission, guest);

    op.u.ioport_permission.first_port = first;
    op.u.ioport_permission.nr_ports = count;
    op.u.ioport_permission.allow_access = allow;
    return domctl(&op);
}

static long iomem(u64 first, u64 count, bool allow)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_iomem_permission, guest);

    op.u.iomem_permission.first_mfn = first;
    op.u.iomem_permission.nr_mfns = count;
    op.u.iomem_permission.allow_access = allow;
    return domctl(&op);
}

static void test_interrupts(void **state)
{
    assert_int_equal(irq(9, true), -EPERM); /* domain 0 has it not itself */
    assert_int_equal(rangeset_add(&control->irqs, 9, 9), 0);
    assert_int_equal(irq(9, true), 0);
    assert_true(rangeset_contains(&guest->irqs, 9, 9));
    assert_int_equal(irq(9, false), 0);
    assert_false(rangeset_contains(&guest->irqs, 9, 9));
    assert_int_equal(irq(control->pirqs.nr_max, true), -EINVAL);
}

static void test_ports(void **state)
{
    assert_int_equal(rangeset_add(&control->io_ports, 0x100, 0xffff), 0);
    assert_int_equal(ports(0xff, 2, true), -EPERM);
    assert_int_equal(ports(0x3f8, 8, true), 0);
    assert_true(rangeset_contains(&guest->io_ports, 0x3f8, 0x3ff));
    assert_false(rangeset_contains(&guest->io_ports, 0x3f8, 0x400));
    assert_int_equal(ports(0x3f8, 4, false), 0);
    assert_false(rangeset_contains(&guest->io_ports, 0x3fb, 0x3fb));
    assert_true(rangeset_contains(&guest->io_ports, 0x3fc, 0x3ff));
    assert_int_equal(ports(0xffff, 1, true), 0);
    assert_int_equal(ports(0xffff, 2, true), -EINVAL);
    assert_int_equal(ports(0xfffffff0, 0x20, true), -EINVAL);
    assert_int_equal(ports(0x3f8, 0, true), -EINVAL);
}

static void test_io_memory(void **state)
{
    const u64 end = 1ULL << (arch_phys_addr_bits() - PAGE_SHIFT);

    assert_int_equal(rangeset_add(&control->io_frames, 0xf0000, end - 1), 0);
    assert_int_equal(iomem(0xf0000, 16, true), 0);
    assert_true(rangeset_contains(&guest->io_frames, 0xf0000, 0xf000f));
    assert_int_equal(iomem(0xeffff, 2, true), -EPERM);
    assert_int_equal(iomem(0xf0000, 16, false), 0);
    assert_false(rangeset_contains(&guest->io_frames, 0xf0008, 0xf0008));
    assert_int_equal(iomem(end - 1, 1, true), 0);
    assert_int_equal(iomem(end - 1, 2, true), -EINVAL);
    assert_int_equal(iomem(5, ~0ULL, true), -EINVAL);
    assert_int_equal(iomem(5, 0, true), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maximum), cmocka_unit_test(test_frames), cmocka_unit_test(test_many_frames),
        cmocka_unit_test(test_frames_not_readable), cmocka_unit_test(test_no_log_dirty_of_oneself),
        cmocka_unit_test(test_interrupts), cmocka_unit_test(test_ports), cmocka_unit_test(test_io_memory),
    };

    return cmocka_run_group_tests(tests, control_setup, invariants_hold);
}
