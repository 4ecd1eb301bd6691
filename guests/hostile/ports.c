/* SPDX-License-Identifier: MIT */
/* I/O ports and the tools' calls for a domain without rights: reads give ones, writes are lost. */
#include "hostile.h"

#include <xen/domctl.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

/* The kernel's own level: below 1 it has no ports at all. */
static bool set_iopl(unsigned level)
{
    struct physdev_set_iopl iopl = { .iopl = level };

    return !HC2(physdev_op, PHYSDEVOP_set_iopl, PTR(&iopl));
}

static bool ports_without_level(void)
{
    static const uint16_t some[] = { 0, 0x20, 0x60, 0x70, 0x80, 0xcf8, 0xcf9, 0x3f8, 0xffff };

    MUST(set_iopl(0));
    for (unsigned i = 0; i < ARRAY_SIZE(some); i++) {
        GIVES(TRAP_GP, RUN((&(struct code_regs){ .rdx = some[i] }), 0xec)); /* in (%dx), %al */
        GIVES(TRAP_GP, RUN((&(struct code_regs){ .rdx = some[i], .rax = 6 }), 0xee));
    }
    MUST(!set_iopl(4));
    return set_iopl(1);
}

static bool ports_read(void)
{
    struct code_regs r;

    for (uint32_t port = 0; port < 0x10000; port += port < 0x1000 ? 1 : 97) {
        r = (struct code_regs){ .rdx = port };
        GIVES(TRAP_NONE, RUN(&r, 0xec));
        GIVES(0xff, r.rax);
    }
    r = (struct code_regs){ .rdx = 0xffff };
    GIVES(TRAP_NONE, RUN(&r, 0xed)); /* four bytes from the last port on */
    GIVES(0xffffffff, r.rax);
    return true;
}

/* What would reset, switch off or stop the machine, or give us its devices. */
static bool ports_written(void)
{
    static const struct { uint16_t port; uint32_t value; } writes[] = {
        { 0xcf9, 0x06 }, { 0x64, 0xfe }, { 0x92, 0x01 }, { 0x604, 0x2000 }, { 0xb004, 0x2000 }, { 0xb2,
                1 }, { 0xb3, 1 },
        { 0x20, 0x20 }, { 0x21, 0xff }, { 0xa1, 0xff }, { 0x40, 0 }, { 0x43, 0x30 }, { 0x61, 0xff }, { 0x70,
                0x8f },
        { 0x71, 0 }, { 0x3f8, 'X' }, { 0x3f9, 0 }, { 0x3fb, 0x80 }, { 0xcf8, 0x80000000 }, { 0xcfc,
                0 }, { 0x501, 1 }, { 0xf4, 1 },
    };
    struct code_regs r;

    for (unsigned i = 0; i < ARRAY_SIZE(writes); i++) {
        r = (struct code_regs){ .rdx = writes[i].port, .rax = writes[i].value };
        GIVES(TRAP_NONE, RUN(&r, 0xee));       /* out %al */
        GIVES(TRAP_NONE, RUN(&r, 0x66, 0xef)); /* out %ax */
        GIVES(TRAP_NONE, RUN(&r, 0xef));       /* out %eax */
    }
    return true;
}

/* Strings of them: to and from the hypervisor, and without end. */
static bool port_strings(void)
{
    const uint64_t places[] = { HYPERVISOR_IMAGE, PTR(&M2P[virt_to_mfn(_text)]), DIRECT_MAP, NOT_CANONICAL,
                                0x10 };
    struct code_regs r;

    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        int in, out;

        r = (struct code_regs){ .rdx = 0x80, .rdi = places[i], .rcx = 5 };
        in = RUN(&r, 0xf3, 0x6c); /* rep insb */
        r = (struct code_regs){ .rdx = 0x80, .rsi = places[i], .rcx = 5 };
        out = RUN(&r, 0xf3, 0x6e); /* rep outsb */
        MUST(in == TRAP_PF || in == TRAP_GP);
        MUST(out == TRAP_PF || out == TRAP_GP);
    }
    r = (struct code_regs){ .rdx = 0x80, .rdi = PTR(cliff()) - 4, .rcx = ~0UL };
    GIVES(TRAP_PF, RUN(&r, 0xf3, 0x6c)); /* up to the end of what is mapped, and not further */
    MUST(last_cr2 == PTR(cliff()) && last_trap.rcx == ~0UL - 4);
    MUST(M2P[virt_to_mfn(_text)] == virt_to_pfn(_text));
    return true;
}

/* The tools' calls. */
static bool tools_calls(void)
{
    static struct xen_domctl domctl = { .interface_version = XEN_DOMCTL_INTERFACE_VERSION };
    static struct xen_sysctl sysctl = { .interface_version = XEN_SYSCTL_INTERFACE_VERSION };
    static struct xen_platform_op platform = { .interface_version = XENPF_INTERFACE_VERSION };
    struct physdev_map_pirq map = { .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 4, .pirq = -1 };

    for (uint32_t cmd = 0; cmd < 100; cmd++) {
        domctl.cmd = sysctl.cmd = platform.cmd = cmd;
        domctl.domain = 0;
        REFUSED(EPERM, HC1(domctl, PTR(&domctl)));
        domctl.domain = DOMID_SELF;
        REFUSED(EPERM, HC1(domctl, PTR(&domctl)));
        REFUSED(EPERM, HC1(sysctl, PTR(&sysctl)));
        REFUSED(EPERM, HC1(platform_op, PTR(&platform)));
    }
    REFUSED(EPERM, HC2(physdev_op, PHYSDEVOP_map_pirq, PTR(&map)));
    REFUSED(EPERM, HC3(console_io, 0, 4, PTR("text")));
    REFUSED(EACCES, mmuext(MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0));
    REFUSED(EACCES, mmuext(MMUEXT_FLUSH_CACHE, 0, 0));
    return true;
}

const struct attack port_attacks[] = {
    { "ports without I/O privilege", ports_without_level },
    { "ports read", ports_read },
    { "ports written", ports_written },
    { "port strings", port_strings },
    { "tools' calls", tools_calls },
    { NULL, NULL },
};
