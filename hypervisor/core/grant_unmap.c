/* SPDX-License-Identifier: MIT */
/*
 * Undoing mappings: GNTTABOP_unmap_grant_ref, _unmap_and_replace, and the death
 * of the domain that mapped.
 *
 * A batch goes in three steps: the page-table entries are cleared, the TLBs
 * flushed once, and only then the frames' references dropped and the grants
 * shown as unused, for from that moment on their owners use the pages for
 * something else.
 */
#include "grant_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/hypercall.h>
#include <zelo/log.h>
#include <zelo/page.h>
#include <zelo/trace.h>

#define BATCH 32

/* One unmapping between the steps. */
struct unmapping {
    u32 handle;
    struct maptrack m;      /* as it was, flags reduced by what is being undone */
    u32 undone;             /* GNTMAP_host_map, GNTMAP_device_map */
    u64 old_entry;          /* of the host mapping */
};

static struct page *mapped_page(const struct maptrack *m)
{
    return mfn_to_page(MFN(m->frame));
}

/* The reference of a device mapping. */
static void device_put(const struct maptrack *m)
{
    struct page *p = mapped_page(m);

    if (m->flags & GNTMAP_readonly) {
        page_put(p);
        return;
    }
    page_put_written(p);
}

static bool nothing_mapped(const struct maptrack *m)
{
    return !(m->flags & (GNTMAP_host_map | GNTMAP_device_map));
}

/* --- step one: what may fail --- */

static int undo_host(struct unmapping *u, u64 host_addr, u64 new_addr)
{
    int rc = pv_grant_unmap(host_addr, MFN(u->m.frame), new_addr, (u32)u->m.flags, &u->old_entry);

    if (!rc)
        u->undone |= GNTMAP_host_map;
    return rc;
}

static int undo_device(struct unmapping *u, u64 dev_bus_addr)
{
    if (dev_bus_addr != (u64)u->m.frame << PAGE_SHIFT)
        return GNTST_bad_dev_addr;
    u->undone |= GNTMAP_device_map;
    return GNTST_okay;
}

/* Device first: it has nothing to take back if the host mapping then fails. */
static int undo(struct unmapping *u, u64 host_addr, u64 dev_bus_addr, u64 new_addr)
{
    int rc = GNTST_okay;

    if (dev_bus_addr && (u->m.flags & GNTMAP_device_map))
        rc = undo_device(u, dev_bus_addr);
    if (!rc && host_addr && (u->m.flags & GNTMAP_host_map))
        rc = undo_host(u, host_addr, new_addr);
    if (rc)
        u->undone = 0;
    u->m.flags = u->m.flags & ~u->undone & MAPTRACK_FLAGS;
    return rc;
}

/* --- step three: what cannot --- */

static void unmap_finish(struct unmapping *u)
{
    bool last = nothing_mapped(&u->m), write = !(u->m.flags & GNTMAP_readonly);
    struct domain *owner = maptrack_owner(&u->m);
    struct maptrack m = u->m;

    if (u->undone & GNTMAP_host_map)
        pv_grant_drop(u->old_entry);
    if (u->undone & GNTMAP_device_map)
        device_put(&u->m);
    if (last) {
        trace(TRC_MEM_PAGE_GRANT_UNMAP, owner->id);
        grant_unpin(owner, m.ref, write);
        m.flags = 0;
    }
    maptrack_set(current->domain->grants, u->handle, &m);
    if (last)
        domain_put(owner);
}

struct batch { struct unmapping u[BATCH]; unsigned n; };

static void batch_finish(struct batch *b)
{
    if (b->n)
        pv_grant_flush();
    for (unsigned i = 0; i < b->n; i++)
        unmap_finish(&b->u[i]);
    b->n = 0;
}

/* Adds one unmapping; its handle stays busy until the batch is finished. */
static int batch_add(struct batch *b, u32 handle, u64 host_addr, u64 dev_bus_addr, u64 new_addr)
{
    struct grant_table *mine = current->domain->grants;
    struct unmapping u = { .handle = handle };
    int rc;

    if (!maptrack_claim(mine, handle, &u.m)) {
        batch_finish(b); /* it may be of this very batch: a mapping's two kinds undone one by one */
        if (!maptrack_claim(mine, handle, &u.m))
            return GNTST_bad_handle;
    }
    rc = undo(&u, host_addr, dev_bus_addr, new_addr);
    if (u.undone)
        b->u[b->n++] = u;
    else
        maptrack_set(mine, handle, &u.m);
    if (b->n == BATCH)
        batch_finish(b);
    return rc;
}

/* --- the two hypercalls: they differ in the structure only --- */

static int unmap_op(vaddr_t at, struct batch *b)
{
    struct gnttab_unmap_grant_ref op;

    if (copy_from_guest(&op, at))
        return -EFAULT;
    op.status = (s16)batch_add(b, op.handle, op.host_addr, op.dev_bus_addr, 0);
    return copy_field_to_guest(at, &op, status);
}

static int unmap_and_replace_op(vaddr_t at, struct batch *b)
{
    struct gnttab_unmap_and_replace op;

    if (copy_from_guest(&op, at))
        return -EFAULT;
    op.status = GNTST_bad_virt_addr;
    if (op.host_addr && op.new_addr)
        op.status = (s16)batch_add(b, op.handle, op.host_addr, 0, op.new_addr);
    return copy_field_to_guest(at, &op, status);
}

static int unmap_list(vaddr_t uop, size_t size, u32 count, u32 *done, int (*one)(vaddr_t, struct batch *))
{
    struct batch b;
    int rc = 0;

    b.n = 0;
    for (*done = 0; !rc && *done < count; ++*done) {
        if (grant_list_should_stop(*done, count)) {
            rc = -E_PREEMPTED;
            break;
        }
        rc = one(uop + (vaddr_t)*done * size, &b);
    }
    batch_finish(&b);
    return rc;
}

int grant_unmap_list(vaddr_t uop, u32 count, u32 *done)
{
    return unmap_list(uop, sizeof(struct gnttab_unmap_grant_ref), count, done, unmap_op);
}

int grant_unmap_and_replace_list(vaddr_t uop, u32 count, u32 *done)
{
    return unmap_list(uop, sizeof(struct gnttab_unmap_and_replace), count, done, unmap_and_replace_op);
}

/* --- death --- */

/*
 * d's vCPUs run no more.  Host mappings leave their frame references to the
 * page-table entries, which go with the page tables; that their owners see
 * them as unused a moment early harms nobody, since nothing of d executes.
 */
int grant_domain_release_mappings(struct domain *d)
{
    struct grant_table *gt = d->grants;
    static const struct maptrack none;
    struct maptrack m;

    for (unsigned n = 1; maptrack_claim_next(gt, &gt->release_next, &m); n++) {
        if (m.flags & GNTMAP_device_map)
            device_put(&m);
        grant_unpin(maptrack_owner(&m), m.ref, !(m.flags & GNTMAP_readonly));
        maptrack_set(gt, gt->release_next, &none);
        domain_put(maptrack_owner(&m));
        if (n % 64 == 0 && hypercall_should_preempt())
            return -E_PREEMPTED;
    }
    return 0;
}
