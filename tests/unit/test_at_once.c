/* SPDX-License-Identifier: MIT */
/*
 * pv/at_once.c: what is done at once is what traps.c does, to the last register and word of the guest's stack, and
 * what is not leaves everything as it was. Both ways go from the same state, for many of them.
 */
#include "vcpu_fixture.h"

#include <zelo/guest.h>
#include <zelo/trace.h>

#define HANDLER 0xffffffff81001000
#define FAULT_AT 0x7f0000001234
#define WORDS 64

static u64 stack[WORDS];
static unsigned crashes;
bool trace_on;

void domain_crash(struct domain *d, const char *fmt, ...) { crashes++; }
void trace_record(u32 event, const u32 *data, unsigned n) { }
void pv_save_selectors(struct cpu_user_regs *r) { }
void vcpu_kick(struct vcpu *v) { }

/* The general ways change modes by this; the others by the seam's. */
static struct host_mode general;
void pv_toggle_mode(struct vcpu *v)
{
    v->pv.flags ^= PVF_KERNEL;
    general.cr3 = pv_mode_root(&v->pv).n << PAGE_SHIFT;
    general.changes++;
}

/* --- the ways --- */

static bool syscall_at_once(void) { return pv_syscall_at_once(regs, &vcpu); }
static bool iret_at_once(void) { return pv_iret_at_once(regs, &vcpu); }
static bool fault_at_once(void) { return pv_page_fault_at_once(regs, &vcpu, FAULT_AT); }
static void syscall_anyhow(void) { pv_syscall_from_user(); }
static void iret_anyhow(void) { hypercall_dispatch(regs); }
static void fault_anyhow(void) { pv_inject_page_fault(FAULT_AT, regs->error_code); }

static const struct way { bool (*at_once)(void); void (*anyhow)(void); } ways[] = {
    { syscall_at_once, syscall_anyhow }, { iret_at_once, iret_anyhow }, { fault_at_once, fault_anyhow },
};
enum { SYSCALL, IRET, FAULT };

/* --- states --- */

/* Everything a way can change. */
struct state {
    struct cpu_user_regs regs;
    struct vcpu vcpu;
    vcpu_info_t info;
    u64 stack[WORDS];
    unsigned crashes;
};

static void state_save(struct state *s)
{
    *s = (struct state){ .regs = *regs, .vcpu = vcpu, .info = info, .crashes = crashes };
    memcpy(s->stack, stack, sizeof(stack));
}

static void state_load(const struct state *s)
{
    *regs = s->regs;
    vcpu = s->vcpu;
    info = s->info;
    crashes = s->crashes;
    memcpy(stack, s->stack, sizeof(stack));
    memset(&general, 0, sizeof(general));
    memset(&host_mode, 0, sizeof(host_mode));
}

static struct iret_context *frame(void) { return (struct iret_context *)(stack + 8); }

/* A usual one: a program whose kernel takes its system calls with events masked, and lets it go on. */
static int usual(unsigned way)
{
    vcpu_begin(NULL);
    memset(stack, 0, sizeof(stack));
    memset(&host_mode, 0, sizeof(host_mode));
    crashes = 0;
    trace_on = false;
    regs->rax = way == IRET ? __HYPERVISOR_iret : 39;
    regs->rbx = 0xbb;
    regs->rdi = 0xd1;
    regs->rip = regs->rcx = 0x401000;
    regs->rflags = regs->r11 = RFLAGS_IF | RFLAGS_FIXED | 1;
    regs->entry_vector = PV_SYSRET_ALLOWED;
    regs->cs = FLAT_USER_CS64;
    regs->ss = FLAT_USER_SS64;
    regs->rsp = 0x7ffff000;
    vcpu.pv.syscall_callback = HANDLER;
    vcpu.pv.flags = PVF_SYSCALL_MASKS;
    pv_set_kernel_stack(&vcpu, FLAT_KERNEL_SS, (vaddr_t)(stack + WORDS - 2));
    traps[TRAP_PAGE_FAULT] = (struct trap_info){ .vector = TRAP_PAGE_FAULT, .flags = 4, .address = HANDLER + 16 };
    if (way == FAULT) {
        regs->entry_vector = TRAP_PAGE_FAULT;
        regs->error_code = PF_USER | PF_WRITE;
        regs->rcx = 0xcc;
        regs->r11 = 0x11;
    }
    if (way == IRET) {
        vcpu.pv.flags |= PVF_KERNEL;
        info.evtchn_upcall_mask = 1;
        *frame() = (struct iret_context){
            .rax = 0xaaaa, .r11 = 0x2222, .rcx = 0x3333, .rip = 0x401002, .cs = FLAT_USER_CS64,
            .rflags = RFLAGS_IF | 0x41, .rsp = 0x7fff0000, .ss = FLAT_USER_SS64,
        };
        regs->rsp = (u64)frame();
    }
    return 0;
}

