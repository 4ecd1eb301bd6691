/* SPDX-License-Identifier: MIT */
/*
 * The IO-APICs of the MADT.  Every pin starts masked; its trigger and polarity
 * come from the MADT's overrides, ISA and PCI conventions, or from domain 0,
 * which alone can read the AML (PHYSDEVOP_setup_gsi).  Interrupts are fixed,
 * to one CPU by its physical APIC ID.
 */
#include <arch/ioapic.h>
#include <arch/irq_desc.h>
#include <arch/machine.h>

#include <zelo/errno.h>
#include <zelo/irq.h>
#include <zelo/log.h>
#include <zelo/page.h>
#include <arch/seam.h>

#define REG_VERSION 1u
#define REG_PIN(pin) (0x10u + 2 * (pin))

#define PIN_MASKED 0x10000u
#define PIN_LEVEL 0x8000u
#define PIN_ACTIVE_LOW 0x2000u
#define PIN_DELIVERY_MODE 0x700u

#define ISA_IRQS 16

struct ioapic {
    spinlock_t lock; /* LOCK_LEAF; select register and what it selects */
    volatile u32 *regs;
    paddr_t addr;
    u32 gsi_base, pins;
};

static struct ioapic *ioapics; /* constant after boot */
static unsigned ioapic_count;

static u32 ioapic_read(struct ioapic *io, u32 reg)
{
    unsigned long flags;
    u32 v;

    spin_lock_irqsave(&io->lock, flags);
    io->regs[0] = reg;
    v = io->regs[4];
    spin_unlock_irqrestore(&io->lock, flags);
    return v;
}

static void ioapic_write(struct ioapic *io, u32 reg, u32 v)
{
    unsigned long flags;

    spin_lock_irqsave(&io->lock, flags);
    io->regs[0] = reg;
    io->regs[4] = v;
    spin_unlock_irqrestore(&io->lock, flags);
}

/* --- the irq_chip --- */

static void pin_mask(struct irq_desc *desc)
{
    desc->pin.low |= PIN_MASKED;
    ioapic_write(desc->pin.ioapic, REG_PIN(desc->pin.pin), desc->pin.low);
}

static void pin_unmask(struct irq_desc *desc)
{
    desc->pin.low &= ~PIN_MASKED;
    ioapic_write(desc->pin.ioapic, REG_PIN(desc->pin.pin), desc->pin.low);
}

static void pin_set_dest(struct irq_desc *desc, u32 apicid)
{
    ioapic_write(desc->pin.ioapic, REG_PIN(desc->pin.pin) + 1, apicid << 24);
    if ((desc->pin.low & 0xff) == desc->vector)
        return;
    desc->pin.low = (desc->pin.low & ~0xffu) | desc->vector; /* placed for the first time, still masked */
    ioapic_write(desc->pin.ioapic, REG_PIN(desc->pin.pin), desc->pin.low);
}

static const struct irq_chip ioapic_chip = {
    .name = "IO-APIC",
    .mask = pin_mask,
    .unmask = pin_unmask,
    .set_dest = pin_set_dest,
    .movable = true,
};

/* desc->lock held, or boot; the pin is masked. */
static void pin_set_mode(struct irq_desc *desc, bool level, bool active_low)
{
    desc->level = level;
    desc->pin.low &= ~(PIN_LEVEL | PIN_ACTIVE_LOW);
    desc->pin.low |= (level ? PIN_LEVEL : 0) | (active_low ? PIN_ACTIVE_LOW : 0);
    ioapic_write(desc->pin.ioapic, REG_PIN(desc->pin.pin), desc->pin.low);
}

int ioapic_setup_gsi(u32 gsi, bool level, bool active_low)
{
    struct irq_desc *desc = irq_gsi_desc(gsi);
    unsigned long flags;
    u32 mode = (level ? PIN_LEVEL : 0) | (active_low ? PIN_ACTIVE_LOW : 0);
    int rc = 0;

    if (!desc)
        return -EINVAL;
    spin_lock_irqsave(&desc->lock, flags);
    if ((desc->pin.low & (PIN_LEVEL | PIN_ACTIVE_LOW)) != mode) {
        if (desc->pirq || desc->device)
            rc = -EBUSY;
        else
            pin_set_mode(desc, level, active_low);
    }
    spin_unlock_irqrestore(&desc->lock, flags);
    return rc;
}

