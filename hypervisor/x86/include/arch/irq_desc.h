/* SPDX-License-Identifier: MIT */
/*
 * One interrupt source: an IO-APIC pin (GSI) or an MSI.  x86/irq.c owns the
 * descriptors and their vectors; platform/ioapic.c and platform/msi.c provide
 * the hardware's side; x86/pirq.c binds them to domains.
 *
 * Life of a descriptor's place in the vector tables:
 *
 *   irq_place   vector taken on one CPU, table entry there points to it
 *   irq_move    the same vector on another CPU; the old entry stays until its
 *               CPU has run a tasklet, by when nothing can be on its way there
 *   irq_retire  (MSI only) the same for the last entry; then the descriptor is
 *               reused, never given back: a table entry may be read at any time
 *
 * A table entry is cleared only by its own CPU, outside interrupts, so that
 * irq_dispatch needs no lock to read it.
 */
#ifndef ARCH_IRQ_DESC_H
#define ARCH_IRQ_DESC_H

#include <zelo/list.h>
#include <zelo/lock.h>
#include <zelo/softirq.h>
#include <zelo/types.h>

struct cpu_user_regs;
struct ioapic;
struct irq_desc;
struct pci_device;
struct pirq;

typedef void irq_handler_fn(struct irq_desc *desc, struct cpu_user_regs *regs);

/* All called with desc->lock held. */
struct irq_chip {
    const char *name;
    void (*mask)(struct irq_desc *desc);
    void (*unmask)(struct irq_desc *desc);
    void (*set_dest)(struct irq_desc *desc, u32 apicid); /* one write: an interrupt goes to the old or the new CPU */
    bool movable;                                        /* set_dest moves this descriptor alone */
};

struct irq_desc {
    spinlock_t lock;              /* LOCK_IRQ_DESC; guards all that follows */
    irq_handler_fn *handler;      /* read without the lock: each handler must bear being called a moment late */
    struct pirq *pirq;            /* bound to a domain, or NULL */
    const struct irq_chip *chip;  /* constant; NULL: a GSI number without a pin */
    u8 vector;                    /* 0: not placed yet; constant once placed */
    bool level;
    bool retiring;
    u16 cpu, want_cpu;            /* where it goes; where it should once old_cpu is through */
    s16 old_cpu;                  /* whose table still has it; -1: none */
    u64 count, unhandled;
    struct tasklet step[2];       /* by turns: one that runs cannot be sent to another CPU */
    u8 step_next;
    struct list free_link;        /* on the list of unused descriptors, irq.c's own lock */

    void (*device)(void *data, struct cpu_user_regs *regs); /* the hypervisor's own */
    void *device_data;

    union {
        struct { struct ioapic *ioapic; u32 low; u8 pin; } pin; /* low: what the entry's low word holds */
        struct {
            struct list link;         /* in dev->msis, LOCK_PCI */
            struct pci_device *dev;
            struct irq_desc *leader;  /* of a group of MSIs that share one message; itself if alone */
            volatile u32 *slot;       /* MSI-X table entry; NULL: MSI */
            u16 index;                /* MSI-X entry, or number in the MSI group */
            bool masked;
        } msi;
    };
};

/* The descriptor of a GSI, NULL if no IO-APIC has that pin. */
struct irq_desc *irq_gsi_desc(u32 gsi);
bool irq_is_gsi(const struct irq_desc *desc);
/* Boot: allocates the descriptors of GSIs 0..count-1; then one gets its chip. NULL: it has one already. */
void irq_gsi_init(u32 count);
struct irq_desc *irq_gsi_desc_new(u32 gsi, const struct irq_chip *chip);

struct irq_desc *must_check irq_desc_alloc(const struct irq_chip *chip);
/* Takes vectors for 'count' descriptors (a power of two, consecutive vectors) on one CPU. -ENOSPC. */
int must_check irq_place(struct irq_desc *const *descs, unsigned count);
/* The source is silent and unbound for good; descs from irq_desc_alloc only. */
void irq_retire(struct irq_desc *desc);
/* Prefers this CPU from now on; desc->lock held. */
void irq_move(struct irq_desc *desc, unsigned cpu);

irq_handler_fn irq_handle_unbound;

#endif
