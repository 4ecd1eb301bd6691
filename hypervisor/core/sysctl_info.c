/* SPDX-License-Identifier: MIT */
/* What the host is and has: CPUs, memory, nodes, domains. */
#include "sysctl.h"

#include <zelo/console.h>
#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>

unsigned cpu_limit(void)
{
    unsigned cpu, limit = 0;

    for_each_cpu(cpu, &cpu_possible)
        limit = cpu + 1;
    return limit;
}

int sysctl_physinfo(struct xen_sysctl *op)
{
    struct xen_sysctl_physinfo *pi = &op->u.physinfo;

    memset(pi, 0, sizeof(*pi));
    arch_physinfo(pi);
    pi->nr_cpus = cpumask_weight(&cpu_online);
    pi->max_cpu_id = cpu_limit() - 1;
    pi->nr_nodes = 1;
    pi->max_node_id = 0;
    pi->capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1 | XEN_SYSCTL_PHYSCAP_gnttab_v2;
    pi->total_pages = heap_total_page_count();
    pi->free_pages = heap_free_page_count();
    pi->outstanding_pages = heap_claimed_page_count();
    pi->max_mfn = max_frame - 1;
    return 0;
}

int sysctl_getdomaininfolist(struct xen_sysctl *op)
{
    struct xen_sysctl_getdomaininfolist *l = &op->u.getdomaininfolist;
    unsigned from = l->first_domain;

    for (l->num_domains = 0; l->num_domains < l->max_domains; l->num_domains++) {
        struct xen_domctl_getdomaininfo info;
        struct domain *d = domain_next(from);

        if (!d)
            break;
        domain_describe(d, &info);
        from = d->id + 1;
        domain_put(d);
        if (copy_to_handle_offset(l->buffer, l->num_domains, &info, 1))
            return -EFAULT;
    }
    return 0;
}

int sysctl_debug_keys(struct xen_sysctl *op)
{
    const struct xen_sysctl_debug_keys *k = &op->u.debug_keys;
    u32 n = MIN(k->nr_keys, 256u);

    for (u32 i = 0; i < n; i++) {
        char key;

        if (copy_from_handle_offset(&key, k->keys, i, 1))
            return -EFAULT;
        debug_key(key);
    }
    return 0;
}

int sysctl_getcpuinfo(struct xen_sysctl *op)
{
    struct xen_sysctl_getcpuinfo *g = &op->u.getcpuinfo;

    g->nr_cpus = MIN(g->max_cpus, cpu_limit());
    for (unsigned cpu = 0; cpu < g->nr_cpus; cpu++) {
        xen_sysctl_cpuinfo_t info = { .idletime = cpumask_test(&cpu_online, cpu) ? cpu_idle_time(cpu) : 0 };

        if (copy_to_handle_offset(g->info, cpu, &info, 1))
            return -EFAULT;
    }
    return 0;
}

int sysctl_availheap(struct xen_sysctl *op)
{
    struct xen_sysctl_availheap *h = &op->u.availheap;
    u64 below_max, below_min;

    if (h->node > 0)
        return -EINVAL;
    below_max = h->max_bitwidth ? heap_free_pages_below(MIN(h->max_bitwidth, 64u)) : heap_free_page_count();
    below_min = h->min_bitwidth ? heap_free_pages_below(MIN(h->min_bitwidth, 64u)) : 0;
    h->avail_bytes = (below_max > below_min ? below_max - below_min : 0) << PAGE_SHIFT;
    return 0;
}

int sysctl_cputopoinfo(struct xen_sysctl *op)
{
    struct xen_sysctl_cputopoinfo *t = &op->u.cputopoinfo;
    unsigned limit = cpu_limit();
    bool query = handle_is_null(t->cputopo);
    u32 n = MIN(t->num_cpus, limit);

    for (unsigned cpu = 0; !query && cpu < n; cpu++) {
        struct xen_sysctl_cputopo c = { XEN_INVALID_CORE_ID, XEN_INVALID_SOCKET_ID, XEN_INVALID_NODE_ID };

        if (cpumask_test(&cpu_online, cpu)) {
            arch_cputopo(cpu, &c);
            c.node = 0;
        }
        if (copy_to_handle_offset(t->cputopo, cpu, &c, 1))
            return -EFAULT;
    }
    t->num_cpus = query || t->num_cpus < limit ? limit : n;
    return 0;
}

int sysctl_numainfo(struct xen_sysctl *op)
{
    struct xen_sysctl_numainfo *n = &op->u.numainfo;
    struct xen_sysctl_meminfo m = {
        .memsize = heap_total_page_count() << PAGE_SHIFT,
        .memfree = heap_free_page_count() << PAGE_SHIFT,
    };
    u32 distance = 10; /* to itself, by the ACPI SLIT's convention */

    if (n->num_nodes >= 1) {
        if (!handle_is_null(n->meminfo) && copy_to_handle(n->meminfo, &m, 1))
            return -EFAULT;
        if (!handle_is_null(n->distance) && copy_to_handle(n->distance, &distance, 1))
            return -EFAULT;
    }
    n->num_nodes = 1;
    return 0;
}

int sysctl_pcitopoinfo(struct xen_sysctl *op)
{
    struct xen_sysctl_pcitopoinfo *p = &op->u.pcitopoinfo;
    u32 node = 0, n = MIN(p->num_devs, 65536u);

    for (u32 i = 0; i < n; i++) {
        physdev_pci_device_t dev;

        if (copy_from_handle_offset(&dev, p->devs, i, 1) || copy_to_handle_offset(p->nodes, i, &node, 1))
            return -EFAULT;
    }
    p->num_devs = n;
    return 0;
}
