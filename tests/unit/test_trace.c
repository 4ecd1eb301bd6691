/* SPDX-License-Identifier: MIT */
/*
 * core/trace*.c: the buffers as a reader in domain 0 sees them.  They are made
 * once, so the tests go on from each other.
 */
#include "unit.h"

#include <zelo/event.h>
#include <zelo/softirq.h>
#include <zelo/trace.h>

#include <xen/sysctl.h>

#define CPUS 3
#define SIZE 2u /* frames of a buffer */
#define BYTES (SIZE * PAGE_SIZE - sizeof(struct t_buf))
#define EVENT(n) (TRC_SCHED_VERBOSE + (n))

static struct domain *control;
static bool preempt;
static unsigned continued, virqs;

bool hypercall_should_preempt(void) { return preempt; }
long hypercall_continue(unsigned nr, const struct hypercall_args *next)
{
    (void)next;
    assert_int_equal(nr, __HYPERVISOR_sysctl);
    continued++;
    return -E_PREEMPTED;
}
void event_send_host_virq(u32 virq) { virqs += virq == VIRQ_TBUF; }

/* As the heap's, until it is told to fail. */
static unsigned allocations_left = ~0u;

void *heap_alloc(unsigned order, u32 flags)
{
    struct page *p = allocations_left && allocations_left-- ? heap_alloc_pages(order, flags) : NULL;

    for (u64 i = 0; p && i < 1ULL << order; i++)
        p[i].count = PGC_HEAP;
    return p ? page_to_virt(p) : NULL;
}

static int setup(void **state)
{
    (void)state;
    host_boot(CPUS);
    trace_room_init();
    control = host_domain_create(0, true, 2, 100);
    host_set_current(control->vcpu[1]);
    return 0;
}

static long call(struct xen_sysctl_tbuf_op *t)
{
    struct xen_sysctl op = {
        .cmd = XEN_SYSCTL_tbuf_op, .interface_version = XEN_SYSCTL_INTERFACE_VERSION, .u.tbuf_op = *t,
    };
    struct hypercall_args a = { { (unsigned long)&op } };
    long rc = do_sysctl(&a);

    assert_int_equal(host_locks_held(), 0);
    *t = op.u.tbuf_op;
    return rc;
}

static long command(u32 cmd, u32 size)
{
    return call(&(struct xen_sysctl_tbuf_op){ .cmd = cmd, .size = size });
}

static void set_events(u32 mask)
{
    assert_int_equal(call(&(struct xen_sysctl_tbuf_op){ .cmd = XEN_SYSCTL_TBUFOP_set_evt_mask, .evt_mask = mask }), 0);
}

static void set_cpus(u8 mask)
{
    struct xen_sysctl_tbuf_op t = { .cmd = XEN_SYSCTL_TBUFOP_set_cpu_mask, .cpu_mask.nr_bits = 8 };

    set_xen_guest_handle(t.cpu_mask.bitmap, &mask);
    assert_int_equal(call(&t), 0);
}

/* --- the reader --- */

static struct t_info *info(void)
{
    struct xen_sysctl_tbuf_op t = { .cmd = XEN_SYSCTL_TBUFOP_get_info };

    assert_int_equal(call(&t), 0);
    assert_int_not_equal(t.size, 0);
    return mfn_to_virt(MFN(t.buffer_mfn));
}

static void *frame(unsigned cpu, unsigned n)
{
    const u32 *list = (u32 *)info() + info()->mfn_offset[cpu];

    return mfn_to_virt(MFN(list[n]));
}

static struct t_buf *buffer(unsigned cpu) { return frame(cpu, 0); }

struct record { u32 event, n, data[TRACE_EXTRA_MAX]; u64 cycles; };

static u32 next_word(unsigned cpu, u32 *cons)
{
    u32 at = (u32)sizeof(struct t_buf) + *cons % BYTES;
    u32 word = *(u32 *)((u8 *)frame(cpu, at / PAGE_SIZE) + at % PAGE_SIZE);

    *cons = (*cons + 4) % (2 * BYTES);
    return word;
}

