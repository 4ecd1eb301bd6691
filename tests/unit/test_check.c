/* SPDX-License-Identifier: MIT */
/* The invariant checker on grants, event channels and domains as a whole; and its debug key. */
#include "check_fixture.h"
#include "control_fixture.h"

#include "core/console_private.h"
#include "core/event_fifo.h"
#include "core/grant_private.h"
#include "pv/gdt.h"
#include "pv/pt.h"

#include <zelo/console.h>
#include <zelo/softirq.h>

#define REF 9

static u32 pirq_port; /* of the only PIRQ */
int pirq_bind(struct domain *d, u32 nr, u32 port, struct vcpu *target, bool share) { return pirq_port = port, 0; }
void pirq_unbind(struct domain *d, u32 nr) { pirq_port = 0; }
u32 pirq_bound_port(struct domain *d, u32 nr) { return pirq_port; }

static struct page *frame;

static int begin(void **state)
{
    guest = host_domain_create(5, false, 2, 100);
    frame = domain_alloc_pages(guest, 0, 0);
    assert_non_null(frame);
    host_set_current(guest->vcpu[0]);
    return 0;
}

static int end_of_dead(void **state)
{
    softirq_run_no_schedule();
    assert_invariants();
    return 0;
}

/* --- domains --- */

static void test_references(void **state)
{
    FINDS_WITH(guest->refs, guest->refs + 1, "d5: 3 references, 2 found");
    FINDS_WITH(guest->refs, 1, "references, 2 found");
    FINDS_WITH(control->target, guest, "d5: 2 references, 3 found");
    FINDS_WITH(guest->claimed_pages, 1, "0 pages are claimed, 1 by domains");
}

static void test_shared_pages(void **state)
{
    struct page *p = virt_to_page(guest->shared_info);

    FINDS_WITH(p->owner, virt_to_mfn(control).n, "is not shared with it");
    FINDS_WITH(p->count, PGC_HEAP, "but owner");
    FINDS_WITH(p->count, p->count + 1, "2 references, 1 found");
    FINDS_WITH(guest->shared_info, NULL, "1 references, 0 found");
}

static void test_vcpu_info(void **state)
{
    struct vcpu *v = guest->vcpu[1];

    assert_int_equal(vcpu_register_info(v, page_to_mfn(frame).n, 64), 0);
    FINDS_WITH(v->info_mfn, MFN_INVALID, "vcpu_info is at");
    FINDS_WITH(v->info, &v->own_info, "vcpu_info is at");
    FINDS_WITH(frame->type, PGT_WRITABLE, "vcpu_info uses frame");
}

static void test_many(void **state)
{
    said[0] = 0;
    for (unsigned i = 0; i < 40; i++)
        check_violation("number %u", i);
    assert_non_null(strstr(said, "number 31"));
    assert_null(strstr(said, "number 32"));
    FINDS_WITH(frame->count, frame->count + 1, "references"); /* it starts to count anew */
}

/* Its last reference is gone and its end is near: what it shares is nobody's fault. */
static void test_a_domain_that_goes(void **state)
{
    struct domain *d = host_domain_create(6, false, 1, 10);

    assert_int_equal(domain_kill(d), 0);
    assert_int_equal(d->refs, 0);
    assert_invariants();
    softirq_run_no_schedule();
    assert_invariants();
}

/* --- grants --- */

static struct gnttab_unmap_grant_ref mapping;

static void grant_op(struct domain *as, unsigned cmd, void *arg)
{
    host_set_current(as->vcpu[0]);
    assert_int_equal(call_through(do_grant_table_op, (struct hypercall_args){ { cmd, (unsigned long)arg, 1 } }), 0);
}

/* Domain 0 maps the guest's frame as a device would. */
static void map_grant(u32 flags)
{
    struct gnttab_map_grant_ref op = { .ref = REF, .dom = guest->id, .flags = GNTMAP_device_map | flags };
    mfn_t m;

    assert_int_equal(grant_table_frame(guest, 0, &m), 0);
    *grant_v1(guest->grants, REF) =
        (grant_entry_v1_t){ GTF_permit_access, control->id, (u32)page_to_mfn(frame).n };
    grant_op(control, GNTTABOP_map_grant_ref, &op);
    assert_int_equal(op.status, GNTST_okay);
    mapping.handle = op.handle;
    mapping.dev_bus_addr = op.dev_bus_addr;
}

static void unmap_grant(void)
{
    grant_op(control, GNTTABOP_unmap_grant_ref, &mapping);
    assert_int_equal(mapping.status, GNTST_okay);
}

static struct maptrack *maptrack_of(u32 handle) { return &control->grants->maptrack[0][handle]; }

