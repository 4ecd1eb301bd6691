/* SPDX-License-Identifier: MIT */
/* The domains: made the way the tools make them, each with page tables that map most of its frames. */
#include "fuzz.h"

#include <zelo/softirq.h>

#include <xen/domctl.h>
#include <xen/memory.h>

#define MAX_PAGES 80
#define ENTRY_RO (PTE_P | PTE_USER | PTE_A)
#define ENTRY_RW (ENTRY_RO | PTE_RW | PTE_D)

struct world world;

struct domain *world_domain(unsigned n)
{
    struct domain *d = domain_get((domid_t)n);

    if (d)
        domain_put(d); /* the list's reference remains, or a tasklet has yet to run */
    return d;
}

bool world_can_run(struct vcpu *v)
{
    struct domain *d = v->domain;

    return v->is_initialised && !v->pause_count && !d->pause_count && !(v->pause_flags & VPF_DOWN) &&
           !d->is_shut_down && d->dying == DOMAIN_ALIVE;
}

/* The slots after those mapped first go round. */
void world_note_frame(unsigned n, u64 mfn)
{
    u64 *slot = world.slot[n % DOMAINS];

    for (unsigned i = 0; i < SLOTS; i++)
        if (slot[i] == mfn)
            return;
    memmove(&slot[SLOT_UNMAPPED + 1], &slot[SLOT_UNMAPPED], (SLOTS - SLOT_UNMAPPED - 1) * sizeof(*slot));
    slot[SLOT_UNMAPPED] = mfn;
}

/* The tables in slots 0 to 3, read-only to the domain itself; it does not run yet. */
static void tables_fill(const u64 *slot)
{
    for (unsigned level = 4; level > 1; level--) {
        u64 *t = mfn_to_virt(MFN(slot[SLOT_L1 - (level - 1)]));

        t[PT_INDEX(FUZZ_VA, level)] = pte_make(MFN(slot[SLOT_L1 - (level - 2)]), ENTRY_RW);
    }
    for (unsigned i = 0; i < SLOT_UNMAPPED; i++) {
        u64 *l1 = mfn_to_virt(MFN(slot[SLOT_L1]));

        l1[PT_INDEX(FUZZ_VA, 1) + i] = pte_make(MFN(slot[i]), i <= SLOT_L1 ? ENTRY_RO : ENTRY_RW);
    }
}

static void context_fill(vcpu_guest_context_t *c, const u64 *slot)
{
    memset(c, 0, sizeof(*c));
    c->flags = VGCF_in_kernel | VGCF_online;
    c->kernel_ss = SEL_RING3_DS;
    c->kernel_sp = FUZZ_VA + (SLOT_STACK + 1) * PAGE_SIZE;
    c->ctrlreg[3] = xen_pfn_to_cr3(slot[SLOT_L4]);
    c->event_callback_eip = c->failsafe_callback_eip = c->syscall_callback_eip = 0x3000;
    for (unsigned i = 0; i < 32; i++) {
        c->trap_ctxt[i].vector = (u8)i;
        c->trap_ctxt[i].cs = SEL_RING3_CS64;
        c->trap_ctxt[i].address = 0x3000 + i;
    }
}

/* --- domain 0 --- */

static void world_make_dom0(void)
{
    static vcpu_guest_context_t context;
    struct domain *d = host_domain_create(0, true, VCPUS, 200);

    for (unsigned i = 0; i < SLOTS; i++) {
        struct page *p = domain_alloc_pages(d, 0, 0);

        if (!p)
            run_fail("no memory for domain 0");
        world.slot[0][i] = page_to_mfn(p).n;
        m2p_set(page_to_mfn(p), PFN(i));
    }
    tables_fill(world.slot[0]);
    context_fill(&context, world.slot[0]);
    (void)!rangeset_add(&d->io_frames, 0x100000, 0x1fffff);
    (void)!rangeset_add(&d->io_ports, 0, 0xffff);
    for (unsigned i = 0; i < VCPUS; i++) {
        host_set_current(d->vcpu[i]);
        if (pv_set_context(d->vcpu[i], &context))
            run_fail("domain 0 has no context");
        (void)atomic_fetch_and(&d->vcpu[i]->pause_flags, ~VPF_DOWN);
    }
    (void)domain_unpause_by_tools(d);
}

/* --- the others --- */

/* Domain 0's tools: their arguments are put where the step's are. */
struct tools { struct act *a; unsigned id; };

