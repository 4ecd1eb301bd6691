/* SPDX-License-Identifier: MIT */
/*
 * Per-CPU memory, stacks, and starting the other CPUs. CPU 0 is the boot CPU;
 * the others have the order of the MADT. One CPU starts at a time.
 */
#include <zelo/domain.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/sched.h>
#include <zelo/timer.h>

#include "boot/boot.h"
#include "cpu_features.h"
#include "paging.h"
#include "smp.h"
#include "speculation.h"
#include "xpti.h"

#define ICR_INIT 0x4500u    /* INIT, assert */
#define ICR_STARTUP 0x4600u /* start-up, the page number as vector */

#define INIT_WAIT_US 10000u
#define STARTUP_WAIT_US 200u
#define ALIVE_WAIT_US 1000000u
#define ONLINE_WAIT_US 10000000u

unsigned nr_cpus = 1;
u32 cpu_apicid[MAX_CPUS];
unsigned long percpu_offset[MAX_CPUS];
struct cpu_info *cpu_infos[MAX_CPUS];

enum ap_state { AP_SILENT, AP_ALIVE, AP_UNFIT, AP_COMING, AP_ONLINE, AP_GIVEN_UP };
/* (a) of the CPU being started; it goes on from AP_SILENT, unless the boot CPU has given it up meanwhile. */
static enum ap_state ap_state;

/* --- per-CPU memory --- */

/* The boot CPU goes on using the image's own section, so what others copy is put aside before it does. */
void percpu_begin(void)
{
    cpu_infos[0] = cpu_info();
    memcpy(__percpu_pristine, __percpu_start, (size_t)(__percpu_end - __percpu_start));
}

void percpu_init(unsigned cpus)
{
    size_t size = (size_t)(__percpu_end - __percpu_start);

    nr_cpus = cpus;
    for (unsigned cpu = 1; cpu < cpus; cpu++) {
        char *area = heap_alloc(order_for_pages(PFN_UP(size)), 0);

        if (!area)
            panic("No memory for CPU %u\n", cpu);
        memcpy(area, __percpu_pristine, size);
        percpu_offset[cpu] = (unsigned long)(area - __percpu_start);
    }
}

struct cpu_info *cpu_stack_alloc(unsigned cpu)
{
    mfn_t frames[STACK_SIZE / PAGE_SIZE - 1];
    struct cpu_info *info;

    for (unsigned i = 0; i < ARRAY_SIZE(frames); i++) {
        void *page = heap_alloc(0, 0);

        if (!page)
            panic("No memory for the stack of CPU %u\n", cpu);
        frames[i] = virt_to_mfn(page);
    }
    info = (struct cpu_info *)(vmap_stack(frames) + STACK_SIZE) - 1;
    info->cpu = cpu;
    info->percpu_offset = percpu_offset[cpu];
    if (cpu == this_cpu()) /* it moves here from another stack */
        info->softirqs = cpu_info()->softirqs;
    cpu_infos[cpu] = info;
    return info;
}

/* --- which CPUs there are --- */

unsigned smp_find_cpus(void)
{
    u64 most = cmdline_u64("maxcpus", MAX_CPUS);
    unsigned n = 1, left_off = 0;

    cpu_apicid[0] = apic_id();
    cpumask_set(&cpu_possible, 0);
    for (unsigned i = 0; i < acpi_info.cpu_count; i++) {
        if (!acpi_info.cpus[i].enabled || acpi_info.cpus[i].apicid == cpu_apicid[0])
            continue;
        if (n >= most || n >= MAX_CPUS || !apic_reaches(acpi_info.cpus[i].apicid)) {
            left_off++;
            continue;
        }
        cpu_apicid[n] = acpi_info.cpus[i].apicid;
        cpumask_set(&cpu_possible, n);
        n++;
    }
    if (left_off)
        log_warn("%u CPUs are left off (maxcpus=, at most %u, APIC ID above %u without x2APIC)\n", left_off, MAX_CPUS,
                 XAPIC_ID_MAX);
    return n;
}

/* --- on the new CPU --- */

