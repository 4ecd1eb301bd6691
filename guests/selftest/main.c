/* SPDX-License-Identifier: MIT */
/*
 * The self-test guest: runs as domain 0 or as a domU, uses each part of the
 * PV machine once in the way a kernel does, and prints PASS or FAIL for each.
 * Ends with "selftest: N passed, N failed" and powers off.
 */
#include "../common/guest.h"

static unsigned passed, failed;

#define CHECK(c)                                                   \
    do {                                                           \
        if (!(c)) {                                                \
            print("  line %d: not so: %s\n", __LINE__, #c);        \
            return false;                                          \
        }                                                          \
    } while (0)

/* --- calls --- */

static bool test_version(void)
{
    char extra[16], caps[1024];

    CHECK(HC2(xen_version, XENVER_version, 0) == (4 << 16 | 17));
    CHECK(HC2(xen_version, XENVER_extraversion, PTR(extra)) == 0);
    CHECK(HC2(xen_version, XENVER_capabilities, PTR(caps)) == 0);
    CHECK(HC2(xen_version, XENVER_pagesize, 0) == 4096);
    CHECK(HC2(xen_version, XENVER_extraversion, 0xffff800000000000UL) == -14);
    CHECK(HC2(xen_version, XENVER_extraversion, 0x10) == -14);
    return true;
}

static bool test_unknown_call(void)
{
    CHECK(hypercall(47, 0, 0, 0, 0, 0, 0) == -38);
    CHECK(hypercall(63, 0, 0, 0, 0, 0, 0) == -38);
    return true;
}

static bool test_multicall(void)
{
    multicall_entry_t m[3] = {
        { .op = __HYPERVISOR_xen_version, .args = { XENVER_version } },
        { .op = 47 },
        { .op = __HYPERVISOR_xen_version, .args = { XENVER_pagesize } },
    };

    CHECK(HC2(multicall, PTR(m), 3) == 0);
    CHECK(m[0].result == (4 << 16 | 17));
    CHECK((long)m[1].result == -38);
    CHECK(m[2].result == 4096);
    return true;
}

/* --- traps --- */

static void do_int3(void *p) { (void)p; __asm__ volatile("int3"); }
static void do_ud2(void *p) { (void)p; __asm__ volatile("ud2"); }
static void do_read(void *p) { (void)*(volatile char *)p; }
static void do_write(void *p) { *(volatile char *)p = 1; }
static void do_divide(void *p) { __asm__ volatile("xorl %%edx, %%edx; divl %0" :: "m"(*(int *)p) : "eax", "edx"); }
static void do_rdmsr(void *p) { __asm__ volatile("rdmsr" :: "c"((uint32_t)PTR(p)) : "eax", "edx"); }
static void do_int80(void *p) { (void)p; __asm__ volatile("int $0x80"); }

static bool test_traps(void)
{
    int zero = 0;

    CHECK(catch_trap(do_int3, NULL) == 3);
    CHECK(catch_trap(do_ud2, NULL) == 6);
    CHECK((last_trap.cs & 0xffff) == 0xe030);
    CHECK(catch_trap(do_divide, &zero) == 0);
    CHECK(catch_trap(do_read, (void *)0x1230) == 14);
    CHECK(last_cr2 == 0x1230 && last_trap.error == 0);
    CHECK(catch_trap(do_write, (void *)0x4560) == 14);
    CHECK(last_cr2 == 0x4560 && last_trap.error == 2);
    CHECK(catch_trap(do_read, (void *)0x8000000000000000UL) == 13);
    CHECK(catch_trap(do_rdmsr, (void *)0xdeadUL) == 13);
    CHECK(catch_trap(do_int80, NULL) == 0x80);
    return true;
}

/* Guests may read the machine-to-phys table, not write it, nor see the rest of the hypervisor. */
static bool test_hypervisor_range(void)
{
    uint64_t *m2p = (uint64_t *)0xffff800000000000UL;

    CHECK(m2p[virt_to_mfn(_text)] == virt_to_pfn(_text));
    CHECK(catch_trap(do_write, m2p) == 14);
    CHECK(catch_trap(do_read, (void *)0xffff808000000000UL) == 14);
    CHECK(catch_trap(do_read, (void *)0xffff830000000000UL) == 14);
    CHECK(catch_trap(do_write, (void *)0xffff830000001000UL) == 14);
    return true;
}

static bool test_cpuid(void)
{
    uint32_t a = 0x40000000, b, c, d;

    __asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    CHECK(b == 0x566e6558 && c == 0x65584d4d && d == 0x4d4d566e);
    a = 0x40000001;
    __asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    CHECK(a == (4 << 16 | 17));
    return true;
}

/* --- page tables --- */

static bool test_va_mapping(void)
{
    char *va = page_alloc(), *other = page_alloc();
    uint64_t mfn = virt_to_mfn(va), mfn2 = virt_to_mfn(other);

    va[0] = 1;
    other[0] = 2;
    CHECK(map_page(va, mfn << 12 | PTE_P) == 0);
    CHECK(va[0] == 1);
    CHECK(catch_trap(do_write, va) == 14 && last_trap.error == 3);
    CHECK(map_page(va, mfn2 << 12 | PTE_P | PTE_RW) == 0);
    CHECK(va[0] == 2);
    CHECK(map_page(va, 0) == 0);
    CHECK(catch_trap(do_read, va) == 14 && last_trap.error == 0);
    CHECK(map_page(va, mfn << 12 | PTE_P | PTE_RW) == 0);
    CHECK(va[0] == 1);
    CHECK(map_page(va, 0x200UL << 12 | PTE_P | PTE_RW) != 0); /* the hypervisor's own image */
    CHECK(map_page(va, 0xffffffffffUL << 12 | PTE_P | PTE_RW) != 0);
    return true;
}

/* A page that is to be a page table must not be writable, and stays so while it is one. */
static bool test_pin(void)
{
    uint64_t *table = page_alloc();
    uint64_t mfn = virt_to_mfn(table);
    struct mmuext_op op = { .cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = mfn };
    mmu_update_t u = { .ptr = mfn << 12 | MMU_NORMAL_PT_UPDATE, .val = virt_to_mfn(page_alloc()) << 12 | PTE_P | PTE_RW };

    CHECK(HC4(mmuext_op, PTR(&op), 1, 0, DOMID_SELF) != 0);
    CHECK(map_page(table, mfn << 12 | PTE_P) == 0);
    CHECK(HC4(mmuext_op, PTR(&op), 1, 0, DOMID_SELF) == 0);
    CHECK(map_page(table, mfn << 12 | PTE_P | PTE_RW) != 0);
    CHECK(HC4(mmu_update, PTR(&u), 1, 0, DOMID_SELF) == 0);
    CHECK((table[0] & ~0xfffUL & ~(0xfffUL << 52)) == (u.val & ~0xfffUL));
    u.val = mfn << 12 | PTE_P | PTE_RW; /* itself, writable */
    CHECK(HC4(mmu_update, PTR(&u), 1, 0, DOMID_SELF) != 0);
    table[1] = virt_to_mfn(page_alloc()) << 12 | PTE_P; /* an emulated write */
    CHECK(table[1] & PTE_P);
    op.cmd = MMUEXT_UNPIN_TABLE;
    CHECK(HC4(mmuext_op, PTR(&op), 1, 0, DOMID_SELF) == 0);
    CHECK(HC4(mmuext_op, PTR(&op), 1, 0, DOMID_SELF) != 0);
    CHECK(map_page(table, mfn << 12 | PTE_P | PTE_RW) == 0);
    table[0] = 0;
    return true;
}

static bool test_reservation(void)
{
    char *va = page_alloc();
    xen_pfn_t mfn = virt_to_mfn(va), pfn = virt_to_pfn(va);
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };

    CHECK(map_page(va, 0) == 0);
    set_xen_guest_handle(r.extent_start, &mfn);
    CHECK(HC2(memory_op, XENMEM_decrease_reservation, PTR(&r)) == 1);
    CHECK(map_page(va, mfn << 12 | PTE_P | PTE_RW) != 0);
    set_xen_guest_handle(r.extent_start, &pfn);
    CHECK(HC2(memory_op, XENMEM_populate_physmap, PTR(&r)) == 1);
    ((uint64_t *)start_info->mfn_list)[virt_to_pfn(va)] = pfn; /* now an MFN */
    CHECK(map_page(va, pfn << 12 | PTE_P | PTE_RW) == 0);
    va[0] = 3;
    CHECK(((uint64_t *)0xffff800000000000UL)[pfn] == virt_to_pfn(va));
    return true;
}

