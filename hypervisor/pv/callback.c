/* SPDX-License-Identifier: MIT */
/* Where a guest wants to be entered: trap table, callbacks, NMI handler, kernel stack. */
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>
#include <zelo/nospec.h>

#include <xen/callback.h>
#include <xen/nmi.h>

#include "traps.h"

/* --- set_trap_table --- */

int pv_set_trap(struct vcpu *v, const struct trap_info *ti)
{
    struct trap_info *t = &v->pv.traps[ti->vector];

    if (!va_is_canonical(ti->address))
        return -EINVAL;
    *t = *ti;
    t->cs = FLAT_KERNEL_CS; /* whatever it names: a 64-bit kernel's code segment has nothing but its width */
    return 0;
}

/* NULL clears the table; else entries follow until one without an address. */
long do_set_trap_table(const struct hypercall_args *a)
{
    struct vcpu *v = current;
    vaddr_t va = a->arg[0];
    struct trap_info ti;

    if (!va) {
        memset(v->pv.traps, 0, 256 * sizeof(ti));
        return 0;
    }
    for (;; va += sizeof(ti)) {
        if (hypercall_should_preempt())
            return hypercall_continue(__HYPERVISOR_set_trap_table, &(struct hypercall_args){ { va } });
        if (copy_from_guest(&ti, va))
            return -EFAULT;
        if (!ti.address)
            return 0;
        if (pv_set_trap(v, &ti))
            return -EINVAL;
    }
}

/* --- callbacks --- */

struct callback_place {
    size_t offset; /* in pv_vcpu */
    u32 mask_flag; /* PVF_, set if events are to be masked on entry */
    bool removable;
};

#define PLACE(field) offsetof(struct pv_vcpu, field)
static const struct callback_place callback_places[] = {
    [CALLBACKTYPE_event] = { PLACE(event_callback), 0, false },
    [CALLBACKTYPE_failsafe] = { PLACE(failsafe_callback), PVF_FAILSAFE_MASKS, false },
    [CALLBACKTYPE_syscall] = { PLACE(syscall_callback), PVF_SYSCALL_MASKS, false },
    [CALLBACKTYPE_nmi] = { PLACE(nmi_callback), 0, true },
    [CALLBACKTYPE_sysenter] = { PLACE(sysenter_callback), PVF_SYSENTER_MASKS, true },
    [CALLBACKTYPE_syscall32] = { PLACE(syscall32_callback), PVF_SYSCALL32_MASKS, true },
};

static const struct callback_place *callback_place(u16 type)
{
    const struct callback_place *p = &callback_places[array_index_nospec(type, ARRAY_SIZE(callback_places))];

    return type < ARRAY_SIZE(callback_places) && p->offset ? p : NULL;
}

static int callback_set(struct vcpu *v, u16 type, vaddr_t address, bool masks)
{
    const struct callback_place *p = callback_place(type);

    if (!p)
        return -ENOSYS;
    if (!va_is_canonical(address))
        return -EINVAL;
    if (type == CALLBACKTYPE_nmi && (!v->domain->is_dom0 || v->id))
        return -EINVAL;
    *(vaddr_t *)((char *)&v->pv + p->offset) = address;
    if (masks)
        v->pv.flags |= p->mask_flag;
    else
        v->pv.flags &= ~p->mask_flag;
    return 0;
}

static long callback_register(vaddr_t arg)
{
    struct callback_register r;

    if (copy_from_guest(&r, arg))
        return -EFAULT;
    return callback_set(current, r.type, r.address, r.flags & CALLBACKF_mask_events);
}

static long callback_unregister(vaddr_t arg)
{
    struct callback_unregister u;
    const struct callback_place *p;

    if (copy_from_guest(&u, arg))
        return -EFAULT;
    p = callback_place(u.type);
    if (!p)
        return -ENOSYS;
    return p->removable ? callback_set(current, u.type, 0, false) : -EINVAL;
}

/* CALLBACKOP_* (<xen/callback.h>) */
long do_callback_op(const struct hypercall_args *a)
{
    switch (a->arg[0]) {
    case CALLBACKOP_register:
        return callback_register(a->arg[1]);
    case CALLBACKOP_unregister:
        return callback_unregister(a->arg[1]);
    default:
        return -ENOSYS;
    }
}

/* The older way: event, failsafe and system call handler at once. */
long do_set_callbacks(const struct hypercall_args *a)
{
    struct vcpu *v = current;

    if (!va_is_canonical(a->arg[0]) || !va_is_canonical(a->arg[1]) || !va_is_canonical(a->arg[2]))
        return -EINVAL;
    v->pv.event_callback = a->arg[0];
    v->pv.failsafe_callback = a->arg[1];
    v->pv.syscall_callback = a->arg[2];
    return 0;
}

int pv_set_ext_callbacks(struct vcpu *v, vaddr_t syscall32, bool syscall32_masks, vaddr_t sysenter,
                         bool sysenter_masks)
{
    if (!va_is_canonical(syscall32) || !va_is_canonical(sysenter))
        return -EINVAL;
    return callback_set(v, CALLBACKTYPE_syscall32, syscall32, syscall32_masks) ?:
           callback_set(v, CALLBACKTYPE_sysenter, sysenter, sysenter_masks);
}

/* XENNMI_* (<xen/nmi.h>): NMIs go to domain 0's first vCPU alone. */
long do_nmi_op(const struct hypercall_args *a)
{
    struct xennmi_callback cb;

    switch (a->arg[0]) {
    case XENNMI_register_callback:
        if (copy_from_guest(&cb, a->arg[1]))
            return -EFAULT;
        return callback_set(current, CALLBACKTYPE_nmi, cb.handler_address, false);
    case XENNMI_unregister_callback:
        return callback_set(current, CALLBACKTYPE_nmi, 0, false);
    default:
        return -ENOSYS;
    }
}

/* The stack of the guest's kernel: SS and RSP on entry from its user mode. */
long do_stack_switch(const struct hypercall_args *a)
{
    pv_set_kernel_stack(current, a->arg[0], a->arg[1]);
    return 0;
}

long do_fpu_taskswitch(const struct hypercall_args *a)
{
    pv_set_ts(a->arg[0]);
    return 0;
}
