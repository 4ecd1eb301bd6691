/* SPDX-License-Identifier: MIT */
/*
 * Interrupts from the entry code to their handlers.  Vectors above 0xef are
 * fixed and per CPU; the others are looked up in the CPU's own table.
 *
 * EOI: fixed vectors, edge-triggered pins and MSIs at once; level-triggered
 * pins of domains are masked first and unmasked by the guest's EOI (pirq.c), so
 * that the local APIC never waits for a guest; the hypervisor's own level-
 * triggered devices after their handler.
 */
#include <arch/irq_desc.h>
#include <arch/apic.h>
#include <arch/machine.h>
#include "vector.h"

#include <zelo/console.h>
#include <zelo/cpumask.h>
#include <zelo/errno.h>
#include <zelo/irq.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/page.h>

u32 nr_gsis;

static DEFINE_PER_CPU(struct irq_desc *[256], irq_by_vector); /* written by irq_place, irq_move and its own CPU */
static DEFINE_PER_CPU(u64, irq_spurious_count);
static void (*irq_fixed_handler[256 - VECTOR_LAST_DYNAMIC - 1])(struct cpu_user_regs *regs);

static struct irq_desc *gsi_descs; /* nr_gsis; allocated at boot */

static spinlock_t free_lock = SPINLOCK(LOCK_LEAF); /* free_descs */
static struct list free_descs = LIST_INIT(free_descs);

/* --- dispatch --- */

void irq_set_fixed_handler(u8 vector, void (*fn)(struct cpu_user_regs *regs))
{
    BUG_ON(vector <= VECTOR_LAST_DYNAMIC);
    irq_fixed_handler[vector - VECTOR_LAST_DYNAMIC - 1] = fn;
}

/* Nobody has this vector here: the APIC's own spurious vector needs no EOI, anything else does. */
static void irq_handle_stray(u8 vector)
{
    this_cpu_var(irq_spurious_count)++;
    if (vector == VECTOR_SPURIOUS)
        return;
    apic_eoi();
    log_guest(LOG_WARNING, "CPU%u: interrupt on unused vector %#x\n", this_cpu(), vector);
}

void irq_dispatch(struct cpu_user_regs *regs)
{
    u8 vector = (u8)regs->entry_vector;

    if (vector > VECTOR_LAST_DYNAMIC) {
        void (*fixed)(struct cpu_user_regs *) = irq_fixed_handler[vector - VECTOR_LAST_DYNAMIC - 1];

        if (unlikely(!fixed || vector == VECTOR_SPURIOUS)) {
            irq_handle_stray(vector);
            return;
        }
        apic_eoi();
        fixed(regs);
    } else {
        struct irq_desc *desc = this_cpu_var(irq_by_vector)[vector];

        if (likely(desc))
            READ_ONCE(desc->handler)(desc, regs);
        else
            irq_handle_stray(vector);
    }
}

/*
 * Bound to nobody: silence it where the hardware can, so that a stuck line
 * cannot hold the CPU.  A retiring one was masked before, and its device's
 * table may be gone by now.
 */
void irq_handle_unbound(struct irq_desc *desc, struct cpu_user_regs *regs)
{
    (void)regs;
    spin_lock(&desc->lock);
    if (desc->handler == irq_handle_unbound) {
        desc->unhandled++;
        if (!desc->retiring)
            desc->chip->mask(desc);
    }
    spin_unlock(&desc->lock);
    apic_eoi();
}

/* --- the hypervisor's own devices --- */

static void irq_handle_device_edge(struct irq_desc *desc, struct cpu_user_regs *regs)
{
    apic_eoi();
    desc->count++;
    desc->device(desc->device_data, regs);
}

static void irq_handle_device_level(struct irq_desc *desc, struct cpu_user_regs *regs)
{
    desc->count++;
    desc->device(desc->device_data, regs);
    apic_eoi();
}

int irq_request_gsi(u32 gsi, void (*handler)(void *data, struct cpu_user_regs *regs), void *data)
{
    struct irq_desc *desc = irq_gsi_desc(gsi);
    unsigned long flags;
    int rc;

    if (!desc)
        return -EINVAL;
    rc = irq_place(&desc, 1);
    if (rc)
        return rc;
    spin_lock_irqsave(&desc->lock, flags);
    if (desc->device || desc->pirq) {
        rc = -EBUSY;
    } else {
        desc->device = handler;
        desc->device_data = data;
        desc->handler = desc->level ? irq_handle_device_level : irq_handle_device_edge;
        desc->chip->unmask(desc);
    }
    spin_unlock_irqrestore(&desc->lock, flags);
    return rc;
}

