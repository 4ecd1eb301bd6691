/* SPDX-License-Identifier: MIT */
/* Domains with a guest's kernel, which is the initial ramdisk; see child.h. */
#include "child.h"

#include <xen/elfnote.h>
#include <xen/io/console.h>

#define SHOWN_MOST 16384u /* bytes of what a child says: the line is slow */

void must(const char *what, long rc)
{
    if (!rc)
        return;
    print("warden: FAIL %s gives %ld\n", what, rc);
    guest_shutdown(SHUTDOWN_crash);
}

/* A page of a child, until the next call. */
static void *child_page(const struct child *c, uint64_t pfn)
{
    void *va = window(c->id, c->frames[pfn]);

    must("a foreign mapping", !va);
    return va;
}

/* --- the kernel's file --- */

struct elf_header { uint8_t ident[16]; uint16_t type, machine; uint32_t version; uint64_t entry, phoff, shoff;
                    uint32_t flags; uint16_t ehsize, phentsize, phnum; };
struct elf_segment { uint32_t type, flags; uint64_t offset, vaddr, paddr, filesz, memsz, align; };
struct elf_note { uint32_t namesz, descsz, type; };
#define PT_LOAD 1
#define PT_NOTE 4

static const char *file(void)
{
    uint64_t at = start_info->mod_start;

    return (const char *)(start_info->flags & SIF_MOD_START_PFN ? VIRT_BASE + at * PAGE_SIZE : at);
}

static const struct elf_header *header(void)
{
    return (const void *)file();
}

static const struct elf_segment *segment(unsigned i)
{
    return (const void *)(file() + header()->phoff + i * (uint64_t)header()->phentsize);
}

static void load(const struct child *c)
{
    for (unsigned i = 0; i < header()->phnum; i++) {
        const struct elf_segment *s = segment(i);

        for (uint64_t done = 0; s->type == PT_LOAD && done < s->filesz;) {
            uint64_t va = s->vaddr + done, n = PAGE_SIZE - va % PAGE_SIZE;

            if (n > s->filesz - done)
                n = s->filesz - done;
            __builtin_memcpy((char *)child_page(c, (va - VIRT_BASE) / PAGE_SIZE) + va % PAGE_SIZE,
                             file() + s->offset + done, n);
            done += n;
        }
    }
}

static uint64_t image_end(void)
{
    uint64_t end = 0;

    for (unsigned i = 0; i < header()->phnum; i++)
        if (segment(i)->type == PT_LOAD && segment(i)->vaddr + segment(i)->memsz > end)
            end = segment(i)->vaddr + segment(i)->memsz;
    return (end - VIRT_BASE + PAGE_SIZE - 1) / PAGE_SIZE;
}

static uint64_t hypercall_page_pfn(void)
{
    for (unsigned i = 0; i < header()->phnum; i++) {
        const struct elf_segment *s = segment(i);

        for (uint64_t at = 0; s->type == PT_NOTE && at < s->filesz;) {
            const struct elf_note *n = (const void *)(file() + s->offset + at);
            const char *desc = (const char *)(n + 1) + (n->namesz + 3) / 4 * 4UL;

            if (n->type == XEN_ELFNOTE_HYPERCALL_PAGE)
                return (*(const uint64_t *)desc - VIRT_BASE) / PAGE_SIZE;
            at += sizeof(*n) + (n->namesz + 3) / 4 * 4UL + (n->descsz + 3) / 4 * 4UL;
        }
    }
    must("a note about the hypercall page", -1);
    return 0;
}

/* --- making a child --- */

/* Behind the image. */
enum { P2M, P2M_2, START_INFO, CONSOLE, STORE, L1, L1_2, L2, L3, L4, PLACES };
#define PLACE(what) (image_end() + (what))

static void make(struct child *c)
{
    struct xen_domctl op = { .u.createdomain = { .max_vcpus = 2, .max_evtchn_port = 1023,
                                                 .max_grant_frames = 64,
                                                 .max_maptrack_frames = 1024,
                                                 .grant_opts = XEN_DOMCTL_GRANT_version(2) } };
    struct xen_memory_reservation r = { .nr_extents = PAGES };

    *c = (struct child){ .id = 0 };
    must("createdomain", tools_domctl(&op, XEN_DOMCTL_createdomain, 0));
    c->id = r.domid = op.domain;
    op.u.max_mem.max_memkb = 4UL * PAGES;
    must("max_mem", tools_domctl(&op, XEN_DOMCTL_max_mem, c->id));
    op.u.max_vcpus.max = 2;
    must("max_vcpus", tools_domctl(&op, XEN_DOMCTL_max_vcpus, c->id));
    for (unsigned i = 0; i < PAGES; i++)
        c->frames[i] = i;
    set_xen_guest_handle(r.extent_start, c->frames);
    must("populate_physmap", HC2(memory_op, XENMEM_populate_physmap, PTR(&r)) - PAGES);
}

static void entries_write(const struct child *c, uint64_t table, unsigned index, uint64_t to)
{
    ((uint64_t *)child_page(c, table))[index] = c->frames[to] << 12 | PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D;
}

