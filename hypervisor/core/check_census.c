/* SPDX-License-Identifier: MIT */
/*
 * The census of the invariant checker: what the struct page of each frame
 * should say, by the notes that were taken, and the comparison with what it
 * does say.
 *
 * Notes are kept in leaves of a page each, made where there is something to
 * note.  A frame that something refers to has references, hence an owner; so
 * the note at a struct domain's own frame, which is hypervisor memory, has room
 * for the references to that domain.
 */
#include "check_private.h"

#include <zelo/log.h>

/* What was found of a frame. */
struct note {
    u32 refs;
    u32 uses : 31;
    u32 listed : 1; /* it is in its owner's list */
};

#define NOTES_PER_LEAF (PAGE_SIZE / sizeof(struct note))

static struct note **leaves;
static bool incomplete;

bool census_begin(void)
{
    leaves = mem_alloc_array(struct note *, DIV_ROUND_UP(max_frame, NOTES_PER_LEAF));
    incomplete = !leaves;
    return leaves;
}

void census_end(void)
{
    for (u64 i = 0; leaves && i < DIV_ROUND_UP(max_frame, NOTES_PER_LEAF); i++)
        heap_free(leaves[i], 0);
    mem_free(leaves);
    leaves = NULL;
}

/* Where to note something of a frame. */
static struct note *note_at(mfn_t m)
{
    static struct note lost;
    struct note **leaf = &leaves[m.n / NOTES_PER_LEAF];

    if (!*leaf)
        *leaf = heap_alloc(0, 0);
    if (*leaf)
        return &(*leaf)[m.n % NOTES_PER_LEAF];
    incomplete = true;
    return &lost;
}

static struct note note_of(mfn_t m)
{
    const struct note *leaf = leaves[m.n / NOTES_PER_LEAF];

    return leaf ? leaf[m.n % NOTES_PER_LEAF] : (struct note){ 0 };
}

/* --- taking notes --- */

static void note_use(struct note *n)
{
    n->refs++;
    n->uses++;
}

static bool frame_may_be_referenced(const struct domain *d, const char *what, mfn_t m)
{
    const struct page *p = mfn_to_page(m);

    if (mfn_valid(m) && (p->count & PGC_COUNT_MASK) && p->owner)
        return true;
    check_violation("d%u: its %s refers to frame %lx, which has no references at all", d->id, what,
                    (unsigned long)m.n);
    return false;
}

static void note_ref(mfn_t m)
{
    const struct page *p = mfn_to_page(m);

    note_at(m)->refs++;
    if (p->count & PGC_HEAP)
        check_domain_ref(page_owner(p));
}

void check_ref(const struct domain *d, const char *what, mfn_t m)
{
    if (frame_may_be_referenced(d, what, m))
        note_ref(m);
}

void check_use(const struct domain *d, const char *what, mfn_t m, u64 type)
{
    const struct page *p = mfn_to_page(m);

    if (!frame_may_be_referenced(d, what, m))
        return;
    if ((p->type & PGT_TYPE_MASK) != type || !(p->type & PGT_VALIDATED))
        check_violation("d%u: its %s uses frame %lx as type %u, which is %016lx", d->id, what, (unsigned long)m.n,
                        (unsigned)(type >> PGT_SHIFT), (unsigned long)p->type);
    note_ref(m);
    note_at(m)->uses++;
}

void check_domain_ref(const struct domain *d)
{
    note_at(virt_to_mfn(d))->refs++;
}

void census_own(mfn_t m)
{
    note_use(note_at(m));
}

u64 census_domain_refs(const struct domain *d)
{
    return note_of(virt_to_mfn(d)).refs;
}

void census_list(const struct domain *d, struct page *p)
{
    mfn_t m = page_to_mfn(p);
    struct note *n = note_at(m);

    if (page_owner(p) != d || (p->count & PGC_HEAP))
        check_violation("d%u: frame %lx is in its list, count %016lx, owner %x", d->id, (unsigned long)m.n,
                        (unsigned long)p->count, p->owner);
    if (n->listed && !incomplete)
        check_violation("d%u: frame %lx is in a list twice", d->id, (unsigned long)m.n);
    n->listed = 1;
}

/* --- comparing --- */

