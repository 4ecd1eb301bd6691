/* SPDX-License-Identifier: MIT */
/*
 * I/O ports as a domain finds them.  Where it has the right to a port (its
 * rangeset) it gets the machine's; domain 0 shares some with the hypervisor:
 * PCI configuration, the CMOS, the timer channel of the speaker.  Anywhere
 * else nothing answers: reads give ones, writes are lost.
 */
#include <zelo/domain.h>
#include <zelo/log.h>
#include <zelo/rangeset.h>
#include <arch/machine.h>

#include "emulate.h"

#define PORT_PIT_CHANNEL2 0x42
#define PORT_PIT_MODE 0x43
#define PORT_SPEAKER 0x61
#define PORT_RTC_INDEX 0x70
#define PORT_RTC_DATA 0x71
#define PORT_PCI_ADDRESS 0xcf8
#define PORT_PCI_DATA 0xcfc

#define PCI_ADDRESS_ENABLE (1u << 31)
#define NOTHING(bytes) (0xffffffffu >> (32 - 8 * (bytes)))

bool domain_may_use_ports(struct domain *d, u32 first, u32 last)
{
    return first <= last && last <= 0xffff && rangeset_contains(&d->io_ports, first, last);
}

/* --- PCI configuration mechanism 1 --- */

static bool is_pci_address(u16 port, unsigned bytes)
{
    return port == PORT_PCI_ADDRESS && bytes == 4; /* smaller ones go elsewhere: 0xcf9 resets the machine */
}

static bool is_pci_data(u16 port, unsigned bytes)
{
    return (port & ~3u) == PORT_PCI_DATA && (port & 3) + bytes <= 4;
}

struct pci_place { u8 bus, devfn; u16 reg; };

static bool pci_decode(const struct domain *d, u16 port, struct pci_place *p)
{
    u32 a = d->pv.pci_config_address;

    p->bus = (u8)(a >> 16);
    p->devfn = (u8)(a >> 8);
    p->reg = (a & 0xfc) | (port & 3);
    if (cpu_features.amd) /* AMD's extended space through the same ports */
        p->reg |= (a >> 16) & 0xf00;
    return d->is_privileged && (a & PCI_ADDRESS_ENABLE);
}

static u32 pci_port_read(struct domain *d, u16 port, unsigned bytes)
{
    struct pci_place p;

    if (is_pci_address(port, bytes))
        return d->is_privileged ? d->pv.pci_config_address : NOTHING(bytes);
    return pci_decode(d, port, &p) ? pci_read(0, p.bus, p.devfn, p.reg, bytes) : NOTHING(bytes);
}

static void pci_port_write(struct domain *d, u16 port, unsigned bytes, u32 value)
{
    struct pci_place p;

    if (is_pci_address(port, bytes))
        d->pv.pci_config_address = value;
    else if (pci_decode(d, port, &p))
        pci_write(0, p.bus, p.devfn, p.reg, bytes, value);
}

/* --- the speaker's part of the PIT and of port 0x61 (8254 data sheet) --- */

static bool is_speaker_port(u16 port)
{
    return port == PORT_PIT_CHANNEL2 || port == PORT_PIT_MODE || port == PORT_SPEAKER;
}

static void speaker_write(u16 port, u8 value)
{
    const u8 gate_and_data = 3;

    if (port == PORT_PIT_MODE) {
        bool channel2 = value >> 6 == 2;
        bool read_back2 = value >> 6 == 3 && (value & 0xe) == 8;

        if (!channel2 && !read_back2)
            return;
    }
    if (port == PORT_SPEAKER) /* its other bits enable NMIs, which are ours */
        value = (io_hw_read(port, 1) & 0xc) | (value & gate_and_data);
    io_hw_write(port, 1, value);
}

/* --- sleep states --- */

/* Does the write reach SLP_EN (bit 13) of the PM1 control register at pm1? */
static bool sets_sleep_enable(u32 pm1, u16 port, unsigned bytes, u32 value)
{
    u32 high = pm1 + 1;

    return pm1 && high >= port && high < port + bytes && ((value >> 8 * (high - port)) & 0x20);
}

/* A machine goes to sleep through XENPF_enter_acpi_sleep, or it takes the hypervisor down unprepared. */
static bool is_sleep_request(const struct domain *d, u16 port, unsigned bytes, u32 value)
{
    if (!sets_sleep_enable(acpi_info.pm1a_cnt, port, bytes, value) &&
        !sets_sleep_enable(acpi_info.pm1b_cnt, port, bytes, value))
        return false;
    log_guest(LOG_WARNING, "d%u: sleep request at port %x refused\n", d->id, port);
    return true;
}

/* --- the doors --- */

u32 io_port_read(struct domain *d, u16 port, unsigned bytes)
{
    u8 byte;

    if (is_pci_address(port, bytes) || is_pci_data(port, bytes))
        return pci_port_read(d, port, bytes);
    if ((port == PORT_RTC_INDEX || port == PORT_RTC_DATA) && bytes == 1 && d->is_privileged &&
        rtc_port_access(d, port, false, &byte))
        return byte;
    if (domain_may_use_ports(d, port, port + bytes - 1))
        return io_hw_read(port, bytes);
    if (d->is_privileged && bytes == 1 && is_speaker_port(port))
        return io_hw_read(port, 1);
    return NOTHING(bytes);
}

void io_port_write(struct domain *d, u16 port, unsigned bytes, u32 value)
{
    u8 byte = (u8)value;

    if (is_pci_address(port, bytes) || is_pci_data(port, bytes)) {
        pci_port_write(d, port, bytes, value);
        return;
    }
    if ((port == PORT_RTC_INDEX || port == PORT_RTC_DATA) && bytes == 1 && d->is_privileged &&
        rtc_port_access(d, port, true, &byte))
        return;
    if (domain_may_use_ports(d, port, port + bytes - 1)) {
        if (!is_sleep_request(d, port, bytes, value))
            io_hw_write(port, bytes, value);
    } else if (d->is_privileged && bytes == 1 && is_speaker_port(port)) {
        speaker_write(port, byte);
    }
}
