/* SPDX-License-Identifier: MIT */
/*
 * IN, OUT, INS and OUTS of a PV guest.  Two questions are asked of each
 * access: may this mode do port I/O (virtual IOPL, or the bitmap that the
 * guest's kernel set for its task), else #GP; and may this domain touch this
 * port (io_port.c), else it finds nothing there.
 */
#include <zelo/domain.h>
#include <zelo/guest.h>
#include <zelo/hypercall.h>
#include <zelo/lib.h>
#include <arch/cpu.h>

#include "emulate.h"
#include "traps.h"

#define STRING_BATCH 64u  /* elements between two looks at pending work */
#define STRING_MAX 4096u  /* elements in one go */

/* The bitmap is a kernel address: user page tables do not show it. */
static bool bitmap_allows(const struct emul *e, u16 port, unsigned bytes)
{
    struct vcpu *v = e->v;
    u8 bits[2] = { 0xff, 0xff };
    size_t n = (port + bytes - 1) / 8 - port / 8 + 1;
    bool failed;

    if (!v->pv.iobitmap_va || port + bytes > v->pv.iobitmap_nports)
        return false;
    if (!e->kernel)
        pv_toggle_mode(v);
    failed = guest_read(bits, (vaddr_t)v->pv.iobitmap_va + port / 8, n);
    if (!e->kernel)
        pv_toggle_mode(v);
    return !failed && !((bits[0] | bits[1] << 8) >> (port % 8) & ((1u << bytes) - 1));
}

/*
 * A PV kernel counts as ring 1 and needs IOPL 1, or as ring 0 with the assist
 * architectural_iopl; user mode is ring 3.
 */
static bool iopl_allows(const struct emul *e)
{
    u32 needed = 3;

    if (e->kernel)
        needed = pv_iopl_is_visible(e->v->domain) ? 0 : 1;
    return e->v->pv.iopl >= needed;
}

static bool port_allowed(const struct emul *e, u16 port, unsigned bytes)
{
    return iopl_allows(e) || bitmap_allows(e, port, bytes);
}

/*
 * CLI and STI do nothing where IOPL lets them pass.  A guest masks events in
 * its vcpu_info; were CLI to do that too, nothing would undo it: the POPF that
 * follows it (as in Linux's this_cpu_cmpxchg16b_emu, run before the kernel has
 * patched itself) cannot set IF in ring 3 and does not fault either.
 */
enum emul_result emul_cli_sti(struct emul *e)
{
    return iopl_allows(e) ? EMUL_DONE : EMUL_REFUSED;
}

enum emul_result emul_in(struct emul *e, u16 port, unsigned bytes)
{
    u32 value;

    if (!port_allowed(e, port, bytes))
        return EMUL_REFUSED;
    value = io_port_read(e->v->domain, port, bytes);
    if (bytes == 4)
        e->regs->rax = value;
    else if (bytes == 2)
        e->regs->ax = (u16)value;
    else
        e->regs->al = (u8)value;
    return EMUL_DONE;
}

enum emul_result emul_out(struct emul *e, u16 port, unsigned bytes)
{
    if (!port_allowed(e, port, bytes))
        return EMUL_REFUSED;
    io_port_write(e->v->domain, port, bytes, e->regs->eax);
    return EMUL_DONE;
}

/* --- string instructions --- */

static u64 address_mask(const struct emul *e)
{
    if (e->long_mode)
        return e->addr_override ? 0xffffffff : ~0ULL;
    return e->addr_override ? 0xffff : 0xffffffff;
}

/* A 16-bit register keeps its upper part, a 32-bit one loses it. */
static void set_masked(u64 *reg, u64 value, u64 mask)
{
    if (mask == 0xffff)
        *reg = (*reg & ~mask) | (value & mask);
    else
        *reg = value & mask;
}

/* Asked before the port is read: what a device gave cannot be given back. */
static bool guest_writable(const struct emul *e, vaddr_t va, unsigned bytes)
{
    vaddr_t last = va + bytes - 1;

    return guest_range_ok(va, bytes) && emul_page_allows(e, va, true) && emul_page_allows(e, last, true);
}

static enum emul_result in_element(struct emul *e, vaddr_t va, unsigned bytes)
{
    u32 value;

    if (!guest_writable(e, va, bytes))
        return emul_page_fault(e, va, bytes, true);
    value = io_port_read(e->v->domain, e->regs->dx, bytes);
    return guest_write(va, &value, bytes) ? emul_page_fault(e, va, bytes, true) : EMUL_DONE;
}

static enum emul_result out_element(struct emul *e, vaddr_t va, unsigned bytes)
{
    u32 value = 0;

    if (guest_read(&value, va, bytes))
        return emul_page_fault(e, va, bytes, false);
    io_port_write(e->v->domain, e->regs->dx, bytes, value);
    return EMUL_DONE;
}

/*
 * Moves RSI or RDI and RCX after each element, so that the guest can take it
 * up again wherever it stops.
 */
static enum emul_result run_string(struct emul *e, unsigned bytes, enum emul_segment segment, u64 *index,
                                   enum emul_result (*element)(struct emul *, vaddr_t, unsigned))
{
    u64 mask = address_mask(e), step = e->regs->rflags & FLAG_DF ? -(u64)bytes : bytes, base;
    enum emul_result r;

    if (!port_allowed(e, e->regs->dx, bytes) || !emul_segment_base(e, segment, &base))
        return EMUL_REFUSED;
    for (unsigned n = 0; !e->rep || (e->regs->rcx & mask); n++) {
        if (n == STRING_MAX || (n && n % STRING_BATCH == 0 && hypercall_should_preempt()))
            return EMUL_AGAIN;
        r = element(e, e->long_mode ? base + (*index & mask) : (u32)(base + (*index & mask)), bytes);
        if (r != EMUL_DONE)
            return r;
        set_masked(index, *index + step, mask);
        if (!e->rep)
            break;
        set_masked(&e->regs->rcx, e->regs->rcx - 1, mask);
    }
    return EMUL_DONE;
}

enum emul_result emul_ins(struct emul *e, unsigned bytes)
{
    return run_string(e, bytes, SEG_ES, &e->regs->rdi, in_element);
}

enum emul_result emul_outs(struct emul *e, unsigned bytes)
{
    return run_string(e, bytes, e->segment ? e->segment : SEG_DS, &e->regs->rsi, out_element);
}
