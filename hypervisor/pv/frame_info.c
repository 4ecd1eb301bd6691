/* SPDX-License-Identifier: MIT */
/* What the tools ask of a frame when they save a domain: page table or not, pinned or not. */
#include "pt.h"

#include <xen/domctl.h>

static u32 table_info(u64 type)
{
    u32 info = PT_LEVEL(type) << XEN_DOMCTL_PFINFO_LTAB_SHIFT;

    return type & PGT_PINNED ? info | XEN_DOMCTL_PFINFO_LPINTAB : info;
}
_Static_assert(XEN_DOMCTL_PFINFO_L1TAB >> XEN_DOMCTL_PFINFO_LTAB_SHIFT == 1, "levels and types agree");
_Static_assert(XEN_DOMCTL_PFINFO_L4TAB >> XEN_DOMCTL_PFINFO_LTAB_SHIFT == 4, "levels and types agree");

u32 pv_frame_info(struct domain *d, struct page *p)
{
    u64 type, count;
    u32 info = XEN_DOMCTL_PFINFO_NOTAB;

    if (!page_get(p, d))
        return XEN_DOMCTL_PFINFO_XTAB;
    type = atomic_read(&p->type);
    count = atomic_read(&p->count);
    if (count & PGC_BROKEN)
        info = XEN_DOMCTL_PFINFO_BROKEN;
    else if ((type & PGT_COUNT_MASK) && PT_LEVEL(type) - 1 < 4)
        info = table_info(type);
    page_put(p);
    return info;
}