/* --- descriptors --- */

static void irq_step(void *data);

static void irq_desc_init(struct irq_desc *desc, const struct irq_chip *chip)
{
    spin_lock_init(&desc->lock, LOCK_IRQ_DESC);
    desc->handler = irq_handle_unbound;
    desc->chip = chip;
    desc->old_cpu = -1;
    tasklet_init(&desc->step[0], irq_step, desc);
    tasklet_init(&desc->step[1], irq_step, desc);
}

void irq_gsi_init(u32 count)
{
    gsi_descs = mem_alloc_array(struct irq_desc, count);
    if (!gsi_descs)
        panic("No memory for %u interrupt descriptors\n", count);
    for (u32 gsi = 0; gsi < count; gsi++)
        irq_desc_init(&gsi_descs[gsi], NULL);
    nr_gsis = count;
}

struct irq_desc *irq_gsi_desc_new(u32 gsi, const struct irq_chip *chip)
{
    if (gsi_descs[gsi].chip)
        return NULL;
    gsi_descs[gsi].chip = chip;
    return &gsi_descs[gsi];
}

struct irq_desc *irq_gsi_desc(u32 gsi)
{
    return gsi < nr_gsis && gsi_descs[gsi].chip ? &gsi_descs[gsi] : NULL;
}

bool irq_is_gsi(const struct irq_desc *desc)
{
    return desc >= gsi_descs && desc < gsi_descs + nr_gsis;
}

/* A used descriptor keeps its tasklet and its lock, which may both be in use a moment longer. */
struct irq_desc *irq_desc_alloc(const struct irq_chip *chip)
{
    struct irq_desc *desc = NULL;
    unsigned long flags;

    spin_lock_irqsave(&free_lock, flags);
    if (!list_empty(&free_descs)) {
        desc = list_first(&free_descs, struct irq_desc, free_link);
        list_remove(&desc->free_link);
    }
    spin_unlock_irqrestore(&free_lock, flags);
    if (!desc) {
        desc = mem_alloc_type(struct irq_desc);
        if (desc)
            irq_desc_init(desc, chip);
        return desc;
    }
    spin_lock_irqsave(&desc->lock, flags);
    desc->chip = chip;
    desc->handler = irq_handle_unbound;
    desc->vector = 0;
    desc->level = desc->retiring = false;
    desc->count = desc->unhandled = 0;
    memset(&desc->msi, 0, sizeof(desc->msi));
    spin_unlock_irqrestore(&desc->lock, flags);
    return desc;
}

static void irq_desc_recycle(struct irq_desc *desc)
{
    unsigned long flags;

    spin_lock_irqsave(&free_lock, flags);
    list_push_front(&free_descs, &desc->free_link);
    spin_unlock_irqrestore(&free_lock, flags);
}

/* --- placing and moving --- */

/* Can a device's message or pin name this CPU? */
static bool irq_cpu_reachable(unsigned cpu)
{
    return cpumask_test(&cpu_online, cpu) && cpu_apicid[cpu] <= APIC_ID_DEVICE_MAX;
}

/* Vectors on this CPU if they are to be had, else on any. */
static int irq_find_vectors(unsigned count, unsigned *where)
{
    unsigned cpu = this_cpu();
    int vector = irq_cpu_reachable(cpu) || !cpu ? vector_alloc(cpu, count) : -ENOSPC;

    *where = cpu;
    if (vector >= 0)
        return vector;
    for_each_online_cpu(cpu) {
        if (!irq_cpu_reachable(cpu))
            continue;
        vector = vector_alloc(cpu, count);
        *where = cpu;
        if (vector >= 0)
            break;
    }
    return vector;
}

int irq_place(struct irq_desc *const *descs, unsigned count)
{
    unsigned cpu;
    int vector;

    if (descs[0]->vector) /* GSIs are placed once */
        return 0;
    vector = irq_find_vectors(count, &cpu);
    if (vector < 0)
        return vector;
    for (unsigned i = 0; i < count; i++) {
        struct irq_desc *desc = descs[i];
        unsigned long flags;

        spin_lock_irqsave(&desc->lock, flags);
        desc->vector = (u8)(vector + i);
        desc->cpu = desc->want_cpu = (u16)cpu;
        WRITE_ONCE(per_cpu(irq_by_vector, cpu)[desc->vector], desc);
        desc->chip->set_dest(desc, cpu_apicid[cpu]);
        spin_unlock_irqrestore(&desc->lock, flags);
    }
    return 0;
}

