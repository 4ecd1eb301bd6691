/* SPDX-License-Identifier: MIT */
/*
 * SGDT, SIDT, SLDT, STR and SMSW fault in ring 3 where the hypervisor has
 * CR4.UMIP on.  Guests are not told of UMIP, so the instructions have to work,
 * in user mode as well; what they show is made up, for the real tables are the
 * hypervisor's.
 */
#include <zelo/domain.h>
#include <zelo/guest.h>
#include <zelo/lib.h>
#include <arch/cpu.h>

#include "emulate.h"

static enum emul_result store_memory(struct emul *e, const void *what, size_t n)
{
    vaddr_t va;

    if (!emul_address(e, &va))
        return EMUL_REFUSED;
    return guest_write(va, what, n) ? emul_page_fault(e, va, (unsigned)n, true) : EMUL_DONE;
}

/* A register takes as much as its operand size, memory always 16 bits (Intel SDM vol. 2, SMSW). */
static enum emul_result store_word(struct emul *e, u32 value)
{
    u64 *reg = emul_reg(e, (e->modrm & 7) | (e->rex & 1) << 3);

    if ((e->modrm >> 6) != 3)
        return store_memory(e, &value, sizeof(u16));
    *reg = e->opsize16 ? (*reg & ~0xffffULL) | (u16)value : value;
    return EMUL_DONE;
}

enum emul_result emul_store_table(struct emul *e)
{
    const struct { u16 limit; u64 base; } packed_struct empty = { 0, 0 };

    return store_memory(e, &empty, e->long_mode ? 10 : 6);
}

enum emul_result emul_smsw(struct emul *e)
{
    return store_word(e, (u32)emul_cr0(e->v));
}

/* 0f 00: SLDT and STR; the others load. */
enum emul_result emul_group_0f00(struct emul *e)
{
    if (!emul_modrm(e))
        return EMUL_REFUSED;
    switch ((e->modrm >> 3) & 7) {
    case 0:
        return store_word(e, e->v->pv.ldt_entries ? SEL_LDT : 0);
    case 1:
        return store_word(e, SEL_TSS);
    default:
        return EMUL_REFUSED;
    }
}
