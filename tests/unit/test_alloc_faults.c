/* SPDX-License-Identifier: MIT */
/*
 * Each allocation on the way of domains, grants, event channels and page tables
 * fails once: a clean error, or it can be done without, and nothing is lost.
 */
/* First: their inline functions have parameters named like the fixture's domains. */
#include "unit.h"
#include "pv/pt.h"
#include "pv/shadow.h"

#include "control_fixture.h"
#include "fault_fixture.h"

#include "core/grant_private.h"
#include "core/hypercall_private.h"
#include "core/xenctl.h"

#include <zelo/debug_op.h>
#include <zelo/memory.h>

#include <xen/event_channel.h>
#include <xen/memory.h>
#include <xen/vcpu.h>

#define ID 60
#define VCPUS 2
#define PAGES 40
#define VA 0x00007f1234560000UL
#define MAPPED 8 /* pages at VA */
#define ENTRY (PTE_P | PTE_RW | PTE_USER | PTE_A | PTE_D)

/* The made domain's frames by index: its page tables by level, then the pages at VA, then others. */
enum { DATA = 5, OTHERS = DATA + MAPPED };

static struct domain *made;
static xen_pfn_t frames[PAGES];
static struct usage usage_before;

static void *memory_of(unsigned index) { return mfn_to_virt(MFN(frames[index])); }

static long as(struct domain *d, hypercall_fn *fn, unsigned long a0, void *a1, unsigned long a2)
{
    host_set_current(d->vcpu[0]);
    return call_through(fn, (struct hypercall_args){ { a0, (unsigned long)a1, a2 } });
}

/* --- the steps of the tools that make a domain --- */

static int create(void)
{
    return create_domain(ID, VCPUS, &made);
}

static int limits(void)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_max_mem, made);
    long rc;

    op.u.max_mem.max_memkb = PAGES * 4;
    rc = domctl(&op);
    op = domctl_op(XEN_DOMCTL_max_vcpus, made);
    op.u.max_vcpus.max = VCPUS;
    return (int)(rc ? rc : domctl(&op));
}

static int permissions(void)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_ioport_permission, made);
    long rc;

    op.u.ioport_permission = (struct xen_domctl_ioport_permission){ 0x378, 8, 1 };
    rc = domctl(&op);
    if (rc)
        return (int)rc;
    op = domctl_op(XEN_DOMCTL_iomem_permission, made);
    op.u.iomem_permission = (struct xen_domctl_iomem_permission){ 0xa0, 32, 1 };
    rc = domctl(&op);
    if (rc)
        return (int)rc;
    op = domctl_op(XEN_DOMCTL_irq_permission, made);
    op.u.irq_permission = (struct xen_domctl_irq_permission){ .pirq = 5, .allow_access = 1 };
    return (int)domctl(&op);
}

static int policy(void)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_set_cpu_policy, made);

    return (int)domctl(&op);
}

static int memory_map(void)
{
    static u8 entries[20 * 20];
    struct xen_foreign_memory_map op = { .domid = ID, .map.nr_entries = 20 };

    op.map.buffer.p = entries;
    return (int)as(control, do_memory_op, XENMEM_set_memory_map, &op, 0);
}

static int populate(void)
{
    struct xen_memory_reservation r = { .nr_extents = PAGES, .domid = ID };
    long done;

    for (unsigned i = 0; i < PAGES; i++)
        frames[i] = i;
    set_xen_guest_handle(r.extent_start, frames);
    done = as(control, do_memory_op, XENMEM_populate_physmap, &r, 0);
    return done == PAGES ? 0 : done < 0 ? (int)done : -ENOMEM;
}

static int channels_and_grants(void)
{
    struct evtchn_alloc_unbound unbound = { .dom = ID, .remote_dom = 0 };
    struct xen_mem_acquire_resource r = { .domid = ID, .type = XENMEM_resource_grant_table, .nr_frames = 2 };
    xen_pfn_t list[2];
    long rc = as(control, do_event_channel_op, EVTCHNOP_alloc_unbound, &unbound, 0);

    set_xen_guest_handle(r.frame_list, list);
    return (int)(rc ? rc : as(control, do_memory_op, XENMEM_acquire_resource, &r, 0));
}

static u64 to_frame(unsigned index) { return pte_make(MFN(frames[index]), ENTRY); }

