/* SPDX-License-Identifier: MIT */
/* The paravirtual part of a vCPU: made and freed with it.  Idle vCPUs run no guest and have nothing. */
#include <zelo/domain.h>
#include <zelo/errno.h>

#include "pt.h"

#define DR6_RESET 0xffff0ff0UL /* Intel SDM vol. 3, table 10-1 */
#define DR7_RESET 0x400UL

_Static_assert(256 * sizeof(struct trap_info) == PAGE_SIZE, "a page of its own");

int pv_vcpu_init(struct vcpu *v)
{
    v->pv.root_kernel = v->pv.root_user = MFN_INVALID;
    spin_lock_init(&v->pv.ldt_lock, LOCK_LEAF);
    if (v->domain->is_idle)
        return 0;
    v->pv.traps = mem_alloc(256 * sizeof(struct trap_info));
    if (!v->pv.traps)
        return -ENOMEM;
    if (pv_fpu_init(v)) {
        mem_free(v->pv.traps);
        return -ENOMEM;
    }
    v->pv.flags = PVF_KERNEL;
    v->pv.dr[6] = DR6_RESET;
    v->pv.dr[7] = DR7_RESET;
    return 0;
}

/* Roots, GDT and LDT went with pv_domain_relinquish, or never were. */
void pv_vcpu_free(struct vcpu *v)
{
    if (v->domain->is_idle)
        return;
    pv_fpu_free(v);
    mem_free(v->pv.traps);
}
