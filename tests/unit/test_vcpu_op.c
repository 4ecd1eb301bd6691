/* SPDX-License-Identifier: MIT */
/* core/vcpu_op.c, vcpu_timer.c: what a guest asks of its vCPUs, and what it is told if it asks wrongly. */
#include "control_fixture.h"

#include <xen/sched.h>
#include <xen/vcpu.h>

static struct vcpu *self, *other;
static unsigned clock_updates;
static int context_result;
static unsigned contexts;

void pvclock_update(struct vcpu *v) { clock_updates++; }
u64 arch_cpu_physid(unsigned cpu) { return cpu * 2 + 1; }

int pv_set_context(struct vcpu *v, const vcpu_guest_context_t *c)
{
    contexts++;
    if (context_result == -E_PREEMPTED && contexts < 3)
        return -E_PREEMPTED;
    if (context_result < 0 && context_result != -E_PREEMPTED)
        return context_result;
    v->is_initialised = true;
    return 0;
}

static int begin(void **state)
{
    guest = host_domain_create(5, false, 3, 100);
    self = guest->vcpu[0];
    other = guest->vcpu[1];
    self->is_initialised = true;
    self->pause_flags = 0;
    host_set_current(self);
    clock_updates = contexts = 0;
    context_result = 0;
    return 0;
}

static int end(void **state)
{
    host_guest_heal();
    host_set_current(control->vcpu[0]);
    assert_invariants();
    assert_true(host_domain_destroy(guest));
    assert_invariants();
    return 0;
}

static long call(unsigned op, unsigned long id, const void *arg)
{
    return call_through(do_vcpu_op, (struct hypercall_args){ { op, id, (unsigned long)arg } });
}

static void test_which_vcpu(void **state)
{
    assert_int_equal(call(VCPUOP_is_up, 0, NULL), 1);
    assert_int_equal(call(VCPUOP_is_up, 1, NULL), 0);
    assert_int_equal(call(VCPUOP_is_up, 3, NULL), -ENOENT);
    assert_int_equal(call(VCPUOP_is_up, 1UL << 32, NULL), -ENOENT);
    assert_int_equal(call(VCPUOP_register_vcpu_time_memory_area + 1, 0, NULL), -ENOSYS);
    assert_int_equal(call(99, 0, NULL), -ENOSYS);
}

/* --- up and down --- */

static vcpu_guest_context_t context;

static void test_initialise(void **state)
{
    assert_int_equal(call(VCPUOP_up, 1, NULL), -EINVAL); /* it has no state yet */
    assert_int_equal(call(VCPUOP_initialise, 1, BAD_POINTER), -EFAULT);
    context_result = -EINVAL;
    assert_int_equal(call(VCPUOP_initialise, 1, &context), -EINVAL);
    context_result = 0;
    assert_int_equal(call(VCPUOP_initialise, 1, &context), 0);
    assert_int_equal(call(VCPUOP_initialise, 1, &context), -EEXIST);
    assert_int_equal(call(VCPUOP_is_up, 1, NULL), 0);
    assert_int_equal(call(VCPUOP_up, 1, NULL), 0);
    assert_int_equal(call(VCPUOP_up, 1, NULL), 0);
    assert_int_equal(call(VCPUOP_is_up, 1, NULL), 1);
}

static void test_initialise_in_parts(void **state)
{
    context_result = -E_PREEMPTED;
    continuations = 0;
    assert_int_equal(call(VCPUOP_initialise, 1, &context), 0);
    assert_int_equal(continuations, 2);
    assert_int_equal(continued_nr, __HYPERVISOR_vcpu_op);
}

static void test_down(void **state)
{
    other->is_initialised = true;
    other->pause_flags = 0;
    assert_int_equal(call(VCPUOP_down, 1, NULL), 0);
    assert_int_equal(call(VCPUOP_is_up, 1, NULL), 0);
    assert_int_equal(call(VCPUOP_down, 1, NULL), 0);
    assert_false(guest->is_shut_down);
    assert_int_equal(call(VCPUOP_down, 0, NULL), 0); /* the last one: nothing will ever run again */
    assert_true(guest->is_shut_down);
    assert_int_equal(guest->shutdown_code, SHUTDOWN_poweroff);
}

/* --- areas in guest memory --- */