static int tables(void)
{
    for (unsigned level = 2; level <= 4; level++)
        ((u64 *)memory_of(level))[PT_INDEX(VA, level)] = to_frame(level - 1);
    for (unsigned i = 0; i < MAPPED; i++)
        ((u64 *)memory_of(1))[PT_INDEX(VA, 1) + i] = to_frame(DATA + i);

    struct mmuext_op pin = { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = frames[4] };

    host_set_current(control->vcpu[0]);
    return (int)call_through(do_mmuext_op, (struct hypercall_args){ { (unsigned long)&pin, 1, 0, ID } });
}

static int contexts(void)
{
    static vcpu_guest_context_t context;
    struct xen_domctl op = domctl_op(XEN_DOMCTL_setvcpucontext, made);
    long rc;

    context.flags = VGCF_in_kernel | VGCF_online;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = context.kernel_ss = FLAT_KERNEL_SS;
    context.user_regs.rip = VA;
    context.ctrlreg[3] = frames[4] << 12;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    rc = domctl(&op);
    op.u.vcpucontext.vcpu = 1;
    return (int)(rc ? rc : domctl(&op));
}

static int (*const steps[])(void) = {
    create, limits, permissions, policy, memory_map, populate, channels_and_grants, tables, contexts,
};

static int make(void)
{
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(steps) && !rc; i++)
        rc = steps[i]();
    return rc;
}

static void destroy(void)
{
    host_set_current(control->vcpu[0]);
    if (made)
        assert_true(host_domain_destroy(made));
    made = NULL;
}

static int shadow_op(unsigned what)
{
    struct xen_domctl op = domctl_op(XEN_DOMCTL_shadow_op, made);

    op.u.shadow_op.op = what;
    return (int)domctl(&op);
}

