/* SPDX-License-Identifier: MIT */
/* What core/ and pv/ call of x86/ and platform/, beyond tests/host: interrupts of nobody, hardware of no use. */
#include "fuzz.h"

#include <zelo/irq.h>
#include <zelo/log.h>
#include <zelo/pv.h>

#include <arch/machine.h>

#include "pv/emulate.h"

#include <stdio.h>

static u32 *pirq_place(const struct domain *d, u32 nr)
{
    return nr < PIRQS ? &world.pirq_port[d->id % DOMAINS][nr] : NULL;
}

int pirq_bind(struct domain *d, u32 nr, u32 port, struct vcpu *target, bool share)
{
    u32 *place = pirq_place(d, nr);

    (void)target, (void)share;
    if (!place)
        return -EINVAL;
    if (*place)
        return -EBUSY;
    *place = port;
    return 0;
}

void pirq_unbind(struct domain *d, u32 nr) { *pirq_place(d, nr) = 0; }
u32 pirq_bound_port(struct domain *d, u32 nr) { return pirq_place(d, nr) ? *pirq_place(d, nr) : 0; }
void pirq_set_target(struct domain *d, u32 nr, struct vcpu *target) { (void)d, (void)nr, (void)target; }
void pirq_eoi(struct domain *d, u32 nr) { (void)d, (void)nr; }

/* --- the log: kept for whoever wants to know how it came to a failure --- */

#define KEPT 48
static char kept[KEPT][256];
static unsigned kept_next;

static void log_keep(const char *fmt, va_list ap) printf_like(1, 0);
static void log_keep(const char *fmt, va_list ap)
{
    char *line = kept[kept_next++ % KEPT];

    vsnprintf(line, sizeof(kept[0]), fmt, ap);
    if (run_shows())
        fputs(line, stderr);
}

void log_kept(void)
{
    for (unsigned i = 0; i < KEPT; i++)
        fputs(kept[(kept_next + i) % KEPT], stderr);
    memset(kept, 0, sizeof(kept));
}

void log_msg(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    (void)level;
    va_start(ap, fmt);
    log_keep(fmt, ap);
    va_end(ap);
}

void log_guest(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    (void)level;
    va_start(ap, fmt);
    log_keep(fmt, ap);
    va_end(ap);
}

/* --- hypercalls of x86/, which any list of calls may name --- */

long do_physdev_op(const struct hypercall_args *a) { (void)a; return -ENOSYS; }
long do_physdev_op_compat(const struct hypercall_args *a) { (void)a; return -ENOSYS; }
long do_platform_op(const struct hypercall_args *a) { (void)a; return -ENOSYS; }

/* --- the CPU's own state of a vCPU: remembered in pv_vcpu, or not at all --- */

bool pv_guest_kernel_mode(const struct vcpu *v, const struct cpu_user_regs *regs)
{
    (void)regs;
    return v->pv.flags & PVF_KERNEL;
}

void pv_toggle_mode(struct vcpu *v)
{
    v->pv.flags ^= PVF_KERNEL;
    pv_load_cr3(v);
}

void pv_write_fs_base(u64 base) { current->pv.fs_base = base; }
void pv_write_gs_base(u64 base) { current->pv.gs_base_kernel = base; }
void pv_write_gs_base_other(u64 base) { current->pv.gs_base_user = base; }
u64 pv_read_fs_base(void) { return current->pv.fs_base; }
u64 pv_read_gs_base(void) { return current->pv.gs_base_kernel; }
u64 pv_read_gs_base_other(void) { return current->pv.gs_base_user; }
void pv_set_ts(bool ts) { current->pv.ts = ts; }
void pv_save_selectors(struct cpu_user_regs *r) { r->ds = r->es = r->fs = r->gs = 0; }
bool pv_load_user_gs_selector(u16 selector) { return !selector; }
int pv_write_debugreg(unsigned reg, u64 value) { return reg > 7 ? -EINVAL : pv_debugreg_set(current, reg, value); }
void pv_dump_guest(struct vcpu *v) { (void)v; }
void pv_msrs_load(const struct vcpu *v) { (void)v; }

void pv_write_xcr0(u64 xcr0)
{
    current->pv.xcr0 = xcr0;
    current->pv.xcr0_accum |= xcr0;
}

long do_set_debugreg(const struct hypercall_args *a)
{
    return a->arg[0] > 7 ? -EINVAL : pv_write_debugreg((unsigned)a->arg[0], a->arg[1]);
}

long do_get_debugreg(const struct hypercall_args *a) { return a->arg[0] > 7 ? -EINVAL : (long)current->pv.dr[a->arg[0]]; }

void hypercall_page_fill(void *page) { memset(page, 0xcc, PAGE_SIZE); }
u64 arch_cpu_physid(unsigned cpu) { return cpu; }

/* --- devices: there are none --- */

u32 pci_read(u16 seg, u8 bus, u8 devfn, u16 reg, unsigned bytes)
{
    (void)seg, (void)bus, (void)devfn, (void)reg, (void)bytes;
    return ~0u;
}

void pci_write(u16 seg, u8 bus, u8 devfn, u16 reg, unsigned bytes, u32 v)
{
    (void)seg, (void)bus, (void)devfn, (void)reg, (void)bytes, (void)v;
}

bool rtc_port_access(struct domain *d, u16 port, bool write, u8 *value)
{
    (void)d, (void)port;
    if (!write)
        *value = 0xff;
    return true;
}

u32 io_hw_read(u16 port, unsigned bytes) { return (void)port, (void)bytes, ~0u; }
void io_hw_write(u16 port, unsigned bytes, u32 value) { (void)port, (void)bytes, (void)value; }
bool uart_uses_port(u16 port) { return port - 0x3f8u < 8; }
