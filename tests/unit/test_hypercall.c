/* SPDX-License-Identifier: MIT */
/* core/hypercall.c, multicall.c, version.c, vm_assist.c: numbers, continuations, lists, answers. */
#include "unit.h"

#include <zelo/debug.h>
#include <zelo/hypercall.h>
#include <zelo/softirq.h>

#include <xen/features.h>
#include <xen/version.h>
#include <xen/xen.h>

#include <arch/machine.h>

/* A table of this test's own takes the place of the real one. */
#include "core/hypercall_private.h"

#define NR_ADD 0       /* sum of all arguments */
#define NR_LOOP 1      /* counts arg0 down to zero, one step a call, adds steps to arg1 */
#define NR_STOP 3      /* makes the CPU want to stop */

static unsigned calls;

static long fake_add(const struct hypercall_args *a)
{
    calls++;
    return (long)(a->arg[0] + a->arg[1] + a->arg[2] + a->arg[3] + a->arg[4] + a->arg[5]);
}

static long fake_loop(const struct hypercall_args *a)
{
    struct hypercall_args next = *a;

    calls++;
    if (!a->arg[0])
        return (long)a->arg[1];
    next.arg[0]--;
    next.arg[1] += 10;
    return hypercall_continue(NR_LOOP, &next);
}

long do_iret(const struct hypercall_args *a)
{
    guest_regs()->rip = 0x7777;
    return 0x1234;
}

static long fake_stop(const struct hypercall_args *a)
{
    softirq_raise(SOFTIRQ_TIMER);
    return 5;
}

hypercall_fn *const hypercall_table[HYPERCALL_NUMBERS] = {
    [NR_ADD] = fake_add,
    [NR_LOOP] = fake_loop,
    [NR_STOP] = fake_stop,
    [__HYPERVISOR_multicall] = do_multicall,
    [__HYPERVISOR_iret] = do_iret,
};

static struct domain *test_dom;
static struct vcpu test_vcpu;
static vcpu_info_t test_info;

static void nothing(void) {}

static int group_setup(void **state)
{
    host_init(1);
    softirq_register(SOFTIRQ_TIMER, nothing);
    test_dom = calloc(1, sizeof(*test_dom));
    test_vcpu.domain = test_dom;
    test_vcpu.info = &test_info;
    return 0;
}

static int setup(void **state)
{
    memset(test_dom, 0, sizeof(*test_dom));
    memset(&test_info, 0, sizeof(test_info));
    test_dom->id = 7;
    host_set_current(&test_vcpu);
    calls = 0;
    softirq_run();
    return 0;
}

static int teardown(void **state)
{
    host_guest_heal();
    assert_int_equal(host_locks_held(), 0);
    return 0;
}

static struct cpu_user_regs *call(u64 nr, u64 a0, u64 a1)
{
    struct cpu_user_regs *r = guest_regs();

    *r = (struct cpu_user_regs){ .rax = nr, .rdi = a0, .rsi = a1, .rdx = 3, .r10 = 4, .r8 = 5, .r9 = 6, .rip = 0x1002 };
    hypercall_dispatch(r);
    return r;
}

/* As the CPU would: the instruction again while the instruction pointer is on it. */
static unsigned run_to_end(void)
{
    struct cpu_user_regs *r = guest_regs();
    unsigned again = 0;

    while (r->rip == 0x1000) {
        softirq_run();
        r->rip = 0x1002;
        hypercall_dispatch(r);
        again++;
    }
    return again;
}

static void test_arguments_and_numbers(void **state)
{
    assert_int_equal(call(NR_ADD, 1, 2)->rax, 21);
    assert_int_equal(guest_regs()->rip, 0x1002);
    assert_int_equal((long)call(2, 0, 0)->rax, -ENOSYS);
    assert_int_equal((long)call(HYPERCALL_NUMBERS, 0, 0)->rax, -ENOSYS);
    assert_int_equal((long)call(~0ULL, 0, 0)->rax, -ENOSYS);
    assert_int_equal((long)call(1ULL << 32, 0, 0)->rax, -ENOSYS);
}

static void test_continuation(void **state)
{
    struct cpu_user_regs *r = call(NR_LOOP, 3, 100);

    assert_int_equal(r->rip, 0x1000);
    assert_int_equal(r->rax, NR_LOOP);
    assert_int_equal(r->rdi, 2);
    assert_int_equal(r->rsi, 110);
    assert_int_equal(r->rdx, 3);
    assert_int_equal(r->r10, 4);
    assert_int_equal(r->r8, 5);
    assert_int_equal(r->r9, 6);
    assert_int_equal(run_to_end(), 3);
    assert_int_equal(r->rax, 130);
}

static void test_iret_sets_rax(void **state)
{
    struct cpu_user_regs *r = call(__HYPERVISOR_iret, 0, 0);

    assert_int_equal(r->rax, 0x1234);
    assert_int_equal(r->rip, 0x7777);
}

