/* SPDX-License-Identifier: MIT */
/* Steps: page tables, by hypercalls and by faults. */
#include "fuzz.h"

#include <zelo/guest.h>

static unsigned short_list(struct act *a) { return 1 + take(a) % 3; }

bool step_mmu_update(struct act *a, struct call *c)
{
    unsigned n = short_list(a);
    domid_t frames = pick_domid(a);
    u32 tables = take(a) < 0xe0 ? 0 : pick_domid(a) + 1u;
    vaddr_t va, done;
    struct mmu_update *req;

    (void)ARG_NEW(a, u32, 1, &done);
    req = ARG_NEW(a, struct mmu_update, n, &va);
    for (unsigned i = 0; i < n; i++) {
        static const u8 types[] = { MMU_NORMAL_PT_UPDATE, MMU_NORMAL_PT_UPDATE, MMU_PT_UPDATE_PRESERVE_AD,
                                    MMU_MACHPHYS_UPDATE, MMU_PT_UPDATE_NO_TRANSLATE };
        u8 type = PICK(a, types);

        req[i].ptr = pick_entry_ma(a) | type;
        req[i].val = pick_pte(a);
    }
    *c = (struct call){ __HYPERVISOR_mmu_update, { { va, n, done, frames | tables << 16 } } };
    return true;
}

static u64 flush_flags(struct act *a)
{
    static const u64 flags[] = { UVMF_NONE, UVMF_TLB_FLUSH | UVMF_LOCAL, UVMF_INVLPG | UVMF_ALL, UVMF_INVLPG,
                                 UVMF_TLB_FLUSH | UVMF_ALL, UVMF_FLUSHTYPE_MASK };
    u64 f = PICK(a, flags);
    vaddr_t va;

    if (f == UVMF_INVLPG) {
        *ARG_NEW(a, u64, 1, &va) = take(a);
        f |= va;
    }
    return f;
}

bool step_va_mapping(struct act *a, struct call *c)
{
    u64 va = pick_va(a), pte = pick_pte(a);

    *c = (struct call){ __HYPERVISOR_update_va_mapping, { { va, pte, flush_flags(a) } } };
    return true;
}

bool step_va_mapping_other(struct act *a, struct call *c)
{
    u64 va = pick_va(a), pte = pick_pte(a);
    domid_t id = pick_domid(a);

    *c = (struct call){ __HYPERVISOR_update_va_mapping_otherdomain, { { va, pte, flush_flags(a), id } } };
    return true;
}

static const u8 ext_commands[] = {
    MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE, MMUEXT_PIN_L3_TABLE, MMUEXT_PIN_L4_TABLE, MMUEXT_UNPIN_TABLE,
    MMUEXT_NEW_BASEPTR, MMUEXT_NEW_USER_BASEPTR, MMUEXT_CLEAR_PAGE, MMUEXT_COPY_PAGE, MMUEXT_SET_LDT,
    MMUEXT_UNPIN_TABLE, MMUEXT_TLB_FLUSH_LOCAL, MMUEXT_INVLPG_LOCAL, MMUEXT_TLB_FLUSH_MULTI, MMUEXT_INVLPG_MULTI,
    MMUEXT_TLB_FLUSH_ALL, MMUEXT_INVLPG_ALL, MMUEXT_FLUSH_CACHE, MMUEXT_FLUSH_CACHE_GLOBAL, MMUEXT_MARK_SUPER, 14,
    MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L4_TABLE, 99,
};

static void ext_fill(struct act *a, struct mmuext_op *op)
{
    vaddr_t va;

    op->cmd = PICK(a, ext_commands);
    switch (op->cmd) {
    case MMUEXT_SET_LDT:
        op->arg1.linear_addr = pick_va(a);
        op->arg2.nr_ents = take(a) * 16u;
        break;
    case MMUEXT_INVLPG_LOCAL:
    case MMUEXT_INVLPG_ALL:
        op->arg1.linear_addr = pick_va(a);
        break;
    case MMUEXT_INVLPG_MULTI:
    case MMUEXT_TLB_FLUSH_MULTI:
        op->arg1.linear_addr = pick_va(a);
        *ARG_NEW(a, u64, 1, &va) = take(a);
        op->arg2.vcpumask.p = (void *)va;
        break;
    default:
        op->arg1.mfn = pick_mfn(a);
        op->arg2.src_mfn = op->cmd == MMUEXT_COPY_PAGE ? pick_mfn(a) : 0;
    }
}

