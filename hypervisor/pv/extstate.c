/* SPDX-License-Identifier: MIT */
/*
 * XEN_DOMCTL_getvcpuextstate, setvcpuextstate: a vCPU's XSAVE state as it
 * migrates: XCR0, all XCR0 bits it ever used, then the uncompacted XSAVE image
 * as large as those need.  The vCPU is paused and its state in memory.
 */
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>
#include <arch/cpu.h>

#include <xen/domctl.h>

#include "cpuid.h"

#define XSAVE_MXCSR 24       /* offsets in the image, Intel SDM vol. 1, 13.4 */
#define XSAVE_BV 512
#define XSAVE_COMP_BV 520
#define MXCSR_VALID 0xffffu
#define MXCSR_MISALIGNED (1u << 17) /* AMD, with MISALIGNSSE */

struct extstate { u64 xcr0, xcr0_accum; };

static u32 image_size(const struct vcpu *v, u64 accum)
{
    return cpuid_xsave_size(v->domain->pv.cpuid, accum);
}

static int get_extstate(struct vcpu *v, struct xen_domctl_vcpuextstate *op)
{
    struct extstate head = { v->pv.xcr0, v->pv.xcr0_accum };
    u64 mask = pv_xcr0_allowed(v->domain);
    u64 size = sizeof(head) + image_size(v, v->pv.xcr0_accum);

    if (!op->size && !op->xfeature_mask) { /* asks how much */
        op->xfeature_mask = mask;
        op->size = mask ? size : 0;
        return 0;
    }
    if (!mask || op->size != size || op->xfeature_mask != mask)
        return -EINVAL;
    if (guest_write(handle_va(op->buffer), &head, sizeof(head)) ||
        guest_write(handle_va(op->buffer) + sizeof(head), v->pv.fpu, size - sizeof(head)))
        return -EFAULT;
    return 0;
}

/* Anything else would make XRSTOR fault when the vCPU next runs. */
static bool image_valid(const struct vcpu *v, const u8 *image, u64 accum)
{
    u32 mxcsr, valid = MXCSR_VALID;
    u64 bv;

    if (cpuid_has(v->domain->pv.cpuid, XEN_X86_FEATURE_MISALIGNSSE))
        valid |= MXCSR_MISALIGNED;
    memcpy(&mxcsr, image + XSAVE_MXCSR, sizeof(mxcsr));
    memcpy(&bv, image + XSAVE_BV, sizeof(bv));
    if ((mxcsr & ~valid) || (bv & ~(accum | XCR0_X87 | XCR0_SSE)))
        return false;
    for (unsigned i = XSAVE_COMP_BV; i < XSAVE_LEGACY_BYTES; i++)
        if (image[i])
            return false;
    return true;
}

static int set_extstate(struct vcpu *v, struct xen_domctl_vcpuextstate *op)
{
    struct extstate head;
    u8 *image;
    u64 bytes;
    int rc = -EINVAL;

    if (op->size < sizeof(head))
        return -EINVAL;
    if (guest_read(&head, handle_va(op->buffer), sizeof(head)))
        return -EFAULT;
    /* The CPU gets both in XCR0, the second while the state is loaded and saved. */
    if (!pv_xcr0_valid(v->domain, head.xcr0) || !pv_xcr0_valid(v->domain, head.xcr0_accum) ||
        (head.xcr0 & ~head.xcr0_accum))
        return -EINVAL;
    bytes = op->size - sizeof(head);
    if (bytes != image_size(v, head.xcr0_accum))
        return -EINVAL;
    image = mem_alloc(bytes);
    if (!image)
        return -ENOMEM;
    if (guest_read(image, handle_va(op->buffer) + sizeof(head), bytes)) {
        rc = -EFAULT;
    } else if (image_valid(v, image, head.xcr0_accum)) {
        memcpy(v->pv.fpu, image, bytes);
        v->pv.xcr0 = head.xcr0;
        v->pv.xcr0_accum = head.xcr0_accum;
        v->pv.fpu_initialised = true;
        rc = 0;
    }
    mem_free(image);
    return rc;
}

int pv_vcpu_extstate(struct vcpu *v, struct xen_domctl_vcpuextstate *op, bool set)
{
    return set ? set_extstate(v, op) : get_extstate(v, op);
}
