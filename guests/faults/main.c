/* SPDX-License-Identifier: MIT */
/*
 * Runs as domain 0 on a debug build, and lets allocations fail (zelo/debug_op.h):
 * everything below is tried with the first one that it makes failing, then the
 * second, and so on until all succeed.  Each time it has to end in a clean
 * error, with every page and every small object given back.
 *
 * With a word on its command line it shows instead how the build's other checks
 * end the machine: "shift" (undefined behaviour) or "locks" (wrong order).
 *
 * Prints PASS or FAIL for each with how many allocations failed and how many of
 * these it could do without, "faults: N passed, N failed" at last, and asks
 * for the invariants after each (debug key v).
 */
#include "../common/tools.h"

#include "../../hypervisor/include/zelo/debug_op.h"

#define FAULTS_MAX 1000u
#define ERROR_FAULT (-14)
#define PAGES 24u
#define MEMORY_MAP_ENTRIES 20u
#define POOL 7

static unsigned passed, failed;

/* --- the faults --- */

static long debug_op(uint64_t op, uint64_t a1, uint64_t a2)
{
    return hypercall(ZELO_DEBUG_HYPERCALL, op, a1, a2, 0, 0, 0);
}

static uint64_t faults_arm(domid_t id, uint64_t n)
{
    return (uint64_t)debug_op(ZELO_DEBUG_FAIL_ALLOCATION, id, n);
}

struct usage { uint64_t pages, objects; };

static struct usage usage_now(void)
{
    return (struct usage){ tools_free_pages(), (uint64_t)debug_op(ZELO_DEBUG_OBJECTS, 0, 0) };
}

static bool same_usage(uint64_t before)
{
    const struct usage *was = (const void *)before, now = usage_now();

    return now.pages == was->pages && now.objects == was->objects;
}

/* attempt: 0, or the error that stands for no memory; what it made on the way, it has ended. */
struct work {
    const char *name;
    long (*attempt)(void);
    domid_t victim;
    enum { KEEPS_NOTHING, KEEPS_ON_SUCCESS, KEEPS_PARTS } keeps; /* memory that is taken for good */
};

static const char *try_one(const struct work *w, uint64_t n, uint64_t *asked, unsigned *tolerated)
{
    struct usage before = usage_now();
    long rc;

    faults_arm(w->victim, n);
    rc = w->attempt();
    *asked = faults_arm(DOMID_INVALID, 0);
    if (*asked < n && rc)
        return "fails without a fault";
    if (rc && rc != TOOLS_ENOMEM)
        return "gives another error";
    if (*asked >= n && !rc)
        ++*tolerated;
    if (w->keeps <= (rc ? KEEPS_ON_SUCCESS : KEEPS_NOTHING) && !wait_for(same_usage, PTR(&before)))
        return "does not give all back";
    return NULL;
}

static void run(const struct work *w)
{
    uint64_t n = 0, asked = 0;
    unsigned tolerated = 0;
    const char *wrong = NULL;

    do
        wrong = try_one(w, ++n, &asked, &tolerated);
    while (!wrong && asked >= n && n < FAULTS_MAX);
    if (wrong || asked >= n) {
        print("FAIL %s: allocation %lu of %lu: %s\n", w->name, n, asked, wrong ? wrong : "no end");
        failed++;
    } else {
        print("PASS %s: %lu failed, %u did without\n", w->name, n - 1, tolerated);
        passed++;
    }
    tools_debug_key('v');
}

/* --- whole domains --- */

static domid_t id;
static xen_pfn_t frames[PAGES];

static long permissions(void)
{
    struct xen_domctl op = { .u.ioport_permission = { .first_port = 0x378, .nr_ports = 8, .allow_access = 1 } };
    long rc = tools_domctl(&op, XEN_DOMCTL_ioport_permission, id);

    op.u.iomem_permission = (struct xen_domctl_iomem_permission){ .first_mfn = 0xa0, .nr_mfns = 32, .allow_access = 1 };
    return rc ? rc : tools_domctl(&op, XEN_DOMCTL_iomem_permission, id);
}