/* --- one state, both ways --- */

/* By SYSRET nobody reads these before the next entry has written them. */
static void forget_what_sysret_gives(struct state *s)
{
    s->regs.cs = s->regs.ss = 0;
    s->regs.entry_vector = s->regs.error_code = 0;
}

/* Whether it is done at once; the end is the same. */
static bool same_end(unsigned way)
{
    struct state start, end, want;
    struct host_mode mode;
    bool done;

    state_save(&start);
    state_load(&start);
    ways[way].anyhow();
    state_save(&want);
    mode = general;
    state_load(&start);
    done = ways[way].at_once();
    if (!done) {
        assert_int_equal(vcpu.pv.flags, start.vcpu.pv.flags);
        assert_memory_equal(&info, &start.info, sizeof(info));
        assert_int_equal(host_mode.changes & 1, 0);
        assert_true(regs->rax == start.regs.rax && regs->rsp == start.regs.rsp);
        ways[way].anyhow();
    } else {
        assert_int_equal(crashes, start.crashes);
        assert_true(host_mode.cr3 == mode.cr3 && host_mode.changes == mode.changes);
    }
    state_save(&end);
    if (done && way != IRET) {
        forget_what_sysret_gives(&end);
        forget_what_sysret_gives(&want);
    }
    if (!want.crashes)
        assert_memory_equal(&end.regs, &want.regs, sizeof(end.regs));
    assert_memory_equal(&end.vcpu, &want.vcpu, sizeof(end.vcpu));
    assert_memory_equal(&end.info, &want.info, sizeof(end.info));
    assert_memory_equal(end.stack, want.stack, sizeof(end.stack));
    assert_int_equal(end.crashes, want.crashes);
    return done;
}

/* --- tests --- */

static void test_usual_ones_are_done(void **state)
{
    for (unsigned way = 0; way < ARRAY_SIZE(ways); way++) {
        usual(way);
        assert_true(same_end(way));
    }
    usual(SYSCALL);
    vcpu.pv.flags &= ~PVF_SYSCALL_MASKS;
    assert_true(same_end(SYSCALL));
    usual(IRET);
    frame()->cs = FLAT_KERNEL_CS & ~3u; /* into its kernel, where user tables need not be */
    vcpu.pv.root_user = MFN_INVALID;
    assert_true(same_end(IRET));
    usual(IRET);
    frame()->flags = VGCF_in_syscall;
    frame()->cs = 0x1003;
    assert_true(same_end(IRET));
    usual(FAULT);
    vcpu.pv.flags |= PVF_KERNEL;
    regs->rsp = (u64)(stack + WORDS - 5);
    info.evtchn_upcall_mask = 1;
    assert_true(same_end(FAULT));
}

/* Each of these is left to the general way. */
static void test_what_is_left_alone(void **state)
{
    for (unsigned way = 0; way < ARRAY_SIZE(ways); way++) {
        usual(way);
        dom.pv.cr3_indirect = true;
        assert_false(same_end(way));
        usual(way);
        dom.vm_assist = 1u << VMASST_TYPE_architectural_iopl;
        assert_false(same_end(way));
    }
    usual(SYSCALL);
    info.evtchn_upcall_mask = 1;
    assert_false(same_end(SYSCALL));
    usual(SYSCALL);
    vcpu.pv.syscall_callback = 0;
    assert_false(same_end(SYSCALL));
    usual(IRET);
    info.evtchn_upcall_pending = 1; /* the frame lets it through */
    assert_false(same_end(IRET));
    usual(IRET);
    vcpu.pv.flags |= PVF_NMI_MASKED; /* another may have come meanwhile */
    assert_false(same_end(IRET));
    usual(IRET);
    vcpu.pv.root_user = MFN_INVALID;
    assert_false(same_end(IRET));
    assert_int_equal(crashes, 1);
    usual(FAULT);
    traps[TRAP_PAGE_FAULT].address = 0;
    assert_false(same_end(FAULT));
    usual(FAULT);
    regs->error_code = PF_WRITE; /* the CPU's own access */
    assert_false(fault_at_once());
    usual(FAULT);
    vcpu.pv.flags |= PVF_KERNEL; /* a write to one of its tables, perhaps */
    regs->rsp = (u64)(stack + WORDS - 2);
    regs->error_code = PF_USER | PF_WRITE | PF_PRESENT;
    assert_false(fault_at_once());
}

static void test_what_is_traced_is_left_alone(void **state)
{
    for (unsigned way = IRET; way <= FAULT; way++) {
        usual(way);
        trace_on = true;
        assert_false(same_end(way));
    }
}

