/* SPDX-License-Identifier: MIT */
/*
 * Runs as domain 0 with a guest's kernel as its initial ramdisk: makes a domain
 * of it for each part of the command line, shows what it writes to its console,
 * waits for its end and looks whether every page came back.  A domain 0 for
 * hostile guests, in seconds.
 *
 * Command line: runs, with '/' between them, each the command line of a guest.
 * The run "pair" makes two: "peer", and "owner peer=ID" while that one waits.  A
 * run that begins with '!' has no end of its own: it is destroyed after a while.
 *
 * Prints "warden: begin RUN", then the guests' lines; when all is quiet again,
 * "warden: run NUMBER ended with REASON, lost PAGES" for each, and "warden: done".
 */
#include "../common/guest.h"

#include <xen/domctl.h>
#include <xen/elfnote.h>
#include <xen/io/console.h>
#include <xen/sysctl.h>

#define PAGES 1024u /* of each: 4 MiB */
#define ENDLESS_TURNS 300u

struct child {
    domid_t id;
    uint32_t reason;
    XENCONS_RING_IDX seen;      /* of its console */
    xen_pfn_t frames[PAGES];
};

static void must(const char *what, long rc)
{
    if (!rc)
        return;
    print("warden: FAIL %s gives %ld\n", what, rc);
    guest_shutdown(SHUTDOWN_crash);
}

static long domctl(struct xen_domctl *op, uint32_t cmd, domid_t id)
{
    op->cmd = cmd;
    op->domain = id;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    return HC1(domctl, PTR(op));
}

static uint64_t free_pages(void)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_physinfo, .interface_version = XEN_SYSCTL_INTERFACE_VERSION };

    must("physinfo", HC1(sysctl, PTR(&op)));
    return op.u.physinfo.free_pages;
}

/* A page of a child, through one of our own; until the next call. */
static char *window_page;

static void *window(const struct child *c, uint64_t pfn)
{
    if (!window_page)
        window_page = page_alloc();
    must("foreign mapping", HC4(update_va_mapping_otherdomain, PTR(window_page),
                                c->frames[pfn] << 12 | PTE_P | PTE_RW | PTE_A | PTE_D, UVMF_INVLPG | UVMF_LOCAL, c->id));
    return window_page;
}

