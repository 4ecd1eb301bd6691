/* SPDX-License-Identifier: MIT */
/* pv/emulate*.c, pv/io_port.c: privileged instructions and port I/O of guests, kernel and user. */
#include "emulate_fixture.h"

#include <xen/arch-x86/xen-mca.h>

/* --- port I/O --- */

static void allow(u32 first, u32 last) { assert_int_equal(rangeset_add(&dom.io_ports, first, last), 0); }

static void test_in_and_out(void **state)
{
    start(true, true);
    allow(0, 0xffff);
    regs->rax = 0x1111222233334444;
    regs->rdx = 0x3f8;
    assert_true(RUN(0xec)); /* inb (%dx), %al */
    AT_END(1);
    assert_int_equal(regs->rax, 0x11112222333344a1);
    assert_true(RUN(0x66, 0xed)); /* inw */
    AT_END(2);
    assert_int_equal(regs->rax, 0x111122223333a1b2);
    assert_true(RUN(0xed)); /* inl: clears the upper half */
    assert_int_equal(regs->rax, 0xa1b2c3d4);
    assert_true(RUN(0xe4, 0x80)); /* inb $0x80 */
    AT_END(2);
    assert_int_equal(hw.port, 0x80);
    assert_true(RUN(0xee)); /* outb */
    assert_int_equal(hw.bytes, 1);
    assert_int_equal(hw.port, 0x3f8);
    assert_true(RUN(0xe7, 0x90)); /* outl $0x90 */
    assert_int_equal(hw.bytes, 4);
    assert_int_equal(hw.value, 0xa1b2c3a1);
    assert_true(RUN(0x48, 0xed)); /* REX.W changes nothing */
    AT_END(2);
    assert_int_equal(hw.bytes, 4);
}

static void test_ports_without_right_are_empty(void **state)
{
    start(false, true);
    regs->rdx = 0x3f8;
    assert_true(RUN(0xec));
    assert_int_equal(regs->al, 0xff);
    assert_true(RUN(0xed));
    assert_int_equal(regs->rax, 0xffffffff);
    assert_true(RUN(0xee));
    allow(0x3f8, 0x3fa);
    assert_true(RUN(0xed)); /* four bytes, three of them allowed */
    assert_int_equal(regs->rax, 0xffffffff);
    assert_int_equal(hw.reads + hw.writes, 0);
    assert_true(RUN(0x66, 0xed));
    assert_int_equal(hw.reads, 1);
    regs->rdx = 0xffff;
    allow(0xffff, 0xffff);
    assert_true(RUN(0xed)); /* past the last port */
    assert_int_equal(hw.reads, 1);
}

static void test_iopl(void **state)
{
    start(true, true);
    allow(0, 0xffff);
    vcpu.pv.iopl = 0;
    REFUSED(0xec);
    dom.vm_assist = 1u << VMASST_TYPE_architectural_iopl;
    assert_true(RUN(0xec));

    start(true, false);
    allow(0, 0xffff);
    REFUSED(0xec);
    vcpu.pv.iopl = 2;
    REFUSED(0xec);
    vcpu.pv.iopl = 3;
    assert_true(RUN(0xec));
    assert_int_equal(hw.reads, 1);
}

static void test_bitmap(void **state)
{
    static u8 bitmap[128];

    start(true, false);
    allow(0, 0xffff);
    memset(bitmap, 0xff, sizeof(bitmap));
    bitmap[0x60 / 8] = 0xee;     /* 0x60 and 0x64 */
    bitmap[0x3f7 / 8] = 0x7f;    /* 0x3f7 */
    bitmap[0x3f8 / 8] = 0xfe;    /* 0x3f8 */
    vcpu.pv.iobitmap_va = (void *)bitmap;
    vcpu.pv.iobitmap_nports = 1024;
    assert_true(RUN(0xe4, 0x60));
    assert_int_equal(toggles, 2); /* there and back */
    assert_false(vcpu.pv.flags & PVF_KERNEL);
    assert_true(RUN(0xe4, 0x64));
    REFUSED(0xe4, 0x61);
    REFUSED(0x66, 0xe5, 0x60);
    regs->rdx = 0x3f7;
    assert_true(RUN(0x66, 0xed)); /* over a byte's end */
    regs->rdx = 0x3f8;
    REFUSED(0x66, 0xed);
    regs->rdx = 0x400;
    REFUSED(0xec);
    regs->rdx = 0x3ff;
    bitmap[127] = 0;
    REFUSED(0xed);
    host_guest_fault(bitmap, sizeof(bitmap));
    REFUSED(0xe4, 0x60);
    host_guest_heal();
    assert_int_equal(toggles % 2, 0);
}

