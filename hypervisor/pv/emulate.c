/* SPDX-License-Identifier: MIT */
/*
 * Privileged instructions of PV guests (#GP in ring 3).  The guest's kernel
 * may use those it has a meaning for; user mode only port I/O, CLI, STI and
 * CPUID, under the kernel's conditions, and what UMIP made privileged.  All
 * others keep their #GP.
 */
#include <zelo/domain.h>
#include <zelo/guest.h>
#include <zelo/lib.h>
#include <zelo/trace.h>
#include <arch/cpu.h>

#include "emulate.h"

#define DR6_SINGLE_STEP (1u << 14)

bool emul_next(struct emul *e, u8 *byte)
{
    if (e->at >= e->length)
        return false;
    *byte = e->bytes[e->at++];
    return true;
}

bool emul_modrm(struct emul *e)
{
    return emul_next(e, &e->modrm);
}

enum emul_result emul_fault(unsigned vector, s64 error)
{
    pv_inject_trap(vector, error);
    return EMUL_FAULT;
}

/* --- fetching and decoding --- */

/* Up to 15 bytes from RIP; the second page of two may be missing. */
static bool fetch(struct emul *e)
{
    vaddr_t va = e->regs->rip;
    u8 first;
    u64 base = 0;

    if (!e->long_mode) {
        if (!emul_segment_base(e, SEG_CS, &base))
            return false;
        va = (u32)(va + base);
    }
    first = (u8)MIN((u64)sizeof(e->bytes), PAGE_SIZE - (va & PAGE_OFFSET_MASK));
    if (guest_read(e->bytes, va, first))
        return false;
    e->length = first;
    if (first < sizeof(e->bytes) && !guest_read(e->bytes + first, va + first, sizeof(e->bytes) - first))
        e->length = sizeof(e->bytes);
    return true;
}

static bool take_prefix(struct emul *e, u8 b)
{
    static const u8 segments[] = { [0x26] = SEG_ES, [0x2e] = SEG_CS, [0x36] = SEG_SS, [0x3e] = SEG_DS,
                                   [0x64] = SEG_FS, [0x65] = SEG_GS };

    if (b < sizeof(segments) && segments[b]) {
        e->segment = segments[b];
        return true;
    }
    switch (b) {
    case 0x66:
        e->opsize16 = true;
        return true;
    case 0x67:
        e->addr_override = true;
        return true;
    case 0xf0:
        e->lock = true;
        return true;
    case 0xf2: /* for the string instructions both mean REP */
    case 0xf3:
        e->rep = true;
        return true;
    default:
        return false;
    }
}

/* Prefixes and REX; the first byte of the opcode comes back. */
static bool decode_opcode(struct emul *e, u8 *op)
{
    do {
        if (!emul_next(e, op))
            return false;
    } while (take_prefix(e, *op));
    if (e->long_mode && (*op & 0xf0) == 0x40) {
        e->rex = *op;
        return emul_next(e, op);
    }
    return true;
}

static unsigned io_bytes(const struct emul *e, u8 op)
{
    if (!(op & 1))
        return 1;
    return e->opsize16 ? 2 : 4;
}

static enum emul_result run_io(struct emul *e, u8 op)
{
    unsigned bytes = io_bytes(e, op);
    u16 port = e->regs->dx;
    u8 imm;

    if (op < 0xe8) {
        if (!emul_next(e, &imm))
            return EMUL_REFUSED;
        port = imm;
    }
    return op & 2 ? emul_out(e, port, bytes) : emul_in(e, port, bytes);
}

/* What user mode may, too. */
static enum emul_result run_unprivileged_two_byte(struct emul *e, u8 op2)
{
    switch (op2) {
    case 0x00:
        return emul_group_0f00(e);
    case 0x01:
        return emul_group_0f01(e);
    case 0xa2:
        return emul_cpuid(e);
    default:
        return EMUL_REFUSED;
    }
}

static enum emul_result run_unprivileged(struct emul *e, u8 op, u8 op2)
{
    switch (op) {
    case 0xe4 ... 0xe7:
    case 0xec ... 0xef:
        return run_io(e, op);
    case 0xfa:
    case 0xfb:
        return emul_cli_sti(e);
    case 0x6c:
    case 0x6d:
        return emul_ins(e, io_bytes(e, op));
    case 0x6e:
    case 0x6f:
        return emul_outs(e, io_bytes(e, op));
    case 0x0f:
        return run_unprivileged_two_byte(e, op2);
    default:
        return EMUL_REFUSED;
    }
}