static void window_close(void)
{
    must("unmapping", map_page(window_page, 0));
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
            __builtin_memcpy((char *)window(c, (va - VIRT_BASE) / PAGE_SIZE) + va % PAGE_SIZE,
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
enum { P2M, P2M_2, START_INFO, CONSOLE, L1, L1_2, L2, L3, L4, PLACES };
#define PLACE(what) (image_end() + (what))

static void make(struct child *c)
{
    struct xen_domctl op = { .u.createdomain = { .max_vcpus = 2, .max_evtchn_port = 1023,
                                                 .max_grant_frames = 64,
                                                 .max_maptrack_frames = 1024,
                                                 .grant_opts = XEN_DOMCTL_GRANT_version(2) } };
    struct xen_memory_reservation r = { .nr_extents = PAGES };

    *c = (struct child){ .id = 0 };
    must("createdomain", domctl(&op, XEN_DOMCTL_createdomain, 0));
    c->id = r.domid = op.domain;
    op.u.max_mem.max_memkb = 4UL * PAGES;
    must("max_mem", domctl(&op, XEN_DOMCTL_max_mem, c->id));
    op.u.max_vcpus.max = 2;
    must("max_vcpus", domctl(&op, XEN_DOMCTL_max_vcpus, c->id));
    for (unsigned i = 0; i < PAGES; i++)
        c->frames[i] = i;
    set_xen_guest_handle(r.extent_start, c->frames);
    must("populate_physmap", HC2(memory_op, XENMEM_populate_physmap, PTR(&r)) - PAGES);
}

static void entries_write(const struct child *c, uint64_t table, unsigned index, uint64_t to)
{
    ((uint64_t *)window(c, table))[index] = c->frames[to] << 12 | PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D;
}

static void build_tables(const struct child *c)
{
    struct mmuext_op pin = { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = c->frames[PLACE(L4)] };

    for (uint64_t pfn = 0; pfn < PAGES; pfn++) {
        uint64_t *l1 = window(c, PLACE(pfn < 512 ? L1 : L1_2));
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

    must("getdomaininfo", domctl(&op, XEN_DOMCTL_getdomaininfo, c->id));
    for (unsigned i = 0; i < PAGES; i++)
        ((uint64_t *)window(c, PLACE(P2M) + i / 512))[i % 512] = c->frames[i];
    si = window(c, PLACE(START_INFO));
    si->nr_pages = PAGES;
    si->shared_info = op.u.getdomaininfo.shared_info_frame << 12;
    si->console.domU.mfn = c->frames[PLACE(CONSOLE)];
    si->console.domU.evtchn = port;
    si->pt_base = VIRT_BASE + PLACE(L4) * PAGE_SIZE;
    si->nr_pt_frames = PLACES - L1;
    si->mfn_list = VIRT_BASE + PLACE(P2M) * PAGE_SIZE;
    __builtin_memcpy(si->magic, "xen-3.0-x86_64", 15);
    __builtin_memcpy(si->cmd_line, words, n);
    window_close();
}

static void start(const struct child *c)
{
    static vcpu_guest_context_t context;
    struct xen_domctl op = { .u.hypercall_init.gmfn = c->frames[hypercall_page_pfn()] };

    must("hypercall_init", domctl(&op, XEN_DOMCTL_hypercall_init, c->id));
    context.flags = VGCF_in_kernel | VGCF_online;
    context.user_regs.rip = header()->entry;
    context.user_regs.rsi = VIRT_BASE + PLACE(START_INFO) * PAGE_SIZE;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = context.kernel_ss = FLAT_KERNEL_SS;
    context.user_regs.rflags = 0x202;
    context.ctrlreg[3] = c->frames[PLACE(L4)] << 12;
    op.u.vcpucontext.vcpu = 0;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    must("setvcpucontext", domctl(&op, XEN_DOMCTL_setvcpucontext, c->id));
    must("unpausedomain", domctl(&op, XEN_DOMCTL_unpausedomain, c->id));
}

static void prepare(struct child *c, const char *words, size_t n)
{
    make(c);
    load(c);
    tell(c, words, n);
    build_tables(c);
}

/* --- while it runs --- */

static void drain(struct child *c)
{
    struct xencons_interface *ring = window(c, PLACE(CONSOLE));

    while (c->seen != *(volatile XENCONS_RING_IDX *)&ring->out_prod) {
        char line[129];
        size_t n = 0;

        while (c->seen != ring->out_prod && n < sizeof(line) - 1)
            line[n++] = ring->out[MASK_XENCONS_IDX(c->seen++, ring->out)];
        line[n] = 0;
        print("%s", line);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    ring->out_cons = c->seen;
    window_close();
}

/* Has it shut down? */
static bool over(struct child *c)
{
    struct xen_domctl op = { 0 };

    must("getdomaininfo", domctl(&op, XEN_DOMCTL_getdomaininfo, c->id));
    c->reason = op.u.getdomaininfo.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
    return op.u.getdomaininfo.flags & XEN_DOMINF_shutdown;
}

static void destroy(struct child *c)
{
    struct xen_domctl op = { 0 };

    drain(c);
    must("destroydomain", domctl(&op, XEN_DOMCTL_destroydomain, c->id));
}

static void settle(uint64_t pages)
{
    for (unsigned i = 0; i < 1000 && free_pages() < pages; i++)
        HC2(sched_op, SCHEDOP_yield, 0);
}

static struct child children[2];

static void wait_for(unsigned n, bool endless)
{
    for (unsigned turns = 0, left = n; left;) {
        for (unsigned i = 0; i < n; i++) {
            if (children[i].id == 0)
                continue;
            drain(&children[i]);
            if (over(&children[i]) || (endless && turns++ >= ENDLESS_TURNS)) {
                destroy(&children[i]);
                children[i].id = 0;
                left--;
            }
        }
        HC2(sched_op, SCHEDOP_yield, 0);
    }
}

/* "owner peer=ID" */
static size_t owner_words(char *words, domid_t peer)
{
    size_t n = 5;
    unsigned scale = 10000;

    __builtin_memcpy(words, "peer=", 5);
    for (; scale; scale /= 10)
        words[n++] = (char)('0' + peer / scale % 10);
    __builtin_memcpy(words + n, " owner", 6);
    return n + 6;
}

static struct result { uint32_t reason; int64_t lost; } results[64];
static unsigned runs;

static void run(const char *words, size_t n)
{
    bool pair = n == 4 && words[0] == 'p' && words[1] == 'a', endless = words[0] == '!';
    uint64_t before = free_pages();
    char name[65] = { 0 }, more[32];

    __builtin_memcpy(name, words, n < sizeof(name) ? n : sizeof(name) - 1);
    print("warden: begin %s\n", name);
    if (pair) {
        prepare(&children[0], "peer", 4);
        prepare(&children[1], more, owner_words(more, children[0].id));
        start(&children[1]);
        for (unsigned i = 0; i < 100; i++) /* it has its grants ready */
            HC2(sched_op, SCHEDOP_yield, 0);
    } else {
        prepare(&children[0], words + endless, n - endless);
    }
    start(&children[0]);
    wait_for(pair ? 2 : 1, endless);
    settle(before);
    if (runs < ARRAY_SIZE(results))
        results[runs++] = (struct result){ children[0].reason, (int64_t)(before - free_pages()) };
}

void guest_main(void)
{
    const char *s = (const char *)start_info->cmd_line;

    HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    while (*s) {
        size_t n = 0;

        while (s[n] && s[n] != '/')
            n++;
        if (n)
            run(s, n);
        s += n + !!s[n];
    }
    for (unsigned i = 0; i < runs; i++)
        print("warden: run %u ended with %u, lost %ld\n", i, results[i].reason, results[i].lost);
    print("warden: done\n");
}
