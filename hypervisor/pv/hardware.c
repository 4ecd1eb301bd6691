/* SPDX-License-Identifier: MIT */
/*
 * The machine's own CPUID and I/O ports, apart from all policy, in a file of
 * their own so that tests can put others in their place.
 */
#include <arch/cpu.h>

#include "cpuid.h"
#include "emulate.h"

void cpuid_raw(u32 leaf, u32 subleaf, struct cpuid_regs *out)
{
    cpuid(leaf, subleaf, &out->a, &out->b, &out->c, &out->d);
}

u32 io_hw_read(u16 port, unsigned bytes)
{
    return bytes == 1 ? inb(port) : bytes == 2 ? inw(port) : inl(port);
}

void io_hw_write(u16 port, unsigned bytes, u32 value)
{
    if (bytes == 1)
        outb(port, (u8)value);
    else if (bytes == 2)
        outw(port, (u16)value);
    else
        outl(port, value);
}