/* A stack pointer may be anything; so may be what is mapped there. */
static void test_stacks_of_all_kinds(void **state)
{
    const vaddr_t all[] = { 0, 1, 7, 0x1000, HYPERVISOR_VIRT_START - 8, HYPERVISOR_VIRT_START, HYPERVISOR_VIRT_START + 40,
                            HYPERVISOR_VIRT_END, NON_CANONICAL, ~0UL - 70, ~7UL, ~0UL };

    for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
        for (unsigned way = 0; way < ARRAY_SIZE(ways); way++) {
            usual(way);
            regs->rsp = all[i];
            pv_set_kernel_stack(&vcpu, FLAT_KERNEL_SS, all[i]);
            host_fault_address = 0;
            assert_false(same_end(way));
            assert_int_equal(crashes, 1);
        }
        usual(FAULT);
        vcpu.pv.flags |= PVF_KERNEL;
        regs->rsp = all[i];
        assert_false(same_end(FAULT));
    }
}

/* One word of the frame cannot be read or written, whichever it is. */
static void test_frames_in_part(void **state)
{
    for (unsigned way = 0; way < ARRAY_SIZE(ways); way++) {
        for (unsigned n = 0; n < WORDS; n++) {
            bool done;

            usual(way);
            host_fault_address = 0;
            host_guest_fault(stack + n, sizeof(stack[n]));
            done = ways[way].at_once();
            host_guest_heal();
            if (done)
                continue;
            assert_int_equal(crashes, 0);
            assert_int_equal(host_mode.changes & 1, 0);
            assert_true(!(vcpu.pv.flags & PVF_KERNEL) == (way != IRET));
            assert_true(way != FAULT || host_fault_address == FAULT_AT);
            assert_true(way != IRET || (regs->rax == __HYPERVISOR_iret && regs->rsp == (u64)frame()));
            assert_true(same_end(way)); /* and once more */
        }
    }
}

static u64 seed = 0x9e3779b97f4a7c15;
static u64 any(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}
static bool chance(unsigned n) { return any() % n == 0; }

/* A frame that begins below the hypervisor's range is not read where it reaches into it. */
static void test_lowest_word_is_first(void **state)
{
    struct cpu_user_regs before;

    usual(IRET);
    before = *regs;
    host_guest_fault(frame(), sizeof(u64));
    assert_false(iret_at_once());
    host_guest_heal();
    assert_memory_equal(regs, &before, sizeof(before));
}

static void test_states_of_all_kinds(void **state)
{
    unsigned done[ARRAY_SIZE(ways)] = { 0 };

    for (unsigned i = 0; i < 20000; i++) {
        unsigned way = i % ARRAY_SIZE(ways);

        usual(way);
        info.evtchn_upcall_mask = chance(3) ? (u8)any() : info.evtchn_upcall_mask;
        info.evtchn_upcall_pending = chance(4);
        vcpu.pv.flags ^= chance(4) ? PVF_SYSCALL_MASKS : 0;
        vcpu.pv.flags ^= chance(16) ? PVF_NMI_MASKED : 0;
        vcpu.pv.root_user = chance(16) ? MFN_INVALID : vcpu.pv.root_user;
        if (way != SYSCALL)
            regs->rflags = (any() & (RFLAGS_GUEST_MAY_SET | RFLAGS_TF)) | RFLAGS_IF | RFLAGS_FIXED;
        else
            regs->rflags = regs->r11 = (any() & RFLAGS_GUEST_MAY_SET) | RFLAGS_IF | RFLAGS_FIXED;
        traps[TRAP_PAGE_FAULT].flags = (u8)any();
        if (way == FAULT && chance(2)) {
            vcpu.pv.flags |= PVF_KERNEL;
            regs->rsp = (u64)(stack + WORDS - any() % 8);
        }
        if (way == FAULT)
            regs->error_code = (u32)(PF_USER | (any() & (PF_WRITE | 0x10)) | chance(2));
        if (way == IRET) {
            frame()->rflags = any();
            frame()->cs = chance(2) ? any() : frame()->cs;
            frame()->ss = chance(2) ? any() : frame()->ss;
            frame()->flags = chance(2) ? any() : 0;
            frame()->rip = any();
        }
        done[way] += same_end(way);
    }
    for (unsigned way = 0; way < ARRAY_SIZE(ways); way++)
        assert_in_range(done[way], 2000, 6500);
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, vcpu_end)
    const struct CMUnitTest tests[] = {
        T(test_usual_ones_are_done), T(test_what_is_left_alone), T(test_what_is_traced_is_left_alone),
        T(test_stacks_of_all_kinds), T(test_frames_in_part), T(test_lowest_word_is_first), T(test_states_of_all_kinds),
    };

    return cmocka_run_group_tests(tests, host_group_setup, NULL);
}
