/* SPDX-License-Identifier: MIT */
/* Whole domains for tests, made and killed the way the tools do it. */
#include "host.h"

#include <zelo/softirq.h>

#include <xen/domctl.h>

#include <stdio.h>
#include <stdlib.h>

void host_boot(unsigned cpus)
{
    static bool done;

    host_init(cpus);
    if (done)
        return;
    done = true;
    timer_room_init();
    tasklet_room_init();
    host_sched_start();
}

int host_group_boot(void **state)
{
    (void)state;
    host_boot(4);
    return 0;
}

struct domain *host_domain_create(domid_t id, bool privileged, unsigned vcpus, u64 max_pages)
{
    struct xen_domctl_createdomain cfg = {
        .max_vcpus = vcpus,
        .max_evtchn_port = 1023,
        .max_grant_frames = -1,
        .max_maptrack_frames = -1,
        .grant_opts = XEN_DOMCTL_GRANT_version(2),
    };
    struct domain *d;
    int err = 0;

    host_sched_start();
    d = domain_create(id, &cfg, privileged, &err);
    if (!d) {
        fprintf(stderr, "domain_create(%u): %d\n", id, err);
        abort();
    }
    d->max_pages = max_pages;
    for (unsigned i = 0; i < vcpus; i++)
        if (!vcpu_create(d, i)) {
            fprintf(stderr, "vcpu_create(%u, %u) failed\n", id, i);
            abort();
        }
    return d;
}

bool host_domain_destroy(struct domain *d)
{
    domid_t id = d->id;
    struct domain *left;
    int rc;

    do
        rc = domain_kill(d);
    while (rc == -E_PREEMPTED);
    if (rc)
        return false;
    softirq_run_no_schedule();
    left = domain_get(id);
    if (left)
        domain_put(left);
    return !left;
}
