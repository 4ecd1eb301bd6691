/* SPDX-License-Identifier: MIT */
/*
 * A guest kernel wrote to a page table that it has mapped read-only.  Linux
 * does so on purpose where an atomic instruction says best what it wants
 * (ptep_get_and_clear is an XCHG, ptep_set_wrprotect a LOCK BTR), so this is a
 * path of every munmap and fork, not a rarity.
 *
 * The instruction is decoded, its result computed from the entry as it is, and
 * the result put in place as a checked update that fails if the entry changed
 * in between.  Then registers, flags and RIP become what the CPU would have
 * left.  The address written to is the one the CPU reported, so that its
 * computation need not be repeated.
 */
#include "pt.h"

#include "x86_decode.h"

#include <zelo/errno.h>
#include <zelo/guest.h>

#define F_CF 0x1u
#define F_PF 0x4u
#define F_AF 0x10u
#define F_ZF 0x40u
#define F_SF 0x80u
#define F_TF 0x100u
#define F_OF 0x800u
#define F_RF 0x10000u
#define F_ARITH (F_CF | F_PF | F_AF | F_ZF | F_SF | F_OF)
#define DR6_BS (1u << 14)
#define TRAP_DEBUG 1

struct result {
    u64 value;     /* of the memory operand */
    u32 flags;     /* those in flags_mask */
    u32 flags_mask;
    bool write_reg;
    u64 reg_value; /* for reg, or for the accumulator if CMPXCHG failed */
    bool compare_failed;
};

static u64 size_mask(unsigned size)
{
    return size == 8 ? ~0ULL : (1ULL << (8 * size)) - 1;
}

static u32 flags_logic(u64 v, unsigned size)
{
    u32 f = 0;

    if (!(v & size_mask(size)))
        f |= F_ZF;
    if ((v >> (8 * size - 1)) & 1)
        f |= F_SF;
    if (!__builtin_parity((u8)v))
        f |= F_PF;
    return f;
}

/* CF, OF, AF of an addition a + b (+ carry) = v. */
static u32 flags_carries(u64 a, u64 b, u64 v, unsigned size)
{
    u64 carries = (a & b) | ((a | b) & ~v); /* out of each bit */
    unsigned top = 8 * size - 1;
    u32 f = 0;

    if ((carries >> top) & 1)
        f |= F_CF;
    if (((carries >> top) ^ (carries >> (top - 1))) & 1)
        f |= F_OF;
    if ((carries >> 3) & 1)
        f |= F_AF;
    return f;
}

static u32 flags_add(u64 a, u64 b, u64 v, unsigned size)
{
    return flags_logic(v, size) | flags_carries(a, b, v, size);
}

/* a - b (- borrow) = v: the borrows are the carries of the addition that undoes it. */
static u32 flags_sub(u64 a, u64 b, u64 v, unsigned size)
{
    return flags_logic(v, size) | flags_carries(v, b, a, size);
}

static void set_arith(struct result *r, u64 v, u32 flags)
{
    r->value = v;
    r->flags = flags;
    r->flags_mask = F_ARITH;
}

static void compute_bit(struct result *r, const struct x86_insn *i, u64 old, u64 src)
{
    u64 bit = 1ULL << (src & (8 * i->size - 1));

    r->value = i->op == X86_BTS ? old | bit : i->op == X86_BTR ? old & ~bit : old ^ bit;
    r->flags = old & bit ? F_CF : 0;
    r->flags_mask = F_CF;
}

static void compute_cmpxchg(struct result *r, const struct x86_insn *i, u64 old, u64 src, u64 acc)
{
    u64 v = (acc - old) & size_mask(i->size);

    set_arith(r, v ? old : src, flags_sub(acc, old, v, i->size));
    r->compare_failed = v != 0;
    r->write_reg = v != 0;
    r->reg_value = old;
}

