/* SPDX-License-Identifier: MIT */
/*
 * HYPERVISOR_mmuext_op: pinning tables, loading roots, flushing TLBs, and
 * what else a guest's memory management asks for.
 */
#include "pt.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/hypercall.h>
#include <zelo/lib.h>
#include <zelo/nospec.h>

struct ext {
    struct vcpu *v;             /* current */
    struct domain *owner;       /* of the frames named (FD) */
    struct mmuext_op op;
};
typedef int ext_fn(const struct ext *x);

/* The frame of arg1, referenced. */
static struct page *ext_page_get(const struct ext *x, u64 mfn)
{
    struct page *p = mfn_to_page(MFN(mfn));

    return mfn_valid(MFN(mfn)) && page_get(p, x->owner) ? p : NULL;
}

/* --- pinning --- */

static int pin_locked(struct domain *d, struct page *p, u64 type)
{
    int rc = READ_ONCE(d->dying) == DOMAIN_ALIVE ? page_get_type(p, type) : -EINVAL;

    if (rc)
        return rc;
    if (atomic_fetch_or(&p->type, PGT_PINNED) & PGT_PINNED) {
        page_put_type(p); /* not the last use: the first pin holds one */
        return -EINVAL;
    }
    pv_mark_page_dirty(p); /* it is sent with its pin */
    return 0;
}

static int ext_pin(const struct ext *x)
{
    u64 type = PT_TYPE(x->op.cmd - MMUEXT_PIN_L1_TABLE + 1);
    struct page *p;
    int rc;

    if (x->owner->is_system)
        return -EPERM;
    p = ext_page_get(x, x->op.arg1.mfn);
    if (!p)
        return -EINVAL;
    pt_lock(x->owner);
    rc = pin_locked(x->owner, p, type);
    pt_unlock(x->owner);
    if (rc)
        page_put(p); /* else the pin's own */
    return rc;
}

static int unpin_locked(struct page *p)
{
    if (!(atomic_read(&p->type) & PGT_PINNED))
        return -EINVAL;
    atomic_fetch_and(&p->type, ~PGT_PINNED);
    pv_mark_page_dirty(p);
    if (page_put_type_from(p, true))
        pt_undo_adopt(p);
    else
        page_put(p);
    return 0;
}

static int ext_unpin(const struct ext *x)
{
    struct page *p;
    int rc;

    if (x->owner->is_system)
        return -EPERM;
    p = ext_page_get(x, x->op.arg1.mfn);
    if (!p)
        return -EINVAL;
    pt_lock(x->owner);
    rc = unpin_locked(p);
    pt_unlock(x->owner);
    page_put(p);
    return rc;
}

/* --- roots --- */

static int ext_new_baseptr(const struct ext *x)
{
    if (x->owner != x->v->domain)
        return -EPERM;
    return pt_new_root_kernel(x->v, MFN(x->op.arg1.mfn));
}

/* No frame has the number that stands for none inside (MFN_INVALID), so a guest may not say it. */
static int ext_new_user_baseptr(const struct ext *x)
{
    mfn_t m = MFN(x->op.arg1.mfn);

    if (x->owner != x->v->domain)
        return -EPERM;
    if (m.n && !mfn_valid(m))
        return -EINVAL;
    return pt_new_root_user(x->v, m.n ? m : MFN_INVALID);
}

/* --- TLBs: always the caller's own --- */

static int ext_flush_local(const struct ext *x)
{
    (void)x;
    tlb_flush_local(TLB_FLUSH_ALL, 0);
    return 0;
}

static int ext_invlpg_local(const struct ext *x)
{
    if (guest_range_ok(x->op.arg1.linear_addr, 1))
        tlb_flush_local(TLB_FLUSH_VA, x->op.arg1.linear_addr);
    return 0;
}

static int flush_multi(const struct ext *x, unsigned what, vaddr_t va)
{
    cpumask_t cpus;

    if (pt_cpus_of_vcpus(x->v->domain, handle_va(x->op.arg2.vcpumask), &cpus))
        return -EFAULT;
    tlb_flush_mask(&cpus, what, va);
    return 0;
}

static int ext_flush_multi(const struct ext *x)
{
    return flush_multi(x, TLB_FLUSH_ALL, 0);
}

static int ext_invlpg_multi(const struct ext *x)
{
    vaddr_t va = x->op.arg1.linear_addr;

    return guest_range_ok(va, 1) ? flush_multi(x, TLB_FLUSH_VA, va) : 0;
}

static int ext_flush_all(const struct ext *x)
{
    pt_flush_domain(x->v->domain);
    return 0;
}

static int ext_invlpg_all(const struct ext *x)
{
    cpumask_t cpus;

    cpumask_copy(&cpus, &x->v->domain->pv.dirty_cpus);
    if (guest_range_ok(x->op.arg1.linear_addr, 1))
        tlb_flush_mask(&cpus, TLB_FLUSH_VA, x->op.arg1.linear_addr);
    return 0;
}

/* --- caches: only who has device memory has a use for it --- */

static bool may_flush_cache(struct domain *d)
{
    return d->is_privileged || !rangeset_is_empty(&d->io_frames);
}

static int ext_flush_cache(const struct ext *x)
{
    if (!may_flush_cache(x->v->domain))
        return -EACCES;
    tlb_flush_local(TLB_FLUSH_CACHE, 0);
    return 0;
}