static void test_pci_configuration(void **state)
{
    start(true, true);
    regs->rdx = 0xcf8;
    regs->rax = 0x80000000 | 0x12 << 16 | 0x1f << 11 | 3 << 8 | 0x40;
    assert_true(RUN(0xef));
    regs->rax = 0;
    assert_true(RUN(0xed));
    assert_int_equal(regs->rax, 0x8012fb40);
    regs->rdx = 0xcfe;
    assert_true(RUN(0x66, 0xed));
    assert_int_equal(pci.bus, 0x12);
    assert_int_equal(pci.devfn, 0xfb);
    assert_int_equal(pci.reg, 0x42);
    assert_int_equal(pci.bytes, 2);
    regs->rax = 0x55;
    assert_true(RUN(0xee));
    assert_int_equal(pci.value, 0x55);
    assert_int_equal(pci.writes, 1);
    dom.pv.pci_config_address = 0x40; /* not enabled */
    assert_true(RUN(0xec));
    assert_int_equal(regs->al, 0xff);
    assert_int_equal(pci.reads, 1);
    assert_int_equal(hw.reads + hw.writes, 0);

    start(false, true);
    allow(0, 0xffff); /* not even then */
    regs->rdx = 0xcf8;
    regs->rax = 0x80000000;
    assert_true(RUN(0xef));
    regs->rdx = 0xcfc;
    assert_true(RUN(0xed));
    assert_int_equal(regs->rax, 0xffffffff);
    assert_true(RUN(0xef));
    assert_int_equal(pci.reads + pci.writes, 0);
}

static void test_shared_ports_of_dom0(void **state)
{
    start(true, true);
    assert_true(RUN(0xe4, 0x71));
    assert_int_equal(regs->al, 0x59);
    /* the speaker: channel 2 only, and only the two low bits of 0x61 */
    regs->rax = 0xb6;
    assert_true(RUN(0xe6, 0x43));
    assert_int_equal(hw.writes, 1);
    regs->rax = 0x34;
    assert_true(RUN(0xe6, 0x43));
    regs->rax = 0xc2; /* read back channel 0 */
    assert_true(RUN(0xe6, 0x43));
    assert_int_equal(hw.writes, 1);
    regs->rax = 0xff;
    assert_true(RUN(0xe6, 0x61));
    assert_int_equal(hw.value, (0xa1 & 0xc) | 3);
    assert_true(RUN(0xe6, 0x40));
    assert_int_equal(hw.writes, 2);

    start(false, true);
    assert_true(RUN(0xe4, 0x71));
    assert_int_equal(regs->al, 0xff);
    assert_true(RUN(0xe4, 0x61));
    assert_int_equal(hw.reads, 0);
}

static void test_sleep_is_asked_for_by_hypercall(void **state)
{
    start(true, true);
    allow(0, 0xffff);
    acpi_info.pm1a_cnt = 0x604;
    regs->rdx = 0x604;
    regs->rax = 0x2001;
    assert_true(RUN(0x66, 0xef));
    assert_true(RUN(0xef));
    assert_int_equal(hw.writes, 0);
    regs->rax = 0x1c01;
    assert_true(RUN(0x66, 0xef));
    assert_int_equal(hw.writes, 1);
    regs->rdx = 0x605;
    regs->rax = 0x20;
    assert_true(RUN(0xee));
    assert_int_equal(hw.writes, 1);
    regs->rdx = 0x602;
    regs->rax = 0x20000000;
    assert_true(RUN(0xef));
    assert_int_equal(hw.writes, 1);
}