static long policy(void)
{
    static xen_cpuid_leaf_t leaves[256];
    struct xen_domctl op = { .u.cpu_policy.nr_leaves = ARRAY_SIZE(leaves) };
    long rc;

    set_xen_guest_handle(op.u.cpu_policy.leaves, leaves);
    rc = tools_domctl(&op, XEN_DOMCTL_get_cpu_policy, id);
    op.u.cpu_policy.nr_msrs = 0;
    return rc ? rc : tools_domctl(&op, XEN_DOMCTL_set_cpu_policy, id);
}

static long memory_map(void)
{
    static struct { uint64_t addr, size; uint32_t type; } __attribute__((packed)) map[MEMORY_MAP_ENTRIES];
    struct xen_foreign_memory_map op = { .domid = id, .map.nr_entries = MEMORY_MAP_ENTRIES };

    for (unsigned i = 0; i < MEMORY_MAP_ENTRIES; i++) {
        map[i].addr = i << 20;
        map[i].size = 1 << 20;
        map[i].type = 1;
    }
    set_xen_guest_handle(op.map.buffer, (void *)map);
    return HC2(memory_op, XENMEM_set_memory_map, PTR(&op));
}

/* For xenstore's ring and the console's, as libxl does: channels to us, and entries in the domain's grant table. */
static long channels_and_grants(void)
{
    xen_pfn_t list[2] = { 0 };
    struct xen_mem_acquire_resource r = { .domid = id, .type = XENMEM_resource_grant_table, .nr_frames = 2 };
    long rc = 0;

    for (unsigned i = 0; i < 2 && !rc; i++) {
        evtchn_alloc_unbound_t unbound = { .dom = id, .remote_dom = 0 };

        rc = HC2(event_channel_op, EVTCHNOP_alloc_unbound, PTR(&unbound));
    }
    if (rc)
        return rc;
    set_xen_guest_handle(r.frame_list, list);
    rc = HC2(memory_op, XENMEM_acquire_resource, PTR(&r));
    if (rc)
        return rc;
    grant_entry_v1_t *entries = window(id, list[0]);

    if (!entries)
        return ERROR_FAULT;
    entries[1] = (grant_entry_v1_t){ .flags = GTF_permit_access, .domid = 0, .frame = (uint32_t)frames[PAGES - 1] };
    window_close();
    return 0;
}

/* Maps what the domain granted just now, writes there, and lets go of it. */
static long use_grant(void)
{
    static char *va;

    if (!va)
        va = page_alloc();
    gnttab_map_grant_ref_t map = { .host_addr = PTR(va), .flags = GNTMAP_host_map, .ref = 1, .dom = id };
    gnttab_unmap_grant_ref_t unmap = { .host_addr = PTR(va) };

    if (HC3(grant_table_op, GNTTABOP_map_grant_ref, PTR(&map), 1) || map.status)
        return map.status == GNTST_no_space ? TOOLS_ENOMEM : ERROR_FAULT;
    va[0] = 1;
    unmap.handle = map.handle;
    if (HC3(grant_table_op, GNTTABOP_unmap_grant_ref, PTR(&unmap), 1) || unmap.status)
        return ERROR_FAULT;
    return 0;
}

static bool waits(uint64_t domid) { return tools_domain_waits((domid_t)domid); }

static long domain_make(unsigned command)
{
    static long (*const steps[])(void) = { permissions, policy, memory_map, channels_and_grants, use_grant };
    long rc = tools_create(&id, PAGES);

    if (!rc)
        rc = tools_populate(id, frames, PAGES);
    for (unsigned i = 0; i < ARRAY_SIZE(steps) && !rc; i++)
        rc = steps[i]();
    if (!rc)
        rc = tools_build(id, frames, command);
    return rc ? rc : tools_start(id, frames);
}

static bool gone(uint64_t domid)
{
    struct xen_domctl_getdomaininfo info;

    return !tools_describe((domid_t)domid, &info);
}

static long domain_end(long rc)
{
    if (id == DOMID_INVALID)
        return rc;
    if (tools_destroy(id) || !wait_for(gone, id))
        return ERROR_FAULT;
    return rc;
}