static void test_grant_counts(void **state)
{
    map_grant(0);
    struct grant_active *a = grant_active(guest->grants, REF);

    FINDS_WITH(a->writers, 2, "grant 9 has 0 readers and 2 writers, mapped are 0 and 1");
    FINDS_WITH(a->writers, 0, "0 grants are in use, it counts 1");
    FINDS_WITH(a->readers, 1, "grant 9 has 1 readers");
    FINDS_WITH(guest->grants->pinned, 2, "1 grants are in use, it counts 2");
    FINDS_WITH(grant_active(guest->grants, 3)->readers, 1, "grant 3 has 1 readers");
    unmap_grant();
    map_grant(GNTMAP_readonly);
    FINDS_WITH(a->readers, 0, "grant 9 has 0 readers and 0 writers, mapped are 1 and 0");
    unmap_grant();
}

static void test_handles(void **state)
{
    map_grant(0);
    struct maptrack *m = maptrack_of(mapping.handle), was = *m, other = was;

    other.ref = 100000;
    FINDS_WITH(*m, other, "which has 512");
    other = was, other.flags |= MAPTRACK_BUSY;
    FINDS_WITH(*m, other, "is left with flags");
    other = was, other.flags |= GNTMAP_readonly;
    FINDS_WITH(*m, other, "1 uses of its type, 0 found");
    other = was, other.flags = 0;
    FINDS_WITH(*m, other, "grant handles are free, its list has others");
    other = was, other.frame = virt_to_mfn(control->shared_info).n;
    FINDS_WITH(*m, other, "is another's");
    other = was, other.owner = (u32)virt_to_mfn(control).n;
    FINDS_WITH(*m, other, "d5: 3 references, 2 found");
    FINDS_WITH(control->grants->maptrack_free, mapping.handle, "grant handles are free, its list has others");
    FINDS_WITH(control->grants->maptrack_free, MAPTRACK_NONE, "grant handles are free, its list has others");
    assert_true(grant_maps_frame(control, MFN(m->frame)) == !!(m->flags & GNTMAP_host_map));
    unmap_grant();
}

/* --- event channels --- */

static u32 bind_ipi(unsigned vcpu)
{
    u32 port = 0;

    assert_int_equal(event_bind_ipi(guest, vcpu, &port), 0);
    return port;
}

static void test_channels(void **state)
{
    u32 port = bind_ipi(1);
    struct evtchn *chn = evtchn_find(guest, port);

    FINDS_WITH(chn->notify_vcpu, 2, "notifies v2");
    FINDS_WITH(chn->priority, 16, "with priority 16");
    FINDS_WITH(chn->port, 7, "says that it is 7");
    FINDS_WITH(chn->state, 6, "is in state 6");
    FINDS_WITH(chn->state, EVTCHNSTAT_closed, "0 event channels are open, it counts 1");
    FINDS_WITH(guest->evt.search_from, 5, "is free, but searched from 5");
    FINDS_WITH(chn->queue, (struct fifo_queue *)&port, "on a queue of nobody");
    FINDS_WITH(evtchn_find(guest, 0)->state, EVTCHNSTAT_ipi, "port 0 in state");
}

static void test_interdomain(void **state)
{
    u32 far = 0, near = 0;
    struct evtchn *chn;

    assert_int_equal(event_alloc_unbound(control, guest->id, &far), 0);
    assert_int_equal(event_bind_interdomain(guest, control->id, far, &near), 0);
    chn = evtchn_find(control, far);
    FINDS_WITH(chn->state, EVTCHNSTAT_unbound, "does not lead back");
    FINDS_WITH(chn->u.remote.chn, evtchn_find(guest, near + 1), "does not lead back");
    FINDS_WITH(chn->u.remote.domain, control, "does not lead back");
    assert_int_equal(event_close(control, far), 0);
}

static void test_virqs(void **state)
{
    struct vcpu *v = guest->vcpu[1];
    u32 port = 0, global = 0;

    assert_int_equal(event_bind_virq(guest, VIRQ_TIMER, 1, &port), 0);
    assert_int_equal(event_bind_virq(guest, VIRQ_DOM_EXC, 0, &global), 0);
    assert_int_equal(event_bind_vcpu(guest, global, 1), 0);
    FINDS_WITH(v->evt.virq_port[VIRQ_TIMER], 0, "which does not know it");
    FINDS_WITH(guest->vcpu[0]->evt.virq_port[VIRQ_DOM_EXC], 0, "which does not know it");
    FINDS_WITH(v->evt.virq_port[VIRQ_DEBUG], port, "which is another's");
    FINDS_WITH(v->evt.virq_port[VIRQ_DEBUG], 700, "which is another's");
    FINDS_WITH(evtchn_find(guest, port)->u.virq, NR_VIRQS, "which does not know it");
}