static void test_string_io(void **state)
{
    static u16 buf[128];

    start(true, true);
    allow(0x1f0, 0x1f7);
    regs->rdx = 0x1f0;
    regs->rdi = (vaddr_t)buf;
    regs->rcx = 128;
    assert_true(RUN(0xf3, 0x66, 0x6d)); /* rep insw */
    AT_END(3);
    assert_int_equal(regs->rcx, 0);
    assert_int_equal(regs->rdi, (vaddr_t)(buf + 128));
    assert_int_equal(buf[127], 0xa1b2);
    assert_int_equal(hw.reads, 128);

    buf[0] = 0x7788;
    regs->rsi = (vaddr_t)buf;
    assert_true(RUN(0x66, 0x6f)); /* outsw */
    assert_int_equal(hw.value, 0x7788);
    assert_int_equal(regs->rsi, (vaddr_t)(buf + 1));
    regs->rsi = (vaddr_t)&buf[1];
    regs->rcx = 2;
    regs->rflags |= FLAG_DF;
    assert_true(RUN(0xf3, 0x66, 0x6f));
    assert_int_equal(regs->rsi, (vaddr_t)buf - 2);
    regs->rcx = 0;
    assert_true(RUN(0xf3, 0x66, 0x6f));
    AT_END(3);
    assert_int_equal(hw.writes, 3);
}

static void test_string_io_stops_and_goes_on(void **state)
{
    static u8 buf[5000];

    start(true, true);
    allow(0x60, 0x60);
    regs->rdx = 0x60;
    regs->rsi = (vaddr_t)buf;
    regs->rcx = 5000;
    preempt = true;
    assert_true(RUN(0xf3, 0x6e));
    AT_END(0); /* to be issued again */
    assert_int_equal(regs->rcx, 5000 - 64);
    preempt = false;
    assert_true(RUN(0xf3, 0x6e));
    AT_END(0);
    assert_int_equal(regs->rcx, 5000 - 64 - 4096);
    assert_true(RUN(0xf3, 0x6e));
    AT_END(2);
    assert_int_equal(hw.writes, 5000);
}

static void test_string_io_faults(void **state)
{
    static u8 buf[8] aligned_to(8);

    start(true, true);
    allow(0x60, 0x60);
    regs->rdx = 0x60;
    regs->rdi = (vaddr_t)buf;
    pte = 1; /* read-only: the device must not be read */
    assert_true(RUN(0x6c));
    assert_int_equal(got.page_faults, 1);
    assert_int_equal(got.cr2, (vaddr_t)buf);
    assert_int_equal(got.pf_error, 7);
    assert_int_equal(hw.reads, 0);
    AT_END(0);
    regs->rsi = 8; /* not mapped */
    pte = 0;
    assert_true(RUN(0x6e));
    assert_int_equal(got.page_faults, 2);
    assert_int_equal(got.pf_error, 4);
    regs->rsi = HYPERVISOR_VIRT_START;
    assert_true(RUN(0x6e));
    assert_int_equal(got.page_faults, 3);
    assert_int_equal(hw.writes, 0);
}

/* --- control registers --- */

static void test_control_registers(void **state)
{
    start(true, true);
    assert_true(RUN(0x0f, 0x20, 0xc0)); /* mov %cr0, %rax */
    AT_END(3);
    assert_int_equal(regs->rax, 0x80050033);
    regs->rax |= CR0_TS;
    assert_true(RUN(0x0f, 0x22, 0xc0));
    assert_true(vcpu.pv.ts);
    assert_true(RUN(0x0f, 0x20, 0xc3)); /* mov %cr0, %rbx */
    assert_int_equal(regs->rbx, 0x8005003b);
    assert_true(RUN(0x0f, 0x06)); /* clts */
    assert_false(vcpu.pv.ts);
    regs->rax = 0x80050033 & ~CR0_WP;
    REFUSED(0x0f, 0x22, 0xc0);

    assert_true(RUN(0x41, 0x0f, 0x20, 0xd8)); /* mov %cr3, %r8 */
    assert_int_equal(regs->r8, 0x1234000);
    regs->rcx = 0xdeadbeef;
    assert_true(RUN(0x0f, 0x22, 0xd1)); /* mov %rcx, %cr2 */
    assert_int_equal(info.arch.cr2, 0xdeadbeef);
    assert_true(RUN(0x0f, 0x20, 0xd2)); /* mov %cr2, %rdx */
    assert_int_equal(regs->rdx, 0xdeadbeef);

    assert_true(RUN(0x44, 0x0f, 0x20, 0xc0)); /* mov %cr8, %rax */
    assert_int_equal(regs->rax, 0);
    assert_true(RUN(0x44, 0x0f, 0x22, 0xc0));
    regs->rax = 5;
    REFUSED(0x44, 0x0f, 0x22, 0xc0);
    assert_true(RUN(0x0f, 0x20, 0xc8)); /* CR1 */
    assert_int_equal(got.vector, TRAP_UD);
}