static long log_dirty(uint32_t what)
{
    struct xen_domctl op = { .u.shadow_op.op = what };

    return tools_domctl(&op, XEN_DOMCTL_shadow_op, id);
}

static long whole_domain(void)
{
    long rc = domain_make(SCHEDOP_block);

    if (!rc && !wait_for(waits, id))
        rc = ERROR_FAULT;
    if (!rc)
        rc = log_dirty(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
    return domain_end(rc);
}

/* --- a domain that runs on shadow tables: their frames are allocated in its own page faults --- */

static bool ran_longer(uint64_t than)
{
    struct xen_domctl_getdomaininfo info;

    return tools_describe(id, &info) && info.cpu_time > than;
}

static long shadowed_domain(void)
{
    struct xen_domctl_getdomaininfo info;
    long rc = log_dirty(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);

    if (rc)
        return rc;
    for (unsigned i = 0; i < 3; i++)
        if (!tools_describe(id, &info) || !wait_for(ran_longer, info.cpu_time))
            return ERROR_FAULT;
    return log_dirty(XEN_DOMCTL_SHADOW_OP_OFF);
}

static void run_shadowed(void)
{
    struct work w = { "shadow tables", shadowed_domain, 0, KEEPS_NOTHING };
    long rc = domain_make(SCHEDOP_yield);

    w.victim = id;
    if (rc || log_dirty(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY) || log_dirty(XEN_DOMCTL_SHADOW_OP_OFF)) {
        print("FAIL shadow tables: no domain\n"); /* the record of what is dirty stays from now on */
        failed++;
    } else {
        run(&w);
    }
    domain_end(0);
}

/* --- what one call makes --- */

static long creation(void)
{
    return domain_end(tools_create(&id, PAGES));
}

static long grant_table(void)
{
    xen_pfn_t frame = 0;
    gnttab_setup_table_t op = { .dom = DOMID_SELF, .nr_frames = 1 };

    set_xen_guest_handle(op.frame_list, &frame);
    if (HC3(grant_table_op, GNTTABOP_setup_table, PTR(&op), 1))
        return ERROR_FAULT;
    return op.status == GNTST_general_error ? TOOLS_ENOMEM : op.status;
}

/* Of our own page, to ourselves: the first mapping makes the list of them. */
static long grant_mapping(void)
{
    static grant_entry_v1_t *table;
    static char *shared;
    xen_pfn_t frame = 0;
    gnttab_setup_table_t setup = { .dom = DOMID_SELF, .nr_frames = 1 };

    if (!table) {
        set_xen_guest_handle(setup.frame_list, &frame);
        table = page_alloc();
        shared = page_alloc();
        if (HC3(grant_table_op, GNTTABOP_setup_table, PTR(&setup), 1) || setup.status ||
            map_page(table, frame << 12 | PTE_P | PTE_RW))
            return ERROR_FAULT;
    }
    table[1] = (grant_entry_v1_t){ .flags = GTF_permit_access, .domid = 0, .frame = (uint32_t)virt_to_mfn(shared) };
    id = 0;
    return use_grant();
}

static long grant_version_2(void)
{
    gnttab_set_version_t op = { .version = 2 };

    return HC3(grant_table_op, GNTTABOP_set_version, PTR(&op), 1);
}

static long cpu_pool(void)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_sched_id };
    long rc = tools_sysctl(&op, XEN_SYSCTL_sched_id);
    uint32_t scheduler = op.u.sched_id.sched_id;

    if (rc)
        return rc;
    op.u.cpupool_op = (struct xen_sysctl_cpupool_op){
        .op = XEN_SYSCTL_CPUPOOL_OP_CREATE, .cpupool_id = POOL, .sched_id = scheduler };
    rc = tools_sysctl(&op, XEN_SYSCTL_cpupool_op);
    if (rc)
        return rc;
    op.u.cpupool_op = (struct xen_sysctl_cpupool_op){ .op = XEN_SYSCTL_CPUPOOL_OP_DESTROY, .cpupool_id = POOL };
    return tools_sysctl(&op, XEN_SYSCTL_cpupool_op);
}

