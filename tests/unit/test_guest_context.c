/* SPDX-License-Identifier: MIT */
/* pv/guest_context.c: a vCPU's context is whole, or the vCPU does not run. */
#include "pt_fixture.h"

#include "pv/gdt.h"

#include <arch/cpu.h>

static struct domain *d;
static struct vcpu *v;
static struct tree kernel, user;
static vcpu_guest_context_t c;
static u64 fpu[512];
static u64 bad_breakpoint; /* an address that no breakpoint may have; 0: none */

int pv_debugreg_set(struct vcpu *vcpu, unsigned reg, u64 value)
{
    if ((reg >= 6 && value >> 32) || (bad_breakpoint && value == bad_breakpoint))
        return -EPERM;
    vcpu->pv.dr[reg] = value;
    return 0;
}

static u64 cr3_of(const struct tree *t) { return xen_pfn_to_cr3(page_to_mfn(t->l[4]).n); }

/* A vCPU that was stopped in user mode. */
static int begin(void **state)
{
    pt_begin(state);
    d = pt_domain(1, false);
    v = d->vcpu[0];
    v->pv.fpu = (void *)fpu;
    kernel = tree_new(d);
    user = tree_new(d);
    host_set_current(idle_vcpu ? idle_vcpu[0] : v);
    memset(&c, 0, sizeof(c));
    c.ctrlreg[3] = cr3_of(&kernel);
    c.ctrlreg[1] = cr3_of(&user);
    v->pause_flags = VPF_DOWN;
    assert_int_equal(pv_set_context(v, &c), 0);
    assert_true(v->is_initialised);
    assert_false(v->pv.flags & PVF_KERNEL);
    v->pause_flags = 0;
    return 0;
}

static int end(void **state)
{
    preempt_every = 0;
    pv_drop_gdt(v);
    pt_domain_end(d);
    host_set_current(NULL);
    return 0;
}

static void assert_stopped(void)
{
    assert_false(v->is_initialised);
    assert_true(v->pause_flags & VPF_DOWN);
    assert_true(v->pv.flags & PVF_KERNEL);
}

static void assert_whole(void)
{
    assert_true(v->is_initialised);
    assert_false(v->pv.flags & PVF_KERNEL);
    assert_true(mfn_eq(v->pv.root_kernel, page_to_mfn(kernel.l[4])));
    assert_true(mfn_eq(v->pv.root_user, page_to_mfn(user.l[4])));
}

static void test_bad_user_root(void **state)
{
    c.ctrlreg[1] = xen_pfn_to_cr3(page_to_mfn(kernel.data[0]).n);
    assert_int_equal(pv_set_context(v, &c), -EBUSY);
    assert_stopped();
    c.ctrlreg[1] = cr3_of(&user);
    assert_int_equal(pv_set_context(v, &c), 0);
    assert_whole();
    assert_true(v->pause_flags & VPF_DOWN); /* the caller's to bring up */
}

/* The GDT comes before the roots. */
static void test_bad_gdt(void **state)
{
    struct tree other = tree_new(d);

    c.ctrlreg[3] = cr3_of(&other);
    c.gdt_ents = 512;
    c.gdt_frames[0] = page_to_mfn(kernel.data[0]).n; /* mapped writable */
    assert_int_equal(pv_set_context(v, &c), -EINVAL);
    assert_stopped();
    assert_true(mfn_eq(v->pv.root_kernel, page_to_mfn(kernel.l[4])));
    c.ctrlreg[3] = cr3_of(&kernel);
    c.gdt_frames[0] = page_to_mfn(frame_new(d)).n;
    assert_int_equal(pv_set_context(v, &c), 0);
    assert_int_equal(v->pv.gdt_entries, 512);
    assert_whole();
}

/* What is refused at first sight changes nothing. */
static void test_bad_address(void **state)
{
    c.event_callback_eip = 1UL << 60;
    assert_int_equal(pv_set_context(v, &c), -EINVAL);
    assert_whole();
    assert_int_equal(v->pause_flags, 0);
}