static void test_runstate(void **state)
{
    struct vcpu_runstate_info info = { .state = 99 };
    struct vcpu_register_runstate_memory_area area = { .addr.p = (u64)&info };

    assert_int_equal(call(VCPUOP_get_runstate_info, 1, &info), 0);
    assert_int_equal(info.state, RUNSTATE_offline);
    assert_int_equal(call(VCPUOP_get_runstate_info, 1, BAD_POINTER), -EFAULT);
    info.state = 99;
    assert_int_equal(call(VCPUOP_register_runstate_memory_area, 1, &area), 0);
    assert_int_equal(info.state, RUNSTATE_offline); /* at once */
    assert_true(other->runstate_area == (vaddr_t)&info);
    area.addr.p = 0;
    assert_int_equal(call(VCPUOP_register_runstate_memory_area, 1, &area), 0);
    assert_int_equal(other->runstate_area, 0);
}

static void test_runstate_refused(void **state)
{
    struct vcpu_register_runstate_memory_area area = { .addr.p = HYPERVISOR_VIRT_START };

    assert_int_equal(call(VCPUOP_register_runstate_memory_area, 1, BAD_POINTER), -EFAULT);
    assert_int_equal(call(VCPUOP_register_runstate_memory_area, 1, &area), -EFAULT);
    area.addr.p = HYPERVISOR_VIRT_START - 8; /* begins outside, ends inside */
    assert_int_equal(call(VCPUOP_register_runstate_memory_area, 1, &area), -EFAULT);
    assert_int_equal(other->runstate_area, 0);
    area.addr.p = 8; /* not mapped yet: written when the vCPU runs */
    assert_int_equal(call(VCPUOP_register_runstate_memory_area, 1, &area), 0);
    assert_int_equal(other->runstate_area, 8);
}

static void test_time_area(void **state)
{
    vcpu_time_info_t now = { 0 };
    struct vcpu_register_time_memory_area area = { .addr.p = (u64)&now };

    other->info->time.tsc_to_system_mul = 0x1234;
    assert_int_equal(call(VCPUOP_register_vcpu_time_memory_area, 1, &area), 0);
    assert_int_equal(now.tsc_to_system_mul, 0x1234);
    assert_int_equal(clock_updates, 0);
    assert_int_equal(call(VCPUOP_register_vcpu_time_memory_area, 0, &area), 0);
    assert_int_equal(clock_updates, 1); /* its own: the clock writes it */
    assert_true(self->time_area == (vaddr_t)&now);
    area.addr.p = 0;
    assert_int_equal(call(VCPUOP_register_vcpu_time_memory_area, 1, &area), 0);
    assert_int_equal(other->time_area, 0);
    area.addr.p = HYPERVISOR_VIRT_START;
    assert_int_equal(call(VCPUOP_register_vcpu_time_memory_area, 1, &area), -EFAULT);
    assert_int_equal(call(VCPUOP_register_vcpu_time_memory_area, 1, BAD_POINTER), -EFAULT);
}

static long register_info(unsigned id, u64 frame, u32 offset)
{
    struct vcpu_register_vcpu_info op = { .mfn = frame, .offset = offset };

    return call(VCPUOP_register_vcpu_info, id, &op);
}

static void test_vcpu_info(void **state)
{
    struct page *p = domain_alloc_pages(guest, 0, 0);
    u64 frame = page_to_mfn(p).n;

    self->info->evtchn_pending_sel = 4;
    assert_int_equal(register_info(0, frame, 128), 0);
    assert_ptr_equal(self->info, (u8 *)page_to_virt(p) + 128);
    assert_int_equal(self->info->evtchn_pending_sel & 4, 4); /* what was pending still is */
    assert_int_equal(clock_updates, 1);
    assert_int_equal(register_info(0, frame, 256), -EINVAL); /* once */
    assert_int_equal(register_info(1, frame, PAGE_SIZE - sizeof(vcpu_info_t)), 0);
    assert_int_equal(p->count & PGC_COUNT_MASK, 3);
}

static void test_vcpu_info_refused(void **state)
{
    struct page *p = domain_alloc_pages(guest, 0, 0), *foreign = domain_alloc_pages(control, 0, 0);
    u64 frame = page_to_mfn(p).n;

    assert_int_equal(call(VCPUOP_register_vcpu_info, 0, BAD_POINTER), -EFAULT);
    assert_int_equal(register_info(0, frame, PAGE_SIZE - sizeof(vcpu_info_t) + 8), -EINVAL);
    assert_int_equal(register_info(0, frame, 0xffffffff), -EINVAL);
    assert_int_equal(register_info(0, frame, 4), -EINVAL);
    assert_int_equal(register_info(0, HOST_FRAMES, 0), -EINVAL);
    assert_int_equal(register_info(0, page_to_mfn(foreign).n, 0), -EINVAL);
    assert_ptr_equal(self->info, &guest->shared_info->vcpu_info[0]);
    assert_int_equal(p->count & PGC_COUNT_MASK, 1);
    assert_int_equal(domain_release_page(control, foreign), 0);
}

