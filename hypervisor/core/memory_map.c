/* SPDX-License-Identifier: MIT */
/*
 * Memory maps in the BIOS's form: the machine's, for domain 0, and the
 * pseudo-physical one that the tools give a domain.
 */
#include "memory_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>

#define DOMAIN_MAP_MAX 1024 /* entries of a domain's map */

_Static_assert(sizeof(struct e820_range) == 20, "the BIOS's format");

/* Answers as many entries as there is room for; with no buffer, how many there are. */
static int map_answer(vaddr_t at, struct xen_memory_map *m, const struct e820_range *map, unsigned count)
{
    if (!handle_is_null(m->buffer)) {
        count = MIN(count, m->nr_entries);
        if (guest_write(handle_va(m->buffer), map, count * sizeof(*map)))
            return -EFAULT;
    }
    m->nr_entries = count;
    return copy_field_to_guest(at, m, nr_entries);
}

long memory_machine_memory_map(struct memory_call *c)
{
    struct xen_memory_map m;

    if (!current->domain->is_privileged)
        return -EPERM;
    if (copy_from_guest(&m, c->arg))
        return -EFAULT;
    return map_answer(c->arg, &m, e820_map, e820_count);
}

/* A domain without a map is told -ENOSYS and makes one from its number of pages. */
long memory_memory_map(struct memory_call *c)
{
    struct domain *d = current->domain;
    struct xen_memory_map m;
    long rc = -ENOSYS;

    if (copy_from_guest(&m, c->arg))
        return -EFAULT;
    if (d->is_dom0)
        return map_answer(c->arg, &m, e820_map, e820_count);
    spin_lock(&d->lock);
    if (d->memory_map)
        rc = map_answer(c->arg, &m, d->memory_map, d->memory_map_count);
    spin_unlock(&d->lock);
    return rc;
}

/* The entries are the guest's to make sense of; the hypervisor only keeps them. */
static int domain_map_set(struct domain *d, const struct xen_memory_map *m)
{
    struct e820_range *map = mem_alloc_array(struct e820_range, m->nr_entries), *old;

    if (!map)
        return -ENOMEM;
    if (guest_read(map, handle_va(m->buffer), m->nr_entries * sizeof(*map))) {
        mem_free(map);
        return -EFAULT;
    }
    spin_lock(&d->lock);
    old = d->memory_map;
    d->memory_map = map;
    d->memory_map_count = m->nr_entries;
    spin_unlock(&d->lock);
    mem_free(old);
    return 0;
}

long memory_set_memory_map(struct memory_call *c)
{
    struct xen_foreign_memory_map f;
    struct domain *d;
    long rc;

    if (copy_from_guest(&f, c->arg))
        return -EFAULT;
    if (!f.map.nr_entries || f.map.nr_entries > DOMAIN_MAP_MAX)
        return -EINVAL;
    rc = domain_target_get(f.domid, &d);
    if (rc)
        return rc;
    rc = domain_controls(current->domain, d) ? domain_map_set(d, &f.map) : -EPERM;
    domain_put(d);
    return rc;
}