static int ext_flush_cache_global(const struct ext *x)
{
    if (!may_flush_cache(x->v->domain))
        return -EACCES;
    tlb_flush_mask(&cpu_online, TLB_FLUSH_CACHE, 0);
    return 0;
}

/* --- others --- */

static int ext_set_ldt(const struct ext *x)
{
    struct vcpu *v = x->v;
    vaddr_t base = x->op.arg1.linear_addr;
    u32 entries = x->op.arg2.nr_ents;

    if (x->owner != v->domain)
        return -EPERM;
    if (entries > 8192 || (base & PAGE_OFFSET_MASK) || !guest_range_ok(base, entries * 8ULL))
        return -EINVAL;
    if (!entries)
        base = 0;
    if (pv_unmap_ldt(v))
        tlb_flush_local(TLB_FLUSH_ALL, 0);
    v->pv.ldt_base = base;
    v->pv.ldt_entries = entries;
    pv_load_ldt(v);
    return 0;
}

/* The frame of arg1 for writing: referenced and used as writable. */
static struct page *ext_writable_get(const struct ext *x)
{
    struct page *p = ext_page_get(x, x->op.arg1.mfn);

    if (p && page_get_type(p, PGT_WRITABLE)) {
        page_put(p);
        return NULL;
    }
    return p;
}

static int ext_clear_page(const struct ext *x)
{
    struct page *p = ext_writable_get(x);

    if (!p)
        return -EINVAL;
    memset(page_to_virt(p), 0, PAGE_SIZE);
    page_put_written(p);
    return 0;
}

static int ext_copy_page(const struct ext *x)
{
    struct page *from = ext_page_get(x, x->op.arg2.src_mfn), *to;

    if (!from)
        return -EINVAL;
    to = ext_writable_get(x);
    if (to) {
        memmove(page_to_virt(to), page_to_virt(from), PAGE_SIZE);
        page_put_written(to);
    }
    page_put(from);
    return to ? 0 : -EINVAL;
}

static int ext_unsupported(const struct ext *x)
{
    (void)x;
    return -EOPNOTSUPP;
}

static ext_fn *const ext_table[] = {
    [MMUEXT_PIN_L1_TABLE] = ext_pin,
    [MMUEXT_PIN_L2_TABLE] = ext_pin,
    [MMUEXT_PIN_L3_TABLE] = ext_pin,
    [MMUEXT_PIN_L4_TABLE] = ext_pin,
    [MMUEXT_UNPIN_TABLE] = ext_unpin,
    [MMUEXT_NEW_BASEPTR] = ext_new_baseptr,
    [MMUEXT_TLB_FLUSH_LOCAL] = ext_flush_local,
    [MMUEXT_INVLPG_LOCAL] = ext_invlpg_local,
    [MMUEXT_TLB_FLUSH_MULTI] = ext_flush_multi,
    [MMUEXT_INVLPG_MULTI] = ext_invlpg_multi,
    [MMUEXT_TLB_FLUSH_ALL] = ext_flush_all,
    [MMUEXT_INVLPG_ALL] = ext_invlpg_all,
    [MMUEXT_FLUSH_CACHE] = ext_flush_cache,
    [MMUEXT_SET_LDT] = ext_set_ldt,
    [MMUEXT_NEW_USER_BASEPTR] = ext_new_user_baseptr,
    [MMUEXT_CLEAR_PAGE] = ext_clear_page,
    [MMUEXT_COPY_PAGE] = ext_copy_page,
    [MMUEXT_FLUSH_CACHE_GLOBAL] = ext_flush_cache_global,
    [MMUEXT_MARK_SUPER] = ext_unsupported,
    [MMUEXT_UNMARK_SUPER] = ext_unsupported,
};

static int ext_one(struct ext *x, vaddr_t at)
{
    ext_fn *fn;
    u32 cmd;

    if (copy_from_guest(&x->op, at))
        return -EFAULT;
    cmd = x->op.cmd;
    if (cmd >= ARRAY_SIZE(ext_table))
        return -ENOSYS;
    fn = ext_table[array_index_nospec(cmd, ARRAY_SIZE(ext_table))];
    return fn ? fn(x) : -ENOSYS;
}

static int ext_list(struct ext *x, vaddr_t list, u32 count, u32 *done)
{
    while (*done < count) {
        int rc = ext_one(x, list + (u64)*done * sizeof(struct mmuext_op));

        if (rc)
            return rc;
        ++*done;
        if (pt_undo_pending(x->v) || (*done < count && hypercall_should_preempt()))
            return -E_PREEMPTED;
    }
    return 0;
}

static int ext_for(u32 fd, vaddr_t list, u32 count, u32 *done)
{
    struct ext x = { .v = current };
    int rc = pt_frame_owner_get((domid_t)fd, &x.owner);

    if (rc)
        return rc;
    rc = ext_list(&x, list, count, done);
    pt_owner_put(x.owner);
    return rc;
}

/* arg: list, count, where to say how many succeeded (may be 0), domain of the frames. */
long do_mmuext_op(const struct hypercall_args *a)
{
    return pt_list_call(__HYPERVISOR_mmuext_op, a, sizeof(struct mmuext_op), ext_for);
}