/* Takes one record out; false if there is none.  Fillings of the end are passed over. */
static bool take(unsigned cpu, struct record *r)
{
    u32 cons = buffer(cpu)->cons, start = cons, head;

    if (cons == buffer(cpu)->prod)
        return false;
    memset(r, 0, sizeof(*r));
    head = next_word(cpu, &cons);
    r->event = TRC_HD_TO_EVENT(head);
    r->n = TRC_HD_EXTRA(head);
    if (TRC_HD_INCLUDES_CYCLE_COUNT(head)) {
        r->cycles = next_word(cpu, &cons);
        r->cycles |= (u64)next_word(cpu, &cons) << 32;
    }
    for (u32 i = 0; i < r->n; i++)
        r->data[i] = next_word(cpu, &cons);
    if (cons % BYTES) /* no record goes around the end */
        assert_true(cons % BYTES > start % BYTES);
    buffer(cpu)->cons = cons;
    if (r->event != TRC_TRACE_WRAP_BUFFER)
        return true;
    assert_int_equal(cons % BYTES, 0);
    return take(cpu, r);
}

static void drain(void)
{
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        buffer(cpu)->cons = buffer(cpu)->prod;
}

/* --- making --- */

static void test_nothing_without_buffers(void **state)
{
    struct xen_sysctl_tbuf_op t = { .cmd = XEN_SYSCTL_TBUFOP_get_info };

    assert_int_equal(command(XEN_SYSCTL_TBUFOP_enable, 0), -EINVAL);
    assert_int_equal(command(XEN_SYSCTL_TBUFOP_disable, 0), 0);
    assert_int_equal(command(77, 0), -EINVAL);
    assert_int_equal(call(&t), 0);
    assert_int_equal(t.size, 0);
    assert_int_equal(t.evt_mask, TRC_ALL);
}

static void test_sizes_that_cannot_be(void **state)
{
    u64 before = heap_free_page_count();

    assert_int_equal(command(XEN_SYSCTL_TBUFOP_set_size, 0), -EINVAL);
    assert_int_equal(command(XEN_SYSCTL_TBUFOP_set_size, 65536), -EINVAL);
    /* The second CPU's list would begin where 16 bits do not reach. */
    assert_int_equal(command(XEN_SYSCTL_TBUFOP_set_size, 65535), -EINVAL);
    assert_true(CPUS * 22000 > heap_free_page_count());
    assert_int_equal(command(XEN_SYSCTL_TBUFOP_set_size, 22000), -ENOMEM);
    assert_int_equal(heap_free_page_count(), before);
}

static void test_failure_gives_all_back(void **state)
{
    u64 before = heap_free_page_count();

    preempt = true;
    assert_int_equal(command(XEN_SYSCTL_TBUFOP_set_size, 100), -E_PREEMPTED);
    assert_int_equal(continued, 1);
    assert_int_equal(command(XEN_SYSCTL_TBUFOP_set_size, 50), -EBUSY); /* one is being made */
    assert_int_equal(command(XEN_SYSCTL_TBUFOP_enable, 0), -EINVAL);   /* but is not there */
    preempt = false;
    allocations_left = 10;
    assert_int_equal(command(XEN_SYSCTL_TBUFOP_set_size, 100), -ENOMEM);
    assert_true(heap_free_page_count() >= before - 1); /* the slab may have kept a page */
    allocations_left = SIZE * CPUS;                    /* all frames, but not the list of them */
    assert_int_equal(command(XEN_SYSCTL_TBUFOP_set_size, SIZE), -ENOMEM);
    assert_true(heap_free_page_count() >= before - 1);
    allocations_left = ~0u;
}

static void test_made_once(void **state)
{
    assert_int_equal(command(XEN_SYSCTL_TBUFOP_set_size, SIZE), 0);
    assert_int_equal(command(XEN_SYSCTL_TBUFOP_set_size, SIZE), -EBUSY);
    assert_int_equal(info()->tbuf_size, SIZE);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        for (unsigned n = 0; n < SIZE; n++) {
            struct page *p = virt_to_page(frame(cpu, n));

            /* Domain 0 may map them, writable, as DOMID_XEN's. */
            assert_int_equal(page_get_and_type(p, dom_xen, PGT_WRITABLE), 0);
            page_put_and_type(p);
        }
    assert_int_equal(page_get_and_type(virt_to_page(info()), dom_xen, PGT_WRITABLE), 0);
    page_put_and_type(virt_to_page(info()));
}

/* --- records --- */

