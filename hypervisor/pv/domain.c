/* SPDX-License-Identifier: MIT */
/* The paravirtual part of a domain: made and freed with it. */
#include <zelo/domain.h>
#include <zelo/speculation.h>

#include "perdomain.h"
#include "shadow.h"

int pv_domain_init(struct domain *d)
{
    int rc;

    spin_lock_init(&d->pv.pt_lock, LOCK_PAGE_TABLES);
    d->pv.xpti = d->is_privileged ? speculation.xpti_dom0 : speculation.xpti_domu;
    d->pv.cr3_indirect = d->pv.xpti;
    d->pv.l1tf = d->is_privileged ? speculation.l1tf_dom0 : speculation.l1tf_domu;
    rc = perdomain_init(d);
    if (rc)
        return rc;
    rc = pv_cpuid_domain_init(d);
    if (rc)
        perdomain_free(d);
    return rc;
}

void pv_domain_free(struct domain *d)
{
    shadow_disable(d);
    log_dirty_free(d);
    pv_cpuid_domain_free(d);
    perdomain_free(d);
}