/* --- events and time --- */

static void events_on(void)
{
    vcpu_info()->evtchn_upcall_mask = 0;
    __asm__ volatile("" ::: "memory");
    if (vcpu_info()->evtchn_upcall_pending)
        HC2(xen_version, XENVER_version, 0); /* any call: events are looked at on its way out */
}

static bool test_event(void)
{
    evtchn_bind_ipi_t ipi = { .vcpu = 0 };
    evtchn_send_t send;
    uint64_t before = event_count;

    CHECK(HC2(event_channel_op, EVTCHNOP_bind_ipi, PTR(&ipi)) == 0);
    CHECK(ipi.port > 0);
    shared_info->evtchn_mask[ipi.port / 64] &= ~(1UL << (ipi.port % 64));
    events_on();
    send.port = ipi.port;
    CHECK(HC2(event_channel_op, EVTCHNOP_send, PTR(&send)) == 0);
    CHECK(event_count == before + 1);
    CHECK(shared_info->evtchn_pending[ipi.port / 64] & (1UL << (ipi.port % 64)));
    shared_info->evtchn_pending[ipi.port / 64] &= ~(1UL << (ipi.port % 64));
    evtchn_close_t close = { ipi.port };

    CHECK(HC2(event_channel_op, EVTCHNOP_close, PTR(&close)) == 0);
    CHECK(HC2(event_channel_op, EVTCHNOP_send, PTR(&send)) != 0);
    return true;
}

