/* SPDX-License-Identifier: MIT */
/* core/sysctl_info.c: what xl info, xl list and their like read of the host. */
#include "control_fixture.h"

#include "core/sysctl.h"

#include <zelo/console.h>

static char keys[8];
static unsigned key_count;

void debug_key(u8 key)
{
    assert_true(key_count < sizeof(keys));
    keys[key_count++] = (char)key;
}

static struct xen_sysctl sysctl_op(u32 cmd) { return (struct xen_sysctl){ .cmd = cmd }; }

static int offline_possible(void **state)
{
    control_setup(state);
    cpumask_set(&cpu_possible, 5); /* four are online, two more may come */
    return 0;
}

#define CPU_LIMIT 6

/* --- the call --- */

static void test_the_structure(void **state)
{
    struct xen_sysctl op = sysctl_op(XEN_SYSCTL_sched_id);

    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION - 1;
    assert_int_equal(control_call(control, do_sysctl, &op), -EACCES);
    assert_int_equal(control_call(control, do_sysctl, BAD_POINTER), -EFAULT);
    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(op.u.sched_id.sched_id, sched_id());
    op.cmd = XEN_SYSCTL_livepatch_op;
    assert_int_equal(sysctl(&op), -EOPNOTSUPP);
    op.cmd = ~0u;
    assert_int_equal(sysctl(&op), -EOPNOTSUPP);
}

static void test_an_answer_that_cannot_be_written(void **state)
{
    struct xen_sysctl op = sysctl_op(XEN_SYSCTL_physinfo);

    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    assert_int_equal(control_call(control, do_sysctl, read_only(&op, sizeof(op))), -EFAULT);
}

/* Each of these leads to a room of its own, which has its own tests: here only that it is the right one. */
static void test_other_rooms(void **state)
{
    struct xen_sysctl op = sysctl_op(XEN_SYSCTL_cpupool_op);

    op.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_FREEINFO;
    set_xen_guest_handle(op.u.cpupool_op.cpumap.bitmap, (u8 *)keys);
    assert_int_equal(sysctl(&op), 0);
    op.u.cpupool_op.op = 99;
    assert_true(sysctl(&op) < 0);
    op = sysctl_op(XEN_SYSCTL_scheduler_op);
    op.u.scheduler_op.sched_id = sched_id();
    op.u.scheduler_op.cmd = XEN_SYSCTL_SCHEDOP_getinfo;
    assert_int_equal(sysctl(&op), 0);
    op = sysctl_op(XEN_SYSCTL_tbuf_op);
    op.u.tbuf_op.cmd = XEN_SYSCTL_TBUFOP_get_info;
    assert_int_equal(sysctl(&op), 0);
    op = sysctl_op(XEN_SYSCTL_get_cpu_levelling_caps);
    assert_int_equal(sysctl(&op), 0);
    op = sysctl_op(XEN_SYSCTL_readconsole);
    set_xen_guest_handle(op.u.readconsole.buffer, keys);
    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(op.u.readconsole.count, 0);
}

/* --- the host --- */

static void test_physinfo(void **state)
{
    struct xen_sysctl op = sysctl_op(XEN_SYSCTL_physinfo);
    struct xen_sysctl_physinfo *pi = &op.u.physinfo;

    memset(pi, 0xff, sizeof(*pi));
    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(pi->nr_cpus, 4);
    assert_int_equal(pi->max_cpu_id, CPU_LIMIT - 1);
    assert_int_equal(pi->nr_nodes, 1);
    assert_int_equal(pi->max_node_id, 0);
    assert_int_equal(pi->threads_per_core, 1);
    assert_true(pi->capabilities & XEN_SYSCTL_PHYSCAP_pv);
    assert_false(pi->capabilities & (XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_directio));
    assert_true(pi->free_pages > 0 && pi->free_pages < pi->total_pages);
    assert_int_equal(pi->max_mfn, HOST_FRAMES - 1);
    assert_int_equal(pi->scrub_pages, 0);
}

static long free_bytes(u32 node, u32 min_width, u32 max_width, u64 *bytes)
{
    struct xen_sysctl op = sysctl_op(XEN_SYSCTL_availheap);
    long rc;

    op.u.availheap.node = node;
    op.u.availheap.min_bitwidth = min_width;
    op.u.availheap.max_bitwidth = max_width;
    rc = sysctl(&op);
    *bytes = op.u.availheap.avail_bytes;
    return rc;
}

