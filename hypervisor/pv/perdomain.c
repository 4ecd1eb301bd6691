/* SPDX-License-Identifier: MIT */
/*
 * The per-domain area, L4 slot 258 (arch/layout.h): for each vCPU a window of
 * 32 pages, its GDT and LDT.  Descriptor tables have to lie at addresses that
 * are mapped whenever the vCPU runs, in kernel and in user mode.
 *
 *   L4[258] -> L3 -> L2 -> L1 pages, each of which serves 16 vCPUs
 *
 * A window: pages 0..13 the guest's GDT frames (or a page of zeros, whose
 * descriptors are all absent), 14 the reserved page of the CPU it runs on, 15
 * nothing, 16..31 the guest's LDT pages as far as they were needed.
 *
 * The entries are supervisor-only and not global: loading CR3 drops them from
 * the TLB, which is why pv_perdomain_load_cpu need not flush.  They are
 * writable, since the CPU sets the accessed bits of descriptors; the frames are
 * PGT_SEG_DESC meanwhile, so the guest cannot write to them.
 *
 * A window is changed by its vCPU, or by whoever has paused it.
 */
#include "pt.h"

#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <arch/machine.h>

#include "perdomain.h"

#define WINDOW_PAGES (PERDOMAIN_VCPU_BYTES / PAGE_SIZE)
#define VCPUS_PER_L1 (PT_ENTRIES / WINDOW_PAGES)
#define TABLE_FLAGS (PTE_P | PTE_RW | PTE_A | PTE_D)
#define PAGE_FLAGS (TABLE_FLAGS | PTE_NX)
#define ZERO_FLAGS (PTE_P | PTE_A | PTE_NX)

_Static_assert(DIV_ROUND_UP(DOMAIN_MAX_VCPUS, VCPUS_PER_L1) <= PT_ENTRIES, "one L2 page reaches all windows");

static u64 *zeros; /* the page of zeros, made with the first area */

static u64 perdomain_pte(const void *page, u64 flags)
{
    return pte_make(virt_to_mfn(page), pt_nx_usable ? flags : flags & ~PTE_NX);
}

static u64 *window(struct vcpu *v)
{
    u64 *l1 = v->domain->pv.perdomain_l1[v->id / VCPUS_PER_L1];

    return &l1[v->id % VCPUS_PER_L1 * WINDOW_PAGES];
}

/* --- making and freeing the area --- */

static bool zeros_make(void)
{
    u64 *page, *none = NULL;

    if (atomic_read_acquire(&zeros))
        return true;
    page = heap_alloc(0, 0);
    if (!page)
        return false;
    if (!atomic_cas(&zeros, &none, page))
        heap_free(page, 0); /* another CPU was faster */
    return true;
}

static void gdt_clear(u64 *win)
{
    for (unsigned i = 0; i < GDT_RESERVED_PAGE; i++)
        WRITE_ONCE(win[i], perdomain_pte(zeros, ZERO_FLAGS));
}

static int area_fill(struct domain *d, u64 *l2)
{
    for (u32 i = 0; i < d->pv.perdomain_l1_count; i++) {
        u64 *l1 = heap_alloc(0, 0);

        if (!l1)
            return -ENOMEM;
        d->pv.perdomain_l1[i] = l1;
        for (unsigned w = 0; w < VCPUS_PER_L1; w++)
            gdt_clear(&l1[w * WINDOW_PAGES]);
        l2[i] = perdomain_pte(l1, TABLE_FLAGS);
    }
    return 0;
}

int perdomain_init(struct domain *d)
{
    u64 *l2;

    if (!zeros_make())
        return -ENOMEM;
    d->pv.perdomain_l1_count = DIV_ROUND_UP(d->max_vcpus, (unsigned)VCPUS_PER_L1);
    d->pv.perdomain_l1 = mem_alloc_array(u64 *, d->pv.perdomain_l1_count);
    d->pv.perdomain_l3 = heap_alloc(0, 0);
    l2 = heap_alloc(0, 0);
    if (d->pv.perdomain_l3 && l2)
        d->pv.perdomain_l3[0] = perdomain_pte(l2, TABLE_FLAGS);
    else
        heap_free(l2, 0);
    if (!d->pv.perdomain_l1 || !d->pv.perdomain_l3 || !d->pv.perdomain_l3[0] || area_fill(d, l2)) {
        perdomain_free(d);
        return -ENOMEM;
    }
    d->pv.perdomain_root = virt_to_mfn(d->pv.perdomain_l3);
    return 0;
}

void perdomain_free(struct domain *d)
{
    for (u32 i = 0; d->pv.perdomain_l1 && i < d->pv.perdomain_l1_count; i++)
        heap_free(d->pv.perdomain_l1[i], 0);
    mem_free(d->pv.perdomain_l1);
    if (d->pv.perdomain_l3 && d->pv.perdomain_l3[0])
        heap_free(mfn_to_virt(pte_mfn(d->pv.perdomain_l3[0])), 0);
    heap_free(d->pv.perdomain_l3, 0);
    d->pv.perdomain_l1 = NULL;
    d->pv.perdomain_l3 = NULL;
}