static void test_pirqs(void **state)
{
    u32 port = 0;

    assert_int_equal(event_bind_pirq(guest, 4, 0, &port), 0);
    FINDS_WITH(pirq_port, port + 1, "is of PIRQ 4, which is bound to port");
    FINDS_WITH(guest->vcpu[0]->evt.pirqs, 0, "1 PIRQs notify it, it counts 0");
    FINDS_WITH(guest->vcpu[1]->evt.pirqs, 1, "0 PIRQs notify it, it counts 1");
}

static void test_fifo(void **state)
{
    struct page *words = domain_alloc_pages(guest, 0, 0);
    struct evtchn_init_control op = { .control_gfn = page_to_mfn(frame).n, .vcpu = 1 };
    u32 port;
    struct fifo_queue *q;

    assert_int_equal(event_fifo_init_control(guest, &op), 0);
    assert_int_equal(event_fifo_expand_array(guest, page_to_mfn(words).n), 0);
    port = bind_ipi(1);
    assert_int_equal(event_send(guest, port), 0);
    q = evtchn_find(guest, port)->queue;
    assert_non_null(q);
    FINDS_WITH(q->tail, 100, "ends with port 100, which is not of it");
    FINDS_WITH(q[1].tail, port, "which is not of it");
    FINDS_WITH(q->priority, 3, "has priority 3");
    FINDS_WITH(q->vcpu, guest->vcpu[0], "which is not of it");
    FINDS_WITH(q->block, page_to_virt(words), "which is not of it");
    FINDS_WITH(guest->evt.fifo->pages, 0, "2 references, 1 found");
    FINDS_WITH(words->type, PGT_WRITABLE, "event words uses frame");
    FINDS_WITH(guest->vcpu[1]->evt.fifo, NULL, "on a queue of nobody");
    FINDS_WITH(guest->evt.fifo, NULL, "it has FIFO queues, its domain has none");
}

/* --- a whole life --- */

/* Tables of all levels, the first entry of each used, with 'frame' mapped writable; the guest runs on them. */
static void tables_load(void)
{
    struct page *below = frame;

    for (unsigned level = 1; level <= 4; level++) {
        struct page *p = domain_alloc_pages(guest, 0, 0);

        assert_non_null(p);
        for (unsigned i = 0; i < (level == 4 ? 1 : 3); i++)
            ((u64 *)page_to_virt(p))[i] = pte_make(page_to_mfn(below), PTE_P | PTE_RW | PTE_USER);
        below = p;
    }
    assert_int_equal(pv_set_roots(guest->vcpu[0], page_to_mfn(below), page_to_mfn(below)), 0);
}

/* Taken apart in the smallest steps, it has after each what it shows. */
static void test_death(void **state)
{
    struct page *gdt = domain_alloc_pages(guest, 0, 0);
    u64 frames[1] = { page_to_mfn(gdt).n };
    u32 far = 0, near = 0;
    unsigned steps = 0;
    int rc;

    tables_load();
    map_grant(0); /* domain 0 has one of its frames to the end, and beyond */
    host_set_current(guest->vcpu[0]);
    assert_int_equal(pv_gdt_install(guest->vcpu[0], frames, 512), 0);
    assert_int_equal(event_alloc_unbound(control, guest->id, &far), 0);
    assert_int_equal(event_bind_interdomain(guest, control->id, far, &near), 0);
    assert_invariants();
    host_set_current(control->vcpu[0]);
    preempt_every = 1;
    while ((rc = domain_kill(guest)) == -E_PREEMPTED) {
        assert_invariants();
        steps++;
    }
    preempt_every = 0;
    assert_int_equal(rc, 0);
    assert_in_range(steps, 2, 100);
    assert_invariants();
    assert_int_equal(guest->tot_pages, 1);
    unmap_grant();
    assert_int_equal(event_close(control, far), 0);
}

/* --- the debug key --- */

static void press(void)
{
    said[0] = 0;
    debug_key('v');
    softirq_run_no_schedule();
    assert_int_equal(host_locks_held(), 0);
}

static void test_key(void **state)
{
    u64 was = frame->count;

    debug_keys_init();
    invariants_check_init();
    press();
    assert_non_null(strstr(said, "frames, 4 domains checked, 0 violations"));
    assert_int_equal(guest->pause_count, 1); /* the tools' */
    frame->count++;
    press();
    assert_non_null(strstr(said, "2 references, 1 found"));
    assert_non_null(strstr(said, "frames, 4 domains checked, 1 violations"));
    frame->count = was;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, guest_end)
    const struct CMUnitTest tests[] = {
        T(test_references), T(test_shared_pages), T(test_vcpu_info), T(test_many), T(test_a_domain_that_goes),
        T(test_grant_counts), T(test_handles), T(test_channels), T(test_interdomain), T(test_virqs),
        T(test_pirqs), T(test_fifo), T(test_key),
        cmocka_unit_test_setup_teardown(test_death, begin, end_of_dead),
    };

    return cmocka_run_group_tests(tests, control_setup, NULL);
}
