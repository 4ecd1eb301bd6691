/* SPDX-License-Identifier: MIT */
/* core/domctl_lifecycle.c: domains made, described, changed and ended by the tools. */
#include "control_fixture.h"

#include "core/xenctl.h"

#include <xen/sched.h>

#define FREE_ID 40
#define HYPERCALL_PAGE_MARK 0xc3

void hypercall_page_fill(void *page) { memset(page, HYPERCALL_PAGE_MARK, PAGE_SIZE); }

static struct domain *temporary; /* for what can be done to a domain once */

static int begin(void **state)
{
    temporary = host_domain_create(FREE_ID, false, 1, 100);
    return 0;
}

static int end(void **state)
{
    assert_true(host_domain_destroy(temporary));
    return 0;
}

/* --- createdomain --- */

static struct xen_domctl create_op(domid_t id)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_createdomain, &(struct domain){ .id = id });

    op.u.createdomain.max_vcpus = 1;
    op.u.createdomain.max_evtchn_port = 1023;
    op.u.createdomain.max_grant_frames = op.u.createdomain.max_maptrack_frames = 4;
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    return op;
}

static domid_t create(struct xen_domctl *op)
{
    assert_int_equal(domctl(op), 0);
    return op->domain;
}

static void destroy(domid_t id)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_destroydomain, &(struct domain){ .id = id });

    assert_int_equal(domctl(&op), 0);
    softirq_run_no_schedule();
    assert_int_equal(domctl(&op), -ESRCH);
}

static void test_create_with_a_number(void **state)
{
    struct xen_domctl op = create_op(FREE_ID + 1);
    struct domain *d;

    op.u.createdomain.flags = XEN_DOMCTL_CDF_xs_domain;
    op.u.createdomain.ssidref = 0x1234;
    op.u.createdomain.handle[3] = 0xab;
    assert_int_equal(create(&op), FREE_ID + 1);
    assert_int_equal(domctl(&op), -EEXIST);
    d = domain_get(FREE_ID + 1);
    assert_non_null(d);
    assert_int_equal(d->max_vcpus, 1);
    assert_int_equal(d->pause_count, 1); /* until the tools unpause it */
    assert_int_equal(d->ssidref, 0x1234);
    assert_int_equal(d->handle[3], 0xab);
    assert_false(d->is_privileged);
    domain_put(d);
    destroy(FREE_ID + 1);
}

/* Numbers go round, so that one that was just given back does not come again at once. */
static void test_create_without_a_number(void **state)
{
    struct xen_domctl op = create_op(0);
    domid_t first = create(&op), second;

    assert_int_not_equal(first, 0);
    destroy(first);
    op = create_op(DOMID_INVALID);
    second = create(&op);
    assert_int_not_equal(second, first);
    assert_true(second < DOMID_FIRST_RESERVED);
    destroy(second);
}

static void expect_no_domain(struct xen_domctl op, long error)
{
    assert_int_equal(domctl(&op), error);
    op.cmd = XEN_DOMCTL_pausedomain;
    assert_int_equal(domctl(&op), -ESRCH);
}

static void test_create_refused(void **state)
{
    static const struct { u32 flags; long error; } flags[] = {
        { XEN_DOMCTL_CDF_MAX << 1, -EINVAL },   { XEN_DOMCTL_CDF_hvm, -EOPNOTSUPP },
        { XEN_DOMCTL_CDF_iommu, -EOPNOTSUPP },  { XEN_DOMCTL_CDF_vpmu, -EOPNOTSUPP },
        { XEN_DOMCTL_CDF_hap, -EINVAL },        { XEN_DOMCTL_CDF_oos_off, -EINVAL },
        { XEN_DOMCTL_CDF_nested_virt, -EINVAL },
    };
    struct xen_domctl op;

    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        op = create_op(FREE_ID + 1);
        op.u.createdomain.flags = flags[i].flags;
        expect_no_domain(op, flags[i].error);
    }
}

#define REFUSED(field, value)                 \
    do {                                      \
        op = create_op(FREE_ID + 1);          \
        op.u.createdomain.field = (value);    \
        expect_no_domain(op, -EINVAL);        \
    } while (0)

static void test_create_refused_for_other_fields(void **state)
{
    struct xen_domctl op;

    REFUSED(max_vcpus, 0);
    REFUSED(max_vcpus, DOMAIN_MAX_VCPUS + 1);
    REFUSED(iommu_opts, 1);
    REFUSED(vmtrace_size, 4096);
    REFUSED(grant_opts, XEN_DOMCTL_GRANT_version(0));
    REFUSED(grant_opts, XEN_DOMCTL_GRANT_version(3));
    REFUSED(grant_opts, 1 << 8 | XEN_DOMCTL_GRANT_version(1));
    REFUSED(arch.emulation_flags, XEN_X86_EMU_LAPIC);
    REFUSED(arch.misc_flags, XEN_X86_MISC_FLAGS_MAX << 1);
}

