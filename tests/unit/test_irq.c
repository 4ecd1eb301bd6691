/* SPDX-License-Identifier: MIT */
/*
 * x86/vector.c, x86/irq.c and x86/pirq*.c over a pretended interrupt
 * controller: vectors, level and edge, moves between CPUs, the life of an MSI.
 */
#include "unit.h"

#include "x86/vector.c"
#include "x86/irq.c"
#include "x86/pirq.c"
#include "x86/pirq_map.c"
#include "x86/pirq_eoi_map.c"

#include <zelo/softirq.h>

#define GSIS 24
#define LEVEL_GSI 20
#define EDGE_GSI 4

u32 cpu_apicid[MAX_CPUS];
spinlock_t pci_lock = SPINLOCK(LOCK_PCI);

static unsigned eois, sent, last_port;
static bool masked[GSIS];
static u32 dest[GSIS];

void apic_eoi(void) { eois++; }

void event_send_pirq(struct domain *d, u32 port)
{
    sent++;
    last_port = port;
}

static u32 gsi_of(struct irq_desc *desc) { return (u32)(desc - gsi_descs); }
static void gsi_mask(struct irq_desc *desc) { masked[gsi_of(desc)] = true; }
static void gsi_unmask(struct irq_desc *desc) { masked[gsi_of(desc)] = false; }
static void gsi_dest(struct irq_desc *desc, u32 apicid) { dest[gsi_of(desc)] = apicid; }
static const struct irq_chip gsi_chip = { "test", gsi_mask, gsi_unmask, gsi_dest, true };

static unsigned msi_masks;
static void msi_mask(struct irq_desc *desc) { msi_masks++; }
static void msi_nothing(struct irq_desc *desc) { }
static void msi_dest(struct irq_desc *desc, u32 apicid) { }
static const struct irq_chip msi_chip = { "MSI", msi_mask, msi_nothing, msi_dest, true };

void msi_destroy(struct irq_desc *leader)
{
    irq_retire(leader);
}

static void interrupt(unsigned cpu, u8 vector)
{
    struct cpu_user_regs regs = { .entry_vector = vector };

    host_set_cpu(cpu);
    arch_irq_disable();
    irq_dispatch(&regs);
    arch_irq_enable();
    host_set_cpu(0);
}

static void run_softirqs(unsigned cpu)
{
    host_set_cpu(cpu);
    softirq_run_no_schedule();
    host_set_cpu(0);
}

static int map_gsi_locked(struct domain *d, u32 gsi)
{
    int rc, nr = -1;

    spin_lock(&pci_lock);
    rc = pirq_map_gsi(d, gsi, &nr);
    spin_unlock(&pci_lock);
    return rc ? rc : nr;
}

static int unmap_locked(struct domain *d, u32 nr)
{
    int rc;

    spin_lock(&pci_lock);
    rc = pirq_unmap(d, nr);
    spin_unlock(&pci_lock);
    return rc;
}

/* As much of a domain as PIRQs need. */
static struct domain *domain_new(void)
{
    struct domain *d = heap_alloc(order_for_pages(PFN_UP(sizeof(*d))), 0);

    d->vcpu = mem_alloc_array(struct vcpu *, 2);
    d->max_vcpus = 2;
    d->max_pages = 100;
    d->page_first = d->page_last = PAGE_LINK_NONE;
    d->refs = 1;
    spin_lock_init(&d->lock, LOCK_DOMAIN);
    spin_lock_init(&d->page_lock, LOCK_DOMAIN_PAGES);
    for (unsigned i = 0; i < 2; i++)
        d->vcpu[i] = mem_alloc_type(struct vcpu);
    assert_int_equal(pirq_domain_init(d, GSIS + 32), 0);
    return d;
}

static void domain_end(struct domain *d)
{
    int nr = -1;

    d->dying = DOMAIN_DYING;
    pirq_domain_free(d);
    assert_int_equal(pirq_bind(d, LEVEL_GSI, 3, d->vcpu[0], false), -EINVAL);
    spin_lock(&pci_lock);
    assert_int_equal(pirq_map_gsi(d, LEVEL_GSI, &nr), -ESRCH);
    spin_unlock(&pci_lock);
    pirq_domain_free(d); /* again: nothing left to do */
    assert_int_equal(host_locks_held(), 0);
}

