/* SPDX-License-Identifier: MIT */
/*
 * Plans domain 0's memory as <xen/xen.h> draws it for the start of a PV
 * kernel: packed, each part page-aligned, from pseudo-physical 0 up
 *
 *   kernel | initrd* | p2m list* | start info | page tables | stack | padding
 *
 * all mapped at the kernel's virtual base.  Parts marked * go behind the
 * mapped region if the kernel's notes allow it: the p2m list, with page tables
 * of its own for the address the kernel chose, then the initrd, unmapped.
 */
#include "dom0.h"

#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/pv.h>

#include <arch/seam.h>

#define PADDING KiB(512)      /* at least, behind the stack */
#define REGION_ALIGN MiB(4)   /* of the mapped region's end */

static u64 region_end(const struct dom0_layout *l)
{
    vaddr_t end = dom0_layout_va(l, l->stack + 1) + PADDING;

    return (ALIGN_UP(end, REGION_ALIGN) - l->virt_base) >> PAGE_SHIFT;
}

/* The page tables map themselves too, so their number and the region's end depend on each other. */
static void plan_tables(struct dom0_layout *l)
{
    u64 need = 1;

    l->tables = l->start_info + 1;
    do {
        l->table_pages = need;
        l->stack = l->tables + l->table_pages;
        l->mapped = region_end(l);
        need = 1 + dom0_tables_needed(l->virt_base, l->mapped);
    } while (need > l->table_pages);
}

static bool ranges_overlap(vaddr_t a, u64 a_size, vaddr_t b, u64 b_size)
{
    return a < b + b_size && b < a + a_size;
}

/* A range that a guest may have in its page tables: canonical, not the hypervisor's, not wrapping. */
static bool guest_va_ok(vaddr_t va, u64 size)
{
    vaddr_t last = va + size - 1;

    if (last < va)
        return false;
    return last < 1ULL << 47 || va >= HYPERVISOR_VIRT_END;
}

static void check_plan(const struct dom0_kernel *k, const struct dom0_layout *l, u64 end)
{
    u64 region = l->mapped << PAGE_SHIFT, list = l->p2m_pages << PAGE_SHIFT;

    if (end > l->nr_pages)
        boot_refuse("Domain 0: too little memory, %lu MiB; its kernel and initrd need %lu MiB (dom0_mem=)\n",
              l->nr_pages >> (20 - PAGE_SHIFT), (end >> (20 - PAGE_SHIFT)) + 1);
    if (!guest_va_ok(l->virt_base, region) || !guest_va_ok(l->p2m_va, list))
        boot_refuse("Domain 0 kernel: it asks for addresses that it cannot have (%lx, %lx)\n", l->virt_base,
                    l->p2m_va);
    if (k->has_p2m_base && ranges_overlap(l->virt_base, region, l->p2m_va, list))
        boot_refuse("Domain 0 kernel: its p2m list at %lx would overlap it\n", l->p2m_va);
}

void dom0_layout_plan(const struct dom0_kernel *k, u64 nr_pages, u64 initrd_bytes, struct dom0_layout *l)
{
    u64 next = PFN_UP(k->end);

    *l = (struct dom0_layout){ .virt_base = k->virt_base, .nr_pages = nr_pages };
    l->initrd_pages = PFN_UP(initrd_bytes);
    l->p2m_pages = PFN_UP(nr_pages * sizeof(u64));
    if (!k->initrd_by_pfn) {
        l->initrd = next;
        next += l->initrd_pages;
    }
    if (!k->has_p2m_base) {
        l->p2m = next;
        l->p2m_va = dom0_layout_va(l, next);
        next += l->p2m_pages;
    }
    l->start_info = next;
    plan_tables(l);
    next = l->mapped;
    if (k->has_p2m_base) {
        l->p2m_va = k->p2m_base;
        l->p2m_table_pages = dom0_tables_needed(l->p2m_va, l->p2m_pages);
        l->p2m = next;
        l->p2m_tables = l->p2m + l->p2m_pages;
        next = l->p2m_tables + l->p2m_table_pages;
    }
    if (k->initrd_by_pfn) {
        l->initrd = next;
        next += l->initrd_pages;
    }
    check_plan(k, l, next);
}
