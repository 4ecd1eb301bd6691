/* SPDX-License-Identifier: MIT */
/*
 * Segment descriptors of guests. All of a 64-bit PV guest runs in ring 3 and
 * its pages are protected by paging alone, so any code or data segment of
 * DPL 3 is harmless, whatever its base and limit; gates, TSSs and LDTs are
 * not. What is not present can be anything.
 */
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>

#include "descriptor.h"
#include "gdt.h"
#include "traps.h"

#define DESC_P (1ULL << 47)
#define DESC_DPL (3ULL << 45)
#define DESC_S (1ULL << 44) /* code or data */
#define DESC_TYPE (0xfULL << 40)

bool pv_descriptor_fix(u64 *desc)
{
    u64 d = *desc;

    if (!(d & DESC_P))
        return true;
    if (d & DESC_S) {
        if ((d & DESC_DPL) != DESC_DPL)
            *desc = d | DESC_DPL;
        return true;
    }
    return !(d & DESC_TYPE); /* reserved type 0: always faults */
}

bool pv_descriptors_valid(u64 *page)
{
    for (unsigned i = 0; i < PAGE_SIZE / sizeof(u64); i++)
        if (!pv_descriptor_fix(&page[i]))
            return false;
    return true;
}

static int update_descriptor_in(struct page *p, paddr_t ma, u64 desc)
{
    /* The page stays what it is meanwhile: a descriptor table in use, or plain memory. */
    u64 type = (atomic_read(&p->type) & PGT_TYPE_MASK) == PGT_SEG_DESC ? PGT_SEG_DESC : PGT_WRITABLE;
    int rc = page_get_type(p, type);

    if (rc)
        return -EINVAL;
    WRITE_ONCE(*(u64 *)((char *)page_to_virt(p) + (ma & PAGE_OFFSET_MASK)), desc);
    pv_mark_page_dirty(p);
    page_put_type(p);
    return 0;
}

/* HYPERVISOR_update_descriptor: one descriptor at a machine address. */
long do_update_descriptor(const struct hypercall_args *a)
{
    paddr_t ma = a->arg[0];
    u64 desc = a->arg[1];
    mfn_t mfn = MFN(PFN_DOWN(ma));
    struct page *p;
    int rc;

    if (ma % sizeof(desc) || !pv_descriptor_fix(&desc) || !mfn_valid(mfn))
        return -EINVAL;
    p = mfn_to_page(mfn);
    if (!page_get(p, current->domain))
        return -EINVAL;
    rc = update_descriptor_in(p, ma, desc);
    page_put(p);
    return rc;
}

/* HYPERVISOR_set_gdt: frames and the number of descriptors on them. */
long do_set_gdt(const struct hypercall_args *a)
{
    u64 frames[PV_GDT_FRAMES];
    unsigned long entries = a->arg[1];

    if (entries > PV_GDT_ENTRIES)
        return -EINVAL;
    if (guest_read(frames, a->arg[0], DIV_ROUND_UP(entries, 512) * sizeof(u64)))
        return -EFAULT;
    return pv_gdt_install(current, frames, (unsigned)entries);
}

/* HYPERVISOR_set_segment_base (<xen/arch-x86/xen-x86_64.h>) */
long do_set_segment_base(const struct hypercall_args *a)
{
    u64 base = a->arg[1];
    bool canonical = va_is_canonical(base);

    switch (a->arg[0]) {
    case SEGBASE_FS:
        if (canonical)
            pv_write_fs_base(base);
        return canonical ? 0 : -EINVAL;
    case SEGBASE_GS_USER: /* the caller is in kernel mode */
        if (canonical)
            pv_write_gs_base_other(base);
        return canonical ? 0 : -EINVAL;
    case SEGBASE_GS_KERNEL:
        if (canonical)
            pv_write_gs_base(base);
        return canonical ? 0 : -EINVAL;
    case SEGBASE_GS_USER_SEL:
        return pv_load_user_gs_selector((u16)base) ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}
