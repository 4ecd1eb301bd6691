/* SPDX-License-Identifier: MIT */
/*
 * The tail of long undoings.  A hypercall that took the last use of a large
 * table away leaves the rest of the work in its vCPU's pv.undo and continues
 * until that is empty, so that the guest finds everything done when its call
 * returns, and nothing runs for long with pt_lock held.
 */
#include "pt.h"

#include <zelo/errno.h>

void pt_undo_adopt(struct page *p)
{
    struct vcpu *v = current;

    if (v && !v->pv.undo) {
        v->pv.undo = p;
        return;
    }
    /* No place to leave it: now, then. */
    while (page_finish_undo(p, false))
        ;
    page_put(p);
}

void pt_undo_offer(struct page *p)
{
    struct vcpu *v = current;

    if (v && !v->pv.undo) {
        page_get_held(p);
        v->pv.undo = p;
    }
}

int pt_undo_go_on(struct vcpu *v)
{
    struct page *p = v->pv.undo;
    struct domain *d = page_owner(p);
    int rc;

    pt_lock(d);
    rc = page_finish_undo(p, true);
    pt_unlock(d);
    if (rc)
        return rc;
    v->pv.undo = NULL;
    page_put(p);
    return 0;
}
