/* SPDX-License-Identifier: MIT */
/*
 * Each CPU's GDT page, TSS, IDT and SYSCALL entry.
 *
 * The GDT that a vCPU runs on is its own window of the per-domain area, whose
 * page 14 is the CPU's reserved page from here (layout.h). While no guest is
 * loaded GDTR points as if such a window began 14 pages below the reserved
 * page itself: only selectors of that page are used then.
 */
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/page.h>
#include <zelo/cpumask.h>
#include <arch/machine.h>
#include <arch/percpu.h>

#include "descriptor_tables.h"
#include "entry.h"

struct gate {
    u16 offset0, selector;
    u8 ist, type;
    u16 offset1;
    u32 offset2, reserved;
} packed_struct;
_Static_assert(sizeof(struct gate) == 16, "Intel SDM vol. 3, 6.14.1");

struct tss {
    u32 reserved0;
    u64 rsp[3], reserved1, ist[7], reserved2;
    u16 reserved3, iomap_base;
} packed_struct;
_Static_assert(sizeof(struct tss) == 104, "Intel SDM vol. 3, 7.7");

u64 *cpu_gdt_page[MAX_CPUS];

/* What the CPU itself reads on its way in lies apart: under XPTI it is mapped while a guest runs (x86/xpti.c). */
#define ENTRY_DATA __attribute__((__section__(".bss.entry")))
static struct gate idt[256] aligned_to(16) ENTRY_DATA; /* the same for all CPUs; written before the first guest runs */
static u64 boot_gdt[PAGE_SIZE / 8] aligned_to(4096);
static struct tss cpu_tss[MAX_CPUS] ENTRY_DATA;

#define DESC_CODE64 0x00af9b000000ffffULL
#define DESC_DATA 0x00cf93000000ffffULL
#define DESC_CODE32 0x00cf9b000000ffffULL
#define DESC_DPL3 0x0000600000000000ULL
#define DESC_TSS_BUSY_LESS 0x0000890000000000ULL
#define DESC_LDT 0x0000820000000000ULL
#define DESC_PERCPU 0x0000f00000000000ULL /* data, DPL 3, read-only; the limit is the CPU's number */

#define GDT_INDEX(selector) (((selector) & PAGE_OFFSET_MASK) / 8)

static void descriptor_system(u64 *slot, u64 type, vaddr_t base, u32 limit)
{
    slot[0] = type | (limit & 0xffff) | (u64)(limit & 0xf0000) << 32 | (base & 0xffffff) << 16 |
              (base >> 24 & 0xff) << 56;
    slot[1] = base >> 32;
}

static void gdt_page_fill(u64 *gdt, unsigned cpu, struct tss *t)
{
    gdt[GDT_INDEX(SEL_KERNEL_CS)] = DESC_CODE64;
    gdt[GDT_INDEX(SEL_KERNEL_DS)] = DESC_DATA;
    gdt[GDT_INDEX(SEL_RING3_CS32)] = DESC_CODE32 | DESC_DPL3;
    gdt[GDT_INDEX(SEL_RING3_DS)] = DESC_DATA | DESC_DPL3;
    gdt[GDT_INDEX(SEL_RING3_CS64)] = DESC_CODE64 | DESC_DPL3;
    gdt[GDT_INDEX(SEL_PERCPU)] = DESC_PERCPU | cpu;
    descriptor_system(&gdt[GDT_INDEX(SEL_TSS)], DESC_TSS_BUSY_LESS, (vaddr_t)t, sizeof(*t) - 1);
    descriptor_system(&gdt[GDT_INDEX(SEL_LDT)], DESC_LDT, 0, 0);
}

struct table_pointer { u16 limit; u64 base; } packed_struct;

static void gdtr_load(vaddr_t base)
{
    struct table_pointer p = { GDT_LIMIT, base };

    __asm__ volatile("lgdt %0" :: "m"(p));
}

static DEFINE_PER_CPU(bool, ldt_loaded);

void gdt_load_idle(unsigned cpu)
{
    gdtr_load((vaddr_t)cpu_gdt_page[cpu] - GDT_RESERVED_PAGE * PAGE_SIZE);
}

void gdt_load_vcpu(unsigned vcpu_id)
{
    gdtr_load(PERDOMAIN_GDT(vcpu_id));
}

static void lldt(u16 selector) { __asm__ volatile("lldt %0" :: "r"(selector)); }

void ldt_load(unsigned cpu, vaddr_t base, u32 entries)
{
    bool *loaded = &per_cpu(ldt_loaded, cpu);

    if (!entries && !*loaded)
        return;
    *loaded = entries;
    if (entries)
        descriptor_system(&cpu_gdt_page[cpu][GDT_INDEX(SEL_LDT)], DESC_LDT, base, entries * 8 - 1);
    lldt(entries ? SEL_LDT : 0);
}

/* Reloads CS and SS from the new GDT and makes the data segments null. */
static void segments_load(void)
{
    __asm__ volatile("pushq %0\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movl %1, %%eax\n\t"
                     "movw %%ax, %%ss\n\t"
                     "xorl %%eax, %%eax\n\t"
                     "movw %%ax, %%ds\n\t"
                     "movw %%ax, %%es\n\t"
                     "movw %%ax, %%fs\n\t"
                     "movw %%ax, %%gs"
                     :: "i"(SEL_KERNEL_CS), "i"(SEL_KERNEL_DS)
                     : "rax", "memory");
}

