/* SPDX-License-Identifier: MIT */
/* Whose tables and whose frames: the domain arguments of the page-table hypercalls, and who may name whom. */
#include "pt.h"

#include <zelo/errno.h>

static int other_domain_get(domid_t id, struct domain **out)
{
    struct domain *self = current->domain, *d;
    int rc = 0;

    if (id == DOMID_SELF || id == self->id) {
        *out = self;
        return 0;
    }
    d = domain_get(id);
    if (!d)
        return -ESRCH;
    if (!domain_controls(self, d))
        rc = -EPERM;
    else if (READ_ONCE(d->dying) != DOMAIN_ALIVE)
        rc = -ESRCH;
    if (rc)
        domain_put(d);
    else
        *out = d;
    return rc;
}

int pt_frame_owner_find(domid_t id, struct domain **out)
{
    switch (id) {
    case DOMID_IO:
        *out = dom_io;
        return 0;
    case DOMID_XEN:
        *out = dom_xen;
        return current->domain->is_privileged ? 0 : -EPERM;
    default:
        return other_domain_get(id, out);
    }
}

int pt_table_owner_find(u32 pfd, struct domain **out)
{
    return other_domain_get((domid_t)(pfd - 1), out);
}
