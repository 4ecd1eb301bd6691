/* SPDX-License-Identifier: MIT */
/* What a step's parameter bytes stand for: mostly what is there, sometimes what is near it, sometimes neither. */
#include "fuzz.h"

#include "core/grant_private.h"

u8 take(struct act *a) { return a->at < STEP_PARAMS ? a->s->param[a->at++] : 0; }

u16 take16(struct act *a)
{
    u16 low = take(a);

    return (u16)(low | take(a) << 8);
}

u32 pick_count(struct act *a)
{
    static const u32 odd[] = { 0, 63, 64, 65, 511, 512, 4096, 0x7fffffff, 0x80000000, ~0u };
    u8 b = take(a);

    return b < 0xe0 ? 1 + b % 4 : odd[b % ARRAY_SIZE(odd)];
}

/* The hypervisor's own memory, and what is shared with guests. */
static u64 special_mfn(const struct domain *d, u8 b)
{
    switch (b % 16) {
    case 0:
        return virt_to_mfn(d->shared_info).n;
    case 1:
        return d->grants->frames ? virt_to_mfn(d->grants->shared[0]).n : 0;
    case 2:
        return d->grants->status_frames ? virt_to_mfn(d->grants->status[0]).n : 0;
    case 3:
        return virt_to_mfn(d).n;
    case 4:
        return d->pv.perdomain_root.n;
    case 5:
        return d->pv.perdomain_l1_count ? virt_to_mfn(d->pv.perdomain_l1[0]).n : 0;
    case 6:
        return m2p_extent_mfn(0).n;
    case 7:
        return d->grants->frames > 1 ? virt_to_mfn(d->grants->shared[1]).n : 0;
    case 8:
        return 0xf0; /* no RAM */
    case 9:
        return max_frame;
    case 10:
        return max_frame - 1;
    case 11:
        return 0x100100; /* device memory */
    case 12:
        return 1UL << 40;
    case 13:
        return virt_to_mfn(dom0->shared_info).n;
    case 14:
        return ~0UL;
    default:
        return 0;
    }
}

u64 pick_mfn_of(unsigned domain, u8 b) { return world.slot[domain % DOMAINS][b % SLOTS]; }

u64 pick_mfn(struct act *a)
{
    u8 b = take(a);

    if (b < 0xa0)
        return pick_mfn_of(a->d->id, b);
    if (b < 0xc0)
        return pick_mfn_of(a->d->id + 1u, b);
    if (b < 0xe0)
        return pick_mfn_of(a->d->id + 2u, b);
    return special_mfn(a->d, b);
}

u64 pick_pte(struct act *a)
{
    static const u64 flags[] = {
        PTE_P | PTE_USER | PTE_A, PTE_P | PTE_RW | PTE_USER | PTE_A | PTE_D, PTE_P | PTE_RW | PTE_USER, 0,
        PTE_P, PTE_P | PTE_RW, PTE_P | PTE_USER | PTE_NX, PTE_P | PTE_RW | PTE_USER | PTE_GLOBAL,
        PTE_P | PTE_RW | PTE_PCD, PTE_P | PTE_PSE | PTE_RW, PTE_P | PTE_PWT, PTE_RW | PTE_USER,
        PTE_P | PTE_RW | PTE_USER | PTE_SOFT, PTE_P | PTE_USER | PTE_PCD | PTE_PWT, PTE_NX, PTE_P | PTE_RW | PTE_A,
    };
    u64 mfn = pick_mfn(a);
    u8 b = take(a);

    return pte_make(MFN(mfn & (PTE_ADDR >> PAGE_SHIFT)), flags[b % ARRAY_SIZE(flags)]);
}

u64 pick_va(struct act *a)
{
    static const u64 odd[] = {
        0, 0xffff800000000000, 0xffff880000000000, 0x0000800000000000, 0x00007ffffffff000, ~0UL, 0xffff810000010000,
        0xffffffff80000000,
    };
    u8 b = take(a);

    if (b < 0xc0)
        return FUZZ_VA + b % 64 * PAGE_SIZE;
    if (b < 0xe0)
        return FUZZ_VA + (b % 8 * PAGE_SIZE << 9); /* other second-level entries */
    if (b < 0xf0)
        return args_va(a->v) + b % 16 * 8UL;
    return odd[b % ARRAY_SIZE(odd)];
}

/* Where in a table: the entries that map the slots, those above them, the hypervisor's, any. */
static u64 pick_index(struct act *a)
{
    static const u64 some[] = { 0, 1, 2, L4_SLOT_FIRST, L4_SLOT_PERDOMAIN, L4_SLOT_LAST, L4_SLOT_LAST + 1, 511,
                                PT_INDEX(FUZZ_VA, 4), PT_INDEX(FUZZ_VA, 3), PT_INDEX(FUZZ_VA, 2), 255 };
    u8 b = take(a);

    if (b < 0xa0)
        return PT_INDEX(FUZZ_VA, 1) + b % 48;
    return b < 0xe0 ? some[b % ARRAY_SIZE(some)] : b * 2UL;
}

/* Of the tables it began with, of one that it may have made, of anything. */
u64 pick_entry_ma(struct act *a)
{
    u8 b = take(a);
    u64 mfn;

    if (b < 0x80)
        mfn = pick_mfn_of(a->d->id, SLOT_L1);
    else if (b < 0xc0)
        mfn = pick_mfn_of(a->d->id, b % 4);
    else if (b < 0xf0)
        mfn = pick_mfn_of(a->d->id, (u8)(SLOT_UNMAPPED + b % (SLOTS - SLOT_UNMAPPED)));
    else
        mfn = pick_mfn(a);
    return mfn << PAGE_SHIFT | pick_index(a) * sizeof(u64);
}

domid_t pick_domid(struct act *a)
{
    static const domid_t odd[] = { DOMID_IO, DOMID_XEN, DOMID_INVALID, DOMID_COW, DOMID_IDLE, 77, DOMID_SELF, 4 };
    u8 b = take(a);

    if (b < 0x60)
        return DOMID_SELF;
    return b < 0xf0 ? (domid_t)(b % DOMAINS) : odd[b % ARRAY_SIZE(odd)];
}

u32 pick_port(struct act *a)
{
    static const u32 odd[] = { 31, 63, 64, 1022, 1023, 1024, 4095, 4096, 131071, 131072, ~0u };
    u8 b = take(a);

    return b < 0xf0 ? b % 12 : odd[b % ARRAY_SIZE(odd)];
}

u32 pick_ref(struct act *a)
{
    static const u32 odd[] = { 255, 256, 511, 512, 513, 1023, 1024, 2047, 2048, 0x7fffffff, ~0u };
    u8 b = take(a);

    return b < 0xf0 ? b % 12 : odd[b % ARRAY_SIZE(odd)];
}

u32 pick_vcpu(struct act *a)
{
    u8 b = take(a);

    return b < 0xf8 ? b % VCPUS : b % 16 + VCPUS;
}

u64 pick_word(struct act *a)
{
    u8 b = take(a);

    switch (b % 12) {
    case 0:
        return pick_mfn(a);
    case 1:
        return pick_pte(a);
    case 2:
        return pick_va(a);
    case 3:
        return pick_domid(a);
    case 4:
        return pick_ref(a);
    case 5:
        return pick_entry_ma(a);
    case 6:
        return pick_count(a);
    case 7:
        return 0;
    case 8:
        return ~0UL;
    case 9:
        return 1UL << (take(a) % 64);
    case 10:
        return take16(a) | (u64)take16(a) << 16;
    default:
        return take(a);
    }
}