static void test_cr4(void **state)
{
    start(true, true);
    assert_true(RUN(0x0f, 0x20, 0xe0)); /* mov %cr4, %rax */
    assert_int_equal(regs->rax, CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT);
    regs->rax |= CR4_OSXSAVE | CR4_DE | CR4_FSGSBASE;
    assert_true(RUN(0x0f, 0x22, 0xe0));
    assert_int_equal(vcpu.pv.ctrlreg[4], CR4_OSXSAVE | CR4_DE | CR4_FSGSBASE);
    regs->rax |= CR4_PGE | CR4_PSE; /* asked for in vain */
    assert_true(RUN(0x0f, 0x22, 0xe0));
    assert_true(RUN(0x0f, 0x20, 0xe0));
    assert_false(regs->rax & (CR4_PGE | CR4_PSE));
    regs->rax |= CR4_SMEP;
    REFUSED(0x0f, 0x22, 0xe0);
    regs->rax = CR4_PAE | CR4_PCIDE;
    REFUSED(0x0f, 0x22, 0xe0);
}

static void test_debug_registers(void **state)
{
    start(true, true);
    regs->rax = 0x400;
    assert_true(RUN(0x0f, 0x23, 0xf8)); /* mov %rax, %dr7 */
    assert_int_equal(vcpu.pv.dr[7], 0x400);
    assert_true(RUN(0x0f, 0x21, 0xe9)); /* mov %dr5, %rcx: DR7 */
    assert_int_equal(regs->rcx, 0x400);
    vcpu.pv.ctrlreg[4] = CR4_DE;
    assert_true(RUN(0x0f, 0x21, 0xe9));
    assert_int_equal(got.vector, TRAP_UD);
    got.traps = 0;
    regs->rax = 1ULL << 32;
    REFUSED(0x0f, 0x23, 0xf8);
    assert_true(RUN(0x44, 0x0f, 0x21, 0xc1)); /* DR8 */
    assert_int_equal(got.vector, TRAP_UD);
}

static void test_invlpg_and_addresses(void **state)
{
    start(true, true);
    regs->rax = 0x10000, regs->rcx = 0x300;
    assert_true(RUN(0x0f, 0x01, 0x38)); /* invlpg (%rax) */
    AT_END(3);
    assert_int_equal(host_tlb.va, 0x10000);
    assert_int_equal(host_tlb.what, TLB_FLUSH_VA);
    assert_true(RUN(0x0f, 0x01, 0x7c, 0x88, 0xf0)); /* invlpg -16(%rax, %rcx, 4) */
    AT_END(5);
    assert_int_equal(host_tlb.va, 0x10000 + 0xc00 - 16);
    assert_true(RUN(0x0f, 0x01, 0x3c, 0x25, 0x00, 0x50, 0x00, 0x80)); /* invlpg 0xffffffff80005000 */
    AT_END(8);
    assert_int_equal(host_tlb.va, 0xffffffff80005000);
    assert_true(RUN(0x0f, 0x01, 0x3d, 0x10, 0x00, 0x00, 0x00)); /* invlpg 16(%rip) */
    assert_int_equal(host_tlb.va, (vaddr_t)code + 7 + 16);
    regs->r13 = 0x77000;
    assert_true(RUN(0x41, 0x0f, 0x01, 0x7d, 0x08)); /* invlpg 8(%r13) */
    assert_int_equal(host_tlb.va, 0x77008);
    gs_base = 0xffff888000000000;
    assert_true(RUN(0x65, 0x0f, 0x01, 0x38)); /* invlpg %gs:(%rax) */
    assert_int_equal(host_tlb.va, 0xffff888000010000);
    host_tlb.local = 0;
    regs->rax = HYPERVISOR_VIRT_START;
    assert_true(RUN(0x0f, 0x01, 0x38)); /* nothing of the guest's */
    assert_int_equal(host_tlb.local, 0);
}

/* --- the rest --- */

static void test_msrs(void **state)
{
    start(true, true);
    regs->rcx = MSR_KERNEL_GS_BASE;
    regs->rax = regs->rdx = ~0ULL;
    assert_true(RUN(0x0f, 0x32));
    AT_END(2);
    assert_int_equal(regs->rax, 0x22334455);
    assert_int_equal(regs->rdx, 0x11);
    regs->rcx = MSR_GS_BASE;
    regs->rax = 0xffffffff00001000;
    regs->rdx = 0xffff8880;
    assert_true(RUN(0x0f, 0x30));
    assert_int_equal(gs_base, 0xffff888000001000);
    regs->rcx = 0xdeadbeef;
    REFUSED(0x0f, 0x32);
    REFUSED(0x0f, 0x30);
    traps[13].address = 0; /* a kernel that is not ready for #GP yet */
    assert_true(RUN(0x0f, 0x32));
    assert_int_equal(regs->rax | regs->rdx, 0);
    REFUSED(0x0f, 0x30);
}