static void test_preempted(void **state)
{
    unsigned rounds = 0;
    int rc;

    kernel = tree_new(d);
    user = tree_new(d);
    c.ctrlreg[3] = cr3_of(&kernel);
    c.ctrlreg[1] = cr3_of(&user);
    preempt_every = 1;
    while ((rc = pv_set_context(v, &c)) == -E_PREEMPTED) {
        assert_stopped();
        rounds++;
    }
    assert_int_equal(rc, 0);
    assert_true(rounds > 0);
    assert_whole();
}

static vcpu_guest_context_t got;

/* What was put in comes out. */
static void test_flags_and_gdt(void **state)
{
    struct page *gdt = frame_new(d);

    c.flags = VGCF_in_kernel | VGCF_failsafe_disables_events | VGCF_syscall_disables_events;
    c.gdt_ents = 100;
    c.gdt_frames[0] = page_to_mfn(gdt).n;
    c.user_regs.rflags = 0x3202; /* IOPL 3, as its kernel sees it */
    c.vm_assist = 1UL << VMASST_TYPE_4gb_segments;
    assert_int_equal(pv_set_context(v, &c), 0);
    assert_int_equal(v->pv.flags & (PVF_FAILSAFE_MASKS | PVF_SYSCALL_MASKS), PVF_FAILSAFE_MASKS | PVF_SYSCALL_MASKS);
    assert_int_equal(v->pv.regs.rflags & 0x3000, 0); /* the real one is 0 */
    pv_get_context(v, &got);
    assert_int_equal(got.flags & ~VGCF_i387_valid, c.flags);
    assert_int_equal(got.gdt_ents, 100);
    assert_int_equal(got.gdt_frames[0], c.gdt_frames[0]);
    assert_int_equal(got.user_regs.rflags & 0x3000, 0x3000);
    assert_int_equal(got.vm_assist, c.vm_assist);
    assert_int_equal(got.ctrlreg[1], cr3_of(&user));
    d->vm_assist = 0;
}

/* CR0 as the guest sees it. A kernel that asked for #NM at the FPU's next use gets it on the other host, too. */
static void test_task_switched(void **state)
{
    v->pv.ts = true;
    pv_get_context(v, &got);
    assert_int_equal(got.ctrlreg[0] & (CR0_PE | CR0_PG | CR0_TS), CR0_PE | CR0_PG | CR0_TS);
    assert_int_equal(pv_set_context(v, &c), 0); /* one without TS */
    assert_false(v->pv.ts);
    c.ctrlreg[0] = got.ctrlreg[0];
    assert_int_equal(pv_set_context(v, &c), 0);
    assert_true(v->pv.ts);
    c.ctrlreg[0] = 0;
    assert_int_equal(pv_set_context(v, &c), 0);
    pv_get_context(v, &got);
    assert_int_equal(got.ctrlreg[0] & (CR0_PE | CR0_PG | CR0_TS), CR0_PE | CR0_PG);
}

/* All of the domain's wishes move with it, and hold from the first root on; what nobody knows does not. */
static void test_vm_assist(void **state)
{
    const u64 wishes = 1UL << VMASST_TYPE_m2p_strict | 1UL << VMASST_TYPE_runstate_update_flag;

    kernel = tree_new(d);
    user = tree_new(d);
    c.ctrlreg[3] = cr3_of(&kernel);
    c.ctrlreg[1] = cr3_of(&user);
    c.vm_assist = wishes | 1UL << 63;
    assert_int_equal(pv_set_context(v, &c), 0);
    assert_int_equal(d->vm_assist, wishes);
    assert_int_equal(table(user.l[4])[L4_SLOT_M2P_RO], 0);
    assert_int_equal(table(kernel.l[4])[L4_SLOT_M2P_RO], *paging_l4_slot(L4_SLOT_M2P_RO));
    pv_get_context(v, &got);
    assert_int_equal(got.vm_assist, wishes);
    c.vm_assist = 0; /* a further vCPU says nothing of it */
    assert_int_equal(pv_set_context(v, &c), 0);
    assert_int_equal(d->vm_assist, wishes);
    d->vm_assist = 0;
}

