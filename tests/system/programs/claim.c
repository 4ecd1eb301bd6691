/* SPDX-License-Identifier: MIT */
/* claim PAGES: makes a domain without memory, claims so many pages for it, and
 * prints its number.  What xl's claim_mode does, but the claim stays open. */
#include "privcmd.h"

static struct xen_domctl op;
static struct xen_memory_reservation claim;

static int made(uint64_t pages)
{
    op.cmd = XEN_DOMCTL_createdomain;
    op.u.createdomain = (struct xen_domctl_createdomain){
        .max_vcpus = 1, .max_evtchn_port = 1023, .max_grant_frames = 4, .max_maptrack_frames = 4,
        .grant_opts = XEN_DOMCTL_GRANT_version(1),
    };
    if (domctl(&op))
        return -1;
    op.cmd = XEN_DOMCTL_max_mem;
    op.u.max_mem.max_memkb = pages * 4;
    if (domctl(&op))
        return -1;
    claim.domid = op.domain;
    claim.nr_extents = pages;
    return (int)hypercall(__HYPERVISOR_memory_op, XENMEM_claim_pages, (uintptr_t)&claim);
}

int main(int argc, char **argv)
{
    if (argc != 2 || made(strtoull(argv[1], NULL, 10))) {
        perror("claim");
        if (op.domain) {
            op.cmd = XEN_DOMCTL_destroydomain;
            domctl(&op);
        }
        return 1;
    }
    printf("%u\n", op.domain);
    return 0;
}
