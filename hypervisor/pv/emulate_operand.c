/* SPDX-License-Identifier: MIT */
/* Operands of emulated instructions: registers, segment bases, memory addresses. */
#include <zelo/domain.h>
#include <zelo/guest.h>

#include "emulate.h"

u64 *emul_reg(const struct emul *e, unsigned n)
{
#define AT(name) offsetof(struct cpu_user_regs, name)
    static const u8 at[16] = {
        AT(rax), AT(rcx), AT(rdx), AT(rbx), AT(rsp), AT(rbp), AT(rsi), AT(rdi),
        AT(r8), AT(r9), AT(r10), AT(r11), AT(r12), AT(r13), AT(r14), AT(r15),
    };
#undef AT

    return (u64 *)((char *)e->regs + at[n & 15]);
}

/* --- segments --- */

static u16 selector(const struct emul *e, enum emul_segment s)
{
    switch (s) {
    case SEG_ES:
        return e->regs->es;
    case SEG_CS:
        return e->regs->cs;
    case SEG_SS:
        return e->regs->ss;
    case SEG_FS:
        return e->regs->fs;
    case SEG_GS:
        return e->regs->gs;
    default:
        return e->regs->ds;
    }
}

/* From the tables the CPU itself uses: they lie in the vCPU's part of the per-domain area. */
static bool descriptor_base(const struct emul *e, u16 sel, u64 *base)
{
    vaddr_t table = sel & 4 ? PERDOMAIN_LDT(e->v->id) : PERDOMAIN_GDT(e->v->id);
    u64 d;

    if (sel < 4 || arch_guest_read(&d, table + (sel & ~7u), sizeof(d)))
        return false;
    *base = ((d >> 16) & 0xffffff) | ((d >> 32) & 0xff000000);
    return true;
}

bool emul_segment_base(const struct emul *e, enum emul_segment s, u64 *base)
{
    *base = 0;
    if (s == SEG_FS && (e->long_mode || !e->regs->fs)) {
        *base = pv_read_fs_base();
        return true;
    }
    if (s == SEG_GS && (e->long_mode || !e->regs->gs)) {
        *base = pv_read_gs_base();
        return true;
    }
    if (e->long_mode)
        return true;
    return descriptor_base(e, selector(e, s), base);
}

bool emul_page_allows(const struct emul *e, vaddr_t va, bool write)
{
    u64 need = write ? 3 : 1; /* present, writable */

    return guest_range_ok(va, 1) && (pv_walk_l1e(e->v, va) & need) == need;
}

enum emul_result emul_page_fault(const struct emul *e, vaddr_t va, unsigned bytes, bool write)
{
    vaddr_t last = va + bytes - 1;
    u32 error = 4; /* user */

    if (va >> PAGE_SHIFT != last >> PAGE_SHIFT && emul_page_allows(e, va, write))
        va = last & PAGE_MASK;
    if (pv_walk_l1e(e->v, va) & 1)
        error |= 1;
    if (write)
        error |= 2;
    pv_inject_page_fault(va, error);
    return EMUL_FAULT;
}

/* --- ModRM memory operands, 64- and 32-bit addressing (Intel SDM vol. 2, 2.1.5) --- */

static bool take_displacement(struct emul *e, unsigned bytes, s64 *disp)
{
    u32 v = 0;
    u8 b;

    for (unsigned i = 0; i < bytes; i++) {
        if (!emul_next(e, &b))
            return false;
        v |= (u32)b << (8 * i);
    }
    *disp = bytes == 1 ? (s8)v : (s32)v;
    return true;
}

/* SIB: base and scaled index; *no_base: a 32-bit displacement stands for the base. */
static bool take_sib(struct emul *e, u64 *sum, bool *stack, bool *no_base)
{
    unsigned index, base;
    u8 sib;

    if (!emul_next(e, &sib))
        return false;
    index = ((sib >> 3) & 7) | (e->rex & 2) << 2;
    base = (sib & 7) | (e->rex & 1) << 3;
    *sum = index == 4 ? 0 : *emul_reg(e, index) << (sib >> 6);
    *no_base = (sib & 7) == 5 && !(e->modrm & 0xc0);
    if (!*no_base)
        *sum += *emul_reg(e, base);
    *stack = !*no_base && (base == 4 || base == 5);
    return true;
}

bool emul_address(struct emul *e, vaddr_t *va)
{
    static const u8 disp_bytes[4] = { 0, 1, 4, 0 };
    unsigned mod = e->modrm >> 6, rm = e->modrm & 7, bytes = disp_bytes[mod];
    bool stack = false, no_base = false, rip_relative = false;
    u64 sum = 0, base;
    s64 disp = 0;

    if (mod == 3 || (!e->long_mode && e->addr_override)) /* no 16-bit addressing: no living code uses it */
        return false;
    if (rm == 4) {
        if (!take_sib(e, &sum, &stack, &no_base))
            return false;
    } else if (rm == 5 && mod == 0) {
        no_base = true;
        rip_relative = e->long_mode;
    } else {
        sum = *emul_reg(e, rm | (e->rex & 1) << 3);
        stack = rm == 5 && !(e->rex & 1);
    }
    if (!take_displacement(e, no_base ? 4 : bytes, &disp))
        return false;
    sum += disp;
    if (rip_relative) /* relative to the instruction's end, which is here: no immediate follows */
        sum += e->regs->rip + e->at;
    if (!e->long_mode || e->addr_override)
        sum = (u32)sum;
    if (!emul_segment_base(e, e->segment ? e->segment : stack ? SEG_SS : SEG_DS, &base))
        return false;
    *va = e->long_mode ? sum + base : (u32)(sum + base);
    return true;
}
