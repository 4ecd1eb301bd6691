/* SPDX-License-Identifier: MIT */
/*
 * The FIFO ABI of event channels, seen by a guest that takes events from its
 * queues the way the ABI says: order, priorities, channels that move between
 * queues, memory that comes late, and all of it at the same time on four CPUs.
 */
#include "unit.h"

#include "core/event_fifo.h"

#include <zelo/hypercall.h>

int pv_domain_init(struct domain *d) { return 0; }
void pv_domain_free(struct domain *d) { }
int pv_domain_relinquish(struct domain *d) { return 0; }
int pv_vcpu_init(struct vcpu *v) { return 0; }
void pv_vcpu_free(struct vcpu *v) { }
int grant_domain_init(struct domain *d, u32 f, u32 m, u32 v) { return 0; }
int grant_domain_release_mappings(struct domain *d) { return 0; }
void grant_domain_free(struct domain *d) { }
bool hypercall_should_preempt(void) { return false; }
long hypercall_continue(unsigned nr, const struct hypercall_args *next) { return -E_PREEMPTED; }

/* Frames: anything of the domain's own may be had writable. */
static int frames_held;
int page_get_and_type(struct page *p, struct domain *d, u64 type)
{
    if (!page_get(p, d))
        return -EINVAL;
    frames_held++;
    return 0;
}
void page_put_and_type(struct page *p)
{
    frames_held--;
    page_put(p);
}

#define VCPUS 4
static struct domain *d;
static struct evtchn_fifo_control_block *block[VCPUS];
static event_word_t *words;
static u64 block_mfn, words_mfn;

static int setup(void **state)
{
    struct page *p;

    host_init(4);
    host_sched_start();
    d = host_domain_create(1, false, VCPUS, 1000);
    host_set_current(d->vcpu[0]);
    p = domain_alloc_pages(d, 0, 0);
    block_mfn = page_to_mfn(p).n;
    for (unsigned i = 0; i < VCPUS; i++)
        block[i] = (void *)((char *)page_to_virt(p) + 128 * i);
    p = domain_alloc_pages(d, 0, 0);
    words_mfn = page_to_mfn(p).n;
    words = page_to_virt(p);
    return 0;
}

static long op(unsigned cmd, void *arg)
{
    struct hypercall_args a = { { cmd, (unsigned long)arg } };
    long rc = do_event_channel_op(&a);

    assert_int_equal(host_locks_held(), 0);
    return rc;
}

static long init_control(unsigned vcpu)
{
    struct evtchn_init_control c = { .control_gfn = block_mfn, .offset = 128 * vcpu, .vcpu = vcpu };
    long rc = op(EVTCHNOP_init_control, &c);

    if (!rc)
        assert_int_equal(c.link_bits, EVTCHN_FIFO_LINK_BITS);
    return rc;
}

static long expand(void)
{
    struct evtchn_expand_array e = { words_mfn };

    return op(EVTCHNOP_expand_array, &e);
}

/* Back to 2-level, all closed, guest memory clean. */
static int each_bare(void **state)
{
    assert_int_equal(event_reset(d), 0);
    assert_null(d->evt.fifo);
    assert_int_equal(frames_held, 0);
    memset(words, 0, PAGE_SIZE);
    memset(block[0], 0, PAGE_SIZE);
    memset(d->shared_info, 0, sizeof(*d->shared_info));
    return 0;
}

static int each(void **state)
{
    each_bare(state);
    for (unsigned i = 0; i < VCPUS; i++)
        assert_int_equal(init_control(i), 0);
    assert_int_equal(expand(), 0);
    assert_int_equal(frames_held, VCPUS + 1);
    return 0;
}

static u32 bind_ipi(unsigned vcpu)
{
    struct evtchn_bind_ipi b = { vcpu, 0 };

    assert_int_equal(op(EVTCHNOP_bind_ipi, &b), 0);
    return b.port;
}

static void send(u32 port) { assert_int_equal(event_send(d, port), 0); }

static void set_priority(u32 port, u32 priority)
{
    struct evtchn_set_priority p = { port, priority };

    assert_int_equal(op(EVTCHNOP_set_priority, &p), 0);
}

/* --- the guest's side --- */