static no_return void ap_stay_out(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void ap_step(enum ap_state from, enum ap_state to)
{
    if (!atomic_cas(&ap_state, &from, to))
        ap_stay_out();
}

void smp_ap_main(void)
{
    unsigned cpu = this_cpu();

    ap_step(AP_SILENT, AP_ALIVE);
    if (!cpu_features_agree() || !speculation_cpu_agrees()) {
        ap_step(AP_ALIVE, AP_UNFIT);
        ap_stay_out();
    }
    cpu_init_control();
    speculation_init_cpu();
    traps_init_cpu(cpu);
    xpti_init_cpu();
    apic_init_cpu();
    apic_timer_init_cpu();
    time_init_cpu();
    ap_step(AP_ALIVE, AP_COMING);
    cpumask_set(&cpu_online, cpu);
    atomic_set_release(&ap_state, AP_ONLINE);
    idle_loop();
}

/* --- on the boot CPU --- */

static void delay_us(u64 us)
{
    u64 end = rdtsc() + us * MAX(tsc_khz, (u64)1000) / 1000;

    while (rdtsc() < end)
        cpu_relax();
}

static bool ap_wait_beyond(enum ap_state state, u64 us)
{
    for (u64 waited = 0; waited < us && atomic_read_acquire(&ap_state) <= state; waited += 50)
        delay_us(50);
    return atomic_read_acquire(&ap_state) > state;
}

static void trampoline_place(void)
{
    char *page = phys_to_virt(trampoline_page);

#define IN_PAGE(sym) ((__typeof__(sym) *)(page + ((char *)&(sym) - trampoline_start)))
    memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    *IN_PAGE(trampoline_cr3) = image_pa(boot_l4);
    *IN_PAGE(trampoline_entry) = (vaddr_t)ap_start;
    *IN_PAGE(trampoline_efer) = EFER_LME | (cpu_features.nx ? EFER_NX : 0);
#undef IN_PAGE
    ap_start_cr3 = hypervisor_root.n << PAGE_SHIFT;
}

/* What the CPU must find when it comes. */
static void cpu_prepare(unsigned cpu)
{
    struct cpu_info *info = cpu_stack_alloc(cpu);

    timer_cpu_init(cpu);
    info->vcpu = idle_vcpu_create(cpu);
    sched_cpu_init(cpu);
    ap_start_stack = (u64)info;
}

static void startup_ipis(u32 apicid)
{
    apic_send_ipi(apicid, ICR_INIT);
    delay_us(INIT_WAIT_US);
    for (unsigned i = 0; i < 2 && atomic_read(&ap_state) == AP_SILENT; i++) {
        apic_send_ipi(apicid, ICR_STARTUP | (u32)PFN_DOWN(trampoline_page));
        delay_us(STARTUP_WAIT_US);
    }
}

/*
 * One that wakes up late would take the next CPU's stack: INIT makes it wait
 * for a start-up again.  What state it was in; AP_COMING or more: it made it.
 */
static enum ap_state ap_give_up(u32 apicid)
{
    enum ap_state was = atomic_read(&ap_state);

    while (was < AP_COMING && !atomic_cas(&ap_state, &was, AP_GIVEN_UP))
        ;
    if (was < AP_COMING) {
        apic_send_ipi(apicid, ICR_INIT);
        delay_us(INIT_WAIT_US);
    }
    return was;
}

static void cpu_start(unsigned cpu)
{
    enum ap_state was;

    cpu_prepare(cpu);
    atomic_set_release(&ap_state, AP_SILENT);
    startup_ipis(cpu_apicid[cpu]);
    if (ap_wait_beyond(AP_COMING, ap_wait_beyond(AP_SILENT, ALIVE_WAIT_US) ? ONLINE_WAIT_US : 0))
        return;
    was = ap_give_up(cpu_apicid[cpu]);
    if (was >= AP_COMING)
        return;
    cpumask_clear(&cpu_possible, cpu);
    log_err("CPU %u (APIC ID %u) %s\n", cpu, cpu_apicid[cpu],
            was == AP_UNFIT ? "differs from the boot CPU and is left off" : "did not start");
}

void smp_boot_others(void)
{
    if (nr_cpus > 1 && !trampoline_page) {
        log_err("No free page below 640 KiB: only the boot CPU is used\n");
        return;
    }
    if (nr_cpus > 1)
        trampoline_place();
    for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
        cpu_start(cpu);
    log_info("%u of %u CPUs run\n", cpumask_weight(&cpu_online), nr_cpus);
}
