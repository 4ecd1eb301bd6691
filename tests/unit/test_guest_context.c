/* SPDX-License-Identifier: MIT */
/* pv/guest_context.c: a vCPU's context is whole, or the vCPU does not run. */
#include "pt_fixture.h"

static struct domain *d;
static struct vcpu *v;
static struct tree kernel, user;
static vcpu_guest_context_t c;
static u64 fpu[512];

static u64 cr3_of(const struct tree *t) { return xen_pfn_to_cr3(page_to_mfn(t->l[4]).n); }

/* A vCPU that was stopped in user mode. */
static int begin(void **state)
{
    pt_begin(state);
    d = pt_domain(1, false);
    v = d->vcpu[0];
    v->pv.fpu = (void *)fpu;
    kernel = tree_new(d);
    user = tree_new(d);
    host_set_current(idle_vcpu ? idle_vcpu[0] : v);
    memset(&c, 0, sizeof(c));
    c.ctrlreg[3] = cr3_of(&kernel);
    c.ctrlreg[1] = cr3_of(&user);
    v->pause_flags = VPF_DOWN;
    assert_int_equal(pv_set_context(v, &c), 0);
    assert_true(v->is_initialised);
    assert_false(v->pv.flags & PVF_KERNEL);
    v->pause_flags = 0;
    return 0;
}

static int end(void **state)
{
    preempt_every = 0;
    pv_drop_gdt(v);
    pt_domain_end(d);
    host_set_current(NULL);
    return 0;
}

static void assert_stopped(void)
{
    assert_false(v->is_initialised);
    assert_true(v->pause_flags & VPF_DOWN);
    assert_true(v->pv.flags & PVF_KERNEL);
}

static void assert_whole(void)
{
    assert_true(v->is_initialised);
    assert_false(v->pv.flags & PVF_KERNEL);
    assert_true(mfn_eq(v->pv.root_kernel, page_to_mfn(kernel.l[4])));
    assert_true(mfn_eq(v->pv.root_user, page_to_mfn(user.l[4])));
}

static void test_bad_user_root(void **state)
{
    c.ctrlreg[1] = xen_pfn_to_cr3(page_to_mfn(kernel.data[0]).n);
    assert_int_equal(pv_set_context(v, &c), -EBUSY);
    assert_stopped();
    c.ctrlreg[1] = cr3_of(&user);
    assert_int_equal(pv_set_context(v, &c), 0);
    assert_whole();
    assert_true(v->pause_flags & VPF_DOWN); /* the caller's to bring up */
}

/* The GDT comes before the roots. */
static void test_bad_gdt(void **state)
{
    struct tree other = tree_new(d);

    c.ctrlreg[3] = cr3_of(&other);
    c.gdt_ents = 512;
    c.gdt_frames[0] = page_to_mfn(kernel.data[0]).n; /* mapped writable */
    assert_int_equal(pv_set_context(v, &c), -EINVAL);
    assert_stopped();
    assert_true(mfn_eq(v->pv.root_kernel, page_to_mfn(kernel.l[4])));
    c.ctrlreg[3] = cr3_of(&kernel);
    c.gdt_frames[0] = page_to_mfn(frame_new(d)).n;
    assert_int_equal(pv_set_context(v, &c), 0);
    assert_int_equal(v->pv.gdt_entries, 512);
    assert_whole();
}

/* What is refused at first sight changes nothing. */
static void test_bad_address(void **state)
{
    c.event_callback_eip = 1UL << 60;
    assert_int_equal(pv_set_context(v, &c), -EINVAL);
    assert_whole();
    assert_int_equal(v->pause_flags, 0);
}

static void test_preempted(void **state)
{
    unsigned rounds = 0;
    int rc;

    kernel = tree_new(d);
    user = tree_new(d);
    c.ctrlreg[3] = cr3_of(&kernel);
    c.ctrlreg[1] = cr3_of(&user);
    preempt_every = 1;
    while ((rc = pv_set_context(v, &c)) == -E_PREEMPTED) {
        assert_stopped();
        rounds++;
    }
    assert_int_equal(rc, 0);
    assert_true(rounds > 0);
    assert_whole();
}

static void test_debug_registers(void **state)
{
    c.debugreg[0] = 0x7f0012345678;
    c.debugreg[3] = 0x7f0087654321;
    c.debugreg[6] = 0xdeadbeef00000001;
    c.debugreg[7] = 0xdeadbeef00000002;
    assert_int_equal(pv_set_context(v, &c), 0);
    assert_true(v->pv.dr[0] == 0x7f0012345678);
    assert_true(v->pv.dr[3] == 0x7f0087654321);
    assert_int_equal(v->pv.dr[6], 1);
    assert_int_equal(v->pv.dr[7], 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(test_bad_user_root), T(test_bad_gdt), T(test_bad_address), T(test_preempted), T(test_debug_registers),
    };

    return cmocka_run_group_tests(tests, pt_setup, NULL);
}