struct guest_vcpu { u32 head[EVTCHN_FIFO_MAX_QUEUES]; u32 ready; };

static u32 clear_linked(event_word_t *w)
{
    u32 old = atomic_read(w);

    while (!atomic_cas(w, &old, old & ~((1u << EVTCHN_FIFO_LINKED) | EVTCHN_FIFO_LINK_MASK)))
        ;
    return old & EVTCHN_FIFO_LINK_MASK;
}

/* Takes one event of vCPU n, or 0: the most urgent queue's first. */
static u32 take(struct guest_vcpu *g, unsigned n)
{
    for (;;) {
        unsigned q;
        u32 port;

        g->ready |= atomic_xchg(&block[n]->ready, 0);
        if (!g->ready)
            return 0;
        q = (unsigned)__builtin_ctz(g->ready);
        if (!g->head[q])
            g->head[q] = atomic_read_acquire(&block[n]->head[q]);
        port = g->head[q];
        assert_in_range(port, 1, 1023);
        g->head[q] = clear_linked(&words[port]);
        if (!g->head[q])
            g->ready &= ~(1u << q);
        if ((atomic_read(&words[port]) & ((1u << EVTCHN_FIFO_PENDING) | (1u << EVTCHN_FIFO_MASKED))) ==
            1u << EVTCHN_FIFO_PENDING) {
            (void)atomic_fetch_and(&words[port], ~(1u << EVTCHN_FIFO_PENDING));
            return port;
        }
    }
}

static bool upcall(unsigned vcpu) { return atomic_xchg(&d->vcpu[vcpu]->info->evtchn_upcall_pending, 0); }

/* --- memory --- */

static void test_init_control_refuses(void **state)
{
    struct evtchn_init_control c = { .control_gfn = block_mfn, .offset = 4, .vcpu = 0 };

    assert_int_equal(expand(), -EOPNOTSUPP);
    assert_int_equal(op(EVTCHNOP_init_control, &c), -EINVAL);
    c.offset = PAGE_SIZE - 64;
    assert_int_equal(op(EVTCHNOP_init_control, &c), -EINVAL);
    c.offset = ~0u & ~7u;
    assert_int_equal(op(EVTCHNOP_init_control, &c), -EINVAL);
    c.offset = 0;
    c.vcpu = VCPUS;
    assert_int_equal(op(EVTCHNOP_init_control, &c), -ENOENT);
    c.vcpu = 0;
    c.control_gfn = 1;
    assert_int_equal(op(EVTCHNOP_init_control, &c), -EINVAL);
    c.control_gfn = ~0ULL;
    assert_int_equal(op(EVTCHNOP_init_control, &c), -EINVAL);
    assert_int_equal(init_control(0), 0);
    assert_int_equal(init_control(0), -EINVAL);
    assert_int_equal(frames_held, 1);
}

static void test_array_is_limited(void **state)
{
    for (unsigned i = 1; i < FIFO_ARRAY_PAGES; i++)
        assert_int_equal(expand(), 0);
    assert_int_equal(expand(), -ENOSPC);
    assert_int_equal(frames_held, VCPUS + FIFO_ARRAY_PAGES);
}

/* Events raised before their word or control block exists come when it does. */
static void test_late_memory(void **state)
{
    struct guest_vcpu g = { 0 };
    u32 a, b;

    assert_int_equal(init_control(0), 0);
    a = bind_ipi(0);
    b = bind_ipi(1);
    send(a);
    assert_int_equal(event_port_pending(d, a), 1);
    assert_false(upcall(0));
    assert_int_equal(expand(), 0);
    assert_true(upcall(0));
    assert_int_equal(take(&g, 0), a);
    send(b); /* vCPU 1 has no control block */
    assert_false(upcall(1));
    assert_int_equal(init_control(1), 0);
    assert_true(upcall(1));
    g = (struct guest_vcpu){ 0 };
    assert_int_equal(take(&g, 1), b);
    assert_int_equal(take(&g, 1), 0);
}

static bool pending_2l(u32 port) { return atomic_test_bit(d->shared_info->evtchn_pending, port); }

