/* SPDX-License-Identifier: MIT */
/* MOV to CR3 of a PV guest's kernel: a new kernel root, as MMUEXT_NEW_BASEPTR. */
#include "pt.h"

#include <zelo/errno.h>

#include "emulate.h"

enum emul_result emul_write_cr3(struct vcpu *v, u64 value)
{
    int rc = pt_undo_continue(v); /* what the last root left behind, if it was long */

    if (!rc)
        rc = pt_new_root_kernel(v, MFN(xen_cr3_to_pfn(value)));
    if (!rc)
        return EMUL_DONE;
    return rc == -E_PREEMPTED ? EMUL_AGAIN : EMUL_REFUSED;
}
