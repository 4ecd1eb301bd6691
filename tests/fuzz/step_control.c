/* SPDX-License-Identifier: MIT */
/* Steps: what the tools do with domains. */
#include "fuzz.h"

#include <xen/domctl.h>

/* Not a domain that would have to stop first: its vCPU is in the middle of a call. */
static domid_t pick_target(struct act *a)
{
    u8 b = take(a);
    domid_t id = b < 0xf0 ? (domid_t)(1 + b % (DOMAINS - 1)) : pick_domid(a);

    return a->busy != DOMID_INVALID && (id == a->busy || id == DOMID_SELF) ? DOMID_INVALID : id;
}

static struct xen_domctl *domctl_new(struct act *a, struct call *c, u32 cmd)
{
    struct xen_domctl *op;
    vaddr_t va;

    op = ARG_NEW(a, struct xen_domctl, 1, &va);
    memset(op, 0, sizeof(*op));
    op->cmd = cmd;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = pick_target(a);
    *c = (struct call){ __HYPERVISOR_domctl, { { va } } };
    return op;
}

/* --- life and death --- */

static void create_fill(struct act *a, struct xen_domctl_createdomain *p)
{
    static const int limits[] = { 0, 1, 4, -1, 64, 0x7fffffff };

    *p = (struct xen_domctl_createdomain){
        .max_vcpus = 1 + take(a) % 3, .max_evtchn_port = PICK(a, limits), .max_grant_frames = PICK(a, limits),
        .max_maptrack_frames = PICK(a, limits), .grant_opts = XEN_DOMCTL_GRANT_version(take(a) % 4),
        .flags = take(a) < 0xf0 ? 0 : 1u << take(a) % 32,
    };
    if (p->max_grant_frames > 4)
        p->max_grant_frames = 4; /* there is little memory */
    if (p->max_maptrack_frames > 4 || p->max_maptrack_frames < 0)
        p->max_maptrack_frames = 4;
}

bool step_domctl_life(struct act *a, struct call *c)
{
    static const u32 commands[] = {
        XEN_DOMCTL_pausedomain, XEN_DOMCTL_unpausedomain, XEN_DOMCTL_destroydomain, XEN_DOMCTL_resumedomain,
        XEN_DOMCTL_createdomain, XEN_DOMCTL_max_vcpus, XEN_DOMCTL_unpausedomain,
    };
    struct xen_domctl *op = domctl_new(a, c, PICK(a, commands));

    if (op->cmd == XEN_DOMCTL_createdomain)
        create_fill(a, &op->u.createdomain);
    else if (op->cmd == XEN_DOMCTL_max_vcpus)
        op->u.max_vcpus.max = take(a) % 4;
    return true;
}

/* --- state of vCPUs --- */

static void context_any(struct act *a, vcpu_guest_context_t *x)
{
    memset(x, 0, sizeof(*x));
    x->flags = take(a) & (VGCF_in_kernel | VGCF_online | VGCF_i387_valid | VGCF_failsafe_disables_events);
    x->ctrlreg[3] = xen_pfn_to_cr3(pick_mfn(a));
    x->ctrlreg[1] = take(a) & 1 ? xen_pfn_to_cr3(pick_mfn(a)) : 0;
    x->gdt_ents = take(a) * 4u;
    for (unsigned i = 0; i < 2; i++)
        x->gdt_frames[i] = pick_mfn(a);
    x->ldt_base = pick_va(a) & PAGE_MASK;
    x->ldt_ents = take(a);
    x->kernel_sp = FUZZ_VA + (SLOT_STACK + 1) * PAGE_SIZE;
    x->debugreg[7] = take(a);
    x->event_callback_eip = x->syscall_callback_eip = pick_va(a);
    x->vm_assist = take(a);
}

bool step_domctl_context(struct act *a, struct call *c)
{
    static const u32 commands[] = {
        XEN_DOMCTL_setvcpucontext, XEN_DOMCTL_getvcpucontext, XEN_DOMCTL_get_vcpu_msrs, XEN_DOMCTL_set_vcpu_msrs,
        XEN_DOMCTL_getvcpuextstate, XEN_DOMCTL_setvcpuextstate, XEN_DOMCTL_set_ext_vcpucontext,
        XEN_DOMCTL_get_ext_vcpucontext,
    };
    struct xen_domctl *op = domctl_new(a, c, PICK(a, commands));
    u32 vcpu = pick_vcpu(a);
    vaddr_t va;
    u8 *buffer;

    switch (op->cmd) {
    case XEN_DOMCTL_get_vcpu_msrs:
    case XEN_DOMCTL_set_vcpu_msrs:
        buffer = ARG_NEW(a, u8, 256, &va);
        memset(buffer, take(a), 256);
        op->u.vcpu_msrs.vcpu = vcpu;
        op->u.vcpu_msrs.msr_count = take(a) % 20;
        op->u.vcpu_msrs.msrs.p = take(a) < 0xc0 ? (void *)va : NULL;
        break;
    case XEN_DOMCTL_getvcpuextstate:
    case XEN_DOMCTL_setvcpuextstate:
        buffer = ARG_NEW(a, u8, 1024, &va);
        memset(buffer, take(a), 1024);
        op->u.vcpuextstate.vcpu = vcpu;
        op->u.vcpuextstate.xfeature_mask = take(a);
        op->u.vcpuextstate.size = take16(a) % 1100;
        op->u.vcpuextstate.buffer.p = take(a) < 0xc0 ? (void *)va : NULL;
        break;
    case XEN_DOMCTL_set_ext_vcpucontext:
    case XEN_DOMCTL_get_ext_vcpucontext:
        op->u.ext_vcpucontext.vcpu = vcpu;
        op->u.ext_vcpucontext.size = sizeof(op->u.ext_vcpucontext);
        op->u.ext_vcpucontext.sysenter_callback_eip = pick_va(a);
        break;
    default:
        op->u.vcpucontext.vcpu = vcpu;
        context_any(a, ARG_NEW(a, vcpu_guest_context_t, 1, &va));
        op->u.vcpucontext.ctxt.p = (void *)va;
    }
    return true;
}

