/* SPDX-License-Identifier: MIT */
/* Hypercalls of domain 0's programs, through /dev/xen/privcmd. */
#ifndef PRIVCMD_H
#define PRIVCMD_H

#define __XEN_TOOLS__
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/memory.h>
#include <xen/sysctl.h>

struct privcmd_hypercall {
    uint64_t op;
    uint64_t arg[5];
};

#define IOCTL_PRIVCMD_HYPERCALL _IOC(_IOC_NONE, 'P', 0, sizeof(struct privcmd_hypercall))

/* The hypervisor reads and writes the caller's memory: it has to be there. */
static inline long hypercall3(uint64_t op, uint64_t arg0, uint64_t arg1, uint64_t arg2)
{
    static int privcmd = -1;
    struct privcmd_hypercall request = { .op = op, .arg = { arg0, arg1, arg2 } };

    if (privcmd < 0 && ((privcmd = open("/dev/xen/privcmd", O_RDWR)) < 0 || mlockall(MCL_CURRENT))) {
        perror("privcmd");
        exit(1);
    }
    return ioctl(privcmd, IOCTL_PRIVCMD_HYPERCALL, &request);
}

static inline long hypercall(uint64_t op, uint64_t arg0, uint64_t arg1)
{
    return hypercall3(op, arg0, arg1, 0);
}

static inline long domctl(struct xen_domctl *op)
{
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    return hypercall(__HYPERVISOR_domctl, (uintptr_t)op, 0);
}

static inline long sysctl(struct xen_sysctl *op)
{
    op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return hypercall(__HYPERVISOR_sysctl, (uintptr_t)op, 0);
}

#endif