/* The CPU that irq_step has something to do on, -1: none. */
static int irq_step_cpu(const struct irq_desc *desc)
{
    if (desc->old_cpu >= 0)
        return desc->old_cpu;
    return desc->retiring ? desc->cpu : -1;
}

static void irq_schedule_step(struct irq_desc *desc)
{
    int cpu = irq_step_cpu(desc);

    if (cpu < 0)
        return;
    desc->step_next ^= 1;
    tasklet_schedule_on(&desc->step[desc->step_next], (unsigned)cpu);
}

void irq_move(struct irq_desc *desc, unsigned cpu)
{
    desc->want_cpu = (u16)cpu;
    if (cpu == desc->cpu || desc->old_cpu >= 0 || desc->retiring || !desc->chip->movable || desc->device)
        return;
    if (!irq_cpu_reachable(cpu) || !vector_claim(cpu, desc->vector))
        return; /* it stays, and the event finds its way to the vCPU all the same */
    WRITE_ONCE(per_cpu(irq_by_vector, cpu)[desc->vector], desc);
    smp_mb(); /* the entry is there before the first interrupt can be */
    desc->chip->set_dest(desc, cpu_apicid[cpu]);
    desc->old_cpu = (s16)desc->cpu;
    desc->cpu = (u16)cpu;
    irq_schedule_step(desc);
}

static void irq_leave_table(struct irq_desc *desc, unsigned cpu)
{
    this_cpu_var(irq_by_vector)[desc->vector] = NULL;
    vector_release(cpu, desc->vector);
}

/*
 * Runs on a CPU that an interrupt was moved away from, or on the last one of a
 * retiring interrupt, with interrupts on: whatever was on its way here has
 * been taken.  On any other CPU (the tasklet's other turn had not quite ended)
 * it only sends itself on.
 */
static void irq_step(void *data)
{
    struct irq_desc *desc = data;
    unsigned cpu = this_cpu();
    unsigned long flags;
    bool gone = false;

    spin_lock_irqsave(&desc->lock, flags);
    if (desc->old_cpu == (int)cpu) {
        irq_leave_table(desc, cpu);
        desc->old_cpu = -1;
        irq_move(desc, desc->want_cpu);
        if (desc->old_cpu < 0)
            irq_schedule_step(desc);
    } else if (irq_step_cpu(desc) == (int)cpu) {
        irq_leave_table(desc, cpu);
        gone = true;
    } else {
        irq_schedule_step(desc);
    }
    spin_unlock_irqrestore(&desc->lock, flags);
    if (gone)
        irq_desc_recycle(desc);
}

void irq_retire(struct irq_desc *desc)
{
    unsigned long flags;
    bool placed;

    spin_lock_irqsave(&desc->lock, flags);
    placed = desc->vector;
    desc->retiring = true;
    if (placed && desc->old_cpu < 0) /* else a step is on its way */
        irq_schedule_step(desc);
    spin_unlock_irqrestore(&desc->lock, flags);
    if (!placed)
        irq_desc_recycle(desc);
}

/* --- debug key --- */

static void irq_dump_one(const char *kind, u32 nr, const struct irq_desc *desc)
{
    log_info("%s %u: vector %#x CPU%u %s %s, %lu taken, %lu unbound\n", kind, nr, desc->vector, desc->cpu,
             desc->level ? "level" : "edge", desc->pirq ? "domain" : desc->device ? "hypervisor" : "unbound",
             desc->count, desc->unhandled);
}

static void irq_dump_cpu(unsigned cpu)
{
    if (per_cpu(irq_spurious_count, cpu))
        log_info("CPU%u: %lu spurious\n", cpu, per_cpu(irq_spurious_count, cpu));
    for (unsigned vector = VECTOR_FIRST_DYNAMIC; vector <= VECTOR_LAST_DYNAMIC; vector++) {
        const struct irq_desc *desc = READ_ONCE(per_cpu(irq_by_vector, cpu)[vector]);

        if (desc && desc->cpu == cpu && !irq_is_gsi(desc))
            irq_dump_one("MSI vector", vector, desc);
    }
}

/* A picture taken without locks: figures may be a moment old. */
static void irq_dump(u8 key)
{
    unsigned cpu;

    (void)key;
    for (u32 gsi = 0; gsi < nr_gsis; gsi++)
        if (gsi_descs[gsi].vector)
            irq_dump_one("GSI", gsi, &gsi_descs[gsi]);
    for_each_online_cpu(cpu)
        irq_dump_cpu(cpu);
}

void irq_room_init(void)
{
    debug_key_register('i', "interrupts", irq_dump);
}
