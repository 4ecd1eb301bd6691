/* SPDX-License-Identifier: MIT */
/*
 * The time and run states that a vCPU reads in its own memory.
 *
 * A guest's system time is the same function of the TSC as the hypervisor's
 * (x86/time.c), told once: TSC at system time 0, multiplier and shift.  Both
 * places carry a version that is odd while they are written.
 */
#include "time.h"

#include <zelo/domain.h>
#include <zelo/guest.h>
#include <arch/machine.h>

#include <xen/vcpu.h>

_Static_assert(sizeof(struct vcpu_time_info) == 32, "ABI");
_Static_assert(sizeof(vcpu_runstate_info_t) == 48, "ABI");

static struct vcpu_time_info time_info_for(struct vcpu *v)
{
    unsigned cpu = v == current ? this_cpu() : v->processor;

    return (struct vcpu_time_info){
        .version = v->clock.version,
        .tsc_timestamp = time_epoch + per_cpu(tsc_skew, cpu),
        .system_time = 0,
        .tsc_to_system_mul = tsc_scale.mul,
        .tsc_shift = tsc_scale.shift,
        .flags = tsc_synchronous ? XEN_PVCLOCK_TSC_STABLE_BIT : 0,
    };
}

/* The page is shared with the guest, whose readers look at the version before and after. */
static void write_vcpu_info(struct vcpu *v, const struct vcpu_time_info *t)
{
    struct vcpu_time_info *to = &v->info->time;

    WRITE_ONCE(to->version, t->version - 1);
    smp_wmb(); /* odd version before new values */
    WRITE_ONCE(to->tsc_timestamp, t->tsc_timestamp);
    WRITE_ONCE(to->system_time, t->system_time);
    WRITE_ONCE(to->tsc_to_system_mul, t->tsc_to_system_mul);
    WRITE_ONCE(to->tsc_shift, t->tsc_shift);
    WRITE_ONCE(to->flags, t->flags);
    smp_wmb(); /* new values before even version */
    WRITE_ONCE(to->version, t->version);
}

/* An area that the guest has unmapped meanwhile is its own loss. */
static void write_secondary(vaddr_t area, const struct vcpu_time_info *t)
{
    struct vcpu_time_info odd = *t;

    odd.version = t->version - 1;
    if (copy_field_to_guest(area, &odd, version))
        return;
    smp_wmb();
    if (copy_to_guest(area, &odd))
        return;
    smp_wmb();
    (void)!copy_field_to_guest(area, t, version);
}

void pvclock_update(struct vcpu *v)
{
    struct vcpu_time_info t;
    bool first = !v->clock.version;

    v->clock.version += 2;
    if (!v->clock.version) /* zero says "never written" */
        v->clock.version = 2;
    t = time_info_for(v);
    write_vcpu_info(v, &t);
    if (v->time_area && v == current)
        write_secondary(v->time_area, &t);
    if (first && v->id == 0)
        pvclock_wallclock_update(v->domain);
}

/* On switching in: the TSC of another CPU may need other values. True if pvclock_update is due. */
bool pvclock_is_stale(const struct vcpu *v)
{
    return !v->clock.version || !tsc_synchronous;
}

/* With the update flag, a reader that sees the flag or another entry time reads again. */
void pv_runstate_update(struct vcpu *v)
{
    bool flagged = atomic_read(&v->domain->vm_assist) & (1ULL << VMASST_TYPE_runstate_update_flag);
    vaddr_t area = v->runstate_area;
    vcpu_runstate_info_t rs;

    if (!area)
        return;
    vcpu_runstate_get(v, &rs);
    if (!flagged) {
        (void)!copy_to_guest(area, &rs);
        return;
    }
    rs.state_entry_time |= XEN_RUNSTATE_UPDATE;
    if (copy_field_to_guest(area, &rs, state_entry_time))
        return;
    smp_wmb();
    if (copy_to_guest(area, &rs))
        return;
    smp_wmb();
    rs.state_entry_time &= ~XEN_RUNSTATE_UPDATE;
    (void)!copy_field_to_guest(area, &rs, state_entry_time);
}
