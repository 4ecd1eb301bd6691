/* SPDX-License-Identifier: MIT */
/* XENMEM_* operations that tell or set a number, and those that a PV domain has no use for. */
#include "memory_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>

#define M2P_EXTENT_FRAMES (MiB(2) / sizeof(u64)) /* frames that 2 MiB of the machine-to-phys table tell of */

long memory_maximum_ram_page(struct memory_call *c)
{
    (void)c;
    return (long)max_frame - 1;
}

/* --- reservations --- */

static long domain_number(const struct memory_call *c, long (*number)(const struct domain *d))
{
    struct xen_memory_domain q;
    struct domain *d;
    long rc;

    if (copy_from_guest(&q, c->arg))
        return -EFAULT;
    rc = domain_target_get(q.domid, &d);
    if (rc)
        return rc;
    rc = number(d);
    domain_put(d);
    return rc;
}

static long number_current(const struct domain *d) { return (long)READ_ONCE(d->tot_pages); }

/* A limit of "no limit" must not look like an error. */
static long number_maximum(const struct domain *d) { return (long)MIN(READ_ONCE(d->max_pages), ~0ULL >> 1); }

/*
 * A PV domain numbers its memory itself and says in the shared info page how
 * far: not at all yet in one that is being restored, and the tools ask then.
 */
static long number_gpfn(const struct domain *d)
{
    u64 n = READ_ONCE(d->shared_info->arch.max_pfn);

    if (n > 1ULL << (64 - PAGE_SHIFT))
        return -ENODATA;
    return n ? (long)n - 1 : 0;
}

long memory_current_reservation(struct memory_call *c) { return domain_number(c, number_current); }
long memory_maximum_reservation(struct memory_call *c) { return domain_number(c, number_maximum); }
long memory_maximum_gpfn(struct memory_call *c) { return domain_number(c, number_gpfn); }

long memory_claim_pages(struct memory_call *c)
{
    struct xen_memory_reservation r;
    struct domain *d;
    long rc;

    if (!current->domain->is_privileged)
        return -EPERM;
    if (copy_from_guest(&r, c->arg))
        return -EFAULT;
    if (!handle_is_null(r.extent_start) || r.extent_order || r.mem_flags)
        return -EINVAL;
    rc = domain_target_get(r.domid, &d);
    if (rc)
        return rc;
    rc = heap_set_claim(d, r.nr_extents);
    domain_put(d);
    return rc;
}

/* --- the machine-to-phys table --- */

/*
 * The whole range that the ABI sets aside, also where there is no memory now:
 * the guest may later wake up on a larger machine.  What is not mapped faults.
 */
long memory_machphys_mapping(struct memory_call *c)
{
    struct xen_machphys_mapping m = {
        .v_start = MACH2PHYS_VIRT_START,
        .v_end = MACH2PHYS_VIRT_END,
        .max_mfn = MACH2PHYS_NR_ENTRIES - 1,
    };

    return copy_to_guest(c->arg, &m);
}

static void m2p_extent_share(mfn_t first)
{
    struct page *p = mfn_to_page(first);

    for (u64 i = 0; i < MiB(2) >> PAGE_SHIFT; i++)
        page_share_with_domain(&p[i], dom_xen, false);
}

/* The table's frames become mappable, read-only, when they are asked for the first time. */
static void m2p_share(void)
{
    static spinlock_t lock = SPINLOCK(LOCK_LEAF);
    static bool shared;

    spin_lock(&lock);
    for (u64 i = 0; !shared && i < DIV_ROUND_UP(max_frame, M2P_EXTENT_FRAMES); i++)
        if (!mfn_is_invalid(m2p_extent_mfn(i)))
            m2p_extent_share(m2p_extent_mfn(i));
    shared = true;
    spin_unlock(&lock);
}

/*
 * A hole repeats the extent before it: the tools map the table in one piece
 * and take no failure, and what they look up is checked against the domain's
 * own table.
 */
long memory_machphys_mfn_list(struct memory_call *c)
{
    struct xen_machphys_mfn_list l;
    xen_pfn_t last = 0;
    u64 n;

    if (!current->domain->is_privileged)
        return -EPERM;
    if (copy_from_guest(&l, c->arg))
        return -EFAULT;
    m2p_share();
    n = MIN((u64)l.max_extents, DIV_ROUND_UP(max_frame, M2P_EXTENT_FRAMES));
    for (l.nr_extents = 0; l.nr_extents < n; l.nr_extents++) {
        mfn_t mfn = m2p_extent_mfn(l.nr_extents);

        if (!mfn_is_invalid(mfn))
            last = mfn.n;
        if (copy_to_handle_offset(l.extent_start, l.nr_extents, &last, 1))
            return -EFAULT;
    }
    return copy_field_to_guest(c->arg, &l, nr_extents);
}

/* --- what PV domains do without --- */

/* No entry of a PV domain is populated on demand: every target is met, and there is no cache. */
static long pod_answer(struct memory_call *c, bool set)
{
    struct xen_pod_target t;
    struct domain *d;
    long rc;

    if (copy_from_guest(&t, c->arg))
        return -EFAULT;
    rc = domain_target_get(t.domid, &d);
    if (rc)
        return rc;
    if (set && !domain_controls(current->domain, d))
        rc = -EPERM;
    else if (set && t.target_pages > READ_ONCE(d->max_pages))
        rc = -EINVAL;
    t.tot_pages = READ_ONCE(d->tot_pages);
    t.pod_cache_pages = t.pod_entries = 0;
    domain_put(d);
    return rc ? rc : copy_to_guest(c->arg, &t);
}

long memory_pod_target(struct memory_call *c) { return pod_answer(c, false); }
long memory_set_pod_target(struct memory_call *c) { return pod_answer(c, true); }

/* Pages shared between domains by content: none, ever. */
long memory_no_sharing(struct memory_call *c)
{
    (void)c;
    return 0;
}

/*
 * A physical memory map that the hypervisor keeps is for translated guests.
 * All three structures begin with the domid.
 */
_Static_assert(offsetof(struct xen_add_to_physmap, domid) == 0, "ABI");
_Static_assert(offsetof(struct xen_add_to_physmap_batch, domid) == 0, "ABI");
_Static_assert(offsetof(struct xen_remove_from_physmap, domid) == 0, "ABI");

long memory_for_translated_only(struct memory_call *c)
{
    struct domain *d;
    domid_t id;
    long rc;

    if (copy_from_guest(&id, c->arg))
        return -EFAULT;
    rc = domain_target_get(id, &d);
    if (rc)
        return rc;
    domain_put(d);
    return -EACCES;
}
