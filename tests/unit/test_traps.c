/* SPDX-License-Identifier: MIT */
/* pv/traps.c: how a guest's kernel is entered, with which frame on which stack, and how it gets back. */
#include "vcpu_fixture.h"

#include <zelo/guest.h>
#include <zelo/trace.h>

#define HANDLER 0xffffffff81001000
#define OTHER_HANDLER 0xffffffff81002000
#define GP 13
#define UD 6
#define PF 14
#define USER_CS 0xe033

static u64 stack[64], user_stack[64];
#define STACK_TOP ((u64)(stack + 62)) /* on a multiple of 16 */
#define USER_TOP ((u64)(user_stack + 62))

static unsigned crashes, toggles, kicks;

void domain_crash(struct domain *d, const char *fmt, ...) { assert_ptr_equal(d, &dom), crashes++; }
void pv_toggle_mode(struct vcpu *v) { v->pv.flags ^= PVF_KERNEL, toggles++; }
void vcpu_kick(struct vcpu *v) { kicks++; }

void pv_save_selectors(struct cpu_user_regs *r)
{
    r->ds = 0x11;
    r->es = 0x22;
    r->fs = 0x33;
    r->gs = 0x44;
}

/* --- what is recorded while somebody traces --- */

static struct { u32 event, words[TRACE_EXTRA_MAX]; unsigned n; } traced;
bool trace_on;

void trace_record(u32 event, const u32 *data, unsigned n)
{
    traced.event = event;
    traced.n = n;
    memcpy(traced.words, data, n * sizeof(*data));
}

/* --- set-up --- */

static int begin(void **state)
{
    vcpu_begin(state);
    memset(stack, 0, sizeof(stack));
    memset(user_stack, 0, sizeof(user_stack));
    memset(&traced, 0, sizeof(traced));
    crashes = toggles = kicks = 0;
    trace_on = false;
    vcpu.pv.kernel_sp = STACK_TOP;
    regs->rsp = STACK_TOP;
    regs->rcx = 0xcccc;
    regs->r11 = 0x1111;
    return 0;
}

static void in_user_mode(void)
{
    vcpu.pv.flags &= ~PVF_KERNEL;
    regs->rip = 0x401000;
    regs->cs = USER_CS;
    regs->ss = 0xe02b;
    regs->rsp = USER_TOP;
}

static void set_handler(unsigned vector, u8 flags)
{
    traps[vector] = (struct trap_info){ .vector = (u8)vector, .flags = flags, .cs = FLAT_KERNEL_CS, .address = HANDLER };
}

/* --- the frame --- */

static const u64 *frame(void)
{
    assert_true(regs->rsp >= (u64)stack && regs->rsp < STACK_TOP);
    return (const u64 *)regs->rsp;
}

/* RCX and R11 are the lowest words; n more come before the CPU's own frame, which ends at `top`. */
static const u64 *check_entered(vaddr_t handler, unsigned n)
{
    assert_int_equal(crashes, 0);
    assert_true(regs->rip == handler);
    assert_int_equal(regs->cs, FLAT_KERNEL_CS);
    assert_int_equal(regs->ss, FLAT_KERNEL_SS);
    assert_true(vcpu.pv.flags & PVF_KERNEL);
    assert_int_equal(STACK_TOP - regs->rsp, (2 + n + 5) * sizeof(u64));
    assert_int_equal(frame()[0], 0xcccc);
    assert_int_equal(frame()[1], 0x1111);
    return frame() + 2;
}

static void check_came_from_user(const u64 *f)
{
    assert_int_equal(toggles, 1);
    assert_int_equal(f[0], 0x401000);
    assert_int_equal((u32)f[1], USER_CS);
    assert_int_equal(f[3], USER_TOP);
    assert_int_equal(f[4], 0xe02b);
}

/* The kernel believes itself in ring 0. */
static void check_came_from_kernel(const u64 *f)
{
    assert_int_equal(toggles, 0);
    assert_true(f[0] == 0xffffffff81000010);
    assert_int_equal((u32)f[1], FLAT_KERNEL_CS & ~3u);
    assert_int_equal(f[3], STACK_TOP);
    assert_int_equal(f[4], FLAT_KERNEL_SS);
}

/* --- traps --- */

static void test_trap_from_kernel(void **state)
{
    const u64 *f;

    set_handler(GP, 0);
    pv_inject_trap(GP, 0x18);
    f = check_entered(HANDLER, 1);
    assert_int_equal(f[0], 0x18);
    check_came_from_kernel(f + 1);
    assert_false(info.evtchn_upcall_mask);
}