static int make_log_and_destroy(void)
{
    int rc = make();

    if (!rc)
        rc = shadow_op(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
    destroy();
    return rc;
}

static void test_whole_domain(void **state)
{
    struct faults f = each_allocation_fails(control, make_log_and_destroy, KEEPS_NOTHING);

    assert_true(f.failed > PAGES + 30);
    assert_int_equal(f.did_without, 1); /* the shadow of its root is then one of the spares */
}

/* --- what a domain makes once it is there; with its end all of it is back --- */

static int setup(void **state)
{
    control_setup(state);
    assert_int_equal(rangeset_add(&control->io_ports, 0, 0xffff), 0);
    assert_int_equal(rangeset_add(&control->io_frames, 0, 0xffff), 0);
    assert_int_equal(rangeset_add(&control->irqs, 0, 15), 0);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    usage_before = usage_now();
    assert_int_equal(make(), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    alloc_fault_arm(DOMID_INVALID, 0);
    assert_invariants();
    destroy();
    assert_usage(usage_before);
    assert_invariants();
    return 0;
}

static u32 frames_wanted;

static int grow(void)
{
    static xen_pfn_t list[32];
    struct gnttab_setup_table op = { .dom = DOMID_SELF, .nr_frames = frames_wanted };

    set_xen_guest_handle(op.frame_list, list);
    assert_int_equal(as(made, do_grant_table_op, GNTTABOP_setup_table, &op, 1), 0);
    return op.status == GNTST_general_error ? -ENOMEM : op.status;
}

static int version_2(void)
{
    struct gnttab_set_version op = { .version = 2 };

    return (int)as(made, do_grant_table_op, GNTTABOP_set_version, &op, 1);
}

/* What has grown before the fault stays: it is the domain's. */
static void test_grant_table(void **state)
{
    frames_wanted = 5;
    assert_true(each_allocation_fails(made, grow, KEEPS_PARTS).failed > 2);
    assert_int_equal(made->grants->frames, 5);
    assert_int_equal(each_allocation_fails(made, version_2, KEEPS_ON_SUCCESS).failed, 1);
    assert_int_equal(made->grants->version, 2);
    frames_wanted = 20; /* with one frame of status for each eight */
    assert_true(each_allocation_fails(made, grow, KEEPS_PARTS).failed > 3);
    assert_int_equal(made->grants->frames, 20);
    assert_int_equal(made->grants->status_frames, 3);
}

static void grant_own_page(void)
{
    grant_entry_v1_t *entries = made->grants->shared[0];

    entries[1].domid = ID;
    entries[1].frame = (u32)frames[OTHERS];
    entries[1].flags = GTF_permit_access;
}

static int map_and_unmap(void)
{
    struct gnttab_map_grant_ref map = { .host_addr = VA, .flags = GNTMAP_host_map, .ref = 1, .dom = ID };
    struct gnttab_unmap_grant_ref unmap = { .host_addr = VA };

    assert_int_equal(as(made, do_grant_table_op, GNTTABOP_map_grant_ref, &map, 1), 0);
    if (map.status)
        return map.status == GNTST_no_space ? -ENOMEM : map.status;
    unmap.handle = map.handle;
    assert_int_equal(as(made, do_grant_table_op, GNTTABOP_unmap_grant_ref, &unmap, 1), 0);
    return unmap.status;
}

static int copy(void)
{
    struct gnttab_copy op = { .len = 64, .flags = GNTCOPY_source_gref };

    op.source.u.ref = 1;
    op.source.domid = ID;
    op.dest.u.gmfn = frames[OTHERS + 1];
    op.dest.domid = DOMID_SELF;
    assert_int_equal(as(made, do_grant_table_op, GNTTABOP_copy, &op, 1), 0);
    return op.status;
}

static void test_grant_mapping(void **state)
{
    grant_own_page();
    assert_int_equal(each_allocation_fails(made, copy, KEEPS_NOTHING).failed, 0);
    assert_int_equal(each_allocation_fails(made, map_and_unmap, KEEPS_ON_SUCCESS).failed, 1); /* its list */
    assert_int_equal(each_allocation_fails(made, map_and_unmap, KEEPS_NOTHING).failed, 0);
    assert_int_equal(((grant_entry_v1_t *)made->grants->shared[0])[1].flags, GTF_permit_access);
}

static int three_hundred_channels(void)
{
    long rc = 0;

    while (!rc && made->evt.active < 300) {
        struct evtchn_bind_ipi op = { .vcpu = 0 };

        rc = as(made, do_event_channel_op, EVTCHNOP_bind_ipi, &op, 0);
    }
    return (int)rc;
}

static int queues_of(unsigned vcpu)
{
    struct evtchn_init_control op = { .control_gfn = frames[OTHERS + vcpu], .vcpu = vcpu };

    return (int)as(made, do_event_channel_op, EVTCHNOP_init_control, &op, 0);
}

static int queues_0(void) { return queues_of(0); }
static int queues_1(void) { return queues_of(1); }

static int words(void)
{
    struct evtchn_expand_array op = { .array_gfn = frames[OTHERS + VCPUS] };

    return (int)as(made, do_event_channel_op, EVTCHNOP_expand_array, &op, 0);
}

static void test_event_channels(void **state)
{
    assert_true(each_allocation_fails(made, three_hundred_channels, KEEPS_PARTS).failed > 0);
    assert_int_equal(made->evt.active, 300);
    assert_true(each_allocation_fails(made, queues_0, KEEPS_ON_SUCCESS).failed >= 2);
    assert_true(each_allocation_fails(made, queues_1, KEEPS_ON_SUCCESS).failed >= 1);
    assert_int_equal(each_allocation_fails(made, words, KEEPS_ON_SUCCESS).failed, 0);
}

/* --- page tables: they are the guest's own memory, and their shadows are the only ones that are not --- */

static long mmuext(unsigned cmd, u64 mfn)
{
    struct mmuext_op op = { .cmd = cmd, .arg1.mfn = mfn };

    host_set_current(made->vcpu[0]);
    return call_through(do_mmuext_op, (struct hypercall_args){ { (unsigned long)&op, 1, 0, DOMID_SELF } });
}

static long update(u64 table, unsigned index, u64 value)
{
    struct mmu_update op = { .ptr = (table << PAGE_SHIFT) + index * 8, .val = value };

    host_set_current(made->vcpu[0]);
    return call_through(do_mmu_update, (struct hypercall_args){ { (unsigned long)&op, 1, 0, DOMID_SELF } });
}

#define TABLES (OTHERS + 3) /* a level 2 and a level 1 table that are not in use yet */

/* A table comes into use under another, is pinned, changes, and goes. */
static int page_tables(void)
{
    long rc = update(frames[3], 0, to_frame(TABLES));

    if (!rc)
        rc = update(frames[TABLES], 0, to_frame(TABLES + 1));
    if (!rc)
        rc = mmuext(MMUEXT_PIN_L1_TABLE, frames[TABLES + 1]);
    if (!rc)
        rc = update(frames[TABLES + 1], 7, to_frame(OTHERS));
    if (!rc)
        rc = mmuext(MMUEXT_NEW_BASEPTR, frames[4]);
    if (!rc)
        rc = mmuext(MMUEXT_UNPIN_TABLE, frames[TABLES + 1]);
    if (!rc)
        rc = update(frames[3], 0, 0);
    memset(memory_of(TABLES), 0, PAGE_SIZE);
    memset(memory_of(TABLES + 1), 0, PAGE_SIZE);
    return (int)rc;
}

static int log_on_and_off(void)
{
    int rc = shadow_op(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);

    return rc ? rc : shadow_op(XEN_DOMCTL_SHADOW_OP_OFF);
}

/* The guest reads and writes what it has mapped, with no shadow but of the root. */
static int touch(void)
{
    pt_lock(made);
    shadow_reclaim(made);
    pt_unlock(made);
    host_set_current(made->vcpu[0]);
    for (unsigned i = 0; i < MAPPED; i++) {
        u32 read = 0, write = 2;

        if (!pv_shadow_fault(VA + i * PAGE_SIZE, &read) || !pv_shadow_fault(VA + i * PAGE_SIZE, &write))
            return -EFAULT;
    }
    pt_lock(made);
    shadow_reclaim(made);
    pt_unlock(made);
    return 0;
}

static void test_page_tables(void **state)
{
    struct faults f;

    assert_int_equal(each_allocation_fails(made, page_tables, KEEPS_NOTHING).failed, 0);
    assert_int_equal(log_on_and_off(), 0); /* from now on it has the record of what is dirty */
    f = each_allocation_fails(control, log_on_and_off, KEEPS_NOTHING);
    assert_true(f.failed > 24);
    assert_int_equal(shadow_op(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY), 0);
    f = each_allocation_fails(made, touch, KEEPS_NOTHING);
    assert_int_equal(f.failed, 3); /* of level 3, 2 and 1 */
    assert_int_equal(f.did_without, 3);
    f = each_allocation_fails(made, page_tables, KEEPS_NOTHING);
    assert_int_equal(f.failed, f.did_without);
}

/* --- the host's --- */

static int pool(void)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_cpupool_op };
    long rc;

    op.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_CREATE;
    op.u.cpupool_op.cpupool_id = 7;
    op.u.cpupool_op.sched_id = sched_id();
    rc = sysctl(&op);
    op.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_DESTROY;
    return (int)(rc ? rc : sysctl(&op));
}