static void build_tables(const struct child *c)
{
    struct mmuext_op pin = { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = c->frames[PLACE(L4)] };

    for (uint64_t pfn = 0; pfn < PAGES; pfn++) {
        uint64_t *l1 = child_page(c, PLACE(pfn < 512 ? L1 : L1_2));
        bool table = pfn >= PLACE(L1) && pfn <= PLACE(L4);

        l1[pfn % 512] = c->frames[pfn] << 12 | PTE_P | (table ? 0 : PTE_RW) | PTE_US | PTE_A | PTE_D;
    }
    entries_write(c, PLACE(L2), VIRT_BASE >> 21 & 511, PLACE(L1));
    entries_write(c, PLACE(L2), (VIRT_BASE >> 21 & 511) + 1, PLACE(L1_2));
    entries_write(c, PLACE(L3), VIRT_BASE >> 30 & 511, PLACE(L2));
    entries_write(c, PLACE(L4), VIRT_BASE >> 39 & 511, PLACE(L3));
    window_close();
    must("pinning", HC4(mmuext_op, PTR(&pin), 1, 0, c->id));
}

static uint32_t console_port(const struct child *c)
{
    evtchn_alloc_unbound_t unbound = { .dom = c->id, .remote_dom = 0 };

    must("alloc_unbound", HC2(event_channel_op, EVTCHNOP_alloc_unbound, PTR(&unbound)));
    return unbound.port;
}

static void tell(const struct child *c, const char *words, size_t n)
{
    struct xen_domctl op = { 0 };
    start_info_t *si;
    uint32_t port = console_port(c);

    must("getdomaininfo", tools_domctl(&op, XEN_DOMCTL_getdomaininfo, c->id));
    for (unsigned i = 0; i < PAGES; i++)
        ((uint64_t *)child_page(c, PLACE(P2M) + i / 512))[i % 512] = c->frames[i];
    si = child_page(c, PLACE(START_INFO));
    si->nr_pages = PAGES;
    si->shared_info = op.u.getdomaininfo.shared_info_frame << 12;
    si->console.domU.mfn = c->frames[PLACE(CONSOLE)];
    si->console.domU.evtchn = port;
    si->store_mfn = c->frames[PLACE(STORE)];
    si->pt_base = VIRT_BASE + PLACE(L4) * PAGE_SIZE;
    si->nr_pt_frames = PLACES - L1;
    si->mfn_list = VIRT_BASE + PLACE(P2M) * PAGE_SIZE;
    __builtin_memcpy(si->magic, "xen-3.0-x86_64", 15);
    __builtin_memcpy(si->cmd_line, words, n);
    window_close();
}

void child_start(const struct child *c)
{
    static vcpu_guest_context_t context;
    struct xen_domctl op = { .u.hypercall_init.gmfn = c->frames[hypercall_page_pfn()] };

    must("hypercall_init", tools_domctl(&op, XEN_DOMCTL_hypercall_init, c->id));
    context.flags = VGCF_in_kernel | VGCF_online;
    context.user_regs.rip = header()->entry;
    context.user_regs.rsi = VIRT_BASE + PLACE(START_INFO) * PAGE_SIZE;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = context.kernel_ss = FLAT_KERNEL_SS;
    context.user_regs.rflags = 0x202;
    context.ctrlreg[3] = c->frames[PLACE(L4)] << 12;
    op.u.vcpucontext.vcpu = 0;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    must("setvcpucontext", tools_domctl(&op, XEN_DOMCTL_setvcpucontext, c->id));
    must("unpausedomain", tools_domctl(&op, XEN_DOMCTL_unpausedomain, c->id));
}

void child_prepare(struct child *c, const char *words, size_t n)
{
    make(c);
    load(c);
    tell(c, words, n);
    build_tables(c);
}

/* --- while it runs --- */

void child_work(const struct child *c, struct work *w)
{
    *w = *(struct work *)child_page(c, PLACE(STORE));
    window_close();
}

bool child_has_spoken(const struct child *c)
{
    const struct xencons_interface *ring = child_page(c, PLACE(CONSOLE));
    bool spoken = *(const volatile XENCONS_RING_IDX *)&ring->out_prod;

    window_close();
    return spoken;
}

/* One that has overwritten its console with rubbish has nothing more to say. */
void child_drain(struct child *c)
{
    struct xencons_interface *ring = child_page(c, PLACE(CONSOLE));
    XENCONS_RING_IDX end = *(volatile XENCONS_RING_IDX *)&ring->out_prod;

    if (end - c->seen > sizeof(ring->out))
        end = c->seen;
    while (c->seen != end) {
        char line[129];
        size_t n = 0;

        while (c->seen != end && n < sizeof(line) - 1)
            line[n++] = ring->out[MASK_XENCONS_IDX(c->seen++, ring->out)];
        line[n] = 0;
        if (c->seen < SHOWN_MOST)
            print("%s", line);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    ring->out_cons = c->seen;
    window_close();
}

bool child_is_over(struct child *c)
{
    struct xen_domctl op = { 0 };

    must("getdomaininfo", tools_domctl(&op, XEN_DOMCTL_getdomaininfo, c->id));
    c->reason = op.u.getdomaininfo.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
    return op.u.getdomaininfo.flags & XEN_DOMINF_shutdown;
}

void child_destroy(struct child *c)
{
    child_drain(c);
    must("destroydomain", tools_destroy(c->id));
    c->id = 0;
}
