/* SPDX-License-Identifier: MIT */
/* The domain that a hypercall's argument names, where the ABI allows the caller itself and those it controls. */
#include <zelo/domain.h>
#include <zelo/errno.h>

int domain_target_get(domid_t id, struct domain **out)
{
    struct domain *d = domain_get(id);

    if (!d)
        return -ESRCH;
    if (d != current->domain && !domain_controls(current->domain, d)) {
        domain_put(d);
        return -EPERM;
    }
    *out = d;
    return 0;
}