/* All of the host's memory lies below 256 MiB. */
static void test_free_memory(void **state)
{
    u64 all, low, high, none;

    assert_int_equal(free_bytes(-1u, 0, 0, &all), 0);
    assert_int_equal(all, heap_free_page_count() << PAGE_SHIFT);
    assert_int_equal(free_bytes(0, 0, 27, &low), 0);
    assert_int_equal(free_bytes(0, 27, 0, &high), 0);
    assert_true(low > 0 && high > 0);
    assert_int_equal(low + high, all);
    assert_int_equal(free_bytes(0, 28, 99, &none), 0);
    assert_int_equal(none, 0);
    assert_int_equal(free_bytes(0, 28, 27, &none), 0);
    assert_int_equal(none, 0);
    assert_int_equal(free_bytes(1, 0, 0, &none), -EINVAL);
}

/* --- CPUs --- */

static void test_idle_times(void **state)
{
    xen_sysctl_cpuinfo_t info[CPU_LIMIT + 1];
    struct xen_sysctl op = sysctl_op(XEN_SYSCTL_getcpuinfo);

    memset(info, 0xff, sizeof(info));
    op.u.getcpuinfo.max_cpus = ARRAY_SIZE(info);
    set_xen_guest_handle(op.u.getcpuinfo.info, info);
    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(op.u.getcpuinfo.nr_cpus, CPU_LIMIT);
    assert_int_equal(info[0].idletime, cpu_idle_time(0));
    assert_int_equal(info[CPU_LIMIT - 1].idletime, 0);
    assert_true(info[CPU_LIMIT].idletime == ~0ULL);
    op.u.getcpuinfo.max_cpus = 2;
    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(op.u.getcpuinfo.nr_cpus, 2);
    set_xen_guest_handle(op.u.getcpuinfo.info, (xen_sysctl_cpuinfo_t *)BAD_POINTER);
    assert_int_equal(sysctl(&op), -EFAULT);
}

static struct xen_sysctl topology_op(u32 room, xen_sysctl_cputopo_t *to)
{
    struct xen_sysctl op = sysctl_op(XEN_SYSCTL_cputopoinfo);

    op.u.cputopoinfo.num_cpus = room;
    set_xen_guest_handle(op.u.cputopoinfo.cputopo, to);
    return op;
}

static void test_topology(void **state)
{
    xen_sysctl_cputopo_t topology[CPU_LIMIT + 1] = { 0 };
    struct xen_sysctl op = topology_op(0, NULL);

    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(op.u.cputopoinfo.num_cpus, CPU_LIMIT);
    op = topology_op(CPU_LIMIT + 1, topology);
    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(op.u.cputopoinfo.num_cpus, CPU_LIMIT);
    assert_int_equal(topology[3].core, 3); /* as the machine says */
    assert_int_equal(topology[3].node, 0);
    assert_true(topology[4].core == XEN_INVALID_CORE_ID);
    assert_true(topology[4].socket == XEN_INVALID_SOCKET_ID);
    assert_true(topology[4].node == XEN_INVALID_NODE_ID);
    op = topology_op(1, BAD_POINTER);
    assert_int_equal(sysctl(&op), -EFAULT);
}

/* Too little room: what fits, and how much there would be. */
static void test_topology_with_little_room(void **state)
{
    xen_sysctl_cputopo_t topology[2] = { { .core = 77 }, { .core = 77 } };
    struct xen_sysctl op = topology_op(1, topology);

    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(op.u.cputopoinfo.num_cpus, CPU_LIMIT);
    assert_int_equal(topology[0].core, 0);
    assert_int_equal(topology[1].core, 77);
}

/* --- nodes and devices --- */

static struct xen_sysctl numa_op(u32 room, xen_sysctl_meminfo_t *memory, u32 *distance)
{
    struct xen_sysctl op = sysctl_op(XEN_SYSCTL_numainfo);

    op.u.numainfo.num_nodes = room;
    set_xen_guest_handle(op.u.numainfo.meminfo, memory);
    set_xen_guest_handle(op.u.numainfo.distance, distance);
    return op;
}

