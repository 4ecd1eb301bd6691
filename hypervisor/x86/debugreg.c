/* SPDX-License-Identifier: MIT */
/*
 * Debug registers. They are in the CPU only while a breakpoint of the running
 * vCPU is armed; the guest cannot change them but through here, so the values
 * in pv_vcpu are always right.
 */
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/nospec.h>

#include "debugreg.h"
#include "fpu.h"

#define DR6_WRITABLE 0xe00fUL
#define DR7_ENABLES 0xffUL
#define DR7_GD 0x2000UL
#define DR7_WRITABLE 0xffff03ffUL

#define DR_WRITE(n, v) __asm__ volatile("movq %0, %%dr" #n :: "r"(v))

static void breakpoints_load(const struct vcpu *v)
{
    DR_WRITE(0, v->pv.dr[0]);
    DR_WRITE(1, v->pv.dr[1]);
    DR_WRITE(2, v->pv.dr[2]);
    DR_WRITE(3, v->pv.dr[3]);
    DR_WRITE(6, v->pv.dr[6]);
    DR_WRITE(7, v->pv.dr[7]);
}

void debugreg_save(struct vcpu *v)
{
    if (v->pv.dr7_active)
        DR_WRITE(7, DR7_DEFAULT);
}

void debugreg_load(struct vcpu *v)
{
    if (v->pv.dr7_active)
        breakpoints_load(v);
}

/* Of the four breakpoints, one that is enabled and watches I/O ports? */
static bool watches_io(u64 dr7)
{
    for (unsigned i = 0; i < 4; i++)
        if ((dr7 >> (2 * i) & 3) && (dr7 >> (16 + 4 * i) & 3) == 2)
            return true;
    return false;
}

static int dr7_set(struct vcpu *v, u64 value)
{
    if ((value >> 32) || (value & DR7_GD))
        return -EPERM;
    if (watches_io(value))
        return -EPERM;
    v->pv.dr[7] = (value & DR7_WRITABLE) | DR7_DEFAULT;
    v->pv.dr7_active = value & DR7_ENABLES;
    return 0;
}

/* Checks and stores; the caller brings the CPU in step if v runs. */
int pv_debugreg_set(struct vcpu *v, unsigned reg, u64 value)
{
    switch (reg) {
    case 0 ... 3:
        if (!guest_range_ok(value, 1) || !va_is_canonical(value))
            return -EPERM;
        v->pv.dr[array_index_nospec(reg, 4)] = value;
        return 0;
    case 4:
    case 6:
        if (value >> 32)
            return -EPERM;
        v->pv.dr[6] = (value & DR6_WRITABLE) | DR6_DEFAULT;
        return 0;
    case 5:
    case 7:
        return dr7_set(v, value);
    default:
        return -EINVAL;
    }
}

int pv_write_debugreg(unsigned reg, u64 value)
{
    struct vcpu *v = current;
    bool was_active = v->pv.dr7_active;
    int rc = pv_debugreg_set(v, reg, value);

    if (rc)
        return rc;
    if (v->pv.dr7_active)
        breakpoints_load(v);
    else if (was_active)
        DR_WRITE(7, DR7_DEFAULT);
    return 0;
}

long do_set_debugreg(const struct hypercall_args *a)
{
    if (a->arg[0] > 7)
        return -EINVAL;
    return pv_write_debugreg((unsigned)a->arg[0], a->arg[1]);
}

long do_get_debugreg(const struct hypercall_args *a)
{
    unsigned long reg = a->arg[0];

    if (reg > 7)
        return -EINVAL;
    if (reg == 4 || reg == 5)
        reg += 2;
    return (long)current->pv.dr[array_index_nospec(reg, ARRAY_SIZE(current->pv.dr))];
}
