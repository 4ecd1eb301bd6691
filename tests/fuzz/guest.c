/* SPDX-License-Identifier: MIT */
/*
 * Guests' memory.  Each vCPU has an area for its hypercalls' arguments, which
 * all vCPUs of its domain can reach; every other address is looked up in the
 * page tables that the vCPU runs on, as a CPU does it.  At each access of the
 * hypervisor another CPU may come in between (race.c).
 */
#include "fuzz.h"

#include <zelo/guest.h>

#define ARGS_VA 0x100000UL
#define AREAS (DOMAINS * VCPUS)

/* The second half of each is never mapped. */
static u8 areas[AREAS][2 * ARGS_BYTES];
static size_t used[AREAS];  /* bytes written to since args_clear */
static size_t latest[AREAS]; /* bytes that the latest step's arguments take */

static unsigned area_of(const struct vcpu *v)
{
    return v->domain->id % DOMAINS * VCPUS + v->id % VCPUS;
}

size_t args_latest(const struct vcpu *v) { return latest[area_of(v)]; }
vaddr_t args_va(const struct vcpu *v) { return ARGS_VA + area_of(v) * 2UL * ARGS_BYTES; }
u8 *args_at(const struct vcpu *v) { return areas[area_of(v)]; }

static void args_touch(const u8 *at, size_t n)
{
    size_t offset = (size_t)(at - areas[0]);
    size_t *area = &used[offset / (2 * ARGS_BYTES)];

    *area = MAX(*area, offset % (2 * ARGS_BYTES) + n);
}

void args_clear(void)
{
    for (unsigned i = 0; i < AREAS; i++) {
        memset(areas[i], 0, MIN(used[i], sizeof(areas[i])));
        used[i] = latest[i] = 0;
    }
}

void *arg_new(struct act *a, size_t n, vaddr_t *va)
{
    u8 *at;

    /* The last that fits, so that half of it is beyond the end. */
    if ((a->s->flow & 0x20) && !a->args && n < ARGS_BYTES)
        a->args = ALIGN_DOWN(ARGS_BYTES - n / 2, 8UL);
    if (a->args + n > 2 * ARGS_BYTES)
        a->args = 0;
    at = args_at(a->v) + a->args;
    *va = args_va(a->v) + a->args;
    a->args = ALIGN_UP(a->args + n, 8UL);
    latest[area_of(a->v)] = MIN(a->args, (size_t)ARGS_BYTES);
    args_touch(at, n);
    return at;
}

/* Of the domain's argument areas: NULL if va is not in one. */
static u8 *args_find(const struct domain *d, vaddr_t va, size_t *n)
{
    u64 area, offset;

    if (va < ARGS_VA || va >= ARGS_VA + sizeof(areas))
        return NULL;
    area = (va - ARGS_VA) / (2 * ARGS_BYTES);
    offset = (va - ARGS_VA) % (2 * ARGS_BYTES);
    if (area / VCPUS != d->id % DOMAINS || offset >= ARGS_BYTES)
        return NULL;
    *n = MIN(*n, ARGS_BYTES - offset);
    return &areas[area][offset];
}

/* Through page tables: NULL on a fault. No lock, as no CPU takes one. */
static u8 *frame_find(struct vcpu *v, vaddr_t va, bool write, size_t *n)
{
    mfn_t root = pv_mode_root(&v->pv);
    u64 e = root.n << PAGE_SHIFT;

    if (!va_is_canonical(va) || mfn_is_invalid(root))
        return NULL;
    for (unsigned level = 4; level; level--) {
        const u64 *table = mfn_to_virt(pte_mfn(e));

        e = READ_ONCE(table[PT_INDEX(va, level)]);
        if (!(e & PTE_P) || (write && !(e & PTE_RW)) || pt_frame_is_io(pte_mfn(e)))
            return NULL;
    }
    *n = MIN(*n, PAGE_SIZE - (va & PAGE_OFFSET_MASK));
    return (u8 *)mfn_to_virt(pte_mfn(e)) + (va & PAGE_OFFSET_MASK);
}

static u8 *guest_find(struct vcpu *v, vaddr_t va, bool write, size_t *n)
{
    u8 *at = args_find(v->domain, va, n);

    if (at && write)
        args_touch(at, *n);
    return at ? at : frame_find(v, va, write, n);
}

/* Moves up to n bytes, up to the first fault; how many are left. */
static size_t guest_move(struct vcpu *v, u8 *ours, vaddr_t va, size_t n, bool write)
{
    while (n) {
        size_t chunk = n;
        u8 *at = guest_find(v, va, write, &chunk);

        if (!at)
            break;
        if (write)
            memcpy(at, ours, chunk);
        else
            memcpy(ours, at, chunk);
        ours += chunk;
        va += chunk;
        n -= chunk;
    }
    return n;
}

size_t arch_guest_read(void *dst, vaddr_t va, size_t n)
{
    race_read(va, n);
    return guest_move(current, dst, va, n, false);
}

size_t arch_guest_write(vaddr_t va, const void *src, size_t n)
{
    race_occasion();
    return guest_move(current, (u8 *)(vaddr_t)src, va, n, true);
}

size_t arch_guest_clear(vaddr_t va, size_t n)
{
    static u8 zeros[PAGE_SIZE];

    race_occasion();
    while (n) {
        size_t chunk = MIN(n, sizeof(zeros));

        if (guest_move(current, zeros, va, chunk, true))
            break;
        va += chunk;
        n -= chunk;
    }
    return n;
}

int arch_guest_cmpxchg64(vaddr_t va, u64 *expect, u64 want)
{
    size_t n = sizeof(u64);
    u8 *at;

    race_occasion();
    at = va % sizeof(u64) ? NULL : guest_find(current, va, true, &n);
    if (!at)
        return 1;
    (void)atomic_cas((u64 *)(void *)at, expect, want);
    return 0;
}

bool guest_store(struct vcpu *v, vaddr_t va, const void *src, size_t n)
{
    return guest_range_ok(va, n) && !guest_move(v, (u8 *)(vaddr_t)src, va, n, true);
}
