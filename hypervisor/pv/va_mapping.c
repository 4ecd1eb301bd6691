/* SPDX-License-Identifier: MIT */
/* HYPERVISOR_update_va_mapping: one L1 entry by the virtual address it maps, with the flush it needs. */
#include "pt.h"

#include <zelo/errno.h>
#include <zelo/guest.h>

/* flags: what to flush, and in the upper bits where: 0 here, UVMF_ALL, or a pointer to a bitmap of vCPUs. */
static int flush_after(struct domain *d, vaddr_t va, u64 flags)
{
    unsigned what = (flags & UVMF_FLUSHTYPE_MASK) == UVMF_TLB_FLUSH ? TLB_FLUSH_ALL : TLB_FLUSH_VA;
    u64 where = flags & ~UVMF_FLUSHTYPE_MASK;
    cpumask_t cpus;

    if (where == UVMF_LOCAL) {
        tlb_flush_local(what, va);
        return 0;
    }
    if (where == UVMF_ALL) {
        if (what == TLB_FLUSH_ALL) {
            pt_flush_domain(d);
            return 0;
        }
        cpumask_copy(&cpus, &d->pv.dirty_cpus);
    } else if (pt_cpus_of_vcpus(d, where, &cpus)) {
        return -EFAULT;
    }
    tlb_flush_mask(&cpus, what, va);
    return 0;
}

static long update_va(struct domain *frame_owner, vaddr_t va, u64 val, u64 flags)
{
    struct domain *d = current->domain;
    struct pt_ctx c = { .table_owner = d, .frame_owner = frame_owner };
    struct page *table;
    u64 *pte, old;
    int rc = -EINVAL;

    if ((flags & UVMF_FLUSHTYPE_MASK) == UVMF_FLUSHTYPE_MASK)
        return -EINVAL;
    pt_lock(d);
    pte = pt_find_l1e(current, va, &table);
    if (pte)
        rc = pt_update(&c, pte, 1, val, 0, &old);
    pt_unlock(d);
    if (rc || !(flags & UVMF_FLUSHTYPE_MASK))
        return rc;
    return flush_after(d, va, flags);
}

long do_update_va_mapping(const struct hypercall_args *a)
{
    return update_va(current->domain, a->arg[0], a->arg[1], a->arg[2]);
}

long do_update_va_mapping_otherdomain(const struct hypercall_args *a)
{
    struct domain *owner;
    long rc = pt_frame_owner_get((domid_t)a->arg[3], &owner);

    if (rc)
        return rc;
    rc = update_va(owner, a->arg[0], a->arg[1], a->arg[2]);
    pt_owner_put(owner);
    return rc;
}
