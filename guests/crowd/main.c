/* SPDX-License-Identifier: MIT */
/*
 * Runs as domain 0 and does what the tools do, with nothing between it and the
 * hypervisor: makes many domains, fills each, lets it run, and destroys them
 * all.  Around each it reads the time-stamp counter; on a machine whose counter
 * counts instructions (QEMU's -icount) the differences are the hypervisor's own
 * cost, the same at each run.
 *
 * Prints "crowd: NUMBER made COST" and "crowd: NUMBER destroyed COST" for each,
 * "crowd: N alive" while all are, and at last "crowd: free pages BEFORE AFTER".
 */
#include "../common/guest.h"

#include <xen/domctl.h>
#include <xen/sysctl.h>

#define CROWD 100
#define PAGES 256u /* of each: 1 MiB */

/* The frames of a domain that are not just memory, by index. */
enum { CODE, L1, L2, L3, L4 };

static domid_t ids[CROWD];
static uint64_t cost_made[CROWD], cost_destroyed[CROWD];

static uint64_t tsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) :: "memory");
    return (uint64_t)hi << 32 | lo;
}

static void must(const char *what, long rc)
{
    if (!rc)
        return;
    print("crowd: FAIL %s gives %ld\n", what, rc);
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

/* --- one domain --- */

/* Frames of another domain are seen through one page of our own, a frame at a time. */
static char *window_page;

static void *window(domid_t id, uint64_t mfn)
{
    must("foreign mapping", HC4(update_va_mapping_otherdomain, PTR(window_page),
                                mfn << 12 | PTE_P | PTE_RW | PTE_A | PTE_D, UVMF_INVLPG | UVMF_LOCAL, id));
    return window_page;
}

static void window_close(void)
{
    must("unmapping", map_page(window_page, 0));
}

static domid_t domain_make(void)
{
    struct xen_domctl op = { .u.createdomain = { /* as libxl asks for one */
        .max_vcpus = 1, .max_evtchn_port = 1023, .max_grant_frames = 64, .max_maptrack_frames = 1024,
        .grant_opts = XEN_DOMCTL_GRANT_version(2) } };
    domid_t id;

    must("createdomain", domctl(&op, XEN_DOMCTL_createdomain, 0));
    id = op.domain;
    op.u.max_mem.max_memkb = 4UL * PAGES;
    must("max_mem", domctl(&op, XEN_DOMCTL_max_mem, id));
    op.u.max_vcpus.max = 1;
    must("max_vcpus", domctl(&op, XEN_DOMCTL_max_vcpus, id));
    return id;
}

static void domain_fill(domid_t id, xen_pfn_t *frames)
{
    struct xen_memory_reservation r = { .nr_extents = PAGES, .domid = id };

    for (unsigned i = 0; i < PAGES; i++)
        frames[i] = i;
    set_xen_guest_handle(r.extent_start, frames);
    must("populate_physmap", HC2(memory_op, XENMEM_populate_physmap, PTR(&r)) - PAGES);
}

/* At VIRT_BASE, its only mapping: "for (;;) sched_op(SCHEDOP_block)". */
static const uint8_t code[] = {
    0xb8, __HYPERVISOR_sched_op, 0, 0, 0, /* mov $.., %eax */
    0xbf, SCHEDOP_block, 0, 0, 0,         /* mov $.., %edi */
    0x31, 0xf6,                           /* xor %esi, %esi */
    0x0f, 0x05,                           /* syscall */
    0xeb, 0xf0,                           /* jmp to the start */
};

static void entry_write(domid_t id, uint64_t table, unsigned index, uint64_t to)
{
    ((uint64_t *)window(id, table))[index] = to << 12 | PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D;
}

static void domain_build(domid_t id, const xen_pfn_t *frames)
{
    uint64_t va = VIRT_BASE;
    struct mmuext_op pin = { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = frames[L4] };

    __builtin_memcpy(window(id, frames[CODE]), code, sizeof(code));
    entry_write(id, frames[L1], va >> 12 & 511, frames[CODE]);
    entry_write(id, frames[L2], va >> 21 & 511, frames[L1]);
    entry_write(id, frames[L3], va >> 30 & 511, frames[L2]);
    entry_write(id, frames[L4], va >> 39 & 511, frames[L3]);
    window_close(); /* a table must not be mapped writable any more */
    must("pinning", HC4(mmuext_op, PTR(&pin), 1, 0, id));
}

static void domain_start(domid_t id, const xen_pfn_t *frames)
{
    static vcpu_guest_context_t context;
    struct xen_domctl op = { .u.vcpucontext.vcpu = 0 };

    context.flags = VGCF_in_kernel | VGCF_online;
    context.user_regs.rip = VIRT_BASE;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = context.kernel_ss = FLAT_KERNEL_SS;
    context.user_regs.rflags = 0x202;
    context.ctrlreg[3] = frames[L4] << 12;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    must("setvcpucontext", domctl(&op, XEN_DOMCTL_setvcpucontext, id));
    must("unpausedomain", domctl(&op, XEN_DOMCTL_unpausedomain, id));
}

/* It has run, and waits in its call. */
static bool domain_lives(domid_t id)
{
    const uint32_t asked = XEN_DOMINF_blocked | XEN_DOMINF_dying | XEN_DOMINF_shutdown | XEN_DOMINF_paused;
    struct xen_domctl op = { 0 };

    must("getdomaininfo", domctl(&op, XEN_DOMCTL_getdomaininfo, id));
    return op.domain == id && op.u.getdomaininfo.cpu_time &&
           (op.u.getdomaininfo.flags & asked) == XEN_DOMINF_blocked;
}

/* --- all of them --- */

/* Gives the one CPU to the others until a condition holds. */
static void wait_until(const char *what, bool (*done)(uint64_t), uint64_t arg)
{
    for (unsigned i = 0; i < 10000; i++) {
        if (done(arg))
            return;
        HC2(sched_op, SCHEDOP_yield, 0);
    }
    print("crowd: FAIL never %s\n", what);
    guest_shutdown(SHUTDOWN_crash);
}

static bool lives(uint64_t id) { return domain_lives((domid_t)id); }
static bool all_back(uint64_t pages) { return free_pages() >= pages; }

static void make_one(unsigned i)
{
    static xen_pfn_t frames[PAGES];
    uint64_t before = tsc();

    ids[i] = domain_make();
    domain_fill(ids[i], frames);
    domain_build(ids[i], frames);
    domain_start(ids[i], frames);
    cost_made[i] = tsc() - before;
    wait_until("runs", lives, ids[i]);
}

static void destroy_one(unsigned i, uint64_t pages)
{
    struct xen_domctl op;
    uint64_t before = tsc();

    must("destroydomain", domctl(&op, XEN_DOMCTL_destroydomain, ids[i]));
    wait_until("destroyed", all_back, pages); /* the last of it goes after the call */
    cost_destroyed[i] = tsc() - before;
}

void guest_main(void)
{
    static uint64_t pages[CROWD + 1]; /* free with so many domains */
    unsigned alive = 0;

    HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    window_page = page_alloc();
    for (unsigned i = 0; i < CROWD; i++) {
        pages[i] = free_pages();
        make_one(i);
    }
    for (unsigned i = 0; i < CROWD; i++)
        alive += domain_lives(ids[i]);
    for (unsigned i = CROWD; i--;)
        destroy_one(i, pages[i]);
    for (unsigned i = 0; i < CROWD; i++)
        print("crowd: %u made %lu destroyed %lu\n", i + 1, cost_made[i], cost_destroyed[i]);
    print("crowd: %u alive\n", alive);
    print("crowd: free pages %lu %lu\n", pages[0], free_pages());
}