/* What was raised while the domain used the 2-level ABI comes after it turned to this one, masked then or not. */
static void test_pending_when_turning(void **state)
{
    struct guest_vcpu g = { 0 };
    u32 a = bind_ipi(0), b = bind_ipi(1), quiet = bind_ipi(0), closed = bind_ipi(0);
    struct evtchn_close c = { closed };

    atomic_set_bit(d->shared_info->evtchn_mask, a);
    send(a);
    send(b);
    send(closed);
    assert_int_equal(op(EVTCHNOP_close, &c), 0);
    assert_int_equal(init_control(0), 0);
    assert_int_equal(event_port_pending(d, a), 1);
    assert_int_equal(event_port_pending(d, quiet), 0);
    upcall(0);
    assert_int_equal(expand(), 0);
    assert_true(upcall(0));
    assert_int_equal(take(&g, 0), a);
    assert_int_equal(take(&g, 0), 0);
    upcall(1);
    assert_int_equal(init_control(1), 0);
    assert_true(upcall(1));
    g = (struct guest_vcpu){ 0 };
    assert_int_equal(take(&g, 1), b);
    assert_int_equal(take(&g, 1), 0);
    assert_int_equal(take(&g, 0), 0);
}

/* Back in the 2-level ABI, nothing is pending that was raised before. */
static void test_nothing_pending_after_turning_back(void **state)
{
    u32 a = bind_ipi(0);

    send(a);
    assert_int_equal(init_control(0), 0);
    assert_int_equal(expand(), 0);
    assert_int_equal(event_reset(d), 0);
    assert_int_equal(bind_ipi(0), a);
    assert_int_equal(event_port_pending(d, a), 0);
    assert_false(pending_2l(a));
}

static void test_death_gives_the_frames_back(void **state)
{
    struct domain *keep = d, *d3 = host_domain_create(3, false, 1, 100);
    struct page *p = domain_alloc_pages(d3, 0, 0);
    struct evtchn_init_control c = { .control_gfn = page_to_mfn(p).n };
    struct evtchn_expand_array e = { page_to_mfn(p).n };
    int held = frames_held;

    host_set_current(d3->vcpu[0]);
    assert_int_equal(op(EVTCHNOP_init_control, &c), 0);
    assert_int_equal(op(EVTCHNOP_expand_array, &e), 0);
    bind_ipi(0);
    assert_int_equal(frames_held, held + 2);
    host_set_current(keep->vcpu[0]);
    event_domain_destroy(d3);
    assert_int_equal(frames_held, held);
    assert_int_equal(p->count & PGC_COUNT_MASK, 1);
}

/* --- queues --- */

static void test_first_come_first_served(void **state)
{
    struct guest_vcpu g = { 0 };
    u32 p[5];

    for (int i = 0; i < 5; i++)
        p[i] = bind_ipi(2);
    for (int i = 5; i--;)
        send(p[i]);
    send(p[3]); /* pending already */
    assert_true(upcall(2));
    assert_false(upcall(0));
    for (int i = 5; i--;)
        assert_int_equal(take(&g, 2), p[i]);
    assert_int_equal(take(&g, 2), 0);
    send(p[3]);
    assert_true(upcall(2));
    assert_int_equal(take(&g, 2), p[3]);
}

/* The tail was taken by the guest: a further event must become the head. */
static void test_append_after_the_guest_took_the_tail(void **state)
{
    struct guest_vcpu g = { 0 };
    u32 a = bind_ipi(0), b = bind_ipi(0);

    send(a);
    assert_int_equal(take(&g, 0), a);
    send(b);
    assert_int_equal(words[a] & EVTCHN_FIFO_LINK_MASK, 0);
    assert_int_equal(block[0]->head[7], b);
    assert_int_equal(take(&g, 0), b);
    send(b); /* the same one again, itself the old tail */
    assert_int_equal(take(&g, 0), b);
}

static void test_priorities(void **state)
{
    struct guest_vcpu g = { 0 };
    u32 p[16];

    for (u32 i = 0; i < 16; i++) {
        p[i] = bind_ipi(0);
        set_priority(p[i], i);
    }
    for (u32 i = 16; i--;)
        send(p[i]);
    for (u32 i = 0; i < 16; i++)
        assert_int_equal(take(&g, 0), p[i]);
}

