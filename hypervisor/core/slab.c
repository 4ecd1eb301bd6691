/* SPDX-License-Identifier: MIT */
/*
 * Small objects: power-of-two size classes from 16 bytes to half a page, each
 * carved out of single pages.  A page's size class is kept in its struct page
 * (type word, unused for hypervisor memory), free objects are linked through
 * their first word.  A page whose objects are all free goes back to the heap.
 * Larger objects are whole blocks of pages.
 *
 * The lock is taken with interrupts off: callers may hold a lock that interrupt
 * handlers want too.
 */
#include <zelo/alloc_fault.h>
#include <zelo/lib.h>
#include <zelo/lock.h>
#include <zelo/log.h>
#include <zelo/page.h>

#define CLASS_MIN_SHIFT 4
#define CLASSES 8 /* 16 .. 2048 */
#define TYPE_SLAB 1
#define TYPE_BLOCK 2

/* What page.type holds: kind, class or order, objects in use. */
union slab_word {
    u64 raw;
    struct { u16 kind, index, used, first_free; }; /* first_free: offset / 16, or NONE */
};
#define NONE 0xffff

static u32 partial[CLASSES] = { [0 ... CLASSES - 1] = PAGE_LINK_NONE }; /* pages with a free object */
static spinlock_t slab_lock = SPINLOCK(LOCK_SLAB);

static void partial_link(struct page *p, unsigned c)
{
    p->prev = PAGE_LINK_NONE;
    p->next = partial[c];
    if (p->next != PAGE_LINK_NONE)
        frame_table[p->next].prev = (u32)page_to_mfn(p).n;
    partial[c] = (u32)page_to_mfn(p).n;
}

static void partial_unlink(struct page *p, unsigned c)
{
    if (p->prev != PAGE_LINK_NONE)
        frame_table[p->prev].next = p->next;
    else
        partial[c] = p->next;
    if (p->next != PAGE_LINK_NONE)
        frame_table[p->next].prev = p->prev;
}

static struct page *slab_page_new(unsigned c)
{
    char *v = heap_alloc(0, HEAP_NO_SCRUB);
    unsigned size = 1u << (c + CLASS_MIN_SHIFT);
    union slab_word w = { .kind = TYPE_SLAB, .index = (u16)c, .used = 0, .first_free = 0 };

    if (!v)
        return NULL;
    for (unsigned off = 0; off < PAGE_SIZE; off += size)
        *(u16 *)(v + off) = off + size < PAGE_SIZE ? (u16)((off + size) / 16) : NONE;
    virt_to_page(v)->type = w.raw;
    return virt_to_page(v);
}

static void *slab_alloc(unsigned c)
{
    struct page *p, *fresh = NULL;
    unsigned long flags;
    union slab_word w;
    void *obj;

    if (alloc_fault_now())
        return NULL;
    spin_lock_irqsave(&slab_lock, flags);
    if (partial[c] == PAGE_LINK_NONE) {
        spin_unlock_irqrestore(&slab_lock, flags);
        fresh = slab_page_new(c);
        if (!fresh)
            return NULL;
        spin_lock_irqsave(&slab_lock, flags);
        partial_link(fresh, c);
    }
    p = &frame_table[partial[c]];
    w.raw = READ_ONCE(p->type);
    obj = (char *)page_to_virt(p) + w.first_free * 16UL;
    w.first_free = *(u16 *)obj;
    w.used++;
    if (w.first_free == NONE)
        partial_unlink(p, c);
    WRITE_ONCE(p->type, w.raw);
    spin_unlock_irqrestore(&slab_lock, flags);
    memset(obj, 0, 1u << (c + CLASS_MIN_SHIFT));
    alloc_objects_add(1);
    return obj;
}

static void *block_alloc(size_t size)
{
    unsigned order;
    void *v;

    if (size > PAGE_SIZE << HEAP_MAX_ORDER)
        return NULL;
    order = order_for_pages(PFN_UP(size));
    v = heap_alloc(order, 0);
    if (v)
        virt_to_page(v)->type = (union slab_word){ .kind = TYPE_BLOCK, .index = (u16)order }.raw;
    return v;
}

void *mem_alloc(size_t size)
{
    unsigned c = 0;

    while (c < CLASSES && (1u << (c + CLASS_MIN_SHIFT)) < size)
        c++;
    return c < CLASSES ? slab_alloc(c) : block_alloc(size);
}

static void slab_free(struct page *p, void *v)
{
    unsigned off = (vaddr_t)v & PAGE_OFFSET_MASK;
    unsigned long flags;
    union slab_word w = { .raw = READ_ONCE(p->type) };

    BUG_ON(off % (1u << (w.index + CLASS_MIN_SHIFT)));
    alloc_objects_add(-1);
    spin_lock_irqsave(&slab_lock, flags);
    w.raw = READ_ONCE(p->type);
    BUG_ON(!w.used || w.first_free == off / 16);
    if (w.first_free == NONE)
        partial_link(p, w.index);
    *(u16 *)v = w.first_free;
    w.first_free = (u16)(off / 16);
    w.used--;
    WRITE_ONCE(p->type, w.raw);
    if (!w.used)
        partial_unlink(p, w.index);
    spin_unlock_irqrestore(&slab_lock, flags);
    if (!w.used) {
        p->type = 0;
        heap_free(page_to_virt(p), 0);
    }
}

void mem_free(void *v)
{
    struct page *p;
    union slab_word w;

    if (!v)
        return;
    p = virt_to_page(v);
    /* Without the lock: kind and index stay while the object is there, whatever else of its page comes and goes. */
    w.raw = READ_ONCE(p->type);
    if (w.kind == TYPE_SLAB) {
        slab_free(p, v);
        return;
    }
    BUG_ON(w.kind != TYPE_BLOCK || ((vaddr_t)v & PAGE_OFFSET_MASK));
    p->type = 0;
    heap_free(v, w.index);
}

void *mem_alloc_array_bytes(size_t size, size_t n)
{
    size_t bytes;

    return __builtin_mul_overflow(size, n, &bytes) ? NULL : mem_alloc(bytes);
}