static uint64_t system_time(void)
{
    volatile vcpu_time_info_t *t = &vcpu_info()->time;
    uint32_t v, lo, hi;
    uint64_t ns, delta;

    do {
        v = t->version;
        __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) :: "memory");
        delta = ((uint64_t)hi << 32 | lo) - t->tsc_timestamp;
        delta = t->tsc_shift >= 0 ? delta << t->tsc_shift : delta >> -t->tsc_shift;
        ns = t->system_time + (uint64_t)(((unsigned __int128)delta * t->tsc_to_system_mul) >> 32);
    } while ((v & 1) || v != t->version);
    return ns;
}

static bool test_timer(void)
{
    evtchn_bind_virq_t virq = { .virq = VIRQ_TIMER, .vcpu = 0 };
    uint64_t start = system_time(), before;

    CHECK(start > 0);
    CHECK(HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0) == 0); /* it is on from the start, every 10 ms */
    CHECK(HC2(event_channel_op, EVTCHNOP_bind_virq, PTR(&virq)) == 0);
    shared_info->evtchn_mask[virq.port / 64] &= ~(1UL << (virq.port % 64));
    before = event_count;
    CHECK(HC1(set_timer_op, system_time() + 20000000) == 0);
    events_on();
    while (event_count == before)
        HC2(sched_op, SCHEDOP_block, 0);
    CHECK(system_time() >= start + 20000000);
    CHECK(system_time() < start + 20000000000UL);
    shared_info->evtchn_pending[virq.port / 64] = 0;
    CHECK(HC2(sched_op, SCHEDOP_yield, 0) == 0);
    return true;
}

static bool test_poll(void)
{
    evtchn_bind_ipi_t ipi = { .vcpu = 0 };
    evtchn_port_t port;
    sched_poll_t poll = { .nr_ports = 1, .timeout = system_time() + 10000000 };

    CHECK(HC2(event_channel_op, EVTCHNOP_bind_ipi, PTR(&ipi)) == 0);
    port = ipi.port;
    set_xen_guest_handle(poll.ports, &port);
    vcpu_info()->evtchn_upcall_mask = 1;
    CHECK(HC2(sched_op, SCHEDOP_poll, PTR(&poll)) == 0);
    CHECK(system_time() >= poll.timeout);
    vcpu_info()->evtchn_upcall_mask = 0;
    return true;
}

