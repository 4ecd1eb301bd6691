/* SPDX-License-Identifier: MIT */
/*
 * Allocations that fail on purpose, in debug builds.
 *
 * Only those count that one domain's vCPUs ask for, so that a test meets the
 * same ones each time whatever else goes on.  A small object that needs a
 * fresh page is two of them, as either can be refused.
 */
#include <zelo/alloc_fault.h>

#ifdef ZELO_DEBUG

#include <zelo/atomic.h>
#include <zelo/domain.h>

static u32 victim = DOMID_INVALID; /* (a) whose allocations count; DOMID_INVALID: nobody's */
static u64 asked;                  /* (a) of them since it was armed */
static u64 refused;                /* (a) which of them fails */
static u64 objects;                /* (a) */

u64 alloc_fault_arm(domid_t id, u64 n)
{
    u64 before;

    atomic_set(&victim, (u32)DOMID_INVALID);
    before = atomic_xchg(&asked, 0);
    atomic_set(&refused, n);
    atomic_set_release(&victim, (u32)id); /* who sees it finds the rest */
    return before;
}

bool alloc_fault_now(void)
{
    u32 id = atomic_read_acquire(&victim);
    const struct vcpu *v;

    if (likely(id == DOMID_INVALID))
        return false;
    v = current;
    if (!v || v->domain->id != id)
        return false;
    return atomic_add_return(&asked, 1) == atomic_read(&refused);
}

void alloc_objects_add(int n)
{
    (void)atomic_add_return(&objects, (u64)(s64)n);
}

u64 alloc_objects(void)
{
    return atomic_read(&objects);
}

#endif