static void test_trap_from_user(void **state)
{
    in_user_mode();
    set_handler(UD, 4);
    pv_inject_trap(UD, -1);
    check_came_from_user(check_entered(HANDLER, 0));
    assert_true(info.evtchn_upcall_mask); /* the gate asked for it */
}

/* The mask as it was, in the bits above CS, and as IF of RFLAGS; the rest of RFLAGS goes as in a real trap. */
static void test_flags_in_the_frame(void **state)
{
    const u64 *f;

    set_handler(UD, 0);
    info.evtchn_upcall_mask = 1;
    regs->rflags |= RFLAGS_TF | RFLAGS_NT | RFLAGS_AC | 1;
    pv_inject_trap(UD, -1);
    f = check_entered(HANDLER, 0);
    assert_int_equal(f[1] >> 32, 1);
    assert_int_equal(f[2] & (RFLAGS_IF | RFLAGS_TF | RFLAGS_NT | RFLAGS_AC | 1), RFLAGS_TF | RFLAGS_NT | RFLAGS_AC | 1);
    assert_int_equal(regs->rflags & (RFLAGS_TF | RFLAGS_NT | RFLAGS_AC | RFLAGS_IOPL), 0);
    assert_true(regs->rflags & RFLAGS_IF); /* the real one: always on */
}

static void test_iopl_in_the_frame(void **state)
{
    set_handler(UD, 0);
    vcpu.pv.iopl = 1;
    pv_inject_trap(UD, -1);
    assert_int_equal(check_entered(HANDLER, 0)[2] & RFLAGS_IOPL, 0);
    begin(state);
    set_handler(UD, 0);
    vcpu.pv.iopl = 1;
    dom.vm_assist = 1u << VMASST_TYPE_architectural_iopl;
    pv_inject_trap(UD, -1);
    assert_int_equal(check_entered(HANDLER, 0)[2] & RFLAGS_IOPL, 0x1000);
}

/* Frames begin on a multiple of 16, as the CPU makes them in 64-bit mode. */
static void test_stack_is_aligned(void **state)
{
    set_handler(UD, 0);
    regs->rsp = STACK_TOP + 8;
    pv_inject_trap(UD, -1);
    assert_int_equal(STACK_TOP - regs->rsp, 7 * sizeof(u64));
    assert_int_equal(frame()[5], STACK_TOP + 8);
}

static void test_trap_without_a_handler(void **state)
{
    pv_inject_trap(UD, -1);
    assert_int_equal(crashes, 1);
}

static void test_stack_that_cannot_be_written(void **state)
{
    static const u64 bad[] = { 0x1000, 0, 8, HYPERVISOR_VIRT_START + 0x2000, NON_CANONICAL };

    set_handler(UD, 4);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        regs->rsp = bad[i];
        pv_inject_trap(UD, -1);
        assert_int_equal(crashes, i + 1);
        assert_true(regs->rip == 0xffffffff81000010);
        assert_false(info.evtchn_upcall_mask);
    }
}

static void test_page_fault(void **state)
{
    const u64 *f;

    set_handler(PF, 4);
    pv_inject_page_fault(0x7f0000001234, 7);
    f = check_entered(HANDLER, 1);
    assert_int_equal(f[0], 3); /* its kernel is no user to it */
    assert_true(info.arch.cr2 == 0x7f0000001234);
    assert_true(vcpu.pv.ctrlreg[2] == 0x7f0000001234);
    begin(state);
    in_user_mode();
    set_handler(PF, 4);
    pv_inject_page_fault(0x7f0000001234, 7);
    f = check_entered(HANDLER, 1);
    assert_int_equal(f[0], 7);
    check_came_from_user(f + 1);
}

static void test_traps_are_traced(void **state)
{
    trace_on = true;
    set_handler(PF, 4);
    set_handler(GP, 0);
    pv_inject_page_fault(0x7f0000001234, 2);
    assert_int_equal(traced.event, TRC_PV_PAGE_FAULT | TRC_64_FLAG);
    assert_int_equal(traced.words[0], 0x81000010);
    assert_int_equal(traced.words[2], 0x1234);
    assert_int_equal(traced.words[3], 0x7f00);
    assert_int_equal(traced.words[4], 2);
    pv_inject_trap(GP, 5);
    assert_int_equal(traced.event, TRC_PV_TRAP | TRC_64_FLAG);
    assert_int_equal(traced.words[2] & 0xff, GP);
    assert_int_equal(traced.words[2] >> 16, 5);
}

/* --- INT n --- */