bool step_mmuext(struct act *a, struct call *c)
{
    unsigned n = short_list(a);
    domid_t id = pick_domid(a);
    vaddr_t va, done;
    struct mmuext_op *op;

    (void)ARG_NEW(a, u32, 1, &done);
    op = ARG_NEW(a, struct mmuext_op, n, &va);
    for (unsigned i = 0; i < n; i++)
        ext_fill(a, &op[i]);
    *c = (struct call){ __HYPERVISOR_mmuext_op, { { va, n, done, id } } };
    return true;
}

/* --- faults, in the order of x86/traps.c --- */

#define PF_PRESENT 1u
#define PF_WRITE 2u

static bool page_fault(struct act *a, vaddr_t va, u32 error)
{
    if (a->d->pv.shadow && pv_shadow_fault(va, &error))
        return true;
    return (error & (PF_PRESENT | PF_WRITE)) == (PF_PRESENT | PF_WRITE) && guest_range_ok(va, 1) &&
           pv_guest_kernel_mode(a->v, guest_regs()) && pv_emulate_pt_write(va, guest_regs());
}

/* Any fault at any address, and perhaps its delivery to the guest. */
bool step_fault(struct act *a, struct call *c)
{
    u64 va = pick_va(a) + (take16(a) & 0xff8);
    u8 how = take(a);

    (void)c;
    if (how & 0x80)
        (void)pv_map_ldt_page(a->v, how & 15);
    else if (!page_fault(a, va, how & 7) && (how & 0x40))
        pv_inject_page_fault(va, how & 7);
    return false;
}

static const struct { u8 n, bytes[10]; } writers[] = {
    { 3, { 0x48, 0x89, 0x0f } },                   /* mov %rcx, (%rdi) */
    { 3, { 0x48, 0x87, 0x0f } },                   /* xchg */
    { 5, { 0xf0, 0x48, 0x0f, 0xb1, 0x0f } },       /* lock cmpxchg */
    { 5, { 0xf0, 0x48, 0x0f, 0xc1, 0x0f } },       /* lock xadd */
    { 4, { 0xf0, 0x48, 0x21, 0x0f } },             /* lock and */
    { 3, { 0x48, 0x09, 0x0f } },                   /* or */
    { 6, { 0xf0, 0x48, 0x0f, 0xba, 0x37, 0x01 } }, /* lock btr $1 */
    { 6, { 0xf0, 0x48, 0x0f, 0xba, 0x2f, 0x01 } }, /* lock bts $1 */
    { 2, { 0x89, 0x0f } },                         /* mov %ecx */
    { 2, { 0x88, 0x0f } },                         /* mov %cl */
    { 7, { 0x48, 0xc7, 0x07, 0, 0, 0, 0 } },       /* movq $0 */
    { 3, { 0x48, 0x31, 0x0f } },                   /* xor */
    { 3, { 0x48, 0xf7, 0x1f } },                   /* neg */
    { 2, { 0x0f, 0x0b } },                         /* ud2 */
};

/* The guest's kernel writes to an entry of a table that it has mapped read-only. */
bool step_table_write(struct act *a, struct call *c)
{
    unsigned i = take(a) % ARRAY_SIZE(writers);
    u64 ma = pick_entry_ma(a), where = FUZZ_VA;
    struct cpu_user_regs *r = guest_regs();
    vaddr_t va;

    (void)c;
    for (unsigned slot = 0; slot < SLOTS; slot++)
        if (pick_mfn_of(a->d->id, (u8)slot) == ma >> PAGE_SHIFT)
            where = FUZZ_VA + slot * PAGE_SIZE;
    memcpy(ARG_NEW(a, u8, 16, &va), writers[i].bytes, writers[i].n);
    r->rip = va;
    r->rcx = pick_pte(a);
    r->rax = pick_pte(a);
    r->rdi = where + (ma & PAGE_OFFSET_MASK);
    (void)page_fault(a, r->rdi, PF_PRESENT | PF_WRITE);
    return false;
}