static void test_set_priority_refuses(void **state)
{
    struct evtchn_set_priority p = { bind_ipi(0), 16 };

    assert_int_equal(op(EVTCHNOP_set_priority, &p), -EINVAL);
    p = (struct evtchn_set_priority){ 900, 3 };
    assert_int_equal(op(EVTCHNOP_set_priority, &p), -EINVAL);
}

static void test_masked(void **state)
{
    struct guest_vcpu g = { 0 };
    u32 a = bind_ipi(0);
    struct evtchn_unmask u = { a };

    words[a] = 1u << EVTCHN_FIFO_MASKED;
    send(a);
    assert_false(upcall(0));
    assert_int_equal(words[a], 1u << EVTCHN_FIFO_MASKED | 1u << EVTCHN_FIFO_PENDING);
    assert_int_equal(op(EVTCHNOP_unmask, &u), 0);
    assert_true(upcall(0));
    assert_int_equal(take(&g, 0), a);
    assert_int_equal(op(EVTCHNOP_unmask, &u), 0);
    assert_false(upcall(0));
}

/* --- channels that change queues --- */

static u32 unbound_pair(u32 *other)
{
    struct evtchn_alloc_unbound a = { DOMID_SELF, DOMID_SELF, 0 };
    struct evtchn_bind_interdomain b = { .remote_dom = DOMID_SELF };

    assert_int_equal(op(EVTCHNOP_alloc_unbound, &a), 0);
    b.remote_port = a.port;
    assert_int_equal(op(EVTCHNOP_bind_interdomain, &b), 0);
    *other = b.local_port;
    return a.port;
}

static void bind_vcpu(u32 port, u32 vcpu)
{
    struct evtchn_bind_vcpu b = { port, vcpu };

    assert_int_equal(op(EVTCHNOP_bind_vcpu, &b), 0);
}

/* It was the old queue's tail: what comes to that queue must not be hung on it in the new one. */
static void test_move_of_the_old_tail(void **state)
{
    struct guest_vcpu g0 = { 0 }, g1 = { 0 };
    u32 from, a = unbound_pair(&from), other = bind_ipi(0);

    while (take(&g0, 0)) /* binding raised one */
        ;
    send(from);
    assert_int_equal(take(&g0, 0), a);
    bind_vcpu(a, 1);
    send(from);
    send(other);
    assert_int_equal(take(&g1, 1), a);
    assert_int_equal(take(&g1, 1), 0);
    assert_int_equal(take(&g0, 0), other);
}

/* Still linked on the old queue: it is taken from there, later events come on the new one. */
static void test_move_while_linked(void **state)
{
    struct guest_vcpu g0 = { 0 }, g1 = { 0 };
    u32 from, a = unbound_pair(&from);

    while (take(&g0, 0))
        ;
    send(from);
    bind_vcpu(a, 1);
    send(from);
    assert_int_equal(take(&g1, 1), 0);
    assert_int_equal(take(&g0, 0), a);
    send(from);
    assert_int_equal(take(&g1, 1), a);
}

static void test_priority_change(void **state)
{
    struct guest_vcpu g = { 0 };
    u32 a = bind_ipi(0), b = bind_ipi(0);

    send(a);
    assert_int_equal(take(&g, 0), a);
    set_priority(a, 2);
    send(b);
    send(a);
    assert_int_equal(take(&g, 0), a);
    assert_int_equal(take(&g, 0), b);
}

/* A closed port that hangs in a queue is not given out again before the guest took it. */
static void test_busy_port(void **state)
{
    struct guest_vcpu g = { 0 };
    u32 a = bind_ipi(0), b;
    struct evtchn_close c = { a };

    send(a);
    assert_int_equal(op(EVTCHNOP_close, &c), 0);
    b = bind_ipi(0);
    assert_int_not_equal(b, a);
    assert_int_equal(take(&g, 0), 0); /* not pending any more */
    assert_int_equal(bind_ipi(0), a);
}

