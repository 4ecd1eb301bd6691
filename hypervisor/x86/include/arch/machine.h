/* SPDX-License-Identifier: MIT */
/*
 * The doors between the rooms that know the hardware: x86/ and platform/.
 * Order of calls at boot: see hypervisor_start in x86/start.c.
 */
#ifndef ARCH_MACHINE_H
#define ARCH_MACHINE_H

#include <zelo/types.h>
#include <arch/cpu.h>

struct domain;
struct vcpu;
struct cpu_user_regs;

/* --- boot: x86/boot/ --- */
struct boot_module { paddr_t start; u64 size; const char *cmdline; };
struct boot_info {
    const char *cmdline, *loader;
    struct boot_module *modules;
    unsigned module_count;
    paddr_t rsdp;              /* 0: search the BIOS area */
    bool efi;                  /* booted through UEFI, boot services ended */
    paddr_t efi_system_table;  /* 64-bit firmware's; 0: none. It runs at physical addresses */
    paddr_t efi_mmap;          /* copy of its memory map; 0: none */
    u32 efi_mmap_size, efi_desc_size, efi_desc_version;
    struct {                   /* text or graphics console left by the loader */
        bool present, text;
        paddr_t addr;
        u32 width, height, pitch, bpp;
    } fb;
};
extern struct boot_info boot_info; /* strings and modules copied or reserved; valid until dom0 is built */
no_return void hypervisor_start(u32 magic, paddr_t info); /* from head.S, paging on, BSP */

/* --- command line: core/cmdline.c --- */
void cmdline_parse(const char *line);
/* name=value or bare name (value ""); NULL if absent. The last one given wins. */
const char *cmdline_get(const char *name);
bool cmdline_bool(const char *name, bool dflt);  /* name, no-name, name=on|off|yes|no|true|false|1|0 */
u64 cmdline_u64(const char *name, u64 dflt);
void cmdline_report_unknown(void);               /* one warning for each option nobody asked for */

/* --- paging of the hypervisor itself: x86/paging.c --- */
#define MAP_RO 0u
#define MAP_RW (1u << 0)
#define MAP_X (1u << 1)
#define MAP_UC (1u << 2)
#define MAP_WC (1u << 3)
void paging_init(void);        /* final tables: image with its rights, direct map, vmap area */
void paging_init_tables(void); /* frame table and M2P, once the heap can serve */
void *vmap_io(paddr_t phys, size_t size, unsigned map_flags); /* any alignment; never unmapped for boot-time users */
void vunmap_io(const volatile void *va, size_t size);
extern mfn_t hypervisor_root;  /* L4 that holds only hypervisor slots: idle vCPUs run on it */
void paging_drop_low_map(void);/* removes the boot identity map; after the last CPU is up */
void paging_load_root(void);   /* this CPU onto hypervisor_root */
u64 *paging_l4_slot(unsigned slot); /* the entry of hypervisor_root, to copy into guests' L4s */
/* Walks the hypervisor's own tables: is va mapped? For careful stack dumps. */
bool paging_is_mapped(vaddr_t va);

/* --- CPUs: x86/smp.c --- */
void percpu_init(unsigned cpus);
struct cpu_info *cpu_stack_alloc(unsigned cpu); /* stack with guards; fills cpu and percpu_offset */
void smp_boot_others(void);
extern unsigned nr_cpus;       /* possible CPUs are 0..nr_cpus-1 */
extern u32 cpu_apicid[];
void ipi_send(unsigned cpu, u8 vector);
void ipi_send_mask(const void *cpumask, u8 vector);
void smp_call(const void *cpumask, void (*fn)(void *), void *arg, bool wait); /* on each CPU, interrupts off there */
no_return void machine_reboot(void);  /* ACPI reset, keyboard controller, triple fault */
no_return void machine_halt(void);
void machine_stop_others(void);     /* for panic and reboot: other CPUs spin halted */
void machine_stop_check(void);      /* from the NMI handler: does not return if another CPU stops the machine */

/* --- CPU tables and entry: x86/traps.c, x86/entry.S --- */
void traps_init_early(void);   /* BSP: an IDT that reports exceptions, as early as can be */
void traps_room_init(void);    /* once, before the first guest */
void traps_init_cpu(unsigned cpu); /* GDT page, TSS, IDT, SYSCALL/SYSENTER MSRs and stubs of this CPU */
extern u64 *cpu_gdt_page[];    /* the reserved GDT page of each CPU, to be mapped in the per-domain area */
void show_registers(const struct cpu_user_regs *regs);
void show_stack(const struct cpu_user_regs *regs);
const char *symbol_lookup(vaddr_t addr, u64 *offset); /* NULL if none */
const char *symbol_at(u32 n, vaddr_t *addr); /* the n-th symbol by address; NULL past the last */

