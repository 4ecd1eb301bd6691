/* SPDX-License-Identifier: MIT */
/* Prints the hypervisor's count of free pages: `xl info` rounds it to megabytes.
 * One XEN_SYSCTL_physinfo through /dev/xen/privcmd; built static, for domain 0. */
#define __XEN_TOOLS__
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <xen/xen.h>
#include <xen/sysctl.h>

struct privcmd_hypercall {
    uint64_t op;
    uint64_t arg[5];
};

#define IOCTL_PRIVCMD_HYPERCALL _IOC(_IOC_NONE, 'P', 0, sizeof(struct privcmd_hypercall))

static struct xen_sysctl call __attribute__((aligned(4096)));

int main(void)
{
    int privcmd = open("/dev/xen/privcmd", O_RDWR);
    struct privcmd_hypercall request = { .op = __HYPERVISOR_sysctl,
                                         .arg = { (uintptr_t)&call } };

    call.cmd = XEN_SYSCTL_physinfo;
    call.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    if (privcmd < 0 || mlock(&call, sizeof(call)) ||
        ioctl(privcmd, IOCTL_PRIVCMD_HYPERCALL, &request)) {
        perror("free_pages");
        return 1;
    }
    printf("%llu\n", (unsigned long long)call.u.physinfo.free_pages);
    return 0;
}
