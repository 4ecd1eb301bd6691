/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's GDT: up to 14 frames of the guest, each held with a reference and
 * as PGT_SEG_DESC while it is mapped in the vCPU's window of the per-domain area.
 */
#include "gdt.h"

#include <zelo/domain.h>
#include <zelo/errno.h>

int pv_gdt_install(struct vcpu *v, const u64 *frames, unsigned entries)
{
    unsigned n = DIV_ROUND_UP(entries, 512), i;
    int rc = -EINVAL;

    if (entries > PV_GDT_ENTRIES)
        return -EINVAL;
    for (i = 0; i < n; i++) {
        if (!mfn_valid(MFN(frames[i])) ||
            page_get_and_type(mfn_to_page(MFN(frames[i])), v->domain, PGT_SEG_DESC))
            goto fail;
    }
    pv_drop_gdt(v);
    rc = pv_set_gdt(v, frames, entries);
    if (rc)
        goto fail;
    return 0;

fail:
    while (i--)
        page_put_and_type(mfn_to_page(MFN(frames[i])));
    return rc;
}