/* --- domain 0's view --- */

static struct ioapic *ioapic_at(paddr_t base)
{
    for (unsigned i = 0; i < ioapic_count; i++)
        if (ioapics[i].addr == base)
            return &ioapics[i];
    return NULL;
}

int ioapic_guest_read(paddr_t base, u32 reg, u32 *value)
{
    struct ioapic *io = ioapic_at(base);

    if (!io || reg >= REG_PIN(io->pins))
        return -EINVAL;
    *value = ioapic_read(io, reg);
    return 0;
}

/* Old kernels program pins themselves: what they may choose is the mode; masks, vectors and CPUs are ours. */
int ioapic_guest_write(paddr_t base, u32 reg, u32 value)
{
    struct ioapic *io = ioapic_at(base);

    if (!io || reg >= REG_PIN(io->pins))
        return -EINVAL;
    if (reg < REG_PIN(0))
        return -EPERM;
    if ((reg & 1) || (value & PIN_MASKED))
        return 0;
    if (value & PIN_DELIVERY_MODE & ~0x100u) /* fixed or lowest priority only */
        return -EPERM;
    return ioapic_setup_gsi(io->gsi_base + (reg - REG_PIN(0)) / 2, value & PIN_LEVEL, value & PIN_ACTIVE_LOW);
}

/* --- boot --- */

static void ioapic_map(struct ioapic *io, paddr_t addr, u32 gsi_base)
{
    spin_lock_init(&io->lock, LOCK_LEAF);
    io->addr = addr;
    io->gsi_base = gsi_base;
    io->regs = vmap_io(addr, 0x20, MAP_RW | MAP_UC);
    if (!io->regs)
        panic("Cannot map the IO-APIC at %#lx\n", addr);
    io->pins = ((ioapic_read(io, REG_VERSION) >> 16) & 0xff) + 1;
}

static void ioapic_init_pins(struct ioapic *io)
{
    for (u32 pin = 0; pin < io->pins; pin++) {
        struct irq_desc *desc = irq_gsi_desc_new(io->gsi_base + pin, &ioapic_chip);
        bool isa = io->gsi_base + pin < ISA_IRQS;

        if (!desc)
            panic("GSI %u has two pins\n", io->gsi_base + pin);
        desc->pin.ioapic = io;
        desc->pin.pin = (u8)pin;
        desc->pin.low = PIN_MASKED;
        pin_set_mode(desc, !isa, !isa);
    }
}

/* MADT flags: bits 0..1 polarity (3: active low), bits 2..3 trigger (3: level); zero conforms to ISA. */
static void ioapic_apply_overrides(void)
{
    for (unsigned i = 0; i < acpi_info.override_count; i++) {
        u16 flags = acpi_info.overrides[i].flags;
        struct irq_desc *desc = irq_gsi_desc(acpi_info.overrides[i].gsi);

        if (desc)
            pin_set_mode(desc, ((flags >> 2) & 3) == 3, (flags & 3) == 3);
    }
}

void ioapic_init(void)
{
    u32 gsis = 0;

    ioapic_count = acpi_info.ioapic_count;
    if (!ioapic_count)
        boot_refuse("The ACPI tables name no IO-APIC\n");
    ioapics = mem_alloc_array(struct ioapic, ioapic_count);
    if (!ioapics)
        panic("No memory for %u IO-APICs\n", ioapic_count);
    for (unsigned i = 0; i < ioapic_count; i++) {
        struct ioapic *io = &ioapics[i];

        ioapic_map(io, acpi_info.ioapics[i].addr, acpi_info.ioapics[i].gsi_base);
        gsis = MAX(gsis, io->gsi_base + io->pins);
    }
    irq_gsi_init(gsis);
    for (unsigned i = 0; i < ioapic_count; i++)
        ioapic_init_pins(&ioapics[i]);
    ioapic_apply_overrides();
    log_info("IO-APICs: %u, GSIs 0 to %u\n", ioapic_count, gsis - 1);
}
