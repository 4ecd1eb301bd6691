/* SPDX-License-Identifier: MIT */
/* Prints the hypervisor's count of free pages, which `xl info` rounds to
 * megabytes.  Built static, for domain 0. */
#include "privcmd.h"

static struct xen_sysctl call;

int main(void)
{
    call.cmd = XEN_SYSCTL_physinfo;
    if (sysctl(&call)) {
        perror("free_pages");
        return 1;
    }
    printf("%llu\n", (unsigned long long)call.u.physinfo.free_pages);
    return 0;
}