/* Whatever the guest writes, the hypervisor ends and stays within what is the guest's. */
static void test_guest_writes_rubbish(void **state)
{
    u32 p[8];

    for (int i = 0; i < 8; i++)
        p[i] = bind_ipi(i % VCPUS);
    for (unsigned round = 0; round < 20000; round++) {
        words[rand() % 1024] = (u32)rand() * 2654435761u;
        block[rand() % VCPUS]->ready = (u32)rand();
        block[rand() % VCPUS]->head[rand() % 16] = (u32)rand();
        if (round % 7 == 0)
            set_priority(p[round % 8], round % 16);
        (void)event_send(d, p[rand() % 8]);
        (void)event_unmask(d, p[rand() % 8]);
        (void)event_port_pending(d, p[rand() % 8]);
    }
}

/* --- at the same time --- */

#define CHANNELS 24
#define SENDS 20000
static u32 race_from[CHANNELS], race_port[CHANNELS];
static u64 raised[CHANNELS], seen[CHANNELS]; /* generation sent, generation the receiver saw */
static u32 senders_left;
static bool rebind;

static unsigned channel_of(u32 port)
{
    unsigned i = 0;

    while (i < CHANNELS && race_port[i] != port)
        i++;
    assert_true(i < CHANNELS);
    return i;
}

static void race_receive(unsigned n)
{
    struct guest_vcpu g = { 0 };

    for (;;) {
        bool last = atomic_read(&senders_left) == 0;
        u32 port;

        while ((port = take(&g, n))) {
            unsigned i = channel_of(port);

            atomic_set(&seen[i], atomic_read(&raised[i]));
        }
        if (last)
            return;
        cpu_relax();
    }
}

static void race_send(unsigned n)
{
    for (unsigned k = 0; k < SENDS; k++) {
        unsigned i = (k * 2 + n) % CHANNELS; /* each channel has one sender */

        atomic_add(&raised[i], 1);
        assert_int_equal(event_send(d, race_from[i]), 0);
        if (rebind && k % 5 == 0)
            assert_int_equal(event_bind_vcpu(d, race_port[i], k / 5 % 2), 0);
        if (rebind && k % 11 == 0)
            assert_int_equal(event_fifo_set_priority(d, race_port[i], k % 16), 0);
    }
    atomic_sub(&senders_left, 1);
}

static void race_cpu(void *arg)
{
    host_set_current(d->vcpu[this_cpu()]);
    if (this_cpu() < 2)
        race_receive(this_cpu());
    else
        race_send(this_cpu() - 2);
}

static void race(void)
{
    for (unsigned i = 0; i < CHANNELS; i++) {
        race_port[i] = unbound_pair(&race_from[i]);
        words[race_from[i]] |= 1u << EVTCHN_FIFO_MASKED;
        bind_vcpu(race_port[i], i % 2);
        raised[i] = seen[i] = 0;
    }
    for (unsigned n = 0; n < 2; n++) {
        struct guest_vcpu g = { 0 };

        while (take(&g, n))
            ;
    }
    senders_left = 2;
    host_run_cpus(4, race_cpu, NULL);
    for (unsigned i = 0; i < CHANNELS; i++) {
        assert_int_equal(words[race_port[i]] & (1u << EVTCHN_FIFO_PENDING | 1u << EVTCHN_FIFO_LINKED), 0);
        assert_int_equal(seen[i], raised[i]);
    }
}

static void test_race_of_senders(void **state)
{
    rebind = false;
    race();
}

static void test_race_of_senders_and_moves(void **state)
{
    rebind = true;
    race();
}

/* --- memory that comes while events are raised: none is lost --- */

#define LATE 16
static u32 late_port[LATE];
static bool late_turn; /* even the ABI */

static void late_cpu(void *arg)
{
    host_set_current(d->vcpu[this_cpu()]);
    if (!this_cpu()) {
        if (late_turn)
            assert_int_equal(init_control(0), 0);
        assert_int_equal(init_control(1), 0);
        assert_int_equal(expand(), 0);
        assert_int_equal(init_control(2), 0);
        assert_int_equal(init_control(3), 0);
        return;
    }
    for (unsigned i = this_cpu() - 1; i < LATE; i += 2)
        assert_int_equal(event_send(d, late_port[i]), 0);
}