static void test_should_preempt(void **state)
{
    assert_false(hypercall_should_preempt());
    test_info.evtchn_upcall_pending = 1;
    assert_true(hypercall_should_preempt());
    test_info.evtchn_upcall_mask = 1;
    assert_false(hypercall_should_preempt());
    softirq_raise(SOFTIRQ_TIMER);
    assert_true(hypercall_should_preempt());
    test_dom->is_idle = true;
    assert_false(hypercall_should_preempt());
    host_set_current(NULL);
    assert_false(hypercall_should_preempt());
}

static void test_multicall(void **state)
{
    multicall_entry_t list[4] = {
        { .op = NR_ADD, .args = { 1, 2, 3, 4, 5, 6 } },
        { .op = 2 },
        { .op = ~0UL },
        { .op = NR_ADD, .args = { 10 } },
    };

    assert_int_equal(call(__HYPERVISOR_multicall, (u64)list, 4)->rax, 0);
    assert_int_equal(list[0].result, 21);
    assert_int_equal((long)list[1].result, -ENOSYS);
    assert_int_equal((long)list[2].result, -ENOSYS);
    assert_int_equal(list[3].result, 10);
    assert_int_equal(list[0].op, NR_ADD);
    assert_int_equal(call(__HYPERVISOR_multicall, (u64)list, 0)->rax, 0);
    assert_int_equal(call(__HYPERVISOR_multicall, 0, 0)->rax, 0);
}

static void test_multicall_stops_between_entries(void **state)
{
    multicall_entry_t list[3] = { { .op = NR_STOP }, { .op = NR_STOP }, { .op = NR_ADD, .args = { 8 } } };
    struct cpu_user_regs *r = call(__HYPERVISOR_multicall, (u64)list, 3);

    assert_int_equal(r->rip, 0x1000);
    assert_int_equal(r->rax, __HYPERVISOR_multicall);
    assert_int_equal(r->rdi, (u64)&list[1]);
    assert_int_equal(r->rsi, 2);
    assert_int_equal(run_to_end(), 2);
    assert_int_equal(r->rax, 0);
    assert_int_equal(list[0].result, 5);
    assert_int_equal(list[1].result, 5);
    assert_int_equal(list[2].result, 8);
    assert_int_equal(calls, 1);
}

static void test_multicall_entry_continues(void **state)
{
    multicall_entry_t list[2] = { { .op = NR_LOOP, .args = { 2, 100, 33 } }, { .op = NR_ADD, .args = { 8 } } };
    struct cpu_user_regs *r = call(__HYPERVISOR_multicall, (u64)list, 2);

    assert_int_equal(r->rdi, (u64)&list[0]);
    assert_int_equal(r->rsi, 2);
    assert_int_equal(list[0].args[0], 1);
    assert_int_equal(list[0].args[1], 110);
    assert_int_equal(list[0].args[2], 33);
    run_to_end();
    assert_int_equal(r->rax, 0);
    assert_int_equal(list[0].result, 120);
    assert_int_equal(list[1].result, 8);
}

static void test_multicall_in_multicall(void **state)
{
    multicall_entry_t inner = { .op = NR_ADD };
    multicall_entry_t outer[2] = { { .op = __HYPERVISOR_multicall, .args = { (u64)&inner, 1 } }, { .op = NR_ADD } };

    assert_int_equal(call(__HYPERVISOR_multicall, (u64)outer, 2)->rax, 0);
    assert_int_equal((long)outer[0].result, -EINVAL);
    assert_int_equal(calls, 1);
}

static void test_multicall_iret_ends_it(void **state)
{
    multicall_entry_t list[2] = { { .op = __HYPERVISOR_iret, .result = 99 }, { .op = NR_ADD } };
    struct cpu_user_regs *r = call(__HYPERVISOR_multicall, (u64)list, 2);

    assert_int_equal(r->rax, 0x1234);
    assert_int_equal(r->rip, 0x7777);
    assert_int_equal(list[0].result, 99);
    assert_int_equal(calls, 0);
}

static void test_multicall_bad_pointers(void **state)
{
    multicall_entry_t list[2] = { { .op = NR_ADD }, { .op = NR_ADD } };

    assert_int_equal((long)call(__HYPERVISOR_multicall, HYPERVISOR_VIRT_START, 1)->rax, -EFAULT);
    assert_int_equal((long)call(__HYPERVISOR_multicall, HYPERVISOR_VIRT_START - 32, 1)->rax, -EFAULT);
    host_guest_fault(&list[1], sizeof(list[1]));
    assert_int_equal((long)call(__HYPERVISOR_multicall, (u64)list, 2)->rax, -EFAULT);
    assert_int_equal(calls, 1);
    /* the state is clean: a call after it is like any other */
    assert_int_equal(call(NR_ADD, 1, 2)->rax, 21);
}

/* --- HYPERVISOR_xen_version --- */

static long version(unsigned cmd, void *to)
{
    return do_xen_version(&(struct hypercall_args){ { cmd, (u64)to } });
}

