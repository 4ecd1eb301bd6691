/* SPDX-License-Identifier: MIT */
/*
 * Policies in the form of the control interface: arrays of xen_cpuid_leaf_t
 * and xen_msr_entry_t (<xen/arch-x86/xen.h>), in ascending order.
 */
#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/nospec.h>

#include "cpuid.h"

struct writer { xen_cpuid_leaf_t *out; unsigned n; };

static void put(struct writer *w, u32 leaf, u32 subleaf, const struct cpuid_regs *r)
{
    w->out[w->n++] = (xen_cpuid_leaf_t){ leaf, subleaf, r->a, r->b, r->c, r->d };
}

static void put_subleaves(struct writer *w, u32 leaf, const struct cpuid_regs *r, unsigned n)
{
    for (u32 i = 0; i < n; i++)
        put(w, leaf, i, &r[i]);
}

/* Subleaves of 4 and 0xb end with the first of type zero, which belongs to them. */
static unsigned count_caches(const struct cpuid_policy *p)
{
    unsigned n = 0;

    while (n < CPUID_CACHE_SUBLEAVES - 1 && (p->cache[n].a & 0x1f))
        n++;
    return n + 1;
}

static unsigned count_topology(const struct cpuid_policy *p)
{
    unsigned n = 0;

    while (n < CPUID_TOPO_SUBLEAVES - 1 && (p->topo[n].c & 0xff00))
        n++;
    return n + 1;
}

/* Two that tell of all, then up to the last component there is. */
static unsigned count_xstates(const struct cpuid_policy *p)
{
    u64 bits = p->xstate[0].a | p->xstate[1].c | (u64)(p->xstate[0].d | p->xstate[1].d) << 32;

    return bits < 2 ? 2 : MIN(ilog2(bits) + 1, (unsigned)CPUID_XSTATE_SUBLEAVES);
}

static void put_basic(struct writer *w, const struct cpuid_policy *p)
{
    u32 last = MIN(p->basic[0].a, CPUID_BASIC_LEAVES - 1u);

    for (u32 leaf = 0; leaf <= last; leaf++) {
        switch (leaf) {
        case 4:
            put_subleaves(w, leaf, p->cache, count_caches(p));
            break;
        case 7:
            put_subleaves(w, leaf, p->feat, MIN(p->feat[0].a, CPUID_FEAT_SUBLEAVES - 1u) + 1);
            break;
        case 0xb:
            put_subleaves(w, leaf, p->topo, count_topology(p));
            break;
        case 0xd:
            put_subleaves(w, leaf, p->xstate, count_xstates(p));
            break;
        default:
            put(w, leaf, XEN_CPUID_NO_SUBLEAF, &p->basic[leaf]);
        }
    }
}

unsigned cpuid_serialise(const struct cpuid_policy *p, xen_cpuid_leaf_t *out)
{
    struct cpuid_regs hv = { .a = p->hv_limit }, hv2 = { .a = p->hv2_limit };
    struct writer w = { out, 0 };
    u32 last = MIN(p->extd[0].a & 0xffff, CPUID_EXTD_LEAVES - 1u);

    put_basic(&w, p);
    put(&w, 0x40000000, XEN_CPUID_NO_SUBLEAF, &hv);
    put(&w, 0x40000100, XEN_CPUID_NO_SUBLEAF, &hv2);
    for (u32 i = 0; i <= last; i++)
        put(&w, 0x80000000 + i, XEN_CPUID_NO_SUBLEAF, &p->extd[i]);
    return w.n;
}

unsigned cpuid_serialise_msrs(const struct cpuid_policy *p, xen_msr_entry_t *out)
{
    out[0] = (xen_msr_entry_t){ .idx = MSR_PLATFORM_INFO, .val = p->platform_info };
    out[1] = (xen_msr_entry_t){ .idx = MSR_ARCH_CAPABILITIES, .val = p->arch_caps };
    return CPUID_SERIALISED_MSRS;
}

static struct cpuid_regs *subleaf_of(struct cpuid_regs *r, unsigned n, u32 subleaf)
{
    return subleaf < n ? &r[array_index_nospec(subleaf, n)] : NULL;
}

/* Where a leaf is kept; NULL if the form has none such. */
static struct cpuid_regs *find_leaf(struct cpuid_policy *p, u32 leaf, u32 subleaf)
{
    switch (leaf) {
    case 4:
        return subleaf_of(p->cache, CPUID_CACHE_SUBLEAVES, subleaf);
    case 7:
        return subleaf_of(p->feat, CPUID_FEAT_SUBLEAVES, subleaf);
    case 0xb:
        return subleaf_of(p->topo, CPUID_TOPO_SUBLEAVES, subleaf);
    case 0xd:
        return subleaf_of(p->xstate, CPUID_XSTATE_SUBLEAVES, subleaf);
    }
    if (subleaf != XEN_CPUID_NO_SUBLEAF)
        return NULL;
    if (leaf < CPUID_BASIC_LEAVES)
        return &p->basic[array_index_nospec(leaf, CPUID_BASIC_LEAVES)];
    if (leaf >= 0x80000000 && leaf - 0x80000000 < CPUID_EXTD_LEAVES)
        return &p->extd[array_index_nospec(leaf - 0x80000000, CPUID_EXTD_LEAVES)];
    return NULL;
}

int cpuid_deserialise(struct cpuid_policy *p, const xen_cpuid_leaf_t *l)
{
    struct cpuid_regs *r = find_leaf(p, l->leaf, l->subleaf);

    if (r)
        *r = (struct cpuid_regs){ l->a, l->b, l->c, l->d };
    else if (l->subleaf == XEN_CPUID_NO_SUBLEAF && l->leaf == 0x40000000)
        p->hv_limit = l->a;
    else if (l->subleaf == XEN_CPUID_NO_SUBLEAF && l->leaf == 0x40000100)
        p->hv2_limit = l->a;
    else
        return -ERANGE;
    return 0;
}

int cpuid_deserialise_msr(struct cpuid_policy *p, const xen_msr_entry_t *m)
{
    if (m->flags)
        return -EINVAL;
    if (m->idx == MSR_PLATFORM_INFO)
        p->platform_info = m->val;
    else if (m->idx == MSR_ARCH_CAPABILITIES)
        p->arch_caps = m->val;
    else
        return -ERANGE;
    return 0;
}
