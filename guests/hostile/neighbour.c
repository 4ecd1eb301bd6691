/* SPDX-License-Identifier: MIT */
/*
 * One that does no harm: works for ever, looks whether it comes out right, and
 * tells how far it is on the page where a store's ring would be, for its maker.
 */
#include "hostile.h"
#include "work.h"

#define PAGES 16u
#define SLOT 508u /* of the kernel's L2: unused */

static uint64_t *pages[PAGES];

static uint64_t next(uint64_t x)
{
    return x * 6364136223846793005UL + 1442695040888963407UL;
}

static void fill(uint64_t x)
{
    for (unsigned p = 0; p < PAGES; p++)
        for (unsigned i = 0; i < PAGE_SIZE / sizeof(x); i++)
            pages[p][i] = x = next(x);
}

/* What was written is there, while others ran. */
static bool memory_is_right(uint64_t x)
{
    for (unsigned p = 0; p < PAGES; p++)
        for (unsigned i = 0; i < PAGE_SIZE / sizeof(x); i++)
            MUST(((volatile uint64_t *)pages[p])[i] == (x = next(x)));
    return true;
}

/* A table made, pinned, used and given back: through it the pages are the same. */
static bool tables_are_right(void)
{
    static uint64_t *table;
    const uint64_t *l2e = (uint64_t *)mfn_to_virt(table_of(_text, 2)) + SLOT;
    volatile uint64_t *there = (uint64_t *)((VIRT_BASE & ~0x3fffffffUL) + (uint64_t)SLOT * 0x200000);

    if (!table)
        table = page_alloc();
    for (unsigned p = 0; p < PAGES; p++)
        table[p] = pte(virt_to_mfn(pages[p]), PTE_RW | PTE_D);
    MUST(!set_writable(table, false) && !mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table), 0));
    MUST(!entry_set(l2e, pte(virt_to_mfn(table), PTE_TABLE)));
    for (unsigned i = 0; i < PAGES * PAGE_SIZE / sizeof(*there); i += 61)
        MUST(there[i] == pages[i / 512][i % 512]);
    there[700] = ~there[700];
    MUST(pages[1][700 - 512] == there[700]);
    MUST(!entry_set(l2e, 0) && !mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0));
    return !mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table), 0) && !set_writable(table, true);
}

/* An event is there once it is sent, and not before; and a sleep ends when its time has come. */
static bool events_are_right(uint32_t port)
{
    volatile unsigned long *pending = &shared_info->evtchn_pending[port / 64];
    evtchn_send_t send = { port };
    sched_poll_t poll = { .nr_ports = 1 };

    set_xen_guest_handle(poll.ports, &port);
    MUST(!(*pending & 1UL << port % 64));
    poll.timeout = coarse_time() + 2000000;
    MUST(!HC2(sched_op, SCHEDOP_poll, PTR(&poll)));
    MUST(!HC2(event_channel_op, EVTCHNOP_send, PTR(&send)));
    MUST(*pending & 1UL << port % 64);
    __atomic_fetch_and(pending, ~(1UL << port % 64), __ATOMIC_SEQ_CST);
    return true;
}

void neighbour(void)
{
    struct work *work = mfn_to_virt(start_info->store_mfn);
    evtchn_bind_ipi_t ipi = { .vcpu = 0 };

    for (unsigned p = 0; p < PAGES; p++)
        pages[p] = page_alloc();
    if (HC2(event_channel_op, EVTCHNOP_bind_ipi, PTR(&ipi)))
        work->wrong++;
    for (uint64_t round = 1;; round++) {
        fill(round);
        if (!events_are_right(ipi.port) || !memory_is_right(round) || !tables_are_right())
            work->wrong++;
        work->rounds = round;
    }
}