static void test_version_texts(void **state)
{
    char extra[sizeof(xen_extraversion_t)], caps[sizeof(xen_capabilities_info_t)];
    xen_compile_info_t info;

    assert_int_equal(version(XENVER_version, NULL), 0x40011);
    memset(extra, 'x', sizeof(extra));
    assert_int_equal(version(XENVER_extraversion, extra), 0);
    assert_non_null(memchr(extra, 0, sizeof(extra)));
    assert_int_equal(extra[sizeof(extra) - 1], 0);
    memset(caps, 'x', sizeof(caps));
    assert_int_equal(version(XENVER_capabilities, caps), 0);
    assert_string_equal(caps, "xen-3.0-x86_64 ");
    assert_int_equal(caps[sizeof(caps) - 1], 0);
    assert_int_equal(version(XENVER_compile_info, &info), 0);
    assert_non_null(memchr(info.compiler, 0, sizeof(info.compiler)));
    assert_int_equal(version(XENVER_pagesize, NULL), 4096);
    assert_int_equal(version(XENVER_pagesize, extra), -EINVAL);
    assert_int_equal(version(77, NULL), -ENOSYS);
    assert_int_equal(version(XENVER_extraversion, (void *)HYPERVISOR_VIRT_START), -EFAULT);
}

static void test_version_platform(void **state)
{
    xen_platform_parameters_t p;
    xen_domain_handle_t handle;

    assert_int_equal(version(XENVER_platform_parameters, &p), 0);
    assert_int_equal(p.virt_start, 0xffff800000000000UL);
    memset(test_dom->handle, 0xab, sizeof(test_dom->handle));
    assert_int_equal(version(XENVER_guest_handle, handle), 0);
    assert_memory_equal(handle, test_dom->handle, 16);
}

static u32 features(void)
{
    xen_feature_info_t f = { .submap_idx = 0 };

    assert_int_equal(version(XENVER_get_features, &f), 0);
    return f.submap;
}

static void test_version_features(void **state)
{
    xen_feature_info_t f = { .submap_idx = 1 };

    assert_int_equal(version(XENVER_get_features, &f), -EINVAL);
    assert_false(features() & (1u << XENFEAT_dom0));
    assert_false(features() & (1u << XENFEAT_auto_translated_physmap));
    assert_true(features() & (1u << XENFEAT_mmu_pt_update_preserve_ad));
    test_dom->is_dom0 = true;
    assert_true(features() & (1u << XENFEAT_dom0));
}

static void test_version_command_line(void **state)
{
    xen_commandline_t line;

    cmdline_parse("zelo.elf/ console=com1 x=\"a b\"");
    memset(line, 'x', sizeof(line));
    assert_int_equal(version(XENVER_commandline, line), -EPERM);
    assert_int_equal(version(XENVER_build_id, NULL), -EPERM);
    test_dom->is_privileged = true;
    assert_int_equal(version(XENVER_commandline, line), 0);
    assert_string_equal(line, "console=com1 x=\"a b\"");
    assert_int_equal(version(XENVER_build_id, NULL), -ENODATA);
}

static long assist(unsigned cmd, unsigned type)
{
    return do_vm_assist(&(struct hypercall_args){ { cmd, type } });
}

static void test_vm_assist(void **state)
{
    assert_int_equal(assist(VMASST_CMD_enable, VMASST_TYPE_m2p_strict), 0);
    assert_int_equal(assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag), 0);
    assert_true(test_dom->vm_assist == ((1ULL << 32) | (1ULL << 5)));
    assert_int_equal(assist(VMASST_CMD_disable, VMASST_TYPE_m2p_strict), 0);
    assert_int_equal(test_dom->vm_assist, 1u << 5);
    assert_int_equal(assist(2, VMASST_TYPE_m2p_strict), -ENOSYS);
    assert_int_equal(assist(VMASST_CMD_enable, 31), -EINVAL);
    assert_int_equal(assist(VMASST_CMD_enable, 64), -EINVAL);
    assert_int_equal(assist(VMASST_CMD_enable, ~0u), -EINVAL);
    assert_int_equal(features() & (1u << XENFEAT_pae_pgdir_above_4gb), 0);
    assert_int_equal(assist(VMASST_CMD_enable, VMASST_TYPE_pae_extended_cr3), 0);
    assert_true(features() & (1u << XENFEAT_pae_pgdir_above_4gb));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_arguments_and_numbers), T(test_continuation), T(test_iret_sets_rax), T(test_should_preempt),
        T(test_multicall), T(test_multicall_stops_between_entries), T(test_multicall_entry_continues),
        T(test_multicall_in_multicall), T(test_multicall_iret_ends_it), T(test_multicall_bad_pointers),
        T(test_version_texts), T(test_version_platform), T(test_version_features), T(test_version_command_line),
        T(test_vm_assist),
    };

    return cmocka_run_group_tests(tests, group_setup, NULL);
}