static int trace_buffers(void)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_tbuf_op };

    op.u.tbuf_op.cmd = XEN_SYSCTL_TBUFOP_set_size;
    op.u.tbuf_op.size = 3;
    return (int)sysctl(&op);
}

static void test_host(void **state)
{
    assert_true(each_allocation_fails(control, pool, KEEPS_NOTHING).failed > 0);
    assert_true(each_allocation_fails(control, trace_buffers, KEEPS_ON_SUCCESS).failed > 10);
}

/* --- the way there --- */

static long debug_op(struct domain *by, unsigned long op, unsigned long id, unsigned long n)
{
    host_set_current(by->vcpu[0]);
    return do_debug_op(&(struct hypercall_args){ { op, id, n } });
}

static void test_hypercall(void **state)
{
    long objects = debug_op(control, ZELO_DEBUG_OBJECTS, 0, 0);
    void *object;

    assert_int_equal(debug_op(guest, ZELO_DEBUG_OBJECTS, 0, 0), -EPERM);
    assert_int_equal(debug_op(control, 77, 0, 0), -EOPNOTSUPP);
    assert_int_equal(debug_op(control, ZELO_DEBUG_SHIFT, 31, 0), 1L << 31);
    assert_true(HOST_PANICS(debug_op(control, ZELO_DEBUG_LOCKS, 0, 0)));
    assert_int_equal(debug_op(control, ZELO_DEBUG_FAIL_ALLOCATION, 0x10000, 1), -EINVAL);
    assert_int_equal(debug_op(control, ZELO_DEBUG_FAIL_ALLOCATION, guest->id, 2), 0);
    assert_non_null(object = mem_alloc(PAGE_SIZE)); /* domain 0's: not counted */
    mem_free(object);
    host_set_current(guest->vcpu[0]);
    assert_non_null(object = mem_alloc(PAGE_SIZE));
    assert_null(mem_alloc(PAGE_SIZE));
    mem_free(object);
    assert_non_null(object = mem_alloc(100));
    assert_true(debug_op(control, ZELO_DEBUG_FAIL_ALLOCATION, DOMID_INVALID, 0) >= 3);
    assert_int_equal(debug_op(control, ZELO_DEBUG_OBJECTS, 0, 0), objects + 1);
    mem_free(object);
    assert_int_equal(debug_op(control, ZELO_DEBUG_OBJECTS, 0, 0), objects);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_domain), T(test_grant_table), T(test_grant_mapping), T(test_event_channels),
        T(test_page_tables), cmocka_unit_test(test_host), cmocka_unit_test(test_hypercall),
    };

    return cmocka_run_group_tests(tests, setup, invariants_hold);
}