/* <xen/arch-x86/xen.h>: level 0 nobody may enter, 1 and 2 the kernel, 3 everyone. */
static void test_who_may_use_int(void **state)
{
    for (unsigned level = 0; level <= 3; level++) {
        for (unsigned user = 0; user <= 1; user++) {
            bool may = level >= (user ? 3 : 1);

            begin(state);
            if (user)
                in_user_mode();
            set_handler(0x80, (u8)level);
            set_handler(GP, 0);
            traps[GP].address = OTHER_HANDLER;
            pv_software_interrupt(regs, 0x80, true);
            assert_true(regs->rip == (may ? HANDLER : OTHER_HANDLER));
        }
    }
}

/* RIP of the frame: behind the instruction, or on it if that faults. */
static void test_where_int_returns_to(void **state)
{
    set_handler(0x21, 3);
    pv_software_interrupt(regs, 0x21, false);
    assert_true(check_entered(HANDLER, 0)[0] == 0xffffffff81000012);
    begin(state);
    set_handler(0x21, 3);
    pv_software_interrupt(regs, 0x21, true);
    assert_true(check_entered(HANDLER, 0)[0] == 0xffffffff81000010);
}

static void test_int_that_faults(void **state)
{
    set_handler(GP, 0);
    pv_software_interrupt(regs, 0x21, false);
    assert_true(check_entered(HANDLER, 1)[1] == 0xffffffff81000010);
    assert_int_equal(frame()[2], 0x21 << 3 | 2); /* the entry of the IDT */
    begin(state);
    set_handler(GP, 0);
    pv_software_interrupt(regs, 0x21, true);
    assert_true(check_entered(HANDLER, 1)[1] == 0xffffffff8100000e);
}

/* --- system calls --- */

static void test_syscall(void **state)
{
    in_user_mode();
    vcpu.pv.syscall_callback = HANDLER;
    pv_syscall_from_user();
    check_came_from_user(check_entered(HANDLER, 0));
    assert_false(info.evtchn_upcall_mask);
    begin(state);
    in_user_mode();
    vcpu.pv.syscall_callback = HANDLER;
    vcpu.pv.flags |= PVF_SYSCALL_MASKS;
    pv_syscall_from_user();
    assert_true(info.evtchn_upcall_mask);
    begin(state);
    in_user_mode();
    pv_syscall_from_user();
    assert_int_equal(crashes, 1); /* no kernel is without one */
}

static void test_syscall_of_32_bit_programs(void **state)
{
    in_user_mode();
    vcpu.pv.syscall32_callback = HANDLER;
    vcpu.pv.flags |= PVF_SYSCALL32_MASKS;
    pv_syscall32_from_user(regs);
    check_came_from_user(check_entered(HANDLER, 0));
    assert_true(info.evtchn_upcall_mask);
    begin(state);
    in_user_mode();
    set_handler(UD, 0);
    pv_syscall32_from_user(regs);
    assert_int_equal(check_entered(HANDLER, 0)[0], 0x401000 - 2); /* SYSCALL itself */
}

static void test_sysenter(void **state)
{
    in_user_mode();
    regs->rflags |= RFLAGS_TF | RFLAGS_NT;
    vcpu.pv.sysenter_callback = HANDLER;
    vcpu.pv.flags |= PVF_SYSENTER_MASKS;
    pv_sysenter_from_user(regs);
    check_came_from_user(check_entered(HANDLER, 0));
    assert_int_equal(frame()[4] & (RFLAGS_TF | RFLAGS_NT | RFLAGS_IF), RFLAGS_IF);
    assert_true(info.evtchn_upcall_mask);
    begin(state);
    in_user_mode();
    set_handler(GP, 0);
    pv_sysenter_from_user(regs);
    assert_int_equal(check_entered(HANDLER, 1)[0], 0);
}

/* --- events, NMIs, failsafe --- */

static void test_event(void **state)
{
    vcpu.pv.event_callback = HANDLER;
    pv_deliver_event(&vcpu);
    check_came_from_kernel(check_entered(HANDLER, 0));
    assert_true(info.evtchn_upcall_mask);
    begin(state);
    pv_deliver_event(&vcpu);
    assert_int_equal(crashes, 1);
}