/* old, src and acc are no wider than the operand. */
static void compute(struct result *r, const struct x86_insn *i, u64 old, u64 src, u64 acc, u64 carry)
{
    u64 mask = size_mask(i->size), v;

    *r = (struct result){ .value = src };
    switch (i->op) {
    case X86_MOV:
        break;
    case X86_XCHG:
        r->write_reg = true;
        r->reg_value = old;
        break;
    case X86_CMPXCHG:
        compute_cmpxchg(r, i, old, src, acc);
        break;
    case X86_ADD:
    case X86_XADD:
        v = (old + src) & mask;
        set_arith(r, v, flags_add(old, src, v, i->size));
        r->write_reg = i->op == X86_XADD;
        r->reg_value = old;
        break;
    case X86_ADC:
        v = (old + src + carry) & mask;
        set_arith(r, v, flags_add(old, src, v, i->size));
        break;
    case X86_SUB:
        v = (old - src) & mask;
        set_arith(r, v, flags_sub(old, src, v, i->size));
        break;
    case X86_SBB:
        v = (old - src - carry) & mask;
        set_arith(r, v, flags_sub(old, src, v, i->size));
        break;
    case X86_AND:
        set_arith(r, old & src, flags_logic(old & src, i->size));
        break;
    case X86_OR:
        set_arith(r, old | src, flags_logic(old | src, i->size));
        break;
    case X86_XOR:
        set_arith(r, old ^ src, flags_logic(old ^ src, i->size));
        break;
    case X86_INC:
        v = (old + 1) & mask;
        set_arith(r, v, flags_add(old, 1, v, i->size));
        r->flags_mask &= ~F_CF;
        break;
    case X86_DEC:
        v = (old - 1) & mask;
        set_arith(r, v, flags_sub(old, 1, v, i->size));
        r->flags_mask &= ~F_CF;
        break;
    case X86_NEG:
        v = -old & mask;
        set_arith(r, v, flags_sub(0, old, v, i->size));
        break;
    case X86_NOT:
        r->value = ~old & mask;
        break;
    case X86_BTS:
    case X86_BTR:
    case X86_BTC:
        compute_bit(r, i, old, src);
        break;
    }
}

static void commit(struct cpu_user_regs *regs, const struct x86_insn *i, const struct result *r)
{
    if (r->write_reg)
        x86_reg_write(regs, i, r->compare_failed ? 0 : i->reg, r->reg_value);
    regs->rflags = (regs->rflags & ~(u64)r->flags_mask) | (r->flags & r->flags_mask);
    regs->rflags &= ~(u64)F_RF;
    regs->rip += i->length;
}

struct pt_write {
    u64 *pte;           /* entry that the write falls into */
    unsigned level;
    unsigned shift;     /* bits: place of the operand in the entry */
};

/* Does va lie in a page table of the current domain that it holds read-only? pt_lock held. */
static bool find_target(struct pt_write *w, vaddr_t va)
{
    struct vcpu *v = current;
    struct page *page;
    u64 *l1e = pt_find_l1e(v, va, &page), e;

    if (!l1e)
        return false;
    e = READ_ONCE(*l1e);
    if (!(e & PTE_P) || (e & PTE_RW) || pt_frame_is_io(pte_mfn(e)))
        return false;
    w->shift = (va & 7) * 8;
    w->pte = pt_find_entry(v->domain, (e & PTE_ADDR) | (va & PAGE_OFFSET_MASK & ~7UL), &w->level, &page);
    return w->pte != NULL;
}

static bool fetch(const struct cpu_user_regs *regs, struct x86_insn *i)
{
    u8 bytes[X86_MAX_LENGTH];
    size_t n = sizeof(bytes);

    if (!guest_range_ok(regs->rip, n))
        return false;
    n -= arch_guest_read(bytes, regs->rip, n);
    return x86_decode(i, bytes, n);
}

/* 0, -EAGAIN (the entry changed: once more), -E_PREEMPTED, or the update's refusal. */
static int write_once(const struct pt_write *w, struct cpu_user_regs *regs, const struct x86_insn *i)
{
    struct domain *d = current->domain;
    struct pt_ctx c = { .table_owner = d, .frame_owner = d };
    u64 old = READ_ONCE(*w->pte), mask = size_mask(i->size);
    u64 src = (i->has_imm ? i->imm : x86_reg_read(regs, i, i->reg)) & mask;
    struct result r;
    u64 new;
    int rc = 0;

    compute(&r, i, (old >> w->shift) & mask, src, x86_reg_read(regs, i, 0), regs->rflags & F_CF);
    new = (old & ~(mask << w->shift)) | (r.value & mask) << w->shift;
    if (!r.compare_failed)
        rc = pt_update(&c, w->pte, w->level, new, PT_EXPECT_OLD, &old);
    if (!rc)
        commit(regs, i, &r);
    return rc;
}

/* pt_lock held. */
static bool emulate(vaddr_t va, struct cpu_user_regs *regs)
{
    struct pt_write w;
    struct x86_insn i;
    int rc;

    if (!find_target(&w, va) || !fetch(regs, &i) || w.shift + 8 * i.size > 64)
        return false;
    do
        rc = write_once(&w, regs, &i);
    while (rc == -EAGAIN);
    /* Preempted: the guest issues the instruction again, and the update goes on. */
    return !rc || rc == -E_PREEMPTED;
}

bool pv_emulate_pt_write(vaddr_t va, struct cpu_user_regs *regs)
{
    struct vcpu *v = current;
    vaddr_t rip = regs->rip;
    bool done;

    if (pt_undo_continue(v))
        return true; /* the instruction comes again */
    pt_lock(v->domain);
    done = emulate(va, regs);
    pt_unlock(v->domain);
    if (done && regs->rip != rip && unlikely(regs->rflags & F_TF)) {
        v->pv.dr[6] |= DR6_BS;
        pv_inject_trap(TRAP_DEBUG, -1);
    }
    return done;
}