static void test_off_and_on(void **state)
{
    struct record r;

    trace(EVENT(1), 1);
    assert_false(take(0, &r));
    assert_int_equal(command(XEN_SYSCTL_TBUFOP_enable, 0), 0);
    host_time = 0x123456789a;
    trace(EVENT(2));
    trace_vcpu(EVENT(3), current, 7);
    host_set_cpu(2);
    trace(EVENT(4), 1, 2, 3, 4, 5, 6, 7);
    host_set_cpu(0);
    assert_int_equal(command(XEN_SYSCTL_TBUFOP_disable, 0), 0);
    trace(EVENT(5));

    assert_true(take(0, &r));
    assert_int_equal(r.event, EVENT(2));
    assert_int_equal(r.n, 0);
    assert_int_equal(r.cycles, 0x123456789a);
    assert_true(take(0, &r));
    assert_int_equal(r.event, EVENT(3));
    assert_int_equal(r.n, 3);
    assert_int_equal(r.data[0], 0);
    assert_int_equal(r.data[1], 1);
    assert_int_equal(r.data[2], 7);
    assert_false(take(0, &r));
    assert_false(take(1, &r));
    assert_true(take(2, &r));
    assert_int_equal(r.n, 7);
    assert_int_equal(r.data[6], 7);
    assert_false(take(2, &r));
    assert_int_equal(command(XEN_SYSCTL_TBUFOP_enable, 0), 0);
}

static unsigned taken(u32 event)
{
    struct record r;
    unsigned n = 0;

    trace_record(event, NULL, 0);
    while (take(0, &r))
        n++;
    return n;
}

static void test_masks(void **state)
{
    set_events(TRC_SCHED_VERBOSE);
    assert_int_equal(taken(TRC_SCHED_SWITCH), 1);
    assert_int_equal(taken(TRC_SCHED_RUNSTATE_CHANGE | 0x210), 0); /* another subclass */
    assert_int_equal(taken(TRC_PV_HYPERCALL_V2), 0);               /* another class */
    set_events(TRC_SCHED | TRC_DOM0OP);
    assert_int_equal(taken(TRC_SCHED_RUNSTATE_CHANGE | 0x210), 1);
    assert_int_equal(taken(TRC_DOM0_DOM_ADD), 1);
    set_events(0);
    assert_int_equal(taken(TRC_SCHED_SWITCH), 0);
    set_events(TRC_ALL);
    set_cpus(1 << 1);
    assert_int_equal(taken(TRC_SCHED_SWITCH), 0);
    set_cpus(1 << 0);
    assert_int_equal(taken(TRC_SCHED_SWITCH), 1);
    set_cpus(0xff);
}

/* Records of all sizes, several times around the ring: each arrives, whole and in order. */
static void test_around_the_ring(void **state)
{
    u32 data[TRACE_EXTRA_MAX] = { 0 }, sent = 0, got = 0;
    struct record r;

    while (sent < 3000) {
        for (u32 i = 0; i < 1 + sent % 13; i++, sent++) {
            data[0] = sent;
            trace_record(EVENT(sent % 512), data, 1 + sent * 5 % 7);
        }
        for (; take(0, &r); got++) {
            assert_int_equal(r.event, EVENT(got % 512));
            assert_int_equal(r.n, 1 + got * 5 % 7);
            assert_int_equal(r.data[0], got);
        }
        assert_int_equal(got, sent);
    }
}

static void test_lost_records(void **state)
{
    u32 sent = 0, got = 0;
    struct record r;

    host_time = 5000;
    for (; sent < 2000; sent++, host_time++)
        trace(EVENT(1), sent);
    assert_true(take(0, &r));
    for (got = 1; take(0, &r); got++)
        assert_int_equal(r.data[0], got);
    assert_true(got > BYTES / 16 - 10); /* there was no more room */
    trace(EVENT(2), 99);
    assert_true(take(0, &r));
    assert_int_equal(r.event, TRC_LOST_RECORDS);
    assert_int_equal(r.n, 4);
    assert_int_equal(r.data[0], sent - got);
    assert_int_equal(r.data[2], 5000 + got); /* since when */
    assert_int_equal(r.data[3], 0);
    assert_true(r.cycles > 5000 + got);
    assert_true(take(0, &r));
    assert_int_equal(r.event, EVENT(2));
    assert_false(take(0, &r));
}