/* What the frame's own flags say that it holds of itself. */
static void note_flags(const struct page *p, struct note *n)
{
    if (p->count & PGC_ALLOCATED)
        n->refs++;
    if (p->type & PGT_PINNED)
        note_use(n);
    if (p->type & PGT_PARTIAL)
        note_use(n);
    if ((p->count & PGC_HEAP) && page_owner(p) == dom_xen)
        note_use(n); /* the machine-to-phys table and the trace buffers: shared for good */
}

static void compare_counts(const struct page *p, struct note n)
{
    u64 refs = p->count & PGC_COUNT_MASK, uses = p->type & PGT_COUNT_MASK;

    if (refs != n.refs)
        check_violation("frame %lx: %lu references, %u found; count %016lx, type %016lx, owner %x",
                        (unsigned long)page_to_mfn(p).n, (unsigned long)refs, n.refs, (unsigned long)p->count,
                        (unsigned long)p->type, p->owner);
    if (uses != n.uses)
        check_violation("frame %lx: %lu uses of its type, %u found; count %016lx, type %016lx, owner %x",
                        (unsigned long)page_to_mfn(p).n, (unsigned long)uses, (u32)n.uses, (unsigned long)p->count,
                        (unsigned long)p->type, p->owner);
}

/* Flags that go together, whoever refers to the frame. */
static bool type_is_sound(u64 type)
{
    u64 kind = type & PGT_TYPE_MASK;
    bool table = kind >= PGT_L1 && kind <= PGT_L4;

    if (!(type & PGT_COUNT_MASK))
        return !(type & (PGT_PINNED | PGT_VALIDATED | PGT_PARTIAL));
    if ((type & PGT_PARTIAL) && (type & PGT_COUNT_MASK) != 1)
        return false;
    if ((type & (PGT_PINNED | PGT_PARTIAL)) && !table)
        return false;
    return !(type & PGT_VALIDATED) == !!(type & PGT_PARTIAL);
}

/* The last reference to a domain is gone, and its tasklet has yet to free it: nobody can find what it shared. */
static bool owner_goes(const struct page *p)
{
    return (p->count & PGC_HEAP) && !atomic_read(&page_owner(p)->refs);
}

/* A frame that is somebody's. */
static void compare_owned(const struct page *p, struct note n)
{
    if (owner_goes(p))
        return;
    note_flags(p, &n);
    compare_counts(p, n);
    if (!type_is_sound(p->type))
        check_violation("frame %lx: type %016lx cannot be", (unsigned long)page_to_mfn(p).n, (unsigned long)p->type);
    if (!(p->count & PGC_HEAP) == !n.listed)
        check_violation("frame %lx: count %016lx, owner %x, %sin a list", (unsigned long)page_to_mfn(p).n,
                        (unsigned long)p->count, p->owner, n.listed ? "" : "not ");
}

/* A frame that is nobody's: free, the hypervisor's own, no RAM, or never given to the heap. */
static void compare_unowned(const struct page *p, struct note n)
{
    bool free = heap_page_is_free(p);

    if (p->count & PGC_COUNT_MASK)
        check_violation("frame %lx: count %016lx, but no owner", (unsigned long)page_to_mfn(p).n,
                        (unsigned long)p->count);
    if (n.listed)
        check_violation("frame %lx: nobody's, but in a list", (unsigned long)page_to_mfn(p).n);
    if (free && (p->count & (PGC_ALLOCATED | PGC_HEAP | PGC_RESERVED)))
        check_violation("frame %lx: free, but count %016lx", (unsigned long)page_to_mfn(p).n, (unsigned long)p->count);
}

static void compare_frame(const struct page *p)
{
    struct note n = note_of(page_to_mfn(p));

    if (!p->owner)
        compare_unowned(p, n);
    else if (heap_page_is_free(p) || !(p->count & PGC_COUNT_MASK))
        check_violation("frame %lx: count %016lx, but owner %x", (unsigned long)page_to_mfn(p).n,
                        (unsigned long)p->count, p->owner);
    else
        compare_owned(p, n);
}

u64 census_compare(void)
{
    u64 frames = 0, free = 0;

    for (u64 n = 0; n < max_frame && !incomplete; n++) {
        const struct page *p = mfn_to_page(MFN(n));

        if (!mfn_valid(MFN(n)))
            continue;
        compare_frame(p);
        frames++;
        free += heap_page_is_free(p);
    }
    if (frames && free != heap_free_page_count())
        check_violation("%lu frames are free, the heap has %lu", (unsigned long)free,
                        (unsigned long)heap_free_page_count());
    return frames;
}