/* --- vectors --- */

static void test_vectors_are_all_given_out(void **state)
{
    bool seen[256] = { false };
    int v, n = 0;

    while ((v = vector_alloc(9, 1)) >= 0) {
        assert_false(seen[v]);
        assert_true(v >= VECTOR_FIRST_DYNAMIC && v <= VECTOR_LAST_DYNAMIC);
        assert_true(v != VECTOR_INT80 && v != VECTOR_LEGACY_HYPERCALL);
        seen[v] = true;
        n++;
    }
    assert_int_equal(v, -ENOSPC);
    assert_int_equal(n, VECTOR_LAST_DYNAMIC - VECTOR_FIRST_DYNAMIC + 1 - 2);
    for (v = 0; v < 256; v++)
        if (seen[v])
            vector_release(9, (u8)v);
}

static void test_vector_blocks(void **state)
{
    int a = vector_alloc(9, 8), b = vector_alloc(9, 32);

    assert_int_equal(a % 8, 0);
    assert_int_equal(b % 32, 0);
    assert_false(vector_claim(9, (u8)(a + 7)));
    assert_true(vector_claim(10, (u8)(a + 7)));
    assert_false(vector_claim(9, VECTOR_INT80));
    assert_false(vector_claim(9, VECTOR_TIMER));
    vector_release(10, (u8)(a + 7));
    for (int i = 0; i < 8; i++)
        vector_release(9, (u8)(a + i));
    for (int i = 0; i < 32; i++)
        vector_release(9, (u8)(b + i));
}

/* A number that is free everywhere comes before one that another CPU has. */
static void test_vector_prefers_unused_number(void **state)
{
    int a = vector_alloc(9, 1), b = vector_alloc(10, 1);

    assert_int_not_equal(a, b);
    vector_release(9, (u8)a);
    vector_release(10, (u8)b);
}

/* --- PIRQs --- */

static void test_edge(void **state)
{
    struct domain *d = domain_new();
    struct irq_desc *desc = irq_gsi_desc(EDGE_GSI);
    unsigned e;

    assert_int_equal(map_gsi_locked(d, EDGE_GSI), EDGE_GSI);
    assert_int_equal(pirq_bind(d, 5, 7, d->vcpu[0], false), -EINVAL);
    assert_int_equal(pirq_bind(d, EDGE_GSI, 7, d->vcpu[0], false), 0);
    assert_int_equal(pirq_bind(d, EDGE_GSI, 8, d->vcpu[0], false), -EEXIST);
    assert_false(masked[EDGE_GSI]);
    sent = 0;
    e = eois;
    interrupt(desc->cpu, desc->vector);
    interrupt(desc->cpu, desc->vector);
    assert_int_equal(sent, 2);
    assert_int_equal(last_port, 7);
    assert_int_equal(eois, e + 2);
    assert_false(masked[EDGE_GSI]);
    assert_int_equal(unmap_locked(d, EDGE_GSI), -EBUSY);
    pirq_unbind(d, EDGE_GSI);
    assert_true(masked[EDGE_GSI]);
    assert_int_equal(unmap_locked(d, EDGE_GSI), 0);
    assert_int_equal(unmap_locked(d, EDGE_GSI), -EINVAL);
    domain_end(d);
}