/* Half full: domain 0 is told, once, on the way out. */
static void test_half_full(void **state)
{
    unsigned n;

    drain();
    softirq_run_no_schedule();
    virqs = 0;
    for (n = 0; !host_softirq_pending(0); n++)
        trace(EVENT(1), 1);
    assert_true(n * 16 >= BYTES / 2 && n * 16 <= BYTES / 2 + 64);
    softirq_run_no_schedule();
    assert_int_equal(virqs, 1);
    trace(EVENT(1), 1);
    assert_false(host_softirq_pending(0));
    drain();
}

/* What a reader writes over its frames is not believed, and what it is told stays in bounds. */
static void test_lying_reader(void **state)
{
    static const u32 lies[] = { 1, 2 * BYTES, ~0u, 0x80000000, 2 * BYTES - 4, BYTES, 4 };
    struct record r;

    for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
        for (u32 n = 0; n < 1500; n++) {
            buffer(0)->cons = lies[i];
            info()->mfn_offset[0]++; /* and back: the hypervisor's own list is another */
            trace(EVENT(1), n);
            info()->mfn_offset[0]--;
            assert_true(buffer(0)->prod < 2 * BYTES);
        }
        drain();
        buffer(0)->prod = lies[i];
        trace(EVENT(2)); /* said anew with each record */
        assert_true(buffer(0)->prod < 2 * BYTES);
        drain();
    }
    trace(EVENT(4), 8);
    while (take(0, &r) && r.event != EVENT(4))
        ;
    assert_int_equal(r.event, EVENT(4));
    assert_int_equal(r.data[0], 8);
}

/* --- what is recorded --- */

static void test_hypercall(void **state)
{
    const unsigned long args[6] = { GNTTABOP_map_grant_ref, 0xdeadbeef, 17 };
    struct record r;

    drain();
    trace_hypercall(TRC_PV_HYPERCALL_V2, __HYPERVISOR_grant_table_op, args);
    assert_true(take(0, &r));
    assert_int_equal(r.event, TRC_PV_HYPERCALL_V2);
    assert_int_equal(r.n, 3);
    assert_int_equal(r.data[0], __HYPERVISOR_grant_table_op | TRC_PV_HYPERCALL_V2_ARG_32(0) | TRC_PV_HYPERCALL_V2_ARG_32(2));
    assert_int_equal(r.data[1], GNTTABOP_map_grant_ref);
    assert_int_equal(r.data[2], 17);
    trace_hypercall(TRC_PV_HYPERCALL_SUBCALL, ~0ul, args); /* no such call */
    assert_true(take(0, &r));
    assert_int_equal(r.event, TRC_PV_HYPERCALL_SUBCALL);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.data[0], ~TRC_PV_HYPERCALL_V2_ARG_MASK);
}

static void test_domain_comes_and_goes(void **state)
{
    struct record r;
    struct domain *d;

    set_events(TRC_DOM0OP);
    d = host_domain_create(5, false, 1, 10);
    assert_true(take(0, &r));
    assert_int_equal(r.event, TRC_DOM0_DOM_ADD);
    assert_int_equal(r.data[0], 5);
    assert_true(host_domain_destroy(d));
    assert_true(take(0, &r));
    assert_int_equal(r.event, TRC_DOM0_DOM_REM);
    assert_int_equal(r.data[0], 5);
    set_events(TRC_ALL);
}

static void test_runstates(void **state)
{
    struct vcpu *v = control->vcpu[0];
    struct record r;

    drain();
    set_events(TRC_SCHED_MIN);
    (void)atomic_fetch_and(&v->pause_flags, ~VPF_DOWN);
    domain_unpause_by_tools(control);
    assert_true(take(0, &r));
    assert_int_equal(r.event, TRC_SCHED_RUNSTATE_CHANGE | RUNSTATE_offline << 8 | RUNSTATE_runnable << 4);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.data[0], 0 << 16 | 0);
    set_events(TRC_ALL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_without_buffers),
        cmocka_unit_test(test_sizes_that_cannot_be),
        cmocka_unit_test(test_failure_gives_all_back),
        cmocka_unit_test(test_made_once),
        cmocka_unit_test(test_off_and_on),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_around_the_ring),
        cmocka_unit_test(test_lost_records),
        cmocka_unit_test(test_half_full),
        cmocka_unit_test(test_lying_reader),
        cmocka_unit_test(test_hypercall),
        cmocka_unit_test(test_domain_comes_and_goes),
        cmocka_unit_test(test_runstates),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
