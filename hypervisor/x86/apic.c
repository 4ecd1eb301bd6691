/* SPDX-License-Identifier: MIT */
/*
 * The local APIC of each CPU, as memory-mapped xAPIC or as x2APIC.  The mode
 * is chosen once, on the boot CPU, and is the same on all.  The 8259 PICs are
 * masked for good: every device interrupt comes through an IO-APIC or as MSI.
 */
#include <arch/apic.h>
#include <arch/machine.h>

#include <zelo/atomic.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <arch/seam.h>

#define APIC_BASE_ENABLE (1u << 11)
#define APIC_BASE_X2APIC (1u << 10)
#define PIC1_DATA 0x21
#define PIC2_DATA 0xa1

/* Written once by apic_init_bsp, before any other CPU runs. */
static bool x2apic;
static volatile u32 *xapic;

u32 apic_read(unsigned reg)
{
    return x2apic ? (u32)rdmsr(APIC_MSR(reg)) : xapic[reg / 4];
}

void apic_write(unsigned reg, u32 v)
{
    if (x2apic)
        wrmsr(APIC_MSR(reg), v);
    else
        xapic[reg / 4] = v;
}

void apic_eoi(void)
{
    if (x2apic)
        wrmsr(APIC_MSR(APIC_EOI), 0);
    else
        xapic[APIC_EOI / 4] = 0;
}

u32 apic_id(void)
{
    u32 a, b, c, d;

    if (x2apic)
        return apic_read(APIC_ID);
    if (xapic)
        return apic_read(APIC_ID) >> 24;
    cpuid(1, 0, &a, &b, &c, &d);
    return b >> 24;
}

void apic_send_ipi(u32 apicid, u32 icr_low)
{
    unsigned long flags;

    if (x2apic) {
        /* The MSR write is not ordered behind earlier stores: the receiver must see those. */
        __asm__ volatile("mfence; lfence" ::: "memory");
        wrmsr(APIC_MSR(APIC_ICR), ((u64)apicid << 32) | icr_low);
        return;
    }
    flags = arch_irq_save(); /* an interrupt between the two halves might send too */
    while (apic_read(APIC_ICR) & APIC_ICR_BUSY)
        cpu_relax();
    apic_write(APIC_ICR_HIGH, apicid << 24);
    apic_write(APIC_ICR, icr_low);
    arch_irq_restore(flags);
}

/* Without the other half of ICR, which the code that an NMI stopped may just have set. */
void apic_send_self(u8 vector)
{
    while (!x2apic && (apic_read(APIC_ICR) & APIC_ICR_BUSY))
        cpu_relax();
    apic_write(APIC_ICR, APIC_ICR_SELF | vector);
}

bool apic_reaches(u32 apicid)
{
    return x2apic || apicid <= XAPIC_ID_MAX;
}

static bool apic_has_in_service(void)
{
    for (unsigned i = 1; i < 8; i++) /* vectors from 32 up */
        if (apic_read(APIC_ISR + i * 0x10))
            return true;
    return false;
}

/* Firmware, or a kernel before us, may have left interrupts in service: each needs its EOI. */
static void apic_drain_in_service(void)
{
    for (unsigned i = 0; i < 256 && apic_has_in_service(); i++)
        apic_eoi();
}

static void apic_error_interrupt(struct cpu_user_regs *regs)
{
    u32 esr;

    (void)regs;
    apic_write(APIC_ESR, 0);
    esr = apic_read(APIC_ESR);
    log_guest(LOG_WARNING, "CPU%u: APIC error, status %#x\n", this_cpu(), esr);
}

static void apic_enable_mode(void)
{
    u64 base = rdmsr(MSR_APIC_BASE);

    if (!(base & APIC_BASE_ENABLE)) {
        base |= APIC_BASE_ENABLE;
        wrmsr(MSR_APIC_BASE, base);
    }
    if (x2apic && !(base & APIC_BASE_X2APIC))
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
}

static void apic_init_lvt(void)
{
    unsigned entries = ((apic_read(APIC_VERSION) >> 16) & 0xff) + 1;

    apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED | VECTOR_TIMER);
    apic_write(APIC_LVT_LINT0, APIC_LVT_MASKED | APIC_LVT_EXTINT);
    /* Only the boot CPU takes external NMIs. */
    apic_write(APIC_LVT_LINT1, APIC_LVT_NMI | (this_cpu() ? APIC_LVT_MASKED : 0));
    if (entries > 4)
        apic_write(APIC_LVT_PMC, APIC_LVT_MASKED);
    if (entries > 6)
        apic_write(APIC_LVT_CMCI, APIC_LVT_MASKED);
    apic_write(APIC_ESR, 0);
    apic_write(APIC_LVT_ERROR, VECTOR_ERROR);
}

void apic_init_cpu(void)
{
    apic_enable_mode();
    apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
    apic_write(APIC_TPR, 0x10); /* vectors below 32 are exceptions, never interrupts */
    apic_init_lvt();
    apic_drain_in_service();
}

/* A CPU that only x2APIC can reach. */
static bool apic_ids_need_x2apic(void)
{
    for (unsigned i = 0; i < acpi_info.cpu_count; i++)
        if (acpi_info.cpus[i].enabled && acpi_info.cpus[i].apicid > XAPIC_ID_MAX)
            return true;
    return false;
}

/*
 * Without interrupt remapping a device reaches only the first 255 APIC IDs in
 * either mode, so x2APIC is taken where firmware left it on (there is no way
 * back), where CPUs need it, where another hypervisor makes its MSRs cheaper
 * than the page, or where asked for.
 */
static bool apic_choose_x2apic(void)
{
    u32 a, b, c, d;
    bool wanted;

    cpuid(1, 0, &a, &b, &c, &d);
    wanted = cmdline_bool("x2apic", (c >> 31) && !acpi_info.x2apic_opt_out);
    if (rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC)
        return true;
    if (!cpu_features.x2apic) {
        if (wanted && cmdline_get("x2apic"))
            log_warn("x2apic=: the CPU has no x2APIC\n");
        return false;
    }
    return wanted || apic_ids_need_x2apic();
}

void apic_init_bsp(void)
{
    bool use_x2apic = apic_choose_x2apic();

    outb(PIC1_DATA, 0xff);
    outb(PIC2_DATA, 0xff);
    if (!use_x2apic) {
        paddr_t base = rdmsr(MSR_APIC_BASE) & ((1ULL << cpu_features.phys_bits) - 1) & PAGE_MASK;

        xapic = vmap_io(base, PAGE_SIZE, MAP_RW | MAP_UC);
        if (!xapic)
            panic("Cannot map the local APIC at %#lx\n", base);
    }
    x2apic = use_x2apic;
    irq_set_fixed_handler(VECTOR_ERROR, apic_error_interrupt);
    apic_init_cpu();
    log_info("Local APIC: %s, ID %u\n", x2apic ? "x2APIC" : "xAPIC", apic_id());
}