static void test_create_in_a_pool_that_is_not_there(void **state)
{
    struct xen_domctl op = create_op(FREE_ID + 1);

    op.u.createdomain.cpupool_id = 55;
    assert_true(domctl(&op) < 0);
    op.cmd = XEN_DOMCTL_pausedomain;
    assert_int_equal(domctl(&op), -ESRCH);
}

/* --- life and death --- */

static void test_destroy(void **state)
{
    struct xen_domctl op = create_op(FREE_ID + 1);

    create(&op);
    destroy(FREE_ID + 1);
    op = domctl_op(XEN_DOMCTL_destroydomain, control);
    assert_int_equal(domctl(&op), -EINVAL);
}

static void test_pause(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_unpausedomain, temporary);

    assert_int_equal(domctl(&op), 0);
    assert_true(temporary->creation_finished);
    assert_int_equal(temporary->pause_count, 0);
    assert_int_equal(domctl(&op), -EINVAL); /* not paused */
    op.cmd = XEN_DOMCTL_pausedomain;
    assert_int_equal(domctl(&op), 0);
    assert_int_equal(domctl(&op), 0);
    assert_int_equal(temporary->pause_count, 2);
    op = domctl_op(XEN_DOMCTL_pausedomain, control);
    assert_int_equal(domctl(&op), -EINVAL);
}

static u32 flags_of(const struct domain *d)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_getdomaininfo, d);

    assert_int_equal(domctl(&op), 0);
    assert_int_equal(op.domain, d->id);
    return op.u.getdomaininfo.flags;
}

static u32 shutdown_code(u32 flags) { return flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask; }

static void test_resume(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_resumedomain, temporary);

    domain_shutdown(temporary, SHUTDOWN_suspend);
    assert_true(flags_of(temporary) & XEN_DOMINF_shutdown);
    assert_int_equal(shutdown_code(flags_of(temporary)), SHUTDOWN_suspend);
    assert_int_equal(temporary->vcpu[0]->pause_count, 1);
    assert_int_equal(domctl(&op), 0);
    assert_false(flags_of(temporary) & XEN_DOMINF_shutdown);
    assert_int_equal(temporary->vcpu[0]->pause_count, 0);
    op = domctl_op(XEN_DOMCTL_resumedomain, control);
    assert_int_equal(domctl(&op), -EINVAL);
}

/* --- description --- */

static void test_description(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_getdomaininfo, temporary);
    struct page *p = domain_alloc_pages(temporary, 0, 0);

    temporary->options = XEN_DOMCTL_CDF_xs_domain;
    temporary->vcpu[0]->pause_flags = 0;
    temporary->vcpu[0]->is_running = true;
    assert_int_equal(domctl(&op), 0);
    temporary->vcpu[0]->is_running = false;
    temporary->vcpu[0]->pause_flags = VPF_DOWN;
    assert_int_equal(op.u.getdomaininfo.domain, FREE_ID);
    assert_int_equal(op.u.getdomaininfo.flags & (XEN_DOMINF_paused | XEN_DOMINF_running | XEN_DOMINF_xs_domain),
                     XEN_DOMINF_paused | XEN_DOMINF_running | XEN_DOMINF_xs_domain);
    assert_int_equal(op.u.getdomaininfo.flags & (XEN_DOMINF_dying | XEN_DOMINF_shutdown | XEN_DOMINF_hvm_guest), 0);
    assert_int_equal(op.u.getdomaininfo.nr_online_vcpus, 1);
    assert_int_equal(op.u.getdomaininfo.max_vcpu_id, 0);
    assert_int_equal(op.u.getdomaininfo.tot_pages, 1);
    assert_int_equal(op.u.getdomaininfo.max_pages, 100);
    assert_int_equal(op.u.getdomaininfo.shared_info_frame, virt_to_mfn(temporary->shared_info).n);
    assert_int_equal(domain_release_page(temporary, p), 0);
}

/* The number is where the search begins: xl list walks the domains that way. */
static void test_the_next_domain(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_getdomaininfo, &(struct domain){ .id = 3 });

    assert_int_equal(domctl(&op), 0);
    assert_int_equal(op.domain, FREE_ID);
    op.domain = FREE_ID + 1;
    assert_int_equal(domctl(&op), -ESRCH);
}

/* Dead, and there only because something still refers to it. */
static void test_a_dead_domain(void **state)
{
    struct domain *d = host_domain_create(FREE_ID + 1, false, 1, 100);

    domain_hold(d);
    assert_false(host_domain_destroy(d));
    assert_true(flags_of(d) & XEN_DOMINF_dying);
    domain_put(d);
    softirq_run_no_schedule();
}

/* --- attributes --- */