static void test_xsetbv(void **state)
{
    start(true, true);
    regs->rax = 7;
    assert_true(RUN(0x0f, 0x01, 0xd1));
    assert_int_equal(got.vector, TRAP_UD); /* CR4.OSXSAVE is clear */
    got.traps = 0;
    vcpu.pv.ctrlreg[4] = CR4_OSXSAVE;
    assert_true(RUN(0x0f, 0x01, 0xd1));
    AT_END(3);
    assert_int_equal(vcpu.pv.xcr0, 7);
    regs->rax = 5;
    REFUSED(0x0f, 0x01, 0xd1);
    regs->rax = 7, regs->rcx = 1;
    REFUSED(0x0f, 0x01, 0xd1);
}

static void test_cpuid(void **state)
{
    static const u8 forced[] = { 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2 };

    start(false, false);
    regs->rax = 0x40000000;
    put_code(forced, sizeof(forced));
    assert_true(pv_emulate_forced_cpuid(regs));
    AT_END(7);
    assert_int_equal(regs->rbx, 0x566e6558);
    put_code("\x0f\x0b\x90\x90\x90\x90\x90", 7);
    assert_false(pv_emulate_forced_cpuid(regs));
    AT_END(0);
    put_code("\x0f\x0bxen\x0f\xa3", 7);
    assert_false(pv_emulate_forced_cpuid(regs));

    regs->rax = 0x40000000; /* a plain one that faulted */
    assert_true(RUN(0x0f, 0xa2));
    assert_int_equal(regs->rcx, 0x65584d4d);
    vcpu.pv.msrs.cpuid_fault = true;
    REFUSED(0x0f, 0xa2);
    vcpu.pv.flags |= PVF_KERNEL;
    assert_true(RUN(0x0f, 0xa2));
}

static void test_misc(void **state)
{
    start(false, true);
    assert_true(RUN(0xf4));
    assert_int_equal(blocks, 1);
    AT_END(1);
    assert_true(RUN(0x0f, 0x09)); /* no device: nothing to write back */
    assert_int_equal(host_tlb.masked, 0);
    assert_int_equal(rangeset_add(&dom.io_frames, 1, 2), 0);
    assert_true(RUN(0x0f, 0x08));
    assert_int_equal(host_tlb.what, TLB_FLUSH_CACHE);
    assert_true(RUN(0x0f, 0x31)); /* rdtsc */
    vcpu.pv.msrs.tsc_aux = 42;
    assert_true(RUN(0x0f, 0x01, 0xf9)); /* rdtscp */
    AT_END(3);
    assert_int_equal(regs->rcx, 42);
}

static void test_refused_in_the_kernel(void **state)
{
    start(true, true);
    REFUSED(0x0f, 0x33);       /* rdpmc */
    REFUSED(0x0f, 0x01, 0xf8); /* swapgs */
    REFUSED(0x0f, 0x01, 0x10); /* lgdt (%rax) */
    REFUSED(0x0f, 0x00, 0xd8); /* ltr %ax */
    REFUSED(0x0f, 0x07);       /* sysret */
    REFUSED(0xcf);             /* iret */
    REFUSED(0xf0, 0x0f, 0x20, 0xc0);
    REFUSED(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0xf4);
}

static void test_refused_in_user_mode(void **state)
{
    start(true, false);
    vcpu.pv.iopl = 3;
    REFUSED(0xf4);
    REFUSED(0x0f, 0x20, 0xc0);
    REFUSED(0x0f, 0x22, 0xd8);
    REFUSED(0x0f, 0x21, 0xf8);
    REFUSED(0x0f, 0x32);
    REFUSED(0x0f, 0x30);
    REFUSED(0x0f, 0x31);
    REFUSED(0x0f, 0x06);
    REFUSED(0x0f, 0x09);
    REFUSED(0x0f, 0x01, 0xd1);
    REFUSED(0x0f, 0x01, 0xf9);
    REFUSED(0x0f, 0x01, 0x38);
    REFUSED(0x0f, 0x01, 0xf0); /* lmsw %ax */
}