static void test_level(void **state)
{
    struct domain *d = domain_new();
    struct irq_desc *desc = irq_gsi_desc(LEVEL_GSI);
    bool level;
    u32 port;

    assert_int_equal(map_gsi_locked(d, LEVEL_GSI), LEVEL_GSI);
    assert_int_equal(pirq_bind(d, LEVEL_GSI, 9, d->vcpu[0], true), 0);
    assert_int_equal(pirq_query(d, LEVEL_GSI, &level, &port), 0);
    assert_true(level);
    assert_int_equal(port, 9);
    sent = 0;
    interrupt(desc->cpu, desc->vector);
    assert_int_equal(sent, 1);
    assert_true(masked[LEVEL_GSI]);
    pirq_eoi(d, LEVEL_GSI);
    assert_false(masked[LEVEL_GSI]);
    masked[LEVEL_GSI] = true;
    pirq_eoi(d, LEVEL_GSI); /* nothing in service: nothing is unmasked */
    assert_true(masked[LEVEL_GSI]);
    masked[LEVEL_GSI] = false;

    /* Unbound in the middle of service: the line stays silent, EOI does not wake it. */
    interrupt(desc->cpu, desc->vector);
    pirq_unbind(d, LEVEL_GSI);
    pirq_eoi(d, LEVEL_GSI);
    assert_true(masked[LEVEL_GSI]);
    domain_end(d);
    assert_null(desc->pirq);
}

static void test_unbound_is_masked_and_counted(void **state)
{
    struct irq_desc *desc = irq_gsi_desc(LEVEL_GSI);
    u64 before = desc->unhandled;
    unsigned e = eois;

    masked[LEVEL_GSI] = false;
    sent = 0;
    interrupt(desc->cpu, desc->vector);
    assert_true(masked[LEVEL_GSI]);
    assert_int_equal(desc->unhandled, before + 1);
    assert_int_equal(sent, 0);
    assert_int_equal(eois, e + 1);
}

/* The same mapping again is fine; another number for the same line is not. */
static void test_map_again(void **state)
{
    struct domain *d = domain_new();
    int nr = 21;

    assert_int_equal(map_gsi_locked(d, LEVEL_GSI), LEVEL_GSI);
    assert_int_equal(map_gsi_locked(d, LEVEL_GSI), LEVEL_GSI);
    spin_lock(&pci_lock);
    assert_int_equal(pirq_map_gsi(d, LEVEL_GSI, &nr), -EEXIST);
    spin_unlock(&pci_lock);
    assert_int_equal(map_gsi_locked(d, GSIS), -EINVAL);
    domain_end(d);
}

/* Another domain can map the line, but not take it while it is bound. */
static void test_two_domains(void **state)
{
    struct domain *a = domain_new(), *b = domain_new();

    assert_int_equal(map_gsi_locked(a, LEVEL_GSI), LEVEL_GSI);
    assert_int_equal(map_gsi_locked(b, LEVEL_GSI), LEVEL_GSI);
    assert_int_equal(pirq_bind(a, LEVEL_GSI, 3, a->vcpu[0], true), 0);
    assert_int_equal(pirq_bind(b, LEVEL_GSI, 4, b->vcpu[0], true), -EBUSY);
    pirq_unbind(b, LEVEL_GSI);
    assert_ptr_equal(irq_gsi_desc(LEVEL_GSI)->pirq->domain, a);
    domain_end(a); /* a dying domain lets go */
    assert_int_equal(pirq_bind(b, LEVEL_GSI, 4, b->vcpu[0], true), 0);
    domain_end(b);
}

static void test_move(void **state)
{
    struct domain *d = domain_new();
    struct irq_desc *desc = irq_gsi_desc(EDGE_GSI);
    unsigned from, to;
    u8 vector;

    assert_int_equal(map_gsi_locked(d, EDGE_GSI), EDGE_GSI);
    assert_int_equal(pirq_bind(d, EDGE_GSI, 7, d->vcpu[0], false), 0);
    run_softirqs(0);
    run_softirqs(1);
    from = desc->cpu;
    vector = desc->vector;
    to = from ^ 1;
    d->vcpu[1]->processor = to;
    pirq_set_target(d, EDGE_GSI, d->vcpu[1]);
    assert_int_equal(dest[EDGE_GSI], cpu_apicid[to]);
    sent = 0;
    interrupt(from, vector); /* was on its way */
    interrupt(to, vector);
    assert_int_equal(sent, 2);

    /* Moved on before the first move is through: it follows. */
    d->vcpu[1]->processor = 2;
    pirq_set_target(d, EDGE_GSI, d->vcpu[1]);
    assert_int_equal(desc->cpu, to);
    run_softirqs(from);
    assert_int_equal(desc->cpu, 2);
    assert_null(per_cpu(irq_by_vector, from)[vector]);
    for (unsigned i = 0; i < 4; i++) /* the tasklet may be sent on once */
        for (unsigned cpu = 0; cpu < 4; cpu++)
            run_softirqs(cpu);
    assert_int_equal(desc->old_cpu, -1);
    assert_null(per_cpu(irq_by_vector, to)[vector]);
    assert_true(vector_claim(to, vector));

    /* Its number is taken there: it stays. */
    d->vcpu[1]->processor = to;
    pirq_set_target(d, EDGE_GSI, d->vcpu[1]);
    assert_int_equal(desc->cpu, 2);
    vector_release(to, vector);
    domain_end(d);
}

