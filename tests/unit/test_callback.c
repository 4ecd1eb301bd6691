/* SPDX-License-Identifier: MIT */
/* pv/callback.c: where a guest's kernel wants to be entered, asked for in each of the ABI's ways. */
#include "vcpu_fixture.h"

#include <zelo/domain.h>

#include <xen/callback.h>
#include <xen/nmi.h>

#define HANDLER 0xffffffff81001000

static int ts = -1;

void pv_set_ts(bool on) { ts = on; }

static long call(hypercall_fn *fn, unsigned long a0, unsigned long a1, unsigned long a2)
{
    return call_through(fn, (struct hypercall_args){ { a0, a1, a2 } });
}

/* --- set_trap_table --- */

static long set_traps(const void *table) { return call(do_set_trap_table, (unsigned long)table, 0, 0); }

static void test_trap_table(void **state)
{
    const struct trap_info table[] = {
        { .vector = 3, .flags = 3, .cs = FLAT_KERNEL_CS, .address = HANDLER },
        { .vector = 255, .flags = 4, .cs = 0x10, .address = HANDLER + 1 },
        { 0 },
        { .vector = 6, .address = HANDLER },
    };

    assert_int_equal(set_traps(table), 0);
    assert_true(traps[3].address == HANDLER);
    assert_int_equal(traps[3].flags, 3);
    assert_true(traps[255].address == HANDLER + 1);
    assert_int_equal(traps[255].cs, FLAT_KERNEL_CS); /* Linux names its own, of ring 0 */
    assert_int_equal(traps[6].address, 0);  /* behind the end */
    assert_int_equal(set_traps(NULL), 0);
    assert_int_equal(traps[3].address, 0);
    assert_int_equal(traps[255].address, 0);
}

static void test_trap_table_in_parts(void **state)
{
    struct trap_info table[40] = { { 0 } };

    for (unsigned i = 0; i < 39; i++)
        table[i] = (struct trap_info){ .vector = (u8)(100 + i), .address = HANDLER + i };
    preempt_every = 2;
    continuations = 0;
    assert_int_equal(set_traps(table), 0);
    assert_true(continuations > 10);
    for (unsigned i = 0; i < 39; i++)
        assert_true(traps[100 + i].address == HANDLER + i);
}

static void test_trap_table_refused(void **state)
{
    struct trap_info table[] = { { .vector = 3, .address = NON_CANONICAL }, { 0 } };

    assert_int_equal(set_traps(table), -EINVAL);
    assert_int_equal(traps[3].address, 0);
    assert_int_equal(set_traps((void *)8), -EFAULT);
    table[0].address = HANDLER; /* good, but no end follows it that can be read */
    host_guest_fault(&table[1], sizeof(table[1]));
    assert_int_equal(set_traps(table), -EFAULT);
}

/* --- callback_op --- */

static long callback(u16 type, u16 flags, vaddr_t address)
{
    struct callback_register r = { .type = type, .flags = flags, .address = address };

    return call(do_callback_op, CALLBACKOP_register, (unsigned long)&r, 0);
}

static long remove_callback(u16 type)
{
    struct callback_unregister u = { .type = type };

    return call(do_callback_op, CALLBACKOP_unregister, (unsigned long)&u, 0);
}

static void test_each_callback(void **state)
{
    const struct { u16 type; vaddr_t *place; u32 flag; bool removable; } kinds[] = {
        { CALLBACKTYPE_event, &vcpu.pv.event_callback, 0, false },
        { CALLBACKTYPE_failsafe, &vcpu.pv.failsafe_callback, PVF_FAILSAFE_MASKS, false },
        { CALLBACKTYPE_syscall, &vcpu.pv.syscall_callback, PVF_SYSCALL_MASKS, false },
        { CALLBACKTYPE_sysenter, &vcpu.pv.sysenter_callback, PVF_SYSENTER_MASKS, true },
        { CALLBACKTYPE_syscall32, &vcpu.pv.syscall32_callback, PVF_SYSCALL32_MASKS, true },
    };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        assert_int_equal(callback(kinds[i].type, CALLBACKF_mask_events, HANDLER + i), 0);
        assert_true(*kinds[i].place == HANDLER + i);
        assert_int_equal(vcpu.pv.flags & kinds[i].flag, kinds[i].flag);
        assert_int_equal(callback(kinds[i].type, 0, HANDLER), 0);
        assert_int_equal(vcpu.pv.flags & kinds[i].flag, 0);
        assert_int_equal(remove_callback(kinds[i].type), kinds[i].removable ? 0 : -EINVAL);
        assert_true(*kinds[i].place == (kinds[i].removable ? 0 : HANDLER));
    }
    assert_int_equal(vcpu.pv.flags, PVF_KERNEL);
}

