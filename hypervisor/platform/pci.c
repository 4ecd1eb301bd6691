/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space: the first 256 bytes of segment 0 through the ports
 * 0xcf8 and 0xcfc, all else through MMCFG, whose buses are mapped when first a
 * device on them is made known.
 */
#include <arch/pci.h>
#include <arch/machine.h>

#include <zelo/atomic.h>
#include <zelo/errno.h>
#include <zelo/list.h>
#include <zelo/log.h>
#include <zelo/page.h>
#include <arch/seam.h>

#define PORT_ADDRESS 0xcf8
#define PORT_DATA 0xcfc
#define BUS_BYTES MiB(1)

spinlock_t pci_lock = SPINLOCK(LOCK_PCI);
static spinlock_t config_lock = SPINLOCK(LOCK_LEAF); /* the port pair; read-modify-write */

struct mmcfg {
    struct list link;         /* mmcfgs; pci_lock to change, never removed */
    u16 seg;
    u8 bus_first, bus_last;
    paddr_t base;             /* of bus 0, even if bus_first is another */
    volatile u8 *bus[256];    /* NULL: not mapped; set once */
};
static struct list mmcfgs = LIST_INIT(mmcfgs);

static struct mmcfg *mmcfg_find(u16 seg, u8 bus)
{
    struct mmcfg *m;

    list_for_each(m, &mmcfgs, link)
        if (m->seg == seg && bus >= m->bus_first && bus <= m->bus_last)
            return m;
    return NULL;
}

int pci_set_mmcfg(u16 seg, u8 bus_first, u8 bus_last, paddr_t base)
{
    struct mmcfg *m;

    if (bus_last < bus_first || (base & (BUS_BYTES - 1)))
        return -EINVAL;
    if (mmcfg_find(seg, bus_first))
        return 0;
    m = mem_alloc_type(struct mmcfg);
    if (!m)
        return -ENOMEM;
    m->seg = seg;
    m->bus_first = bus_first;
    m->bus_last = bus_last;
    m->base = base;
    smp_wmb(); /* whoever finds it in the list finds it filled */
    list_push_back(&mmcfgs, &m->link);
    return 0;
}

int pci_map_bus(u16 seg, u8 bus)
{
    struct mmcfg *m = mmcfg_find(seg, bus);

    if (!m)
        return seg ? -ENXIO : 0;
    if (m->bus[bus])
        return 0;
    m->bus[bus] = vmap_io(m->base + bus * BUS_BYTES, BUS_BYTES, MAP_RW | MAP_UC);
    return m->bus[bus] ? 0 : -ENOMEM;
}

/* --- one access; config_lock held for the ports --- */

static volatile u8 *mmcfg_register(u16 seg, u8 bus, u8 devfn, u16 reg)
{
    struct mmcfg *m = mmcfg_find(seg, bus);

    return m && m->bus[bus] && reg < PAGE_SIZE ? m->bus[bus] + ((u32)devfn << 12) + reg : NULL;
}

static u32 mmcfg_read(u16 seg, u8 bus, u8 devfn, u16 reg, unsigned bytes)
{
    volatile u8 *p = mmcfg_register(seg, bus, devfn, reg);

    if (!p)
        return ~0u >> (32 - 8 * bytes);
    return bytes == 1 ? *p : bytes == 2 ? *(volatile u16 *)p : *(volatile u32 *)p;
}

static void mmcfg_write(u16 seg, u8 bus, u8 devfn, u16 reg, unsigned bytes, u32 v)
{
    volatile u8 *p = mmcfg_register(seg, bus, devfn, reg);

    if (!p)
        return;
    if (bytes == 1)
        *p = (u8)v;
    else if (bytes == 2)
        *(volatile u16 *)p = (u16)v;
    else
        *(volatile u32 *)p = v;
}

static u32 port_read(u8 bus, u8 devfn, u16 reg, unsigned bytes)
{
    u16 port = PORT_DATA + (reg & 3);

    outl(PORT_ADDRESS, 0x80000000u | (u32)bus << 16 | (u32)devfn << 8 | (reg & 0xfc));
    return bytes == 1 ? inb(port) : bytes == 2 ? inw(port) : inl(port);
}

static void port_write(u8 bus, u8 devfn, u16 reg, unsigned bytes, u32 v)
{
    u16 port = PORT_DATA + (reg & 3);

    outl(PORT_ADDRESS, 0x80000000u | (u32)bus << 16 | (u32)devfn << 8 | (reg & 0xfc));
    if (bytes == 1)
        outb(port, (u8)v);
    else if (bytes == 2)
        outw(port, (u16)v);
    else
        outl(port, v);
}

static u32 config_read(u16 seg, u8 bus, u8 devfn, u16 reg, unsigned bytes)
{
    return seg || reg > 0xff ? mmcfg_read(seg, bus, devfn, reg, bytes) : port_read(bus, devfn, reg, bytes);
}

static void config_write(u16 seg, u8 bus, u8 devfn, u16 reg, unsigned bytes, u32 v)
{
    if (seg || reg > 0xff)
        mmcfg_write(seg, bus, devfn, reg, bytes, v);
    else
        port_write(bus, devfn, reg, bytes, v);
}

u32 pci_read(u16 seg, u8 bus, u8 devfn, u16 reg, unsigned bytes)
{
    unsigned long flags;
    u32 v;

    spin_lock_irqsave(&config_lock, flags);
    v = config_read(seg, bus, devfn, reg, bytes);
    spin_unlock_irqrestore(&config_lock, flags);
    return v;
}

void pci_write(u16 seg, u8 bus, u8 devfn, u16 reg, unsigned bytes, u32 v)
{
    unsigned long flags;

    spin_lock_irqsave(&config_lock, flags);
    config_write(seg, bus, devfn, reg, bytes, v);
    spin_unlock_irqrestore(&config_lock, flags);
}

void pci_write_alone(u16 seg, u8 bus, u8 devfn, u16 reg, unsigned bytes, u32 v)
{
    config_write(seg, bus, devfn, reg, bytes, v);
}

void pci_modify32(struct pci_address a, u16 reg, u32 clear, u32 set)
{
    unsigned long flags;
    u32 v;

    spin_lock_irqsave(&config_lock, flags);
    v = config_read(a.seg, a.bus, a.devfn, reg, 4);
    config_write(a.seg, a.bus, a.devfn, reg, 4, (v & ~clear) | set);
    spin_unlock_irqrestore(&config_lock, flags);
}

u16 pci_find_capability(struct pci_address a, u8 id)
{
    u8 pos;

    if (!(pci_read(a.seg, a.bus, a.devfn, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
        return 0;
    pos = (u8)(pci_read(a.seg, a.bus, a.devfn, PCI_CAP_POINTER, 1) & ~3u);
    for (unsigned i = 0; pos >= 0x40 && i < 48; i++) { /* a broken list may be a circle */
        u32 head = pci_read(a.seg, a.bus, a.devfn, pos, 2);

        if ((head & 0xff) == id)
            return pos;
        pos = (head >> 8) & 0xfc;
    }
    return 0;
}