/* --- timers --- */

static void test_periodic_timer(void **state)
{
    struct vcpu_set_periodic_timer op = { .period_ns = 5000000 };

    assert_int_equal(call(VCPUOP_set_periodic_timer, 1, &op), 0);
    assert_int_equal(other->period, 5000000);
    op.period_ns = 1; /* no CPU could do it */
    assert_int_equal(call(VCPUOP_set_periodic_timer, 1, &op), -EINVAL);
    op.period_ns = 0; /* there is another call to stop it */
    assert_int_equal(call(VCPUOP_set_periodic_timer, 1, &op), -EINVAL);
    op.period_ns = ~0ULL;
    assert_int_equal(call(VCPUOP_set_periodic_timer, 1, &op), -EINVAL);
    assert_int_equal(call(VCPUOP_set_periodic_timer, 1, BAD_POINTER), -EFAULT);
    assert_int_equal(other->period, 5000000);
    assert_int_equal(call(VCPUOP_stop_periodic_timer, 1, NULL), 0);
    assert_int_equal(other->period, 0);
}

static void test_singleshot_timer(void **state)
{
    struct vcpu_set_singleshot_timer op = { .timeout_abs_ns = (u64)host_time + 1000, .flags = VCPU_SSHOTTMR_future };

    assert_int_equal(call(VCPUOP_set_singleshot_timer, 0, &op), 0);
    assert_true(self->singleshot_timer.queued);
    assert_int_equal(call(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
    assert_false(self->singleshot_timer.queued);
    op.timeout_abs_ns = (u64)host_time - 1000;
    assert_int_equal(call(VCPUOP_set_singleshot_timer, 0, &op), -ETIME);
    op.flags = 0; /* then it fires at once */
    assert_int_equal(call(VCPUOP_set_singleshot_timer, 0, &op), 0);
    assert_true(self->singleshot_timer.queued);
    assert_int_equal(call(VCPUOP_set_singleshot_timer, 1, &op), -EINVAL); /* its own only */
    assert_int_equal(call(VCPUOP_stop_singleshot_timer, 1, NULL), -EINVAL);
    assert_int_equal(call(VCPUOP_set_singleshot_timer, 0, BAD_POINTER), -EFAULT);
}

static void test_set_timer_op(void **state)
{
    struct hypercall_args a = { { (unsigned long)host_time + 1000 } };

    assert_int_equal(do_set_timer_op(&a), 0);
    assert_true(self->singleshot_timer.queued);
    a.arg[0] = 0;
    assert_int_equal(do_set_timer_op(&a), 0);
    assert_false(self->singleshot_timer.queued);
}

/* --- the rest --- */

static void test_nmi(void **state)
{
    assert_int_equal(call(VCPUOP_send_nmi, 1, NULL), 0);
    assert_int_equal(other->pv.nmi_pending, 1);
    assert_int_equal(self->pv.nmi_pending, 0);
}

/* Only where it means something: domain 0's vCPU that stays on one CPU. */
static void test_physical_id(void **state)
{
    struct vcpu_get_physid op = { 0 };
    cpumask_t one = { 0 };

    cpumask_set(&one, 2);
    assert_int_equal(vcpu_set_hard_affinity(self, &one), 0);
    assert_int_equal(call(VCPUOP_get_physid, 0, &op), -EINVAL);
    host_set_current(control->vcpu[0]);
    assert_int_equal(call(VCPUOP_get_physid, 0, &op), -EINVAL);
    assert_int_equal(vcpu_set_hard_affinity(control->vcpu[0], &one), 0);
    assert_int_equal(call(VCPUOP_get_physid, 0, &op), 0);
    assert_int_equal(op.phys_id, 5);
    assert_int_equal(call(VCPUOP_get_physid, 0, BAD_POINTER), -EFAULT);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(test_which_vcpu), T(test_initialise), T(test_initialise_in_parts), T(test_down), T(test_runstate),
        T(test_runstate_refused), T(test_time_area), T(test_vcpu_info), T(test_vcpu_info_refused),
        T(test_periodic_timer), T(test_singleshot_timer), T(test_set_timer_op), T(test_nmi), T(test_physical_id),
    };

    return cmocka_run_group_tests(tests, control_setup, NULL);
}
