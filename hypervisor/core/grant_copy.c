/* SPDX-License-Identifier: MIT */
/*
 * GNTTABOP_copy: bytes from one page to another, each page either the caller's
 * own (by frame number) or granted to it.  Guests copy a page in several
 * pieces, so a side that is the same as in the operation before is kept.
 */
#include "grant_private.h"

#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>
#include <zelo/page.h>

/* One side of a copy, as long as it is held. */
struct side {
    struct gnttab_copy_ptr of;
    struct domain *owner;      /* of the grant; NULL: the caller's own page */
    struct grant_use use;      /* own page: only page, start, length, write */
    bool held;
};

static void side_release(struct side *s)
{
    if (!s->held)
        return;
    s->held = false;
    if (s->owner) {
        grant_use_put(&s->use);
        domain_put(s->owner);
    } else if (s->use.write) {
        page_put_written(s->use.page);
    } else {
        page_put(s->use.page);
    }
}

static int own_page_get(u64 frame, struct side *s)
{
    struct domain *d = current->domain;
    struct page *p;

    if (!mfn_valid(MFN(frame)))
        return GNTST_bad_page;
    p = mfn_to_page(MFN(frame));
    if (s->use.write ? page_get_and_type(p, d, PGT_WRITABLE) != 0 : !page_get(p, d))
        return GNTST_bad_page;
    s->use.page = p;
    s->use.start = 0;
    s->use.length = PAGE_SIZE;
    return GNTST_okay;
}

static int granted_page_get(const struct gnttab_copy_ptr *of, struct side *s)
{
    int rc;

    s->owner = domain_get(of->domid);
    if (!s->owner)
        return GNTST_bad_domain;
    rc = grant_use_get(s->owner, of->u.ref, current->domain->id, s->use.write,
                       GRANT_PART_OK | GRANT_TRANSITIVE_OK, &s->use);
    if (rc)
        domain_put(s->owner);
    return rc;
}

static bool side_is(const struct side *s, const struct gnttab_copy_ptr *of, bool by_grant)
{
    if (!s->held || (s->owner != NULL) != by_grant || s->of.domid != of->domid)
        return false;
    return by_grant ? s->of.u.ref == of->u.ref : s->of.u.gmfn == of->u.gmfn;
}

static int side_claim(struct side *s, const struct gnttab_copy_ptr *of, bool by_grant, bool write)
{
    int rc;

    if (side_is(s, of, by_grant))
        return GNTST_okay;
    side_release(s);
    *s = (struct side){ .of = *of, .use.write = write };
    if (by_grant)
        rc = granted_page_get(of, s);
    else
        rc = of->domid == DOMID_SELF ? own_page_get(of->u.gmfn, s) : GNTST_permission_denied;
    s->held = !rc;
    return rc;
}

/* Is [offset, offset + len) within what the side grants? */
static bool part_ok(const struct side *s, u16 offset, u16 len)
{
    return offset >= s->use.start && offset + len <= s->use.start + s->use.length;
}

static int copy_one(const struct gnttab_copy *op, struct side *src, struct side *dst)
{
    int rc;

    if (op->source.offset + op->len > PAGE_SIZE || op->dest.offset + op->len > PAGE_SIZE)
        return GNTST_bad_copy_arg;
    if (op->flags & ~(GNTCOPY_source_gref | GNTCOPY_dest_gref))
        return GNTST_general_error;
    rc = side_claim(src, &op->source, op->flags & GNTCOPY_source_gref, false);
    if (rc)
        return rc;
    rc = side_claim(dst, &op->dest, op->flags & GNTCOPY_dest_gref, true);
    if (rc)
        return rc;
    if (!part_ok(src, op->source.offset, op->len) || !part_ok(dst, op->dest.offset, op->len))
        return GNTST_general_error;
    memmove((u8 *)page_to_virt(dst->use.page) + op->dest.offset,
            (u8 *)page_to_virt(src->use.page) + op->source.offset, op->len);
    return GNTST_okay;
}

int grant_copy_list(vaddr_t uop, u32 count, u32 *done)
{
    struct side src = { .held = false }, dst = { .held = false };
    int rc = 0;

    for (*done = 0; !rc && *done < count; ++*done) {
        vaddr_t at = uop + (vaddr_t)*done * sizeof(struct gnttab_copy);
        struct gnttab_copy op;

        if (grant_list_should_stop(*done, count)) {
            rc = -E_PREEMPTED;
            break;
        }
        rc = copy_from_guest(&op, at);
        if (!rc) {
            op.status = (s16)copy_one(&op, &src, &dst);
            rc = copy_field_to_guest(at, &op, status);
        }
    }
    side_release(&src);
    side_release(&dst);
    return rc;
}
