/* SPDX-License-Identifier: MIT */
/* What the tests of control operations share: domain 0, a guest, a domain that acts for the guest, and the calls. */
#ifndef TESTS_CONTROL_FIXTURE_H
#define TESTS_CONTROL_FIXTURE_H

#include "preempt_fixture.h"

#include <zelo/hypercall.h>

#include <xen/domctl.h>
#include <xen/sysctl.h>

#include <sys/mman.h>

#define BAD_POINTER ((void *)8) /* no guest has memory there */
#define NO_VCPU 77

static struct domain *control, *guest;
static unused_arg struct domain *stub;

static int control_setup(void **state)
{
    (void)state;
    host_boot(4);
    control = host_domain_create(0, true, 1, 100);
    guest = host_domain_create(1, false, 2, 100);
    stub = host_domain_create(2, false, 1, 100);
    domain_hold(guest);
    stub->target = guest;
    return 0;
}

/* A test's own guest goes, and leaves nothing. */
static unused_arg int guest_end(void **state)
{
    (void)state;
    host_set_current(control->vcpu[0]);
    assert_invariants();
    assert_true(host_domain_destroy(guest));
    assert_invariants();
    return 0;
}

static long control_call(struct domain *by, hypercall_fn *fn, void *op)
{
    host_set_current(by->vcpu[0]);
    return call_through(fn, (struct hypercall_args){ { (unsigned long)op } });
}

static unused_arg struct xen_domctl domctl_op(u32 cmd, const struct domain *d)
{
    return (struct xen_domctl){
        .cmd = cmd, .interface_version = XEN_DOMCTL_INTERFACE_VERSION, .domain = d->id,
    };
}

/* A copy of an operation's structure that can be read and not written, for as long as the program runs. */
static unused_arg void *read_only(const void *what, size_t n)
{
    void *page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(page, MAP_FAILED);
    memcpy(page, what, n);
    assert_int_equal(mprotect(page, PAGE_SIZE, PROT_READ), 0);
    return page;
}

/* As domain 0's tools do it. */
static unused_arg long domctl(struct xen_domctl *op) { return control_call(control, do_domctl, op); }

/* Makes a domain whose every table is allocated, larger ones by the page: the result, and it or NULL. */
static unused_arg int create_domain(domid_t id, u32 max_vcpus, struct domain **made)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_createdomain, &(struct domain){ .id = id });
    long rc;

    op.u.createdomain.max_vcpus = max_vcpus;
    op.u.createdomain.max_evtchn_port = 1023;
    op.u.createdomain.max_grant_frames = op.u.createdomain.max_maptrack_frames = 600;
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(2);
    rc = domctl(&op);
    *made = rc ? NULL : domain_get(id);
    if (*made)
        domain_put(*made);
    return (int)rc;
}

static unused_arg long sysctl_by(struct domain *by, struct xen_sysctl *op)
{
    op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return control_call(by, do_sysctl, op);
}

static unused_arg long sysctl(struct xen_sysctl *op) { return sysctl_by(control, op); }

#endif
