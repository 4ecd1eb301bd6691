/* SPDX-License-Identifier: MIT */
/*
 * Error numbers: the Xen ABI's (<xen/errno.h>) under their short names, which
 * are also Linux's.  Functions return 0 or a positive result, or a negated
 * number.
 */
#ifndef ZELO_ERRNO_H
#define ZELO_ERRNO_H

#ifdef ZELO_HOST
#include <errno.h>
#else
#include <xen/errno.h>
enum {
#define XEN_ERRNO(name, value) name = value,
#include <xen/errno.h>
};
#endif

/* Never leaves the hypervisor: the operation stopped half-way and its caller
 * must arrange a continuation (hypercall_continue in hypercall.h). */
#define E_PREEMPTED 1025

#endif