static long trace_buffers(void)
{
    struct xen_sysctl op = { .u.tbuf_op = { .cmd = XEN_SYSCTL_TBUFOP_set_size, .size = 3 } };

    return tools_sysctl(&op, XEN_SYSCTL_tbuf_op);
}

/* A page table of our own: pinned, written to, unpinned; nothing of that needs memory. */
static long page_table(void)
{
    static uint64_t *table;

    if (!table)
        table = page_alloc();
    uint64_t mfn = virt_to_mfn(table);
    struct mmuext_op op = { .cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = mfn };
    mmu_update_t u = { .ptr = mfn << 12 | MMU_NORMAL_PT_UPDATE, .val = mfn << 12 | PTE_P };
    long rc = map_page(table, mfn << 12 | PTE_P);

    if (!rc)
        rc = HC4(mmuext_op, PTR(&op), 1, 0, DOMID_SELF);
    if (!rc)
        rc = HC4(mmu_update, PTR(&u), 1, 0, DOMID_SELF);
    u.val = 0;
    if (!rc)
        rc = HC4(mmu_update, PTR(&u), 1, 0, DOMID_SELF);
    op.cmd = MMUEXT_UNPIN_TABLE;
    if (!rc)
        rc = HC4(mmuext_op, PTR(&op), 1, 0, DOMID_SELF);
    return rc ? rc : map_page(table, mfn << 12 | PTE_P | PTE_RW);
}

/* So many that a second block of channels is made. */
static long event_channels(void)
{
    static evtchn_port_t ports[200];
    unsigned n;
    long rc = 0;

    for (n = 0; n < ARRAY_SIZE(ports); n++) {
        evtchn_bind_ipi_t ipi = { .vcpu = 0 };

        rc = HC2(event_channel_op, EVTCHNOP_bind_ipi, PTR(&ipi));
        if (rc)
            break;
        ports[n] = ipi.port;
    }
    while (n--) {
        evtchn_close_t close = { ports[n] };

        HC2(event_channel_op, EVTCHNOP_close, PTR(&close));
    }
    return rc;
}

static long event_queues(void)
{
    static char *block, *words;

    if (!block) {
        block = page_alloc();
        words = page_alloc();
    }
    evtchn_init_control_t control = { .control_gfn = virt_to_mfn(block), .vcpu = 0 };
    evtchn_expand_array_t more = { .array_gfn = virt_to_mfn(words) };
    long rc = HC2(event_channel_op, EVTCHNOP_init_control, PTR(&control));

    return rc ? rc : HC2(event_channel_op, EVTCHNOP_expand_array, PTR(&more));
}

static void try_all(void)
{
    static const struct work all[] = {
        { "domain creation", creation, 0, KEEPS_NOTHING },
        { "grant table", grant_table, 0, KEEPS_ON_SUCCESS },
        { "grant mapping", grant_mapping, 0, KEEPS_ON_SUCCESS },
        { "whole domain", whole_domain, 0, KEEPS_NOTHING },
        { "page table", page_table, 0, KEEPS_NOTHING },
        { "grant version 2", grant_version_2, 0, KEEPS_ON_SUCCESS },
        { "CPU pool", cpu_pool, 0, KEEPS_NOTHING },
        { "event channels", event_channels, 0, KEEPS_PARTS },
        { "trace buffers", trace_buffers, 0, KEEPS_ON_SUCCESS },
        { "event queues", event_queues, 0, KEEPS_ON_SUCCESS },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
        run(&all[i]);
        if (all[i].attempt == whole_domain)
            run_shadowed();
    }
    print("faults: %u passed, %u failed\n", passed, failed);
}

void guest_main(void)
{
    HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    if (debug_op(ZELO_DEBUG_OBJECTS, 0, 0) <= 0)
        print("faults: not a debug build\n");
    else if (start_info->cmd_line[0] == 's')
        print("faults: shifted: %ld %ld\n", debug_op(ZELO_DEBUG_SHIFT, 31, 0), debug_op(ZELO_DEBUG_SHIFT, 32, 0));
    else if (start_info->cmd_line[0] == 'l')
        print("faults: locked: %ld\n", debug_op(ZELO_DEBUG_LOCKS, 0, 0));
    else
        try_all();
}