/* --- interrupt vectors --- */
#define VECTOR_FIRST_DYNAMIC 0x20
#define VECTOR_LAST_DYNAMIC 0xef
#define VECTOR_INT80 0x80      /* guests' int 0x80; never allocated */
#define VECTOR_LEGACY_HYPERCALL 0x82
#define VECTOR_SPURIOUS 0xff
#define VECTOR_ERROR 0xfe
#define VECTOR_TLB_FLUSH 0xfd
#define VECTOR_EVENT_CHECK 0xfc
#define VECTOR_CALL 0xfb
#define VECTOR_TIMER 0xf9
/* Handler for one of the fixed vectors above 0xef; runs with interrupts off, after the EOI. */
void irq_set_fixed_handler(u8 vector, void (*fn)(struct cpu_user_regs *regs));

/* --- local APIC: x86/apic.c --- */
void apic_init_bsp(void);      /* chooses xAPIC or x2APIC, masks the PIC */
void apic_init_cpu(void);
u32 apic_id(void);
#define XAPIC_ID_MAX 254u      /* 255 is the broadcast */
bool apic_reaches(u32 apicid); /* in the mode that is on */
void apic_eoi(void);
void apic_send_ipi(u32 apicid, u32 icr_low);
void apic_send_self(u8 vector); /* in an NMI too */
void apic_timer_init_cpu(void);

/* --- IO-APICs and MSI: platform/ioapic.c, platform/msi.c, platform/pci.c --- */
void ioapic_init(void);
void irq_room_init(void);
u32 pci_read(u16 seg, u8 bus, u8 devfn, u16 reg, unsigned bytes);
void pci_write(u16 seg, u8 bus, u8 devfn, u16 reg, unsigned bytes, u32 v);
/* The same without the lock: when all other CPUs are stopped, wherever that was. */
void pci_write_alone(u16 seg, u8 bus, u8 devfn, u16 reg, unsigned bytes, u32 v);
int must_check pci_set_mmcfg(u16 seg, u8 bus_first, u8 bus_last, paddr_t base); /* 0 also if known; -EINVAL, -ENOMEM */

/* --- ACPI tables: platform/acpi.c --- */
struct acpi_info {
    paddr_t rsdp, lapic_addr;
    bool pcat_compat, x2apic_opt_out, reset_supported;
    struct { u32 apicid, acpi_uid; bool enabled; } *cpus;
    unsigned cpu_count;
    struct { u32 id, gsi_base; paddr_t addr; } *ioapics;
    unsigned ioapic_count;
    struct { u8 bus, irq; u16 flags; u32 gsi; } *overrides;
    unsigned override_count;
    struct { u16 seg; u8 bus_first, bus_last; paddr_t base; } *mmcfg;
    unsigned mmcfg_count;
    paddr_t hpet;
    u32 pmtimer_port; bool pmtimer_32bit;
    struct { u8 space, width; u64 addr; u8 value; } reset;
    u16 sci_irq;
    u32 pm1a_cnt, pm1b_cnt, pm1a_evt, pm1b_evt; /* I/O ports; 0: none */
    u16 boot_flags;
};
extern struct acpi_info acpi_info;
void acpi_init(void);          /* finds and reads the tables; interprets no AML */
const void *acpi_find_table(const char sig[4]); /* mapped for good; NULL if none */

/* --- time: x86/time.c, x86/pvclock.c, platform/hpet.c, platform/pit.c, platform/rtc.c --- */
void time_init_bsp(void);      /* calibrates the TSC against HPET, PM timer or PIT; logs which */
void time_init_cpu(void);
void time_check_sync(void);    /* BSP, all CPUs online, interrupts on: do their TSCs agree? Before domain 0 */
extern u64 tsc_khz;
u64 tsc_to_ns(u64 ticks);
ns_t tsc_to_system_time(u64 tsc);
void pvclock_params(u32 *mul, s8 *shift); /* tsc_to_system_mul and tsc_shift */
void wallclock_set(u64 sec, u32 nsec, ns_t at_system_time); /* XENPF_settime */
u64 rtc_read_seconds(void);    /* CMOS, UTC since 1970 */
bool rtc_port_access(struct domain *d, u16 port, bool write, u8 *value); /* guests' 0x70/0x71: arbitrated */

/* --- serial and VGA: platform/uart.c, platform/vga.c --- */
void uart_init_early(void);    /* com1=, com2= ; before any allocation */
void uart_init_irq(void);      /* input by interrupt, once IRQs work; output stays polled or buffered */
bool uart_uses_port(u16 port); /* keeps dom0 off the hypervisor's UART */
void vga_init(void);

/* --- ACPI power: platform/power.c --- */
struct xenpf_enter_acpi_sleep;
int power_enter_sleep(const struct xenpf_enter_acpi_sleep *s);

#endif