static void test_callbacks_refused(void **state)
{
    assert_int_equal(callback(CALLBACKTYPE_event, 0, NON_CANONICAL), -EINVAL);
    assert_int_equal(vcpu.pv.event_callback, 0);
    assert_int_equal(callback(CALLBACKTYPE_sysenter_deprecated, 0, HANDLER), -ENOSYS);
    assert_int_equal(callback(6, 0, HANDLER), -ENOSYS);
    assert_int_equal(callback(0xffff, 0, HANDLER), -ENOSYS);
    assert_int_equal(remove_callback(6), -ENOSYS);
    assert_int_equal(call(do_callback_op, CALLBACKOP_register, 8, 0), -EFAULT);
    assert_int_equal(call(do_callback_op, CALLBACKOP_unregister, 8, 0), -EFAULT);
    assert_int_equal(call(do_callback_op, 2, 0, 0), -ENOSYS);
}

static void test_set_callbacks(void **state)
{
    assert_int_equal(call(do_set_callbacks, HANDLER, HANDLER + 1, HANDLER + 2), 0);
    assert_true(vcpu.pv.event_callback == HANDLER);
    assert_true(vcpu.pv.failsafe_callback == HANDLER + 1);
    assert_true(vcpu.pv.syscall_callback == HANDLER + 2);
    for (unsigned bad = 0; bad < 3; bad++) {
        unsigned long a[3] = { 0x1000, 0x1000, 0x1000 };

        a[bad] = NON_CANONICAL;
        assert_int_equal(call(do_set_callbacks, a[0], a[1], a[2]), -EINVAL);
        assert_true(vcpu.pv.event_callback == HANDLER); /* all or nothing */
    }
}

static void test_callbacks_of_32_bit_programs(void **state)
{
    assert_int_equal(pv_set_ext_callbacks(&vcpu, HANDLER, true, HANDLER + 1, false), 0);
    assert_true(vcpu.pv.syscall32_callback == HANDLER);
    assert_true(vcpu.pv.sysenter_callback == HANDLER + 1);
    assert_int_equal(vcpu.pv.flags & (PVF_SYSCALL32_MASKS | PVF_SYSENTER_MASKS), PVF_SYSCALL32_MASKS);
    assert_int_equal(pv_set_ext_callbacks(&vcpu, 0, false, NON_CANONICAL, false), -EINVAL);
    assert_int_equal(pv_set_ext_callbacks(&vcpu, NON_CANONICAL, false, 0, false), -EINVAL);
    assert_true(vcpu.pv.syscall32_callback == HANDLER);
}

/* --- NMIs: <xen/nmi.h>: domain 0's first vCPU alone, all others get EINVAL --- */

static long nmi(unsigned op, vaddr_t handler)
{
    struct xennmi_callback cb = { .handler_address = handler };

    return call(do_nmi_op, op, (unsigned long)&cb, 0);
}

static void test_nmi_callback(void **state)
{
    assert_int_equal(nmi(XENNMI_register_callback, HANDLER), -EINVAL);
    assert_int_equal(callback(CALLBACKTYPE_nmi, 0, HANDLER), -EINVAL);
    dom.is_dom0 = true;
    assert_int_equal(nmi(XENNMI_register_callback, HANDLER), 0);
    assert_true(vcpu.pv.nmi_callback == HANDLER);
    assert_int_equal(nmi(XENNMI_unregister_callback, 0), 0);
    assert_int_equal(vcpu.pv.nmi_callback, 0);
    assert_int_equal(callback(CALLBACKTYPE_nmi, CALLBACKF_mask_events, HANDLER), 0);
    assert_int_equal(vcpu.pv.flags, PVF_KERNEL);
    assert_int_equal(remove_callback(CALLBACKTYPE_nmi), 0);
    assert_int_equal(vcpu.pv.nmi_callback, 0);
    vcpu.id = 1;
    assert_int_equal(nmi(XENNMI_register_callback, HANDLER), -EINVAL);
}

static void test_nmi_refused(void **state)
{
    dom.is_dom0 = true;
    assert_int_equal(nmi(2, HANDLER), -ENOSYS);
    assert_int_equal(nmi(XENNMI_register_callback, NON_CANONICAL), -EINVAL);
    assert_int_equal(call(do_nmi_op, XENNMI_register_callback, 8, 0), -EFAULT);
}

/* --- the rest --- */

static void test_stack_switch(void **state)
{
    assert_int_equal(call(do_stack_switch, FLAT_KERNEL_SS & ~3, 0xffffffff83000000, 0), 0);
    assert_int_equal(vcpu.pv.kernel_ss, FLAT_KERNEL_SS | 3);
    assert_true(vcpu.pv.kernel_sp == 0xffffffff83000000);
}

static void test_fpu_taskswitch(void **state)
{
    assert_int_equal(call(do_fpu_taskswitch, 1, 0, 0), 0);
    assert_int_equal(ts, 1);
    assert_int_equal(call(do_fpu_taskswitch, 0, 0, 0), 0);
    assert_int_equal(ts, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, vcpu_begin, vcpu_end)
    const struct CMUnitTest tests[] = {
        T(test_trap_table), T(test_trap_table_in_parts), T(test_trap_table_refused), T(test_each_callback),
        T(test_callbacks_refused), T(test_set_callbacks), T(test_callbacks_of_32_bit_programs), T(test_nmi_callback),
        T(test_nmi_refused), T(test_stack_switch), T(test_fpu_taskswitch),
    };

    return cmocka_run_group_tests(tests, host_group_setup, NULL);
}