static void late_race(void **state, bool turn)
{
    late_turn = turn;
    for (unsigned round = 0; round < 50; round++) {
        unsigned taken = 0;

        each_bare(state);
        if (!turn)
            assert_int_equal(init_control(0), 0);
        for (unsigned i = 0; i < LATE; i++)
            late_port[i] = bind_ipi(i % VCPUS);
        host_run_cpus(3, late_cpu, NULL);
        for (unsigned n = 0; n < VCPUS; n++) {
            struct guest_vcpu g = { 0 };

            while (take(&g, n))
                taken++;
        }
        assert_int_equal(taken, LATE);
    }
}

static void test_race_with_late_memory(void **state) { late_race(state, false); }

static void test_race_with_turning(void **state) { late_race(state, true); }

/* --- vcpu_info that moves while events are raised --- */

static void moving_cpu(void *arg)
{
    struct domain *m = arg;

    host_set_current(m->vcpu[0]);
    if (!this_cpu()) {
        struct page *p = domain_alloc_pages(m, 0, 0);

        for (unsigned i = 0; i < VCPUS; i++)
            assert_int_equal(vcpu_register_info(m->vcpu[i], page_to_mfn(p).n, i * sizeof(vcpu_info_t)), 0);
        return;
    }
    for (unsigned i = 0; i < 4 * VCPUS; i++)
        assert_int_equal(event_send(m, 1 + i % VCPUS), 0);
}

static void test_race_with_moving_info(void **state)
{
    for (unsigned round = 0; round < 40; round++) {
        struct domain *m = host_domain_create(7, false, VCPUS, 100);
        u32 port;

        for (unsigned i = 0; i < VCPUS; i++)
            assert_int_equal(event_bind_ipi(m, i, &port), 0);
        host_run_cpus(3, moving_cpu, m);
        for (unsigned i = 0; i < VCPUS; i++) {
            assert_int_equal(m->vcpu[i]->info->evtchn_upcall_pending, 1);
            assert_true(m->vcpu[i]->info->evtchn_pending_sel & 1);
        }
        host_set_current(d->vcpu[0]);
        assert_int_equal(domain_release_page(m, mfn_to_page(m->vcpu[0]->info_mfn)), 0);
        assert_true(host_domain_destroy(m));
    }
}

#define BARE(f) cmocka_unit_test_setup(f, each_bare)
#define TEST(f) cmocka_unit_test_setup(f, each)

/* --- frames that the guest gives up while they are in use --- */

/* The FIFO's references are the last: they go with no lock held, since the frames go to the heap then. */
static void test_frames_given_up(void **state)
{
    u64 pages = d->tot_pages;
    struct page *control = domain_alloc_pages(d, 0, 0), *array = domain_alloc_pages(d, 0, 0);
    struct evtchn_init_control c = { .control_gfn = page_to_mfn(control).n };
    struct evtchn_expand_array e = { page_to_mfn(array).n };
    struct evtchn_reset r = { DOMID_SELF };

    assert_int_equal(op(EVTCHNOP_init_control, &c), 0);
    assert_int_equal(op(EVTCHNOP_expand_array, &e), 0);
    assert_int_equal(domain_release_page(d, control), 0);
    assert_int_equal(domain_release_page(d, array), 0);
    assert_int_equal(d->tot_pages, pages + 2);
    assert_int_equal(op(EVTCHNOP_reset, &r), 0);
    assert_int_equal(d->tot_pages, pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BARE(test_init_control_refuses),
        BARE(test_frames_given_up),
        BARE(test_race_with_late_memory),
        BARE(test_race_with_turning),
        BARE(test_race_with_moving_info),
        BARE(test_late_memory),
        BARE(test_pending_when_turning),
        BARE(test_nothing_pending_after_turning_back),
        TEST(test_array_is_limited),
        TEST(test_death_gives_the_frames_back),
        TEST(test_first_come_first_served),
        TEST(test_append_after_the_guest_took_the_tail),
        TEST(test_priorities),
        TEST(test_set_priority_refuses),
        TEST(test_masked),
        TEST(test_move_of_the_old_tail),
        TEST(test_move_while_linked),
        TEST(test_priority_change),
        TEST(test_busy_port),
        TEST(test_guest_writes_rubbish),
        TEST(test_race_of_senders),
        TEST(test_race_of_senders_and_moves),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
