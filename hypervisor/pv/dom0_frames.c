/* SPDX-License-Identifier: MIT */
/*
 * Domain 0's machine frames, as few long extents, and writing to them by
 * pseudo-physical address.  Frames come unscrubbed: domain 0 may see whatever
 * the machine's memory held at boot.
 */
#include "dom0.h"

#include <zelo/domain.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/page.h>

static void extent_add(struct dom0_frames *f, u64 mfn, u64 count)
{
    struct dom0_extent *last = f->count ? &f->extent[f->count - 1] : NULL;

    if (last && last->mfn + last->count == mfn) {
        last->count += count;
        f->nr_pages += count;
        return;
    }
    if (f->count == f->room) {
        unsigned room = f->room ? f->room * 2 : 64;
        struct dom0_extent *more = mem_alloc_array(struct dom0_extent, room);

        if (!more)
            boot_refuse("Domain 0: no memory for the list of its frames\n");
        if (f->extent)
            memcpy(more, f->extent, f->count * sizeof(*more));
        mem_free(f->extent);
        f->extent = more;
        f->room = room;
    }
    f->extent[f->count++] = (struct dom0_extent){ f->nr_pages, mfn, count };
    f->nr_pages += count;
}

void dom0_frames_alloc(struct domain *d, u64 nr_pages, struct dom0_frames *f)
{
    unsigned order = HEAP_MAX_ORDER;

    *f = (struct dom0_frames){ 0 };
    while (f->nr_pages < nr_pages) {
        u64 left = nr_pages - f->nr_pages;
        struct page *p;

        order = MIN(order, ilog2(left));
        p = domain_alloc_pages(d, order, HEAP_NO_SCRUB);
        if (p)
            extent_add(f, page_to_mfn(p).n, 1ULL << order);
        else if (!order--)
            boot_refuse("Domain 0: out of memory after %lu of %lu MiB (dom0_mem=)\n",
                  f->nr_pages >> (20 - PAGE_SHIFT), nr_pages >> (20 - PAGE_SHIFT));
    }
}

void dom0_frames_free(struct dom0_frames *f)
{
    mem_free(f->extent);
    *f = (struct dom0_frames){ 0 };
}

static const struct dom0_extent *extent_find(const struct dom0_frames *f, u64 pfn)
{
    unsigned low = 0, high = f->count;

    BUG_ON(pfn >= f->nr_pages);
    while (high - low > 1) {
        unsigned middle = (low + high) / 2;

        if (f->extent[middle].pfn <= pfn)
            low = middle;
        else
            high = middle;
    }
    return &f->extent[low];
}

u64 dom0_frames_mfn(const struct dom0_frames *f, u64 pfn)
{
    const struct dom0_extent *e = extent_find(f, pfn);

    return e->mfn + (pfn - e->pfn);
}

void *dom0_frames_virt(const struct dom0_frames *f, u64 pfn)
{
    return mfn_to_virt(MFN(dom0_frames_mfn(f, pfn)));
}

void dom0_frames_write(const struct dom0_frames *f, u64 phys, const void *src, u64 n)
{
    const u8 *from = src;

    while (n) {
        const struct dom0_extent *e = extent_find(f, phys >> PAGE_SHIFT);
        u64 offset = phys - (e->pfn << PAGE_SHIFT);
        u64 run = MIN(n, (e->count << PAGE_SHIFT) - offset);
        u8 *to = (u8 *)mfn_to_virt(MFN(e->mfn)) + offset;

        if (from) {
            memcpy(to, from, run);
            from += run;
        } else {
            memset(to, 0, run);
        }
        phys += run;
        n -= run;
    }
}

void dom0_frames_write_p2m(const struct dom0_frames *f, u64 at, u64 pages)
{
    const unsigned per_page = PAGE_SIZE / sizeof(u64);
    u64 pfn = 0;

    dom0_frames_write(f, at << PAGE_SHIFT, NULL, pages << PAGE_SHIFT);
    for (u64 page = 0; page < pages; page++) {
        u64 *list = dom0_frames_virt(f, at + page);

        for (unsigned i = 0; i < per_page && pfn < f->nr_pages; i++, pfn++) {
            list[i] = dom0_frames_mfn(f, pfn);
            m2p_set(MFN(list[i]), PFN(pfn));
        }
    }
}