static long tool_domctl(struct tools *t, struct xen_domctl *op)
{
    struct xen_domctl *at;
    vaddr_t va;

    t->a->args = 0;
    at = ARG_NEW(t->a, struct xen_domctl, 1, &va);
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = (domid_t)t->id;
    *at = *op;
    return guest_call(t->a->v, __HYPERVISOR_domctl, &(struct hypercall_args){ { va } });
}

static long tool_simple(struct tools *t, u32 cmd, u64 value)
{
    struct xen_domctl op = { .cmd = cmd };

    memcpy(&op.u, &value, sizeof(value));
    return tool_domctl(t, &op);
}

static long tool_create(struct tools *t)
{
    struct xen_domctl op = {
        .cmd = XEN_DOMCTL_createdomain,
        .u.createdomain = {
            .max_vcpus = VCPUS, .max_evtchn_port = 1023, .max_grant_frames = 4, .max_maptrack_frames = 4,
            .grant_opts = XEN_DOMCTL_GRANT_version(2),
        },
    };

    return tool_domctl(t, &op);
}

static long tool_populate(struct tools *t)
{
    struct xen_memory_reservation *r;
    vaddr_t va, list;
    xen_pfn_t *frame;
    long rc;

    t->a->args = 0;
    r = ARG_NEW(t->a, struct xen_memory_reservation, 1, &va);
    frame = ARG_NEW(t->a, xen_pfn_t, SLOTS, &list);
    for (unsigned i = 0; i < SLOTS; i++)
        frame[i] = i;
    *r = (struct xen_memory_reservation){ .nr_extents = SLOTS, .domid = (domid_t)t->id };
    r->extent_start.p = (void *)list;
    rc = guest_call(t->a->v, __HYPERVISOR_memory_op, &(struct hypercall_args){ { XENMEM_populate_physmap, va } });
    memcpy(world.slot[t->id], frame, sizeof(world.slot[t->id]));
    return rc;
}

static long tool_context(struct tools *t, u32 vcpu)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_setvcpucontext, .u.vcpucontext.vcpu = vcpu };
    vcpu_guest_context_t *at;
    vaddr_t va;

    t->a->args = sizeof(op);
    at = ARG_NEW(t->a, vcpu_guest_context_t, 1, &va);
    context_fill(at, world.slot[t->id]);
    op.u.vcpucontext.ctxt.p = (void *)va;
    return tool_domctl(t, &op);
}

static bool build(struct tools *t)
{
    if (tool_create(t) || tool_simple(t, XEN_DOMCTL_max_mem, MAX_PAGES * 4) ||
        tool_simple(t, XEN_DOMCTL_max_vcpus, VCPUS) || tool_populate(t) != SLOTS)
        return false;
    tables_fill(world.slot[t->id]);
    /* The second vCPU of domain 2 is left to it: VCPUOP_initialise. */
    for (u32 i = 0; i < (t->id == 2 ? 1 : VCPUS); i++)
        if (tool_context(t, i))
            return false;
    return !tool_simple(t, XEN_DOMCTL_unpausedomain, 0);
}

/* One that has died makes room for another of its number. */
bool step_build(struct act *a, struct call *c)
{
    struct tools t = { a, 1 + take(a) % (DOMAINS - 1) };

    (void)c;
    if (a->d->id == 0 && !world_domain(t.id))
        (void)build(&t);
    return false;
}

void world_make(void)
{
    struct step none = { 0 };
    struct act a = { .s = &none };

    host_boot(4);
    if (!host_domain_destroy(host_domain_create(DOMAINS, false, 1, 1))) /* what the first domain leaves is made now */
        run_fail("a domain does not go");
    world.heap_before = heap_free_page_count();
    world_make_dom0();
    a.v = dom0->vcpu[0];
    a.d = dom0;
    host_set_current(a.v);
    pv_load_cr3(a.v);
    for (unsigned id = 1; id <= 2; id++)
        if (!build(&(struct tools){ &a, id }))
            run_fail("a domain cannot be built");
    run_softirqs();
}

/* --- the end --- */

/* The guests first; what they have mapped of each other's keeps none of them in the end. */
void world_end(void)
{
    struct domain *d;

    host_set_cpu(0);
    host_set_current(idle_vcpu[0]);
    dom0->is_dom0 = false;
    dom0 = NULL; /* it is told of nothing more */
    for (unsigned from = 0; (d = domain_next(from)); from = d->id + 1u) {
        int rc;

        do
            rc = domain_kill(d);
        while (rc == -E_PREEMPTED);
        if (rc)
            run_fail("a domain cannot be killed");
        domain_put(d);
    }
    run_softirqs();
    if (domain_next(0))
        run_fail("a domain does not go");
    if (heap_free_page_count() != world.heap_before)
        run_fail("memory is missing after all domains' end");
}
