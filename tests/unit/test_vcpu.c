/* SPDX-License-Identifier: MIT */
/* core/vcpu.c: where a vCPU's vcpu_info lies. */
#include "unit.h"

#define MANY (XEN_LEGACY_MAX_VCPUS + 2)

static struct domain *a, *b;

static int setup(void **state)
{
    host_boot(4);
    a = host_domain_create(1, false, MANY, 100);
    b = host_domain_create(2, false, MANY, 100);
    return 0;
}

static vcpu_info_t *info(struct domain *d, unsigned id) { return d->vcpu[id]->info; }

/* Beyond what the shared info page has room for: each its own, nothing reaches another's. */
static void test_each_has_its_own(void **state)
{
    assert_ptr_equal(info(a, 31), &a->shared_info->vcpu_info[31]);
    assert_ptr_not_equal(info(a, 32), info(a, 33));
    assert_ptr_not_equal(info(a, 32), info(b, 32));
    info(a, 32)->evtchn_upcall_mask = 0;
    info(a, 32)->evtchn_pending_sel = ~0UL;
    assert_int_equal(info(b, 32)->evtchn_upcall_mask, 1);
    assert_int_equal(info(b, 32)->evtchn_pending_sel, 0);
    assert_int_equal(info(a, 33)->evtchn_upcall_mask, 1);
    info(a, 32)->evtchn_upcall_mask = 1;
}

static void test_register(void **state)
{
    struct page *p = domain_alloc_pages(a, 0, 0);
    struct vcpu *v = a->vcpu[33];

    host_set_current(a->vcpu[0]);
    assert_int_equal(vcpu_register_info(v, page_to_mfn(p).n, 64), 0);
    assert_ptr_equal(v->info, (char *)page_to_virt(p) + 64);
    assert_int_equal(v->info->evtchn_upcall_mask, 1);
    assert_int_equal(v->info->evtchn_upcall_pending, 1); /* made to look */
    assert_int_equal(p->count & PGC_COUNT_MASK, 2);
    assert_int_equal(vcpu_register_info(v, page_to_mfn(p).n, 64), -EINVAL);
    vcpu_unregister_info(v);
    assert_ptr_not_equal(v->info, (char *)page_to_virt(p) + 64);
    assert_ptr_not_equal(v->info, info(b, 33));
    assert_int_equal(p->count & PGC_COUNT_MASK, 1);
    assert_int_equal(domain_release_page(a, p), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_has_its_own),
        cmocka_unit_test(test_register),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
