/* SPDX-License-Identifier: MIT */
/*
 * Which of a domain's pages were written since the last report: a bitmap by
 * the guest's own page numbers (as the machine-to-phys table has them), in
 * pieces of a page each, all made when logging starts, so that noting a write
 * cannot fail.  It stays until the domain goes: whoever notes a write takes no lock.
 */
#include "perdomain.h"
#include "shadow.h"

#include <zelo/errno.h>
#include <zelo/event.h>
#include <zelo/grant.h>
#include <zelo/guest.h>
#include <zelo/lib.h>

#define BITS_PER_PIECE (PAGE_SIZE * 8)

struct log_dirty {
    u64 pages;              /* bits: page numbers below are recorded */
    u32 faults, marked;     /* (a) since the last report that cleaned */
    unsigned long *piece[];
};

static unsigned long *word_of(const struct log_dirty *l, u64 pfn)
{
    return &l->piece[pfn / BITS_PER_PIECE][pfn % BITS_PER_PIECE / BITS_PER_LONG];
}

void pv_mark_dirty(struct domain *d, mfn_t m)
{
    struct log_dirty *l = READ_ONCE(d->pv.log_dirty);
    u64 pfn;

    if (likely(!l) || !READ_ONCE(d->pv.shadow))
        return;
    pfn = m2p_get(m).n;
    if (pfn < l->pages && !atomic_test_set_bit(word_of(l, pfn), pfn % BITS_PER_LONG))
        (void)atomic_add_return(&l->marked, 1);
}

void pv_mark_page_dirty(struct page *p)
{
    struct domain *d = page_owner(p);

    if (d && unlikely(READ_ONCE(d->pv.shadow)))
        pv_mark_dirty(d, page_to_mfn(p));
}

bool log_dirty_test(struct domain *d, mfn_t m)
{
    const struct log_dirty *l = d->pv.log_dirty;
    u64 pfn = m2p_get(m).n;

    return pfn >= l->pages || (READ_ONCE(*word_of(l, pfn)) >> (pfn % BITS_PER_LONG) & 1);
}

void log_dirty_count_fault(struct domain *d)
{
    (void)atomic_add_return(&d->pv.log_dirty->faults, 1);
}

void log_dirty_free(struct domain *d)
{
    struct log_dirty *l = d->pv.log_dirty;

    if (!l)
        return;
    for (u64 i = 0; i < DIV_ROUND_UP(l->pages, BITS_PER_PIECE); i++)
        mem_free(l->piece[i]);
    mem_free(l);
    d->pv.log_dirty = NULL;
}

static struct log_dirty *log_dirty_make(u64 pages)
{
    u64 pieces = DIV_ROUND_UP(pages, BITS_PER_PIECE);
    struct log_dirty *l = mem_alloc(sizeof(*l) + pieces * sizeof(l->piece[0]));

    if (l)
        l->pages = pages;
    for (u64 i = 0; l && i < pieces; i++) {
        l->piece[i] = mem_alloc(PAGE_SIZE);
        if (!l->piece[i]) {
            while (i--)
                mem_free(l->piece[i]);
            mem_free(l);
            l = NULL;
        }
    }
    return l;
}

static void log_dirty_clear(struct log_dirty *l)
{
    for (u64 i = 0; i < DIV_ROUND_UP(l->pages, BITS_PER_PIECE); i++)
        memset(l->piece[i], 0, PAGE_SIZE);
}

/*
 * The guest says how many pages it numbers; what it says beyond four times the
 * memory it may have is no p2m anyone could send.  A record that is there
 * already may still be in use by a CPU that notes a write: it is never
 * exchanged, only cleared, and serves if it has room.
 */
int log_dirty_start(struct domain *d)
{
    u64 have = MAX((u64)d->max_pages, (u64)d->tot_pages), says = READ_ONCE(d->shared_info->arch.max_pfn);
    struct log_dirty *l = d->pv.log_dirty;

    if (says > 4 * have + BITS_PER_PIECE || (l && says > l->pages))
        return -E2BIG;
    if (l) {
        log_dirty_clear(l);
        l->faults = l->marked = 0;
        return 0;
    }
    l = log_dirty_make(MAX(says, 2 * have));
    if (!l)
        return -ENOMEM;
    WRITE_ONCE(d->pv.log_dirty, l);
    return 0;
}

/* Frames that the hypervisor and other domains write without a fault or an end that would tell. */
static void mark_shared(struct domain *d)
{
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        struct vcpu *v = domain_vcpu(d, i);

        if (!v)
            continue;
        pv_mark_page_dirty(virt_to_page(v->info)); /* does nothing for one of our own */
        perdomain_mark_dirty(v);
    }
    grant_mark_dirty(d);
    event_mark_dirty(d);
}

/* 'bits' of the record from 'first', a multiple of 64, into words; cleared if so wanted. */
static void take_bits(struct log_dirty *l, u64 first, u64 bits, bool clean, unsigned long *words)
{
    for (u64 done = 0; done < bits; done += BITS_PER_LONG) {
        unsigned long mask = bits - done < BITS_PER_LONG ? (1UL << (bits - done)) - 1 : ~0UL;
        unsigned long *from = word_of(l, first + done);

        words[done / BITS_PER_LONG] = mask & (clean ? atomic_fetch_and(from, ~mask) : READ_ONCE(*from));
    }
}

static void put_bits_back(struct log_dirty *l, u64 first, u64 bits, const unsigned long *words)
{
    for (u64 done = 0; done < bits; done += BITS_PER_LONG)
        (void)atomic_fetch_or(word_of(l, first + done), words[done / BITS_PER_LONG]);
}

/* Copies the record out; clears no more than was copied. */
static int report_bits(struct log_dirty *l, struct xen_domctl_shadow_op *op, bool clean)
{
    unsigned long words[64];
    u64 bits;

    for (u64 first = 0; first < op->pages; first += bits) {
        bits = MIN(op->pages - first, (u64)sizeof(words) * 8);
        take_bits(l, first, bits, clean, words);
        if (copy_to_handle_offset(op->dirty_bitmap, first / 8, (const uint8_t *)words, DIV_ROUND_UP(bits, 8))) {
            if (clean)
                put_bits_back(l, first, bits, words);
            return -EFAULT;
        }
    }
    return 0;
}

int log_dirty_report(struct domain *d, struct xen_domctl_shadow_op *op, bool clean)
{
    struct log_dirty *l = d->pv.log_dirty;
    int rc = 0;

    if (op->mode & XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL)
        mark_shared(d);
    op->stats.fault_count = l->faults;
    op->stats.dirty_count = l->marked;
    op->pages = MIN(op->pages, l->pages);
    if (!handle_is_null(op->dirty_bitmap))
        rc = report_bits(l, op, clean);
    else if (clean)
        log_dirty_clear(l);
    if (clean)
        l->faults = l->marked = 0;
    return rc;
}