static void test_cli_and_sti_do_nothing(void **state)
{
    start(false, true);
    assert_true(RUN(0xfa));
    AT_END(1);
    assert_true(RUN(0xfb));
    assert_int_equal(info.evtchn_upcall_mask, 0);
    info.evtchn_upcall_mask = 1;
    assert_true(RUN(0xfb));
    assert_int_equal(info.evtchn_upcall_mask, 1);
    vcpu.pv.iopl = 0;
    REFUSED(0xfa);
    vcpu.pv.flags = 0;
    vcpu.pv.iopl = 2;
    REFUSED(0xfa);
}

static void test_umip_instructions(void **state)
{
    static u8 buf[16];

    start(false, false);
    regs->rax = ~0ULL;
    assert_true(RUN(0x0f, 0x01, 0xe0)); /* smsw %eax */
    AT_END(3);
    assert_int_equal(regs->rax, 0x80050033);
    memset(buf, 0xff, sizeof(buf));
    regs->rbx = (vaddr_t)buf;
    assert_true(RUN(0x0f, 0x01, 0x03)); /* sgdt (%rbx) */
    assert_int_equal(buf[9], 0);
    assert_int_equal(buf[10], 0xff);
    assert_true(RUN(0x66, 0x0f, 0x00, 0xc8)); /* str %ax */
    assert_int_equal(regs->rax, 0x80050000 | SEL_TSS);
    regs->rbx = 8;
    pte = 0;
    assert_true(RUN(0x0f, 0x01, 0x0b)); /* sidt (%rbx) */
    assert_int_equal(got.page_faults, 1);
    assert_int_equal(got.pf_error, 6);
}

static void test_single_step_and_rf(void **state)
{
    start(true, true);
    regs->rflags |= FLAG_TF | FLAG_RF;
    assert_true(RUN(0x0f, 0x06));
    assert_int_equal(got.vector, TRAP_DB);
    assert_int_equal(vcpu.pv.dr[6] & 0x4000, 0x4000);
    assert_false(regs->rflags & FLAG_RF);
}

static void test_code_not_readable(void **state)
{
    start(true, true);
    regs->rip = 8;
    assert_false(pv_emulate_privileged(regs));
    regs->rip = HYPERVISOR_VIRT_START + 5;
    assert_false(pv_emulate_privileged(regs));
    assert_false(pv_emulate_forced_cpuid(regs));
}

static void test_mca(void **state)
{
    struct xen_mc mc = { .cmd = XEN_MC_fetch, .interface_version = XEN_MCA_INTERFACE_VERSION };
    struct hypercall_args a = { { (unsigned long)&mc } };

    start(true, true);
    assert_int_equal(do_mca(&a), -EOPNOTSUPP);
    mc.cmd = 99;
    assert_int_equal(do_mca(&a), -EINVAL);
    mc.interface_version++;
    assert_int_equal(do_mca(&a), -EACCES);
    dom.is_privileged = false;
    assert_int_equal(do_mca(&a), -EPERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_and_out),
        cmocka_unit_test(test_ports_without_right_are_empty),
        cmocka_unit_test(test_iopl),
        cmocka_unit_test(test_bitmap),
        cmocka_unit_test(test_pci_configuration),
        cmocka_unit_test(test_shared_ports_of_dom0),
        cmocka_unit_test(test_sleep_is_asked_for_by_hypercall),
        cmocka_unit_test(test_string_io),
        cmocka_unit_test(test_string_io_stops_and_goes_on),
        cmocka_unit_test(test_string_io_faults),
        cmocka_unit_test(test_control_registers),
        cmocka_unit_test(test_cr4),
        cmocka_unit_test(test_debug_registers),
        cmocka_unit_test(test_invlpg_and_addresses),
        cmocka_unit_test(test_msrs),
        cmocka_unit_test(test_xsetbv),
        cmocka_unit_test(test_cpuid),
        cmocka_unit_test(test_misc),
        cmocka_unit_test(test_refused_in_the_kernel),
        cmocka_unit_test(test_refused_in_user_mode),
        cmocka_unit_test(test_cli_and_sti_do_nothing),
        cmocka_unit_test(test_umip_instructions),
        cmocka_unit_test(test_single_step_and_rf),
        cmocka_unit_test(test_code_not_readable),
        cmocka_unit_test(test_mca),
    };

    return cmocka_run_group_tests(tests, host_group_setup, NULL);
}