/* --- IDT --- */

static void gate_set(unsigned vector, const void *entry, unsigned dpl, unsigned ist)
{
    vaddr_t a = (vaddr_t)entry;

    idt[vector] = (struct gate){
        .offset0 = (u16)a, .offset1 = (u16)(a >> 16), .offset2 = (u32)(a >> 32),
        .selector = SEL_KERNEL_CS, .ist = (u8)ist, .type = (u8)(0x8e | dpl << 5),
    };
}

static const char *entry_stub(size_t vector)
{
    return entry_stubs + vector * ENTRY_STUB_BYTES;
}

static void idt_fill(void)
{
    for (unsigned v = 0; v < 256; v++)
        gate_set(v, entry_stub(v), 0, 0);
    /* Those a guest may raise by an INT of its own; all others give it #GP, which is looked into. */
    gate_set(3, entry_stub(3), 3, 0);
    gate_set(4, entry_stub(4), 3, 0);
    gate_set(VECTOR_INT80, entry_stub(VECTOR_INT80), 3, 0);
}

static void idt_use_stacks(void)
{
    gate_set(1, entry_debug, 0, IST_DB);
    gate_set(2, entry_nmi, 0, IST_NMI);
    gate_set(8, entry_double_fault, 0, IST_DF);
    gate_set(18, entry_machine_check, 0, IST_MCE);
}

static void idt_load(void)
{
    struct table_pointer p = { sizeof(idt) - 1, (vaddr_t)idt };

    __asm__ volatile("lidt %0" :: "m"(p));
}

/* --- SMAP sites --- */

struct smap_site { u64 addr, kind; };
extern struct smap_site __start_smap_sites[], __stop_smap_sites[];

/* While the text is still writable, on the boot CPU alone. */
static void smap_sites_patch(void)
{
    if (!cpu_features.smap)
        return;
    for (struct smap_site *s = __start_smap_sites; s < __stop_smap_sites; s++) {
        u8 *code = (u8 *)s->addr;

        code[0] = 0x0f;
        code[1] = 0x01;
        code[2] = s->kind == SMAP_STAC ? 0xcb : 0xca;
    }
}

void traps_init_early(void)
{
    smap_sites_patch();
    cpu_gdt_page[0] = boot_gdt;
    gdt_page_fill(boot_gdt, 0, NULL);
    gdt_load_idle(0);
    segments_load();
    idt_fill();
    idt_load();
}

/* --- system calls --- */

_Static_assert(ENTRY_MAX_CPUS == MAX_CPUS, "entry.h repeats it for the assembler");

static void syscall_init(const struct cpu_info *info)
{
    size_t stub = (size_t)info->cpu * SYSCALL_STUB_BYTES;

    syscall_stacks[info->cpu].frame_end = (vaddr_t)&info->regs.es;
    wrmsr(MSR_STAR, (u64)SEL_RING3_CS32 << 48 | (u64)SEL_KERNEL_CS << 32);
    wrmsr(MSR_LSTAR, (vaddr_t)syscall_stubs + stub);
    wrmsr(MSR_CSTAR, (vaddr_t)syscall32_stubs + stub);
    wrmsr(MSR_SFMASK, FLAG_IF | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_RF | FLAG_IOPL);
    if (cpu_features.sysenter) {
        wrmsr(MSR_SYSENTER_CS, SEL_KERNEL_CS);
        wrmsr(MSR_SYSENTER_ESP, (vaddr_t)&info->regs.es);
        wrmsr(MSR_SYSENTER_EIP, (vaddr_t)entry_sysenter);
    }
}

static void tss_fill(struct tss *t, const struct cpu_info *info)
{
    vaddr_t stack = (vaddr_t)(info + 1) - STACK_SIZE;

    t->rsp[0] = (vaddr_t)&info->regs.es;
    t->ist[IST_DF - 1] = stack + IST_DF * PAGE_SIZE;
    t->ist[IST_NMI - 1] = stack + IST_NMI * PAGE_SIZE;
    t->ist[IST_MCE - 1] = stack + IST_MCE * PAGE_SIZE;
    t->iomap_base = sizeof(*t); /* none: each port access of a guest faults */
}

/* On the CPU itself, on the stack it keeps. */
void traps_init_cpu(unsigned cpu)
{
    struct tss *t = &cpu_tss[cpu];
    u64 *gdt = heap_alloc(0, 0);

    if (!gdt)
        panic("No memory for the GDT of CPU %u\n", cpu);
    tss_fill(t, cpu_info());
    gdt_page_fill(gdt, cpu, t);
    cpu_gdt_page[cpu] = gdt;
    gdt_load_idle(cpu);
    segments_load();
    __asm__ volatile("ltr %w0" :: "r"(SEL_TSS));
    lldt(0); /* a reset leaves one at address 0, where a guest could put descriptors */
    if (cpu == 0)
        idt_use_stacks();
    idt_load();
    syscall_init(cpu_info());
}