/* The FPU's registers, and nothing of what lies behind them in the guest's structure. */
static void test_fpu(void **state)
{
    memset(c.fpu_ctxt.x, 0x5a, sizeof(c.fpu_ctxt.x));
    assert_int_equal(pv_set_context(v, &c), 0);
    assert_int_equal(((u8 *)fpu)[40], 0); /* not said to be valid: as after FNINIT */
    c.flags |= VGCF_i387_valid;
    assert_int_equal(pv_set_context(v, &c), 0);
    assert_int_equal(((u8 *)fpu)[40], 0x5a);
    assert_int_equal(((u8 *)fpu)[463], 0x5a);
    assert_int_equal(((u8 *)fpu)[464], 0); /* for software: not state */
    assert_int_equal(fpu[512 / 8], 3);     /* XSTATE_BV: x87 and SSE */
    pv_get_context(v, &got);
    assert_int_equal(got.flags & VGCF_i387_valid, VGCF_i387_valid);
    assert_memory_equal(got.fpu_ctxt.x, c.fpu_ctxt.x, 464);
}

#define REFUSED(field, value)                             \
    do {                                                  \
        vcpu_guest_context_t saved = c;                   \
        c.field = (value);                                \
        assert_int_equal(pv_set_context(v, &c), -EINVAL); \
        assert_whole();                                   \
        c = saved;                                        \
    } while (0)

static void test_what_no_vcpu_can_have(void **state)
{
    REFUSED(failsafe_callback_eip, 1UL << 60);
    REFUSED(syscall_callback_eip, 1UL << 60);
    REFUSED(fs_base, 1UL << 60);
    REFUSED(gs_base_kernel, 1UL << 60);
    REFUSED(gs_base_user, 1UL << 60);
    REFUSED(ldt_ents, 8193);
    REFUSED(gdt_ents, PV_GDT_ENTRIES + 1);
    REFUSED(ctrlreg[3], 0);
    REFUSED(ctrlreg[1], 0); /* it is in user mode */
    c.ldt_ents = 10;
    REFUSED(ldt_base, 0x1008);
    REFUSED(ldt_base, HYPERVISOR_VIRT_START);
}

/* Found later: the vCPU has no state then. */
static void test_handlers_and_breakpoints_no_vcpu_can_have(void **state)
{
    c.trap_ctxt[255].address = 1UL << 60;
    assert_int_equal(pv_set_context(v, &c), -EINVAL);
    assert_stopped();
    c.trap_ctxt[255].address = 0;
    assert_int_equal(pv_set_context(v, &c), 0);
    bad_breakpoint = 0xdead;
    c.debugreg[2] = 0xdead;
    assert_int_equal(pv_set_context(v, &c), -EINVAL);
    assert_stopped();
    bad_breakpoint = 0;
}

static void test_debug_registers(void **state)
{
    c.debugreg[0] = 0x7f0012345678;
    c.debugreg[3] = 0x7f0087654321;
    c.debugreg[6] = 0xdeadbeef00000001;
    c.debugreg[7] = 0xdeadbeef00000002;
    assert_int_equal(pv_set_context(v, &c), 0);
    assert_true(v->pv.dr[0] == 0x7f0012345678);
    assert_true(v->pv.dr[3] == 0x7f0087654321);
    assert_int_equal(v->pv.dr[6], 1);
    assert_int_equal(v->pv.dr[7], 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(test_bad_user_root), T(test_bad_gdt), T(test_bad_address), T(test_preempted), T(test_debug_registers),
        T(test_flags_and_gdt), T(test_task_switched), T(test_vm_assist), T(test_fpu), T(test_what_no_vcpu_can_have),
        T(test_handlers_and_breakpoints_no_vcpu_can_have),
    };

    return cmocka_run_group_tests(tests, pt_setup, NULL);
}
