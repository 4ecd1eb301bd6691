/* SPDX-License-Identifier: MIT */
/* What the tools do; see tools.h. */
#include "tools.h"

#define PATIENCE 200000 /* yields */
#define NO_WINDOW (-14) /* EFAULT */

long tools_domctl(struct xen_domctl *op, uint32_t cmd, domid_t id)
{
    op->cmd = cmd;
    op->domain = id;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    return HC1(domctl, PTR(op));
}

long tools_sysctl(struct xen_sysctl *op, uint32_t cmd)
{
    op->cmd = cmd;
    op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return HC1(sysctl, PTR(op));
}

uint64_t tools_free_pages(void)
{
    struct xen_sysctl op = { 0 };

    return tools_sysctl(&op, XEN_SYSCTL_physinfo) ? 0 : op.u.physinfo.free_pages;
}

void tools_debug_key(char key)
{
    struct xen_sysctl op = { .u.debug_keys.nr_keys = 1 };

    set_xen_guest_handle(op.u.debug_keys.keys, &key);
    tools_sysctl(&op, XEN_SYSCTL_debug_keys);
}

/* --- windows --- */

static char *window_page;

void *window(domid_t id, uint64_t mfn)
{
    if (!window_page)
        window_page = page_alloc();
    return HC4(update_va_mapping_otherdomain, PTR(window_page), mfn << 12 | PTE_P | PTE_RW | PTE_A | PTE_D,
               UVMF_INVLPG | UVMF_LOCAL, id) ? NULL : window_page;
}

void window_close(void)
{
    if (window_page)
        map_page(window_page, 0);
}

/* --- one domain --- */

long tools_create_smp(domid_t *id, unsigned pages, unsigned vcpus)
{
    struct xen_domctl op = { .u.createdomain = {
        .max_vcpus = vcpus, .max_evtchn_port = 1023, .max_grant_frames = 64, .max_maptrack_frames = 1024,
        .grant_opts = XEN_DOMCTL_GRANT_version(2) } };
    long rc = tools_domctl(&op, XEN_DOMCTL_createdomain, 0);

    *id = rc ? DOMID_INVALID : op.domain;
    if (rc)
        return rc;
    op.u.max_mem.max_memkb = 4UL * pages;
    rc = tools_domctl(&op, XEN_DOMCTL_max_mem, *id);
    if (rc)
        return rc;
    op.u.max_vcpus.max = vcpus;
    return tools_domctl(&op, XEN_DOMCTL_max_vcpus, *id);
}

long tools_create(domid_t *id, unsigned pages) { return tools_create_smp(id, pages, 1); }

/* Fewer than wanted: there was no memory for the others. */
long tools_populate(domid_t id, xen_pfn_t *frames, unsigned pages)
{
    struct xen_memory_reservation r = { .nr_extents = pages, .domid = id };
    long done;

    for (unsigned i = 0; i < pages; i++)
        frames[i] = i;
    set_xen_guest_handle(r.extent_start, frames);
    done = HC2(memory_op, XENMEM_populate_physmap, PTR(&r));
    return done == pages ? 0 : done < 0 ? done : TOOLS_ENOMEM;
}

/* At VIRT_BASE, its only mapping: "for (;;) sched_op(command)". */
#define CODE_COMMAND 6
static const uint8_t code[] = {
    0xb8, __HYPERVISOR_sched_op, 0, 0, 0, /* mov $.., %eax */
    0xbf, SCHEDOP_block, 0, 0, 0,         /* mov $.., %edi */
    0x31, 0xf6,                           /* xor %esi, %esi */
    0x0f, 0x05,                           /* syscall */
    0xeb, 0xf0,                           /* jmp to the start */
};

static long entry_write(domid_t id, uint64_t table, unsigned index, uint64_t to)
{
    uint64_t *entries = window(id, table);

    if (!entries)
        return NO_WINDOW;
    entries[index] = to << 12 | PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D;
    return 0;
}

long tools_build(domid_t id, const xen_pfn_t *frames, unsigned command)
{
    struct mmuext_op pin = { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = frames[FRAME_L4] };
    uint8_t *to = window(id, frames[FRAME_CODE]);
    long rc = 0;

    if (!to)
        return NO_WINDOW;
    memcpy(to, code, sizeof(code));
    to[CODE_COMMAND] = (uint8_t)command;
    for (unsigned level = 1; level <= 4 && !rc; level++) {
        unsigned shift = 12 + 9 * (level - 1);

        rc = entry_write(id, frames[FRAME_CODE + level], VIRT_BASE >> shift & 511, frames[FRAME_CODE + level - 1]);
    }
    window_close(); /* a table must not be mapped writable any more */
    return rc ? rc : HC4(mmuext_op, PTR(&pin), 1, 0, id);
}

long tools_start(domid_t id, const xen_pfn_t *frames)
{
    static vcpu_guest_context_t context;
    struct xen_domctl op = { .u.vcpucontext.vcpu = 0 };
    long rc;

    context.flags = VGCF_in_kernel | VGCF_online;
    context.user_regs.rip = VIRT_BASE;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = context.kernel_ss = FLAT_KERNEL_SS;
    context.user_regs.rflags = 0x202;
    context.ctrlreg[3] = frames[FRAME_L4] << 12;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    rc = tools_domctl(&op, XEN_DOMCTL_setvcpucontext, id);
    return rc ? rc : tools_domctl(&op, XEN_DOMCTL_unpausedomain, id);
}

long tools_destroy(domid_t id)
{
    struct xen_domctl op = { 0 };

    return tools_domctl(&op, XEN_DOMCTL_destroydomain, id);
}

bool tools_describe(domid_t id, struct xen_domctl_getdomaininfo *info)
{
    struct xen_domctl op = { 0 };

    if (tools_domctl(&op, XEN_DOMCTL_getdomaininfo, id) || op.domain != id)
        return false;
    *info = op.u.getdomaininfo;
    return true;
}

bool tools_domain_waits(domid_t id)
{
    const uint32_t asked = XEN_DOMINF_blocked | XEN_DOMINF_dying | XEN_DOMINF_shutdown | XEN_DOMINF_paused;
    struct xen_domctl_getdomaininfo info;

    return tools_describe(id, &info) && info.cpu_time && (info.flags & asked) == XEN_DOMINF_blocked;
}

bool wait_for(bool (*done)(uint64_t), uint64_t arg)
{
    for (unsigned i = 0; i < PATIENCE; i++) {
        if (done(arg))
            return true;
        HC2(sched_op, SCHEDOP_yield, 0);
    }
    return false;
}
