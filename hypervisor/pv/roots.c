/* SPDX-License-Identifier: MIT */
/*
 * The roots of a vCPU's address spaces: its L4 in kernel mode, and the one in
 * user mode.  Each holds a reference and a use as PGT_L4, so that what CR3
 * points to is a validated table for as long as it may be loaded.
 */
#include "shadow.h"

#include <zelo/errno.h>
#include <arch/machine.h>

/* pt_lock held. 0, -EINVAL, -EBUSY, -E_PREEMPTED: call again. */
static int root_get(struct domain *d, mfn_t m)
{
    return mfn_valid(m) ? page_ref_get_and_type(mfn_to_page(m), d, PGT_L4) : -EINVAL;
}

/* pt_lock held; long undoing goes to the current vCPU's pv.undo. */
static void root_drop(mfn_t m)
{
    struct page *p;

    if (mfn_is_invalid(m))
        return;
    p = mfn_to_page(m);
    if (page_put_type_from(p, true))
        pt_undo_adopt(p);
    else
        page_ref_put(p);
}

/*
 * VMASST_TYPE_m2p_strict (<xen/xen.h>): a table used in user mode loses the
 * machine-to-phys slot if the domain wants that, one used in kernel mode has it.
 */
static void root_m2p_slot(const struct domain *d, mfn_t m, bool user)
{
    u64 *slot = (u64 *)mfn_to_virt(m) + L4_SLOT_M2P_RO;
    u64 want = user && (d->vm_assist & (1ULL << VMASST_TYPE_m2p_strict)) ? 0 : *paging_l4_slot(L4_SLOT_M2P_RO);

    if (*slot == want)
        return;
    WRITE_ONCE(*slot, want);
    if (unlikely(d->pv.shadow) && shadow_of(mfn_to_page(m)))
        ((u64 *)page_to_virt(shadow_of(mfn_to_page(m))))[L4_SLOT_M2P_RO] = want;
}

/* Puts m in place of *root. */
static int root_change(struct vcpu *v, mfn_t *root, mfn_t m, bool load)
{
    struct domain *d = v->domain;
    mfn_t old = *root;
    int rc = 0;

    if (mfn_eq(old, m))
        return 0;
    pt_lock(d);
    if (READ_ONCE(d->dying) != DOMAIN_ALIVE)
        rc = -EINVAL;
    else if (!mfn_is_invalid(m))
        rc = root_get(d, m);
    if (!rc) {
        if (!mfn_is_invalid(m))
            root_m2p_slot(d, m, root == &v->pv.root_user);
        if (unlikely(d->pv.shadow))
            shadow_root_make(d, m); /* while the old one is still known as a root, for CR3 may point to its shadow */
        *root = m;
        if (load)
            pv_load_cr3(v); /* before the old one may go */
        root_drop(old);
    }
    pt_unlock(d);
    return rc;
}

int pt_new_root_kernel(struct vcpu *v, mfn_t m)
{
    if (mfn_is_invalid(m)) /* a kernel always has one */
        return -EINVAL;
    if (mfn_eq(v->pv.root_kernel, m)) {
        pv_load_cr3(v); /* the guest counts on the flush */
        return 0;
    }
    return root_change(v, &v->pv.root_kernel, m, true);
}

/* Called in kernel mode: CR3 is the other one. */
int pt_new_root_user(struct vcpu *v, mfn_t m)
{
    return root_change(v, &v->pv.root_user, m, false);
}

/* What is done already stays, so that the next call goes on from there. */
int pv_set_roots(struct vcpu *v, mfn_t kernel, mfn_t user)
{
    int rc;

    if (mfn_is_invalid(kernel))
        return -EINVAL;
    rc = pt_undo_continue(current);
    if (!rc)
        rc = root_change(v, &v->pv.root_kernel, kernel, false);
    if (!rc)
        rc = pt_undo_continue(current);
    if (!rc)
        rc = root_change(v, &v->pv.root_user, user, false);
    if (rc)
        return rc;
    return pt_undo_continue(current);
}

int pt_put_roots(struct vcpu *v)
{
    struct domain *d = v->domain;
    mfn_t *const roots[] = { &v->pv.root_user, &v->pv.root_kernel };

    for (unsigned i = 0; i < ARRAY_SIZE(roots); i++) {
        if (pt_undo_continue(current))
            return -E_PREEMPTED;
        pt_lock(d);
        root_drop(*roots[i]);
        *roots[i] = MFN_INVALID;
        pt_unlock(d);
    }
    v->pv.cr3 = 0;
    return pt_undo_continue(current);
}