static void test_handle_and_time(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_setdomainhandle, temporary);

    memset(op.u.setdomainhandle.handle, 0x5a, sizeof(xen_domain_handle_t));
    assert_int_equal(domctl(&op), 0);
    op = domctl_op(XEN_DOMCTL_getdomaininfo, temporary);
    assert_int_equal(domctl(&op), 0);
    assert_int_equal(op.u.getdomaininfo.handle[0], 0x5a);
    assert_int_equal(op.u.getdomaininfo.handle[15], 0x5a);
    op = domctl_op(XEN_DOMCTL_settimeoffset, temporary);
    op.u.settimeoffset.time_offset_seconds = -3600;
    assert_int_equal(domctl(&op), 0);
    assert_true(temporary->time_offset_s == -3600);
}

static void test_target(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_set_target, temporary);
    u64 refs = guest->refs;

    op.u.set_target.target = FREE_ID + 1;
    assert_int_equal(domctl(&op), -ESRCH);
    op.u.set_target.target = FREE_ID;
    assert_int_equal(domctl(&op), -EINVAL);
    op.u.set_target.target = guest->id;
    assert_int_equal(domctl(&op), 0);
    assert_int_equal(guest->refs, refs + 1); /* as long as there is one who acts for it */
    op.u.set_target.target = stub->id;
    assert_int_equal(domctl(&op), -EINVAL); /* once */
    assert_ptr_equal(temporary->target, guest);
}

static void test_address_size(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_get_address_size, guest);

    assert_int_equal(domctl(&op), 0);
    assert_int_equal(op.u.address_size.size, 64);
    op.cmd = XEN_DOMCTL_set_address_size;
    assert_int_equal(domctl(&op), 0);
    op.u.address_size.size = 32;
    assert_int_equal(domctl(&op), -EOPNOTSUPP);
}

static long set_tsc(struct domain *d, u32 mode)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_settscinfo, d);

    op.u.tsc_info.tsc_mode = mode;
    op.u.tsc_info.incarnation = 7;
    return domctl(&op);
}

static void test_tsc(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_gettscinfo, guest);

    assert_int_equal(set_tsc(guest, 2), 0);
    assert_int_equal(domctl(&op), 0);
    assert_int_equal(op.u.tsc_info.tsc_mode, 2);
    assert_int_equal(op.u.tsc_info.incarnation, 7);
    assert_int_equal(op.u.tsc_info.gtsc_khz, 1000000);
    assert_int_equal(set_tsc(guest, 1), -EOPNOTSUPP);
    assert_int_equal(set_tsc(guest, 9), -EINVAL);
    assert_int_equal(set_tsc(control, 0), -EINVAL);
    assert_int_equal(set_tsc(guest, 0), 0);
}

static long init_hypercalls(u64 frame)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_hypercall_init, guest);

    op.u.hypercall_init.gmfn = frame;
    return domctl(&op);
}

static void test_hypercall_page(void **state)
{
    struct page *p = domain_alloc_pages(guest, 0, 0), *other = domain_alloc_pages(control, 0, 0);

    assert_int_equal(init_hypercalls(page_to_mfn(p).n), 0);
    assert_int_equal(((u8 *)page_to_virt(p))[PAGE_SIZE - 1], HYPERCALL_PAGE_MARK);
    assert_int_equal(p->count & PGC_COUNT_MASK, 1);
    assert_int_equal(init_hypercalls(page_to_mfn(other).n), -EACCES);
    assert_int_equal(((u8 *)page_to_virt(other))[0], 0);
    assert_int_equal(init_hypercalls(HOST_FRAMES), -EACCES);
    assert_int_equal(init_hypercalls(~0ULL), -EACCES);
    assert_int_equal(domain_release_page(guest, p), 0);
    assert_int_equal(domain_release_page(control, other), 0);
}

static void test_trigger(void **state)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_sendtrigger, guest);

    op.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_NMI;
    op.u.sendtrigger.vcpu = 1;
    assert_int_equal(domctl(&op), 0);
    assert_int_equal(guest->vcpu[0]->pv.nmi_pending, 0);
    assert_int_equal(guest->vcpu[1]->pv.nmi_pending, 1);
    op.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_POWER;
    assert_int_equal(domctl(&op), -EOPNOTSUPP); /* a PV guest has no power button */
    op.u.sendtrigger.vcpu = NO_VCPU;
    assert_int_equal(domctl(&op), -ESRCH);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(test_create_with_a_number), T(test_create_without_a_number), T(test_create_refused),
        T(test_create_refused_for_other_fields), T(test_create_in_a_pool_that_is_not_there), T(test_destroy),
        T(test_pause), T(test_resume), T(test_description),
        T(test_the_next_domain), T(test_a_dead_domain), T(test_handle_and_time), T(test_target), T(test_address_size),
        T(test_tsc), T(test_hypercall_page), T(test_trigger),
    };

    return cmocka_run_group_tests(tests, control_setup, invariants_hold);
}
