/* SPDX-License-Identifier: MIT */
/* Whose tables and whose frames: the domain arguments of the page-table hypercalls, and who may name whom. */
#include "pt.h"

#include <zelo/errno.h>

static int other_domain_get(domid_t id, struct domain **out)
{
    struct domain *d = domain_get(id);

    if (!d)
        return -ESRCH;
    if (d != current->domain && (!domain_controls(current->domain, d) || READ_ONCE(d->dying) != DOMAIN_ALIVE)) {
        bool dying = domain_controls(current->domain, d);

        domain_put(d);
        return dying ? -ESRCH : -EPERM;
    }
    *out = d;
    return 0;
}

int pt_frame_owner_get(domid_t id, struct domain **out)
{
    struct domain *self = current->domain;

    switch (id) {
    case DOMID_SELF:
        domain_hold(self);
        *out = self;
        return 0;
    case DOMID_IO:
        *out = dom_io;
        return 0;
    case DOMID_XEN:
        *out = dom_xen;
        return self->is_privileged ? 0 : -EPERM;
    default:
        return other_domain_get(id, out);
    }
}

int pt_table_owner_get(u32 pfd, struct domain **out)
{
    if (!pfd) {
        domain_hold(current->domain);
        *out = current->domain;
        return 0;
    }
    return other_domain_get((domid_t)(pfd - 1), out);
}

void pt_owner_put(struct domain *d)
{
    if (!d->is_system)
        domain_put(d);
}
