/* SPDX-License-Identifier: MIT */
/*
 * The other domain: a copy of this guest as it is in memory, at the same
 * addresses, that finds it is not domain 0 and does what it is asked.  It grants
 * its `pages` to domain 0.
 */
#include "bench.h"

#include "../../bench/mark.h"

#define IMAGE_PAGES ((PTR(_end) - PTR(_text)) / PAGE_SIZE)
#define FRAMES 1024u /* room for the list; 4 MiB */
#define L1_OF(va) (((va) >> 21) - (PTR(_text) >> 21))

extern char _start[];
struct child *child;
domid_t child_id;
evtchn_port_t child_port;

/* These are the child's own, filled in before they are copied. */
static xen_pfn_t frames[FRAMES]; /* of the image's pages, then of the tables */
static char child_page[PAGE_SIZE] __attribute__((aligned(4096)));
static char info_page[PAGE_SIZE] __attribute__((aligned(4096)));

static volatile uint64_t answers; /* domain 0's: from the child */

/* --- made by domain 0 --- */

enum { L2, L3, L4, L1 }; /* behind the image's pages; as many L1s as it takes */
static unsigned l1s(void) { return (unsigned)L1_OF(PTR(_end) - 1) + 1; }
static unsigned table_index(unsigned which) { return (unsigned)IMAGE_PAGES + which; }
static unsigned index_of(const void *va) { return (unsigned)((PTR(va) - PTR(_text)) / PAGE_SIZE); }

static void *look(unsigned index)
{
    void *va = window(child_id, frames[index]);

    must("foreign mapping", !va);
    return va;
}

static void entry_write(unsigned table, uint64_t slot, unsigned to)
{
    ((uint64_t *)look(table_index(table)))[slot & 511] = frames[to] << 12 | PAGE_FLAGS | PTE_RW | PTE_US;
}

static void build_tables(void)
{
    struct mmuext_op pin = { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = frames[table_index(L4)] };

    for (uint64_t va = PTR(_text); va < PTR(_end); va += PAGE_SIZE)
        entry_write(L1 + (unsigned)L1_OF(va), va >> 12, index_of((void *)va));
    for (unsigned i = 0; i < l1s(); i++)
        entry_write(L2, (PTR(_text) >> 21) + i, table_index(L1 + i));
    entry_write(L3, VIRT_BASE >> 30, table_index(L2));
    entry_write(L4, VIRT_BASE >> 39, table_index(L3));
    window_close(); /* a table must not be mapped writable any more */
    must("pinning", HC4(mmuext_op, PTR(&pin), 1, 0, child_id));
}

static void tell(void)
{
    struct xen_domctl_getdomaininfo info;
    evtchn_alloc_unbound_t unbound = { .dom = DOMID_SELF, .remote_dom = child_id };

    must("getdomaininfo", !tools_describe(child_id, &info));
    must("alloc_unbound", HC2(event_channel_op, EVTCHNOP_alloc_unbound, PTR(&unbound)));
    child_port = unbound.port;
    port_open(child_port);
    ((start_info_t *)info_page)->shared_info = info.shared_info_frame << 12;
    ((struct child *)child_page)->remote = child_port;
}

static void copy_image(void)
{
    for (unsigned i = 0; i < IMAGE_PAGES; i++)
        __builtin_memcpy(look(i), _text + i * PAGE_SIZE, PAGE_SIZE);
}

static void start(void)
{
    static vcpu_guest_context_t context;
    struct xen_domctl op = { .u.vcpucontext.vcpu = 0 };

    context.flags = VGCF_in_kernel | VGCF_online;
    context.user_regs.rip = PTR(_start);
    context.user_regs.rsi = PTR(info_page);
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = context.kernel_ss = FLAT_KERNEL_SS;
    context.user_regs.rflags = 0x202;
    context.ctrlreg[3] = frames[table_index(L4)] << 12;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    must("setvcpucontext", tools_domctl(&op, XEN_DOMCTL_setvcpucontext, child_id));
    must("unpausedomain", tools_domctl(&op, XEN_DOMCTL_unpausedomain, child_id));
}

/* Its page of words, in domain 0's sight for good. */
static void meet(void)
{
    uint64_t entry = frames[index_of(child_page)] << 12 | PAGE_FLAGS | PTE_RW;

    child = page_alloc();
    must("foreign mapping",
         HC4(update_va_mapping_otherdomain, PTR(child), entry, UVMF_INVLPG | UVMF_LOCAL, child_id));
}

static bool is_ready(uint64_t unused) { return (void)unused, child->ready; }

void child_make(void)
{
    unsigned count = table_index(L1) + l1s();

    must("room for frames", count > FRAMES);
    must("making", tools_create(&child_id, count));
    must("filling", tools_populate(child_id, frames, count));
    tell();
    copy_image();
    build_tables();
    meet();
    start();
    must("the child's start", !wait_for(is_ready, 0));
}

/* --- used by domain 0 --- */

static void handle_answer(struct frame *f)
{
    (void)f;
    if (port_take(child_port))
        answers++;
}

uint64_t child_answers(void)
{
    event_handler = handle_answer;
    return answers;
}

void child_wait_for_answer(uint64_t before)
{
    while (answers == before) {
        HC2(sched_op, SCHEDOP_block, 0);
        vcpu_info()->evtchn_upcall_mask = 1;
    }
}

/* --- the child --- */

static void handle_question(struct frame *f)
{
    (void)f;
    if (child->mode == CHILD_MARKS)
        bench_end();
    if (port_take(child->port))
        child->turns++;
}

static void child_must(long rc)
{
    if (rc)
        guest_shutdown(SHUTDOWN_crash);
}

static void grant_pages(void)
{
    xen_pfn_t frame = 0;
    gnttab_setup_table_t setup = { .dom = DOMID_SELF, .nr_frames = 1 };
    grant_entry_v1_t *table = page_alloc();

    set_xen_guest_handle(setup.frame_list, &frame);
    child_must(HC3(grant_table_op, GNTTABOP_setup_table, PTR(&setup), 1) | setup.status);
    child_must(map_page(table, frame << 12 | PAGE_FLAGS | PTE_RW));
    for (unsigned i = 0; i < PAGES; i++) {
        grant_entry_v1_t *e = &table[CHILD_FIRST_REF + i];

        e->domid = 0;
        e->frame = (uint32_t)frames[index_of(pages[i])];
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        e->flags = GTF_permit_access;
    }
}

static void child_prepare(void)
{
    evtchn_bind_interdomain_t bind = { .remote_dom = 0 };

    HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    child = (void *)child_page;
    grant_pages();
    bind.remote_port = child->remote;
    child_must(HC2(event_channel_op, EVTCHNOP_bind_interdomain, PTR(&bind)));
    child->port = bind.local_port;
    event_handler = handle_question;
    port_open(child->port);
}

static void child_yield(void)
{
    while (child->mode == CHILD_YIELDS) {
        child->turns++;
        HC2(sched_op, SCHEDOP_yield, 0);
    }
}

void child_main(void)
{
    uint64_t answered = 0;

    child_prepare();
    child->ready = 1;
    for (;;) {
        vcpu_info()->evtchn_upcall_mask = 1; /* so that none comes between the look and the sleep */
        if (answered == child->turns) {
            HC2(sched_op, SCHEDOP_block, 0);
            continue;
        }
        child_must(port_send(child->port));
        child_yield();
        answered = child->turns;
    }
}