/* --- grants --- */

static bool test_grant(void)
{
    static grant_entry_v1_t *table;
    xen_pfn_t frame = 0;
    gnttab_setup_table_t setup = { .dom = DOMID_SELF, .nr_frames = 1 };
    char *table_va = page_alloc(), *shared = page_alloc(), *window = page_alloc();
    uint64_t window_mfn = virt_to_mfn(window);

    set_xen_guest_handle(setup.frame_list, &frame);
    CHECK(HC3(grant_table_op, GNTTABOP_setup_table, PTR(&setup), 1) == 0);
    CHECK(setup.status == GNTST_okay);
    CHECK(map_page(table_va, frame << 12 | PTE_P | PTE_RW) == 0);
    table = (void *)table_va;
    shared[0] = 77;
    table[9].domid = start_info->flags & SIF_INITDOMAIN ? 0 : DOMID_SELF;
    table[9].frame = (uint32_t)virt_to_mfn(shared);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    table[9].flags = GTF_permit_access;
    if (!(start_info->flags & SIF_INITDOMAIN))
        return true; /* its own domid is not known to it */

    gnttab_map_grant_ref_t map = { .host_addr = PTR(window), .flags = GNTMAP_host_map, .ref = 9, .dom = 0 };

    CHECK(HC3(grant_table_op, GNTTABOP_map_grant_ref, PTR(&map), 1) == 0);
    CHECK(map.status == GNTST_okay);
    CHECK(window[0] == 77);
    CHECK(table[9].flags & GTF_writing);
    window[1] = 78;
    CHECK(shared[1] == 78);
    gnttab_unmap_grant_ref_t unmap = { .host_addr = PTR(window), .handle = map.handle };

    CHECK(HC3(grant_table_op, GNTTABOP_unmap_grant_ref, PTR(&unmap), 1) == 0);
    CHECK(unmap.status == GNTST_okay);
    CHECK(!(table[9].flags & (GTF_writing | GTF_reading)));
    CHECK(catch_trap(do_read, window) == 14);
    CHECK(map_page(window, window_mfn << 12 | PTE_P | PTE_RW) == 0);
    map.ref = 10;
    CHECK(HC3(grant_table_op, GNTTABOP_map_grant_ref, PTR(&map), 1) == 0);
    CHECK(map.status != GNTST_okay);
    return true;
}

/* --- FPU --- */

static bool test_fpu(void)
{
    uint64_t in[2] = { 0x1122334455667788, 0x99aabbccddeeff00 }, out[2];

    __asm__ volatile("movups %0, %%xmm3" :: "m"(in));
    for (int i = 0; i < 100; i++)
        HC2(sched_op, SCHEDOP_yield, 0);
    __asm__ volatile("movups %%xmm3, %0" : "=m"(out));
    CHECK(in[0] == out[0] && in[1] == out[1]);
    return true;
}

static void run(const char *name, bool (*test)(void))
{
    if (test()) {
        print("PASS %s\n", name);
        passed++;
    } else {
        print("FAIL %s\n", name);
        failed++;
    }
}

void guest_main(void)
{
    print("selftest: %s\n", start_info->magic);
    run("version", test_version);
    run("unknown call", test_unknown_call);
    run("multicall", test_multicall);
    run("traps", test_traps);
    run("hypervisor range", test_hypervisor_range);
    run("cpuid", test_cpuid);
    run("va mapping", test_va_mapping);
    run("pin", test_pin);
    run("reservation", test_reservation);
    run("event", test_event);
    run("timer", test_timer);
    run("poll", test_poll);
    run("grant", test_grant);
    run("fpu", test_fpu);
    print("selftest: %u passed, %u failed\n", passed, failed);
}