void pv_fill_hypervisor_slots(u64 *l4, struct domain *d)
{
    for (unsigned slot = L4_SLOT_FIRST; slot <= L4_SLOT_LAST; slot++)
        l4[slot] = *paging_l4_slot(slot);
    l4[L4_SLOT_PERDOMAIN] = d && d->pv.perdomain_l3 ? perdomain_pte(d->pv.perdomain_l3, TABLE_FLAGS) : 0;
}

/* --- windows --- */

/* Before the CPU loads v's CR3, which drops what its TLB may have of the window. */
void pv_perdomain_load_cpu(struct vcpu *v, unsigned cpu)
{
    WRITE_ONCE(window(v)[GDT_RESERVED_PAGE], perdomain_pte(cpu_gdt_page[cpu], PAGE_FLAGS));
}

/* The window changes under a running CPU only if v is current. */
static void window_flush(const struct vcpu *v)
{
    if (v == current)
        tlb_flush_local(TLB_FLUSH_ALL, 0);
}

/* The caller has dropped the GDT before, and holds references and PGT_SEG_DESC of the frames, now v's. */
int pv_set_gdt(struct vcpu *v, const u64 *frames, unsigned entries)
{
    unsigned n = DIV_ROUND_UP(entries, PT_ENTRIES);
    u64 *win = window(v);

    if (entries > FIRST_RESERVED_GDT_ENTRY)
        return -EINVAL;
    BUG_ON(v->pv.gdt_entries);
    for (unsigned i = 0; i < n; i++) {
        v->pv.gdt_frames[i] = MFN(frames[i]);
        if (!mfn_is_invalid(MFN(frames[i])))
            WRITE_ONCE(win[i], perdomain_pte(mfn_to_virt(MFN(frames[i])), PAGE_FLAGS));
    }
    v->pv.gdt_entries = entries;
    window_flush(v);
    return 0;
}

static void gdt_mark_dirty(struct vcpu *v)
{
    for (unsigned i = 0; i < DIV_ROUND_UP(v->pv.gdt_entries, PT_ENTRIES); i++)
        if (!mfn_is_invalid(v->pv.gdt_frames[i]))
            pv_mark_dirty(v->domain, v->pv.gdt_frames[i]);
}

void pv_drop_gdt(struct vcpu *v)
{
    unsigned n = DIV_ROUND_UP(v->pv.gdt_entries, PT_ENTRIES);

    if (!n)
        return;
    gdt_clear(window(v));
    window_flush(v);
    gdt_mark_dirty(v);
    v->pv.gdt_entries = 0;
    for (unsigned i = 0; i < n; i++)
        if (!mfn_is_invalid(v->pv.gdt_frames[i]))
            page_put_and_type(mfn_to_page(v->pv.gdt_frames[i]));
}

/* The frame that the guest kernel has mapped at va, as a descriptor page: referenced and typed. */
static struct page *ldt_frame_get(struct vcpu *v, vaddr_t va)
{
    struct domain *d = v->domain;
    struct page *table, *p = NULL;
    u64 *pte, e;

    pt_lock(d);
    pte = pt_find_l1e_from(v->pv.root_kernel, va, &table);
    e = pte ? READ_ONCE(*pte) : 0;
    if ((e & PTE_P) && !pt_frame_is_io(pte_mfn(e))) {
        p = mfn_to_page(pte_mfn(e));
        if (page_get_and_type(p, d, PGT_SEG_DESC))
            p = NULL;
    }
    pt_unlock(d);
    return p;
}

bool pv_map_ldt_page(struct vcpu *v, unsigned page)
{
    u64 *win = window(v);
    struct page *p;

    if (page >= LDT_PAGES || (u64)page * PT_ENTRIES >= v->pv.ldt_entries || (win[WINDOW_LDT + page] & PTE_P))
        return false;
    p = ldt_frame_get(v, v->pv.ldt_base + page * PAGE_SIZE);
    if (!p)
        return false;
    WRITE_ONCE(win[WINDOW_LDT + page], perdomain_pte(page_to_virt(p), PAGE_FLAGS));
    v->pv.ldt_mapped |= 1u << page;
    return true;
}

bool pv_unmap_ldt(struct vcpu *v)
{
    u32 mapped = v->pv.ldt_mapped;
    u64 *win;

    if (!mapped)
        return false;
    win = window(v);
    v->pv.ldt_mapped = 0;
    for (; mapped; mapped &= mapped - 1) {
        unsigned i = WINDOW_LDT + (unsigned)__builtin_ctz(mapped);
        struct page *p = mfn_to_page(pte_mfn(win[i]));

        WRITE_ONCE(win[i], 0);
        pv_mark_page_dirty(p); /* accessed bits */
        page_put_and_type(p); /* the change to another type flushes if it comes before the caller does */
    }
    return true;
}

u64 perdomain_window_entry(struct vcpu *v, unsigned page)
{
    return READ_ONCE(window(v)[page]);
}

void perdomain_mark_dirty(struct vcpu *v)
{
    const u64 *win = window(v);

    gdt_mark_dirty(v);
    for (u32 mapped = v->pv.ldt_mapped; mapped; mapped &= mapped - 1)
        pv_mark_dirty(v->domain, pte_mfn(win[WINDOW_LDT + (unsigned)__builtin_ctz(mapped)]));
}