static enum emul_result run_two_byte(struct emul *e, u8 op2)
{
    switch (op2) {
    case 0x06:
        return emul_clts(e);
    case 0x08: /* INVD would lose what others wrote: both write back */
    case 0x09:
        return emul_wbinvd(e);
    case 0x20:
        return emul_mov_from_cr(e);
    case 0x21:
        return emul_mov_from_dr(e);
    case 0x22:
        return emul_mov_to_cr(e);
    case 0x23:
        return emul_mov_to_dr(e);
    case 0x30:
        return emul_wrmsr(e);
    case 0x31:
        return emul_rdtsc(e);
    case 0x32:
        return emul_rdmsr(e);
    default:
        return run_unprivileged_two_byte(e, op2);
    }
}

static enum emul_result run(struct emul *e)
{
    u8 op, op2 = 0;

    if (!decode_opcode(e, &op) || (op == 0x0f && !emul_next(e, &op2)))
        return EMUL_REFUSED;
    if (e->lock)
        return EMUL_REFUSED;
    if (!e->kernel)
        return run_unprivileged(e, op, op2);
    if (op == 0x0f)
        return run_two_byte(e, op2);
    if (op == 0xf4)
        return emul_hlt(e);
    return run_unprivileged(e, op, op2);
}

/* --- the doors --- */

/* Behind an instruction: RF is spent, a single step is due. */
static void advance(struct cpu_user_regs *regs, bool long_mode, unsigned length)
{
    regs->rip = long_mode ? regs->rip + length : (u32)(regs->rip + length);
    regs->rflags &= ~(u64)FLAG_RF;
    if (regs->rflags & FLAG_TF) {
        current->pv.dr[6] |= DR6_SINGLE_STEP;
        pv_inject_trap(TRAP_DB, -1);
    }
}

/* Selectors of 64-bit code in practice: the flat ones; another is looked up. */
static bool is_long_code(const struct emul *e)
{
    u64 desc;

    if (e->regs->cs == FLAT_RING3_CS64)
        return true;
    if (e->regs->cs == FLAT_RING3_CS32)
        return false;
    if (e->regs->cs & 4 ? arch_guest_read(&desc, PERDOMAIN_LDT(e->v->id) + (e->regs->cs & ~7u), sizeof(desc))
                        : arch_guest_read(&desc, PERDOMAIN_GDT(e->v->id) + (e->regs->cs & ~7u), sizeof(desc)))
        return false;
    return desc & (1ULL << 53); /* L */
}

bool pv_emulate_privileged(struct cpu_user_regs *regs)
{
    struct emul e = { .v = current, .regs = regs };

    e.kernel = pv_guest_kernel_mode(e.v, regs);
    e.long_mode = is_long_code(&e);
    if (!e.long_mode) /* the trap's frame has CS and SS alone */
        pv_save_selectors(regs);
    if (!fetch(&e))
        return false;
    switch (run(&e)) {
    case EMUL_DONE:
        trace(TRC_PV_EMULATE_PRIVOP | TRC_64_FLAG, (u32)regs->rip, (u32)(regs->rip >> 32));
        advance(regs, e.long_mode, e.at);
        return true;
    case EMUL_AGAIN:
    case EMUL_FAULT:
        return true;
    default:
        return false;
    }
}

/* ud2a; .ascii "xen"; cpuid (<xen/arch-x86/xen.h>): kernels and programs ask for the policy this way. */
bool pv_emulate_forced_cpuid(struct cpu_user_regs *regs)
{
    static const u8 wanted[] = { 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2 };
    struct emul e = { .v = current, .regs = regs };
    u8 bytes[sizeof(wanted)];
    vaddr_t va = regs->rip;
    u64 base;

    e.long_mode = is_long_code(&e);
    if (!e.long_mode) {
        if (!emul_segment_base(&e, SEG_CS, &base))
            return false;
        va = (u32)(va + base);
    }
    /* Most #UD are something else: at a page's end the rest need not be there. */
    if (guest_read(bytes, va, 2) || memcmp(bytes, wanted, 2) || guest_read(bytes, va, sizeof(bytes)) ||
        memcmp(bytes, wanted, sizeof(wanted)))
        return false;
    trace(TRC_PV_FORCED_INVALID_OP | TRC_64_FLAG, (u32)regs->rip, (u32)(regs->rip >> 32));
    e.kernel = true; /* the prefix is no privilege: it works in user mode as well */
    (void)emul_cpuid(&e);
    advance(regs, e.long_mode, sizeof(wanted));
    return true;
}