static void test_nodes(void **state)
{
    xen_sysctl_meminfo_t memory = { .memsize = 1 };
    u32 distance = 99;
    struct xen_sysctl op = numa_op(0, NULL, NULL);

    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(op.u.numainfo.num_nodes, 1);
    op = numa_op(0, &memory, &distance);
    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(memory.memsize, 1); /* there was no room */
    op = numa_op(4, &memory, &distance);
    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(memory.memsize, heap_total_page_count() << PAGE_SHIFT);
    assert_int_equal(memory.memfree, heap_free_page_count() << PAGE_SHIFT);
    assert_int_equal(distance, 10);
    op = numa_op(1, BAD_POINTER, &distance);
    assert_int_equal(sysctl(&op), -EFAULT);
    op = numa_op(1, &memory, BAD_POINTER);
    assert_int_equal(sysctl(&op), -EFAULT);
}

static void test_nodes_of_devices(void **state)
{
    physdev_pci_device_t devices[2] = { { .bus = 1 }, { .bus = 2 } };
    u32 nodes[3] = { 9, 9, 9 };
    struct xen_sysctl op = sysctl_op(XEN_SYSCTL_pcitopoinfo);

    op.u.pcitopoinfo.num_devs = 2;
    set_xen_guest_handle(op.u.pcitopoinfo.devs, devices);
    set_xen_guest_handle(op.u.pcitopoinfo.nodes, nodes);
    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(op.u.pcitopoinfo.num_devs, 2);
    assert_int_equal(nodes[0], 0);
    assert_int_equal(nodes[1], 0);
    assert_int_equal(nodes[2], 9);
    set_xen_guest_handle(op.u.pcitopoinfo.nodes, (u32 *)BAD_POINTER);
    assert_int_equal(sysctl(&op), -EFAULT);
}

/* --- domains --- */

static void test_list_of_domains(void **state)
{
    xen_domctl_getdomaininfo_t list[4] = { 0 };
    struct xen_sysctl op = sysctl_op(XEN_SYSCTL_getdomaininfolist);

    op.u.getdomaininfolist.max_domains = ARRAY_SIZE(list);
    set_xen_guest_handle(op.u.getdomaininfolist.buffer, list);
    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(op.u.getdomaininfolist.num_domains, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(list[i].domain, i);
    op.u.getdomaininfolist.first_domain = 1;
    op.u.getdomaininfolist.max_domains = 1;
    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(op.u.getdomaininfolist.num_domains, 1);
    assert_int_equal(list[0].domain, 1);
    op.u.getdomaininfolist.first_domain = 3;
    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(op.u.getdomaininfolist.num_domains, 0);
    op.u.getdomaininfolist.first_domain = 0;
    set_xen_guest_handle(op.u.getdomaininfolist.buffer, (xen_domctl_getdomaininfo_t *)BAD_POINTER);
    assert_int_equal(sysctl(&op), -EFAULT);
}

/* --- debug keys --- */

static void test_debug_keys(void **state)
{
    char text[] = "qe";
    struct xen_sysctl op = sysctl_op(XEN_SYSCTL_debug_keys);

    op.u.debug_keys.nr_keys = 2;
    set_xen_guest_handle(op.u.debug_keys.keys, text);
    assert_int_equal(sysctl(&op), 0);
    assert_int_equal(key_count, 2);
    assert_memory_equal(keys, "qe", 2);
    set_xen_guest_handle(op.u.debug_keys.keys, (char *)BAD_POINTER);
    assert_int_equal(sysctl(&op), -EFAULT);
    assert_int_equal(key_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_structure), cmocka_unit_test(test_an_answer_that_cannot_be_written),
        cmocka_unit_test(test_other_rooms), cmocka_unit_test(test_physinfo), cmocka_unit_test(test_free_memory),
        cmocka_unit_test(test_idle_times), cmocka_unit_test(test_topology),
        cmocka_unit_test(test_topology_with_little_room), cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_nodes_of_devices), cmocka_unit_test(test_list_of_domains),
        cmocka_unit_test(test_debug_keys),
    };

    return cmocka_run_group_tests(tests, offline_possible, NULL);
}
