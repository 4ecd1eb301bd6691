/* SPDX-License-Identifier: MIT */
/*
 * WRMSR of a PV guest's kernel.  Only the bases of segments and the vCPU's own
 * MSRs (msr_own.c) change anything; others may be written what they read as.
 */
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/log.h>
#include <arch/cpu.h>

#include "cpuid.h"
#include "msr.h"

static int write_base(void (*set)(u64 base), u64 base)
{
    if (!va_is_canonical(base))
        return -EPERM;
    set(base);
    return 0;
}

static int write_pred_cmd(const struct cpuid_policy *p, u64 value)
{
    u64 allowed = 0;

    if (cpuid_has(p, XEN_X86_FEATURE_IBRSB) || cpuid_has(p, XEN_X86_FEATURE_IBPB))
        allowed |= PRED_CMD_IBPB;
    if (cpuid_has(p, XEN_X86_FEATURE_SBPB))
        allowed |= PRED_CMD_SBPB;
    if (!allowed || (value & ~allowed))
        return -EPERM;
    return value && wrmsr_safe(MSR_PRED_CMD, value) ? -EPERM : 0;
}

/* Fills the hypercall page of the guest's frame named by the address (<xen/arch-x86/cpuid.h>, leaf 2). */
static int write_hypercall_page(struct domain *d, u64 value)
{
    mfn_t m = MFN(value >> PAGE_SHIFT);
    struct page *page;

    if (value & PAGE_OFFSET_MASK) /* the number of the page: there is only one */
        return -EPERM;
    if (!mfn_valid(m))
        return -EPERM;
    page = mfn_to_page(m);
    if (page_get_and_type(page, d, PGT_WRITABLE))
        return -EPERM;
    hypercall_page_fill(mfn_to_virt(m));
    page_put_written(page);
    return 0;
}

static int write_own(struct vcpu *v, u32 msr, u64 value)
{
    int rc = pv_msr_store_own(v, msr, value);
    unsigned long flags;

    if (!rc) {
        flags = arch_irq_save();
        pv_msrs_load(v);
        arch_irq_restore(flags);
    }
    return rc;
}

static int write_unchanged(struct vcpu *v, u32 msr, u64 value)
{
    u64 now;

    if (!pv_msr_read(v, msr, &now) && now == value)
        return 0;
    log_guest(LOG_DEBUG, "d%uv%u: WRMSR %08x <- %016lx refused\n", v->domain->id, v->id, msr, value);
    return -EPERM;
}

int pv_msr_write(struct vcpu *v, u32 msr, u64 value)
{
    int rc;

    switch (msr) {
    case MSR_KERNEL_GS_BASE:
        return write_base(pv_write_gs_base_other, value);
    case MSR_FS_BASE:
        return write_base(pv_write_fs_base, value);
    case MSR_GS_BASE:
        return write_base(pv_write_gs_base, value);
    case MSR_PRED_CMD:
        return write_pred_cmd(v->domain->pv.cpuid, value);
    case MSR_XEN_HYPERCALL_PAGE:
        return write_hypercall_page(v->domain, value);
    case MSR_UCODE_REV: /* Intel SDM vol. 3, 9.11.7.1: zero before CPUID makes the revision readable */
        return value ? -EPERM : 0;
    }
    rc = write_own(v, msr, value);
    if (rc == -ENOENT)
        rc = write_unchanged(v, msr, value);
    return rc;
}