static void test_msi_life(void **state)
{
    struct domain *d = domain_new();
    struct irq_desc *desc = irq_desc_alloc(&msi_chip), *again;
    int nr = -1;
    unsigned cpu;
    u8 vector;

    assert_int_equal(irq_place(&desc, 1), 0);
    spin_lock(&pci_lock);
    assert_int_equal(pirq_map_msi(d, &desc, 1, &nr), 0);
    spin_unlock(&pci_lock);
    assert_true(nr >= GSIS);
    assert_int_equal(pirq_bind(d, (u32)nr, 11, d->vcpu[0], false), 0);
    for (unsigned i = 0; i < 4; i++)
        run_softirqs(i);
    cpu = desc->cpu;
    vector = desc->vector;
    d->vcpu[1]->processor = cpu ^ 1;
    pirq_set_target(d, (u32)nr, d->vcpu[1]);
    pirq_unbind(d, (u32)nr);
    assert_int_equal(unmap_locked(d, (u32)nr), 0); /* in the middle of its move */
    assert_non_null(per_cpu(irq_by_vector, cpu)[vector]);
    msi_masks = 0;
    interrupt(cpu, vector); /* was on its way; the table with its mask is gone */
    desc->handler = pirq_handle_edge; /* as that CPU read it before the unbinding */
    interrupt(cpu, vector);
    assert_int_equal(msi_masks, 0);
    for (unsigned i = 0; i < 4; i++)
        for (unsigned c = 0; c < 4; c++)
            run_softirqs(c);
    assert_null(per_cpu(irq_by_vector, cpu)[vector]);
    assert_null(per_cpu(irq_by_vector, cpu ^ 1)[vector]);
    again = irq_desc_alloc(&msi_chip);
    assert_ptr_equal(again, desc);
    assert_int_equal(irq_place(&again, 1), 0);
    irq_retire(again);
    for (unsigned c = 0; c < 4; c++)
        run_softirqs(c);
    domain_end(d);
}

static void test_msi_group(void **state)
{
    struct domain *d = domain_new();
    struct irq_desc *descs[4];
    int nr = -1;

    for (unsigned i = 0; i < 4; i++)
        descs[i] = irq_desc_alloc(&msi_chip);
    assert_int_equal(irq_place(descs, 4), 0);
    assert_int_equal(descs[0]->vector % 4, 0);
    assert_int_equal(descs[3]->vector, descs[0]->vector + 3);
    spin_lock(&pci_lock);
    assert_int_equal(pirq_map_msi(d, descs, 4, &nr), 0);
    spin_unlock(&pci_lock);
    assert_int_equal(pirq_bind(d, (u32)nr + 2, 11, d->vcpu[0], false), 0);
    assert_int_equal(unmap_locked(d, (u32)nr + 1), -EINVAL); /* only as a whole */
    assert_int_equal(unmap_locked(d, (u32)nr), -EBUSY);
    pirq_unbind(d, (u32)nr + 2);
    assert_int_equal(unmap_locked(d, (u32)nr), 0);
    for (unsigned i = 1; i < 4; i++) /* msi_destroy above retires the leader alone */
        irq_retire(descs[i]);
    for (unsigned c = 0; c < 4; c++)
        run_softirqs(c);
    domain_end(d);
}