/* --- log-dirty mode, and what the tools that migrate ask --- */

bool step_domctl_shadow(struct act *a, struct call *c)
{
    static const u32 ops[] = { XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, XEN_DOMCTL_SHADOW_OP_OFF,
                               XEN_DOMCTL_SHADOW_OP_CLEAN, XEN_DOMCTL_SHADOW_OP_PEEK,
                               XEN_DOMCTL_SHADOW_OP_ENABLE, XEN_DOMCTL_SHADOW_OP_CLEAN, 99 };
    bool info = take(a) >= 0xc0;
    struct xen_domctl *op = domctl_new(a, c, info ? XEN_DOMCTL_getpageframeinfo3 : XEN_DOMCTL_shadow_op);
    vaddr_t va;
    u64 *list;

    list = ARG_NEW(a, u64, 72, &va);
    if (info) {
        for (unsigned i = 0; i < 72; i++)
            list[i] = pick_mfn_of(op->domain, (u8)i);
        op->u.getpageframeinfo3.num = pick_count(a);
        op->u.getpageframeinfo3.array.p = (void *)va;
    } else {
        op->u.shadow_op.op = PICK(a, ops);
        op->u.shadow_op.mode = take(a) % 8;
        op->u.shadow_op.pages = pick_count(a) * 16u;
        op->u.shadow_op.dirty_bitmap.p = take(a) < 0xc0 ? (void *)va : NULL;
    }
    return true;
}

/* --- the rest --- */

static void cpumap_any(struct act *a, struct xenctl_bitmap *m)
{
    vaddr_t va;

    *ARG_NEW(a, u64, 1, &va) = take(a);
    m->bitmap.p = (void *)va;
    m->nr_bits = pick_count(a);
}

static void control_fill(struct act *a, struct xen_domctl *op)
{
    switch (op->cmd) {
    case XEN_DOMCTL_max_mem:
        op->u.max_mem.max_memkb = take(a) * 4u;
        break;
    case XEN_DOMCTL_set_target:
        op->u.set_target.target = pick_domid(a);
        break;
    case XEN_DOMCTL_hypercall_init:
        op->u.hypercall_init.gmfn = pick_mfn_of(op->domain, take(a));
        break;
    case XEN_DOMCTL_iomem_permission:
        op->u.iomem_permission.first_mfn = take(a) < 0xe0 ? 0x100100 : pick_mfn(a);
        op->u.iomem_permission.nr_mfns = take(a);
        op->u.iomem_permission.allow_access = take(a) & 1;
        break;
    case XEN_DOMCTL_ioport_permission:
        op->u.ioport_permission.first_port = take16(a);
        op->u.ioport_permission.nr_ports = take16(a);
        op->u.ioport_permission.allow_access = take(a) & 1;
        break;
    case XEN_DOMCTL_setvcpuaffinity:
    case XEN_DOMCTL_getvcpuaffinity:
        op->u.vcpuaffinity.vcpu = pick_vcpu(a);
        op->u.vcpuaffinity.flags = take(a) % 8;
        cpumap_any(a, &op->u.vcpuaffinity.cpumap_hard);
        cpumap_any(a, &op->u.vcpuaffinity.cpumap_soft);
        break;
    case XEN_DOMCTL_scheduler_op:
        op->u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
        op->u.scheduler_op.cmd = take(a) % 5;
        op->u.scheduler_op.u.credit2.weight = take16(a);
        op->u.scheduler_op.u.credit2.cap = take16(a) % 500;
        break;
    default:
        for (unsigned i = 0; i < 8; i++)
            op->u.pad[i] = take(a);
    }
}

bool step_domctl(struct act *a, struct call *c)
{
    static const u32 commands[] = {
        XEN_DOMCTL_max_mem, XEN_DOMCTL_set_target, XEN_DOMCTL_hypercall_init, XEN_DOMCTL_iomem_permission,
        XEN_DOMCTL_ioport_permission, XEN_DOMCTL_irq_permission, XEN_DOMCTL_setvcpuaffinity,
        XEN_DOMCTL_getvcpuaffinity, XEN_DOMCTL_scheduler_op, XEN_DOMCTL_getdomaininfo, XEN_DOMCTL_getvcpuinfo,
        XEN_DOMCTL_setdomainhandle, XEN_DOMCTL_settimeoffset, XEN_DOMCTL_subscribe, XEN_DOMCTL_sendtrigger,
        XEN_DOMCTL_gettscinfo, XEN_DOMCTL_settscinfo, XEN_DOMCTL_set_address_size, XEN_DOMCTL_setnodeaffinity, 200,
    };
    struct xen_domctl *op = domctl_new(a, c, PICK(a, commands));

    control_fill(a, op);
    return true;
}