/* No second one before the guest has left the first by iret. */
static void test_nmi(void **state)
{
    pv_raise_nmi(&vcpu);
    pv_raise_nmi(&vcpu);
    assert_int_equal(kicks, 1);
    assert_int_equal(vcpu.pv.nmi_pending, 1);
    assert_false(pv_deliver_nmi(&vcpu)); /* nobody wants it */
    vcpu.pv.nmi_callback = HANDLER;
    assert_true(pv_deliver_nmi(&vcpu));
    check_came_from_kernel(check_entered(HANDLER, 0));
    assert_true(info.evtchn_upcall_mask);
    assert_int_equal(vcpu.pv.nmi_pending, 0);
    pv_raise_nmi(&vcpu);
    assert_false(pv_deliver_nmi(&vcpu));
    assert_int_equal(vcpu.pv.nmi_pending, 1);
}

/* The selectors as they are, for its handler to compare. */
static void test_failsafe(void **state)
{
    const u64 *f;

    vcpu.pv.failsafe_callback = HANDLER;
    pv_return_failed(regs);
    f = check_entered(HANDLER, 4);
    assert_int_equal(f[0], 0x11);
    assert_int_equal(f[1], 0x22);
    assert_int_equal(f[2], 0x33);
    assert_int_equal(f[3], 0x44);
    check_came_from_kernel(f + 4);
    assert_false(info.evtchn_upcall_mask);
    begin(state);
    vcpu.pv.failsafe_callback = HANDLER;
    vcpu.pv.flags |= PVF_FAILSAFE_MASKS;
    pv_return_failed(regs);
    assert_true(info.evtchn_upcall_mask);
    begin(state);
    pv_return_failed(regs);
    assert_int_equal(crashes, 1);
}

/* --- iret --- */

static struct iret_context *iret_frame(void)
{
    struct iret_context *f = (struct iret_context *)(stack + 8);

    *f = (struct iret_context){
        .rax = 0xaaaa, .r11 = 0x2222, .rcx = 0x3333, .rip = 0x401000, .cs = USER_CS, .rflags = RFLAGS_IF | 1,
        .rsp = USER_TOP, .ss = 0xe02b,
    };
    regs->rsp = (u64)f;
    return f;
}

static long iret(void) { return do_iret(&(struct hypercall_args){ { 0 } }); }

static void test_iret_to_user(void **state)
{
    iret_frame();
    info.evtchn_upcall_mask = 1;
    vcpu.pv.flags |= PVF_NMI_MASKED;
    assert_int_equal(iret(), 0xaaaa);
    assert_false(vcpu.pv.flags & (PVF_KERNEL | PVF_NMI_MASKED));
    assert_int_equal(regs->rip, 0x401000);
    assert_int_equal(regs->cs, USER_CS);
    assert_int_equal(regs->ss, 0xe02b);
    assert_int_equal(regs->rsp, USER_TOP);
    assert_int_equal(regs->r11, 0x2222);
    assert_int_equal(regs->rcx, 0x3333);
    assert_true(regs->rflags & 1);
    assert_false(info.evtchn_upcall_mask);
}

/* CS of ring 0 to 2 is its kernel, which runs in ring 3. */
static void test_iret_to_kernel(void **state)
{
    for (unsigned ring = 0; ring < 3; ring++) {
        struct iret_context *f;

        begin(state);
        f = iret_frame();
        f->cs = (FLAT_KERNEL_CS & ~3u) | ring;
        f->ss = 0xe02b & ~3u;
        f->rflags = 0;
        assert_int_equal(iret(), 0xaaaa);
        assert_true(vcpu.pv.flags & PVF_KERNEL);
        assert_int_equal(toggles, 0);
        assert_int_equal(regs->cs & 3, 3);
        assert_int_equal(regs->ss & 3, 3);
        assert_true(info.evtchn_upcall_mask); /* IF of the frame was clear */
        assert_true(regs->rflags & RFLAGS_IF);
    }
}

/* VGCF_in_syscall: R11, RCX, CS and SS of the frame do not count. */
static void test_iret_in_syscall(void **state)
{
    struct iret_context *f = iret_frame();

    f->flags = VGCF_in_syscall;
    f->cs = 0x1003;
    f->ss = 0x2003;
    assert_int_equal(iret(), 0xaaaa);
    assert_int_equal(regs->rip, 0x401000);
    assert_int_equal(regs->cs, FLAT_USER_CS64);
    assert_int_equal(regs->ss, FLAT_USER_SS64);
    assert_int_equal(regs->rsp, USER_TOP);
    assert_int_equal(toggles, 1);
}