static void test_reservation(void **state)
{
    struct domain *d = domain_new();
    int a, b;

    spin_lock(&pci_lock);
    assert_int_equal(pirq_reserve(d, &a), 0);
    assert_int_equal(pirq_reserve(d, &b), 0);
    assert_int_not_equal(a, b);
    assert_int_equal(pirq_map_gsi(d, LEVEL_GSI, &a), 0);
    spin_unlock(&pci_lock);
    assert_int_equal(pirq_bind(d, (u32)b, 3, d->vcpu[0], false), -EINVAL);
    assert_int_equal(pirq_bind(d, (u32)a, 3, d->vcpu[0], false), 0);
    assert_int_equal(unmap_locked(d, (u32)b), 0);
    domain_end(d);
}

/* The table of an ordinary domain has its size; domain 0's grows. */
static void test_table_limit(void **state)
{
    struct domain *d = domain_new();
    int nr, rc, n = 0;

    spin_lock(&pci_lock);
    while (!(rc = pirq_reserve(d, &nr)))
        n++;
    assert_int_equal(rc, -ENOSPC);
    assert_int_equal(n, d->pirqs.nr_max - GSIS);
    d->is_privileged = true;
    assert_int_equal(pirq_reserve(d, &nr), 0);
    d->is_privileged = false;
    spin_unlock(&pci_lock);
    domain_end(d);
}

static void test_eoi_map(void **state)
{
    struct domain *d = domain_new();
    struct page *p = domain_alloc_pages(d, 0, 0);
    u64 mfn = page_to_mfn(p).n;
    unsigned long *map = page_to_virt(p);

    assert_int_equal(map_gsi_locked(d, LEVEL_GSI), LEVEL_GSI);
    assert_int_equal(map_gsi_locked(d, EDGE_GSI), EDGE_GSI);
    assert_int_equal(pirq_bind(d, LEVEL_GSI, 3, d->vcpu[0], false), 0);
    assert_int_equal(pirq_eoi_map_set(d, 0, false), -EINVAL);
    assert_int_equal(pirq_eoi_map_set(d, mfn, false), 0);
    assert_int_equal(pirq_eoi_map_set(d, mfn, false), -EBUSY);
    assert_int_equal(map[0], 1UL << LEVEL_GSI);
    assert_int_equal(pirq_bind(d, EDGE_GSI, 4, d->vcpu[0], false), 0);
    assert_int_equal(map[0], 1UL << LEVEL_GSI);
    pirq_unbind(d, LEVEL_GSI);
    assert_int_equal(map[0], 0);
    domain_end(d);
}

static void test_fixed_and_stray(void **state)
{
    unsigned e = eois;
    u64 before = per_cpu(irq_spurious_count, 0);

    interrupt(0, VECTOR_SPURIOUS);
    assert_int_equal(eois, e); /* must not be acknowledged */
    interrupt(0, VECTOR_LAST_DYNAMIC);
    assert_int_equal(eois, e + 1);
    assert_int_equal(per_cpu(irq_spurious_count, 0), before + 2);
}

static int setup(void **state)
{
    host_init(4);
    tasklet_room_init();
    for (unsigned cpu = 0; cpu < 4; cpu++)
        cpu_apicid[cpu] = cpu * 2;
    irq_gsi_init(GSIS);
    for (u32 gsi = 0; gsi < GSIS; gsi++) {
        struct irq_desc *desc = irq_gsi_desc_new(gsi, &gsi_chip);

        desc->level = gsi >= 16;
        masked[gsi] = true;
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_are_all_given_out),
        cmocka_unit_test(test_vector_blocks),
        cmocka_unit_test(test_vector_prefers_unused_number),
        cmocka_unit_test(test_edge),
        cmocka_unit_test(test_level),
        cmocka_unit_test(test_unbound_is_masked_and_counted),
        cmocka_unit_test(test_map_again),
        cmocka_unit_test(test_two_domains),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_msi_life),
        cmocka_unit_test(test_msi_group),
        cmocka_unit_test(test_reservation),
        cmocka_unit_test(test_table_limit),
        cmocka_unit_test(test_eoi_map),
        cmocka_unit_test(test_fixed_and_stray),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
