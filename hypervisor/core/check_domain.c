/* SPDX-License-Identifier: MIT */
/* The invariant checker on what core/ itself keeps of a domain: its list of frames, its references, its vCPUs. */
#include "check_private.h"

/* --- frames --- */

/* d->page_lock held.  A list that has come apart may have no end, or lead anywhere. */
static void list_check(struct domain *d)
{
    u32 prev = PAGE_LINK_NONE, n = d->page_first;
    u64 found = 0;

    while (n != PAGE_LINK_NONE && mfn_valid(MFN(n)) && found <= d->tot_pages) {
        struct page *p = mfn_to_page(MFN(n));

        if (p->prev != prev)
            check_violation("d%u: frame %x follows %x in the list, but says %x", d->id, n, prev, p->prev);
        census_list(d, p);
        found++;
        prev = n;
        n = p->next;
    }
    if (n != PAGE_LINK_NONE || prev != d->page_last || found != d->tot_pages)
        check_violation("d%u: its list of %lu frames ends with %x after %lu, %x was its last", d->id,
                        (unsigned long)d->tot_pages, prev, (unsigned long)found, d->page_last);
}

/* A page that page_share_with_domain made: the hypervisor's own reference and use. */
void check_shared(const struct domain *d, const void *page)
{
    mfn_t m = virt_to_mfn(page);
    const struct page *p = mfn_to_page(m);

    if (!(p->count & PGC_HEAP) || page_owner(p) != d) {
        check_violation("d%u: frame %lx is not shared with it: count %016lx, owner %x", d->id, (unsigned long)m.n,
                        (unsigned long)p->count, p->owner);
        return;
    }
    census_own(m);
}

/* --- vCPUs --- */

static bool info_in_place(const struct domain *d, const struct vcpu *v)
{
    if (!mfn_is_invalid(v->info_mfn))
        return mfn_eq(virt_to_mfn(v->info), v->info_mfn);
    return v->info == &v->own_info ||
           (d->shared_info && v->id < XEN_LEGACY_MAX_VCPUS && v->info == &d->shared_info->vcpu_info[v->id]);
}

static void vcpu_check(const struct domain *d, const struct vcpu *v, unsigned id)
{
    if (v->domain != d || v->id != id)
        check_violation("d%u: its vCPU %u says v%u", d->id, id, v->id);
    if (!info_in_place(d, v))
        check_violation("d%uv%u: vcpu_info is at %p, its frame %lx", d->id, id, (const void *)v->info,
                        (unsigned long)v->info_mfn.n);
    if (!mfn_is_invalid(v->info_mfn))
        check_use(d, "vcpu_info", v->info_mfn, PGT_WRITABLE);
}

/* --- the whole --- */

void check_domain(struct domain *d)
{
    struct vcpu *v;

    spin_lock(&d->page_lock);
    list_check(d);
    spin_unlock(&d->page_lock);
    if (d->shared_info)
        check_shared(d, d->shared_info);
    if (d->pirqs.eoi_map)
        check_use(d, "PIRQ page", virt_to_mfn(d->pirqs.eoi_map), PGT_WRITABLE);
    if (d->target)
        check_domain_ref(d->target);
    for_each_vcpu(d, v)
        vcpu_check(d, v, vi_);
}

void check_domain_refs(const struct domain *d, u64 held)
{
    u64 refs = READ_ONCE(d->refs) - held, found = census_domain_refs(d);

    found += d->dying != DOMAIN_DEAD; /* from its creation to the end of domain_kill */
    found += d->tot_pages != 0;
    if (refs != found)
        check_violation("d%u: %lu references, %lu found", d->id, (unsigned long)refs, (unsigned long)found);
}
