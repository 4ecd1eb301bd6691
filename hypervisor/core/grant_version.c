/* SPDX-License-Identifier: MIT */
/*
 * GNTTABOP_set_version: the whole table is laid out anew.  The first entries,
 * which the tools fill before the domain starts, survive, in use or not; no
 * other may be in use.  And GNTTABOP_swap_grant_ref.
 */
#include "grant_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>

/* Either version's entry in the terms of both, as it was when it was read: the guest may write it at any time. */
struct neutral_entry { u16 flags, status; domid_t domid; u64 frame; };

_Static_assert(sizeof(grant_entry_v1_t) == sizeof(u64) && sizeof(grant_entry_v2_t) == 2 * sizeof(u64), "whole words");

#define STATUS_FLAGS (GTF_reading | GTF_writing)

static bool in_use(const struct grant_table *gt, u32 ref)
{
    const struct grant_active *a = grant_active(gt, ref);

    return a->readers || a->writers;
}

static struct neutral_entry entry_read(const struct grant_table *gt, u32 ref)
{
    struct neutral_entry n = { 0 };

    if (gt->version == 2) {
        const grant_entry_v2_t *e = grant_v2(gt, ref);

        n = (struct neutral_entry){ READ_ONCE(e->hdr.flags), READ_ONCE(*grant_status(gt, ref)),
                                    READ_ONCE(e->hdr.domid), READ_ONCE(e->full_page.frame) };
    } else {
        const grant_entry_v1_t *e = grant_v1(gt, ref);
        u16 flags = READ_ONCE(e->flags);

        n = (struct neutral_entry){ flags & (u16)~STATUS_FLAGS, flags & STATUS_FLAGS, READ_ONCE(e->domid),
                                    READ_ONCE(e->frame) };
    }
    return n;
}

static void entry_write(struct grant_table *gt, u32 ref, const struct neutral_entry *n)
{
    if (gt->version == 2) {
        *grant_v2(gt, ref) = (grant_entry_v2_t){ .full_page = { { n->flags, n->domid }, 0, n->frame } };
        *grant_status(gt, ref) = n->status;
    } else {
        *grant_v1(gt, ref) = (grant_entry_v1_t){ n->flags | n->status, n->domid, (u32)n->frame };
    }
}

/* What both versions can say; anything else is forgotten unless it is in use. */
static bool entry_is_portable(const struct neutral_entry *n)
{
    return (n->flags & GTF_type_mask) == GTF_permit_access && !(n->flags & GTF_sub_page) &&
           n->frame <= 0xffffffffu;
}

/* Both locks held, status frames there if the new version needs them. */
static int relayout(struct grant_table *gt, u32 version)
{
    struct neutral_entry kept[GNTTAB_NR_RESERVED_ENTRIES];
    struct grant_active uses[GNTTAB_NR_RESERVED_ENTRIES];
    u32 n = MIN((u32)GNTTAB_NR_RESERVED_ENTRIES, grant_entry_count(gt)), reserved_in_use = 0;

    for (u32 i = 0; i < n; i++) {
        kept[i] = entry_read(gt, i);
        uses[i] = *grant_active(gt, i);
        if (in_use(gt, i) && !entry_is_portable(&kept[i]))
            return -EBUSY;
        if (!entry_is_portable(&kept[i]))
            kept[i] = (struct neutral_entry){ 0 };
        reserved_in_use += in_use(gt, i);
    }
    if (gt->pinned != reserved_in_use)
        return -EBUSY;
    for (u32 i = 0; i < gt->frames; i++) {
        memset(gt->shared[i], 0, PAGE_SIZE);
        memset(gt->active[i], 0, PAGE_SIZE);
    }
    for (u32 i = 0; i < gt->status_frames; i++)
        memset(gt->status[i], 0, PAGE_SIZE);
    gt->version = version;
    for (u32 i = 0; i < n; i++) {
        entry_write(gt, i, &kept[i]);
        *grant_active(gt, i) = uses[i];
    }
    return 0;
}

static int change_version(struct domain *d, u32 version)
{
    struct grant_table *gt = d->grants;
    int rc = 0;

    spin_lock(&gt->lock);
    if (version == 2)
        rc = grant_grow_status(d, gt->frames);
    if (!rc && version != gt->version) {
        spin_lock(&gt->entry_lock);
        rc = relayout(gt, version);
        spin_unlock(&gt->entry_lock);
    }
    spin_unlock(&gt->lock);
    return rc;
}

int grant_set_version(vaddr_t uop)
{
    struct domain *d = current->domain;
    struct gnttab_set_version op;
    int rc;

    if (copy_from_guest(&op, uop))
        return -EFAULT;
    if (op.version != 1 && op.version != 2)
        return -EINVAL;
    if (op.version > d->grants->max_version)
        return -ENOSYS; /* as if the call were not there: guests then stay with version 1 */
    rc = change_version(d, op.version);
    if (rc)
        return rc;
    return copy_to_guest(uop, &op);
}

/* --- swapping two entries of one's own --- */

/* What the guest writes to them meanwhile it may find in either. */
static void swap_words(u64 *a, u64 *b, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof(*a); i++) {
        u64 t = READ_ONCE(a[i]);

        WRITE_ONCE(a[i], READ_ONCE(b[i]));
        WRITE_ONCE(b[i], t);
    }
}

static int swap_locked(struct grant_table *gt, u32 a, u32 b)
{
    u32 count = grant_entry_count(gt);

    if (a >= count || b >= count)
        return GNTST_bad_gntref;
    if (a == b)
        return GNTST_okay;
    if (in_use(gt, a) || in_use(gt, b))
        return GNTST_eagain;
    if (gt->version == 2)
        swap_words((u64 *)(void *)grant_v2(gt, a), (u64 *)(void *)grant_v2(gt, b), sizeof(grant_entry_v2_t));
    else
        swap_words((u64 *)(void *)grant_v1(gt, a), (u64 *)(void *)grant_v1(gt, b), sizeof(grant_entry_v1_t));
    return GNTST_okay;
}

int grant_swap_list(vaddr_t uop, u32 count, u32 *done)
{
    struct grant_table *gt = current->domain->grants;

    for (*done = 0; *done < count; ++*done) {
        vaddr_t at = uop + (vaddr_t)*done * sizeof(struct gnttab_swap_grant_ref);
        struct gnttab_swap_grant_ref op;

        if (grant_list_should_stop(*done, count))
            return -E_PREEMPTED;
        if (copy_from_guest(&op, at))
            return -EFAULT;
        spin_lock(&gt->entry_lock);
        op.status = (s16)swap_locked(gt, op.ref_a, op.ref_b);
        spin_unlock(&gt->entry_lock);
        if (copy_field_to_guest(at, &op, status))
            return -EFAULT;
    }
    return 0;
}
