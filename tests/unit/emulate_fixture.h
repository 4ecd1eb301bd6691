/* SPDX-License-Identifier: MIT */
/* A vCPU about to meet a privileged instruction, and what the rest of the machine is told when it does. */
#ifndef TESTS_EMULATE_FIXTURE_H
#define TESTS_EMULATE_FIXTURE_H

#include "unit.h"

#include "cpu.h"
#include "pv/cpuid.h"
#include "pv/emulate.h"
#include "pv/msr.h"

#include <zelo/guest.h>
#include <arch/machine.h>

static struct domain dom;
static struct vcpu vcpu;
static vcpu_info_t info;
static struct trap_info traps[256];
static u8 code[64];
static struct cpu_user_regs *regs;

/* --- what the other rooms were told --- */

static struct { unsigned traps, vector; s64 error; vaddr_t cr2; u32 pf_error; unsigned page_faults; } got;
static u64 fs_base, gs_base;
static unused_arg bool preempt;
static unsigned toggles, blocks;
static u64 pte;            /* of every page */
static vaddr_t pte_border; /* from here on nothing is mapped; 0: none */
static struct { u16 seg; u8 bus, devfn; u16 reg; unsigned bytes, reads, writes; u32 value; } pci;
static struct { u16 port; unsigned bytes, reads, writes; u32 value; } hw;

void pv_inject_trap(unsigned vector, s64 error) { got.traps++, got.vector = vector, got.error = error; }
void pv_inject_page_fault(vaddr_t cr2, u32 error) { got.page_faults++, got.cr2 = cr2, got.pf_error = error; }
bool pv_guest_kernel_mode(const struct vcpu *v, const struct cpu_user_regs *r)
{
    return v->pv.flags & PVF_KERNEL;
}
void pv_toggle_mode(struct vcpu *v) { v->pv.flags ^= PVF_KERNEL, toggles++; }
void pv_write_fs_base(u64 b) { fs_base = b; }
void pv_write_gs_base(u64 b) { gs_base = b; }
void pv_write_gs_base_other(u64 b) { (void)b; }
u64 pv_read_fs_base(void) { return fs_base; }
u64 pv_read_gs_base(void) { return gs_base; }
u64 pv_read_gs_base_other(void) { return 0x1122334455; }
static unused_arg struct { u16 ds, es, fs, gs; } selectors; /* in the CPU, which saves them only when told */
void pv_save_selectors(struct cpu_user_regs *r)
{
    r->ds = selectors.ds;
    r->es = selectors.es;
    r->fs = selectors.fs;
    r->gs = selectors.gs;
}
void pv_set_ts(bool ts) { vcpu.pv.ts = ts; }
void pv_write_xcr0(u64 x) { vcpu.pv.xcr0 = x, vcpu.pv.xcr0_accum |= x; }
int pv_write_debugreg(unsigned reg, u64 v) { return reg > 7 || v >> 32 ? -EPERM : (vcpu.pv.dr[reg] = v, 0); }
u64 pv_walk_l1e(struct vcpu *v, vaddr_t va) { return pte_border && va >= pte_border ? 0 : pte; }
void vcpu_block(void) { blocks++; }
bool hypercall_should_preempt(void) { return preempt; }

u32 pci_read(u16 seg, u8 bus, u8 devfn, u16 reg, unsigned bytes)
{
    pci.seg = seg, pci.bus = bus, pci.devfn = devfn, pci.reg = reg, pci.bytes = bytes, pci.reads++;
    return 0x12345678;
}
void pci_write(u16 seg, u8 bus, u8 devfn, u16 reg, unsigned bytes, u32 v)
{
    pci.seg = seg, pci.bus = bus, pci.devfn = devfn, pci.reg = reg, pci.bytes = bytes;
    pci.value = v, pci.writes++;
}
bool rtc_port_access(struct domain *d, u16 port, bool write, u8 *value)
{
    if (!write)
        *value = port == 0x71 ? 0x59 : 0x80;
    return true;
}
u32 io_hw_read(u16 port, unsigned bytes)
{
    hw.port = port, hw.bytes = bytes, hw.reads++;
    return 0xa1b2c3d4 >> (32 - 8 * bytes);
}
void io_hw_write(u16 port, unsigned bytes, u32 value)
{
    hw.port = port, hw.bytes = bytes, hw.value = value, hw.writes++;
}

/* --- set-up --- */

static unused_arg void start(bool privileged, bool kernel)
{
    static bool again;

    if (again) {
        pv_cpuid_domain_free(&dom);
        rangeset_destroy(&dom.io_ports);
        rangeset_destroy(&dom.io_frames);
    }
    again = true;
    memset(&dom, 0, sizeof(dom));
    memset(&vcpu, 0, sizeof(vcpu));
    memset(&info, 0, sizeof(info));
    memset(&got, 0, sizeof(got));
    memset(&pci, 0, sizeof(pci));
    memset(&hw, 0, sizeof(hw));
    memset(&host_tlb, 0, sizeof(host_tlb));
    memset(traps, 0, sizeof(traps));
    memset(&acpi_info, 0, sizeof(acpi_info));
    toggles = blocks = 0;
    preempt = false;
    pte = 3;
    pte_border = 0;
    host_cpu_select(HOST_CPU_AMD);
    rangeset_init(&dom.io_ports);
    rangeset_init(&dom.io_frames);
    dom.is_privileged = privileged;
    dom.id = privileged ? 0 : 3;
    vcpu.domain = &dom;
    vcpu.info = &info;
    vcpu.pv.traps = traps;
    traps[13].address = 0x1000;
    vcpu.pv.flags = kernel ? PVF_KERNEL : 0;
    vcpu.pv.iopl = 1;
    vcpu.pv.xcr0 = 1;
    vcpu.pv.root_kernel = MFN(0x1234);
    assert_int_equal(pv_cpuid_domain_init(&dom), 0);
    cpuid_policies_init();
    *dom.pv.cpuid = cpuid_pv_default;
    host_set_current(&vcpu);
    regs = guest_regs();
    memset(regs, 0, sizeof(*regs));
    regs->cs = FLAT_RING3_CS64;
    regs->rflags = 0x202;
    regs->rip = (vaddr_t)code;
}

static unused_arg void put_code(const void *bytes, size_t n)
{
    memset(code, 0x90, sizeof(code));
    memcpy(code, bytes, n);
    regs->rip = (vaddr_t)code;
}

#define RUN(...)                                     \
    ({                                               \
        static const u8 c_[] = { __VA_ARGS__ };      \
        put_code(c_, sizeof(c_));                    \
        pv_emulate_privileged(regs);                 \
    })
#define AT_END(n) assert_int_equal(regs->rip, (vaddr_t)code + (n))
#define REFUSED(...)                                 \
    do {                                             \
        assert_false(RUN(__VA_ARGS__));              \
        AT_END(0);                                   \
        assert_int_equal(got.traps, 0);              \
    } while (0)

#endif
