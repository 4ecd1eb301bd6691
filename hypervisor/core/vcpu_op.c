/* SPDX-License-Identifier: MIT */
/* HYPERVISOR_vcpu_op (<xen/vcpu.h>): a guest brings up, asks about and equips its vCPUs. */
#include "sched_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/nospec.h>

#include <xen/sched.h>

/* --- up and down --- */

/* Once only: the lock decides between two who try. */
static long op_initialise(struct vcpu *v, vaddr_t arg)
{
    vcpu_guest_context_t *ctxt; /* five KiB: too much for the stack */
    long rc;

    if (v->is_initialised)
        return -EEXIST;
    ctxt = mem_alloc_type(vcpu_guest_context_t);
    if (!ctxt)
        return -ENOMEM;
    rc = -EFAULT;
    if (!copy_from_guest(ctxt, arg)) {
        spin_lock(&v->domain->lock);
        rc = v->is_initialised ? -EEXIST : pv_set_context(v, ctxt);
        spin_unlock(&v->domain->lock);
    }
    mem_free(ctxt);
    return rc;
}

static long op_up(struct vcpu *v, vaddr_t arg)
{
    (void)arg;
    if (!v->is_initialised)
        return -EINVAL;
    if (atomic_fetch_and(&v->pause_flags, ~VPF_DOWN) & VPF_DOWN)
        vcpu_wake(v);
    return 0;
}

static bool vcpu_is_last_up(const struct vcpu *self)
{
    struct vcpu *v;

    for_each_vcpu(self->domain, v)
        if (v != self && !(atomic_read(&v->pause_flags) & VPF_DOWN))
            return false;
    return true;
}

/* A domain whose last vCPU goes down will never run again: that is a power-off. */
static long op_down(struct vcpu *v, vaddr_t arg)
{
    (void)arg;
    if (vcpu_is_last_up(v)) {
        domain_shutdown(v->domain, SHUTDOWN_poweroff);
        return 0;
    }
    if (!(atomic_fetch_or(&v->pause_flags, VPF_DOWN) & VPF_DOWN))
        vcpu_sleep_nosync(v);
    return 0;
}

static long op_is_up(struct vcpu *v, vaddr_t arg)
{
    (void)arg;
    return !(atomic_read(&v->pause_flags) & VPF_DOWN);
}

/* --- areas in guest memory --- */

static long op_get_runstate_info(struct vcpu *v, vaddr_t arg)
{
    struct vcpu_runstate_info r;

    vcpu_runstate_get(v, &r);
    return copy_to_guest(arg, &r) ? -EFAULT : 0;
}

static long op_register_runstate_area(struct vcpu *v, vaddr_t arg)
{
    struct vcpu_register_runstate_memory_area area;
    struct vcpu_runstate_info r;

    if (copy_from_guest(&area, arg))
        return -EFAULT;
    if (!guest_range_ok(area.addr.p, sizeof(r)))
        return -EFAULT;
    WRITE_ONCE(v->runstate_area, area.addr.p);
    if (!area.addr.p)
        return 0;
    vcpu_runstate_get(v, &r);
    (void)!copy_to_guest(area.addr.p, &r); /* not mapped yet: it will be written when v runs */
    return 0;
}

/* Another vCPU's area is filled from its first copy: what that says does not change until it runs again. */
static long op_register_time_area(struct vcpu *v, vaddr_t arg)
{
    struct vcpu_register_time_memory_area area;
    vcpu_time_info_t now;

    if (copy_from_guest(&area, arg))
        return -EFAULT;
    if (!guest_range_ok(area.addr.p, sizeof(vcpu_time_info_t)))
        return -EFAULT;
    WRITE_ONCE(v->time_area, area.addr.p);
    if (v == current) {
        pvclock_update(v);
    } else if (area.addr.p) {
        now = v->info->time;
        (void)!copy_to_guest(area.addr.p, &now);
    }
    return 0;
}

static long op_register_vcpu_info(struct vcpu *v, vaddr_t arg)
{
    struct vcpu_register_vcpu_info op;
    long rc;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    spin_lock(&v->domain->lock);
    rc = vcpu_register_info(v, op.mfn, op.offset);
    spin_unlock(&v->domain->lock);
    return rc;
}

/* --- timers --- */

static long op_set_periodic(struct vcpu *v, vaddr_t arg)
{
    struct vcpu_set_periodic_timer op;

    if (copy_from_guest(&op, arg))
        return -EFAULT;
    return op.period_ns ? vcpu_periodic_set(v, op.period_ns) : -EINVAL;
}

static long op_stop_periodic(struct vcpu *v, vaddr_t arg)
{
    (void)arg;
    return vcpu_periodic_set(v, 0);
}

static long op_set_singleshot(struct vcpu *v, vaddr_t arg)
{
    struct vcpu_set_singleshot_timer op;

    if (v != current)
        return -EINVAL;
    return copy_from_guest(&op, arg) ? -EFAULT : vcpu_singleshot_set(v, op.timeout_abs_ns, op.flags);
}

static long op_stop_singleshot(struct vcpu *v, vaddr_t arg)
{
    (void)arg;
    if (v != current)
        return -EINVAL;
    timer_stop(&v->singleshot_timer);
    return 0;
}

/* --- the rest --- */

static long op_send_nmi(struct vcpu *v, vaddr_t arg)
{
    (void)arg;
    pv_raise_nmi(v);
    return 0;
}

/* Of a domain 0 vCPU that can run on one CPU only. */
static long op_get_physid(struct vcpu *v, vaddr_t arg)
{
    struct vcpu_get_physid op;
    cpumask_t m;

    sched_allowed_mask(v, &m);
    if (!v->domain->is_dom0 || cpumask_weight(&m) != 1)
        return -EINVAL;
    op.phys_id = arch_cpu_physid(cpumask_first(&m));
    return copy_to_guest(arg, &op) ? -EFAULT : 0;
}

static long (*const vcpu_ops[])(struct vcpu *, vaddr_t) = {
    [VCPUOP_initialise] = op_initialise,
    [VCPUOP_up] = op_up,
    [VCPUOP_down] = op_down,
    [VCPUOP_is_up] = op_is_up,
    [VCPUOP_get_runstate_info] = op_get_runstate_info,
    [VCPUOP_register_runstate_memory_area] = op_register_runstate_area,
    [VCPUOP_set_periodic_timer] = op_set_periodic,
    [VCPUOP_stop_periodic_timer] = op_stop_periodic,
    [VCPUOP_set_singleshot_timer] = op_set_singleshot,
    [VCPUOP_stop_singleshot_timer] = op_stop_singleshot,
    [VCPUOP_register_vcpu_info] = op_register_vcpu_info,
    [VCPUOP_send_nmi] = op_send_nmi,
    [VCPUOP_get_physid] = op_get_physid,
    [VCPUOP_register_vcpu_time_memory_area] = op_register_time_area,
};

long do_vcpu_op(const struct hypercall_args *a)
{
    struct vcpu *v = a->arg[1] <= (u32)~0 ? domain_vcpu(current->domain, (unsigned)a->arg[1]) : NULL;
    long rc;

    if (!v)
        return -ENOENT;
    if (a->arg[0] >= ARRAY_SIZE(vcpu_ops))
        return -ENOSYS;
    rc = vcpu_ops[array_index_nospec(a->arg[0], ARRAY_SIZE(vcpu_ops))](v, a->arg[2]);
    return rc == -E_PREEMPTED ? hypercall_continue(__HYPERVISOR_vcpu_op, a) : rc;
}
