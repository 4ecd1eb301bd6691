/* SPDX-License-Identifier: MIT */
/*
 * The hypercall that only debug builds have, for a privileged domain that tests
 * them; elsewhere it answers -ENOSYS.  It is no part of any ABI.  Test guests
 * and programs include this too: numbers only.  core/debug_op.c
 */
#ifndef ZELO_DEBUG_OP_H
#define ZELO_DEBUG_OP_H

#define ZELO_DEBUG_HYPERCALL 55 /* __HYPERVISOR_arch_7: no ABI uses it */

/*
 * (op, domid, n): from now on allocations asked for while a vCPU of the domain
 * is current are counted, and the n-th fails; 0: none.  DOMID_INVALID ends it.
 * Returns how many were counted since the call before.
 */
#define ZELO_DEBUG_FAIL_ALLOCATION 0
/* (op): how many small objects are in use (core/slab.c); whole pages are told by XEN_SYSCTL_physinfo. */
#define ZELO_DEBUG_OBJECTS 1
/* (op, n): 1 shifted by n. From 32 on C leaves that undefined, which a debug build has to notice: it panics. */
#define ZELO_DEBUG_SHIFT 2
/* (op): takes two locks in the wrong order: panics. */
#define ZELO_DEBUG_LOCKS 3

#endif