/* What a frame may not give itself. */
static void test_iret_flags(void **state)
{
    struct iret_context *f = iret_frame();

    f->rflags = ~0ULL;
    iret();
    assert_int_equal(regs->rflags & (RFLAGS_IOPL | RFLAGS_VM), 0);
    assert_int_equal(regs->rflags >> 22, 0);
    assert_int_equal(regs->rflags & (RFLAGS_TF | RFLAGS_NT | RFLAGS_AC), RFLAGS_TF | RFLAGS_NT | RFLAGS_AC);
    assert_int_equal(vcpu.pv.iopl, 0);
    begin(state);
    dom.vm_assist = 1u << VMASST_TYPE_architectural_iopl;
    iret_frame()->rflags = 0x1000;
    iret();
    assert_int_equal(vcpu.pv.iopl, 1);
}

static void test_iret_that_ends_the_guest(void **state)
{
    regs->rsp = 0x1000;
    iret();
    assert_int_equal(crashes, 1);
    vcpu.pv.root_user = MFN_INVALID;
    iret_frame();
    iret();
    assert_int_equal(crashes, 2);
    assert_true(vcpu.pv.flags & PVF_KERNEL);
}

/* A guest's stack pointer may be anything: its domain dies of it, or nothing happens. */
static void test_stack_pointers_of_all_kinds(void **state)
{
    const vaddr_t all[] = { 0, 1, 7, 0x1000, HYPERVISOR_VIRT_START - 8, HYPERVISOR_VIRT_START, NON_CANONICAL, ~0UL - 70,
                            ~7UL, ~0UL };

    for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
        begin(state);
        regs->rsp = all[i];
        iret();
        assert_int_equal(crashes, 1);
        assert_true(regs->rsp == all[i]);
        begin(state);
        in_user_mode();
        vcpu.pv.syscall_callback = HANDLER;
        vcpu.pv.kernel_sp = all[i];
        pv_syscall_from_user();
        assert_int_equal(crashes, 1);
        begin(state);
        set_handler(UD, 0);
        regs->rsp = all[i];
        pv_inject_trap(UD, -1);
        assert_int_equal(crashes, 1);
    }
}

/* A frame's words may begin anywhere but where the hypervisor is. */
static void test_where_frames_may_be(void **state)
{
    const struct { vaddr_t va; bool ok; } at[] = {
        { 0, true }, { 0x7ffffffffff8, true }, { HYPERVISOR_VIRT_START - 1, true }, { HYPERVISOR_VIRT_START, false },
        { HYPERVISOR_VIRT_END - 1, false }, { HYPERVISOR_VIRT_END, true }, { ~7UL, true },
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
        vaddr_t va = at[i].va;

        assert_int_equal(guest_words_at(&va), at[i].ok);
        assert_true(va == (at[i].ok ? at[i].va : 0)); /* what a CPU that guesses wrong would use */
    }
}

/* However its size is known, nothing is copied from or to where the hypervisor is. */
static void test_where_copies_may_be(void **state)
{
    const vaddr_t refused[] = { HYPERVISOR_VIRT_START - 16, HYPERVISOR_VIRT_START - 4, HYPERVISOR_VIRT_START,
                                HYPERVISOR_VIRT_END - 8, HYPERVISOR_VIRT_END - 1, NON_CANONICAL };
    u64 words[4] = { 0 };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(refused); i++) {
        volatile size_t any_size = sizeof(words);

        assert_int_equal(copy_from_guest(&words, refused[i]), -EFAULT);
        assert_int_equal(copy_to_guest(refused[i], &words), -EFAULT);
        assert_int_equal(guest_read(words, refused[i], any_size), -EFAULT);
        assert_int_equal(guest_write(refused[i], words, any_size), -EFAULT);
    }
    assert_int_equal(copy_to_guest((vaddr_t)stack, &words), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, vcpu_end)
    const struct CMUnitTest tests[] = {
        T(test_trap_from_kernel), T(test_trap_from_user), T(test_flags_in_the_frame), T(test_iopl_in_the_frame),
        T(test_stack_is_aligned), T(test_trap_without_a_handler), T(test_stack_that_cannot_be_written),
        T(test_page_fault), T(test_traps_are_traced), T(test_who_may_use_int), T(test_where_int_returns_to),
        T(test_int_that_faults), T(test_syscall), T(test_syscall_of_32_bit_programs), T(test_sysenter), T(test_event),
        T(test_nmi), T(test_failsafe), T(test_iret_to_user), T(test_iret_to_kernel), T(test_iret_in_syscall),
        T(test_iret_flags), T(test_iret_that_ends_the_guest),
        T(test_stack_pointers_of_all_kinds), T(test_where_frames_may_be),
        T(test_where_copies_may_be),
    };

    return cmocka_run_group_tests(tests, host_group_setup, NULL);
}
