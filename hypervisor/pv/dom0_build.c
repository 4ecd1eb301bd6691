/* SPDX-License-Identifier: MIT */
/*
 * Builds domain 0 and sets it going: the kernel and the initrd go from the
 * boot modules into memory of its own, with the structures that a PV kernel
 * finds at its start.  Runs once, on the boot CPU, before anything else is
 * scheduled; what goes wrong here stops the machine with one line.
 */
#include "dom0.h"

#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/log.h>

#include <xen/domctl.h>

#include <arch/machine.h>

#define START_MAGIC "xen-3.0-x86_64"
#define GUEST_FLAGS_IF 0x200

static struct domain *create_domain(const struct dom0_options *o)
{
    struct xen_domctl_createdomain cfg = {
        .max_vcpus = o->vcpus,
        .max_evtchn_port = ~0u,
        .max_grant_frames = (int32_t)o->max_grant_frames,
        .max_maptrack_frames = (int32_t)o->max_maptrack_frames,
        .grant_opts = XEN_DOMCTL_GRANT_version(2),
    };
    int rc;
    struct domain *d = domain_create(0, &cfg, true, &rc);

    if (!d)
        boot_refuse("Domain 0: cannot be created (error %d)\n", -rc);
    d->max_pages = o->max_pages;
    for (unsigned i = 0; i < o->vcpus; i++)
        if (!vcpu_create(d, i))
            boot_refuse("Domain 0: no memory for vCPU %u of %u (dom0_max_vcpus=)\n", i, o->vcpus);
    return d;
}

/* vCPU n to the n-th CPU, going round if there are more vCPUs. */
static void pin_vcpus(struct domain *d)
{
    unsigned cpu = cpumask_first(&cpu_online);
    struct vcpu *v;

    for_each_vcpu(d, v) {
        cpumask_t one = { 0 };

        cpumask_set(&one, cpu);
        if (vcpu_set_hard_affinity(v, &one))
            log_warn("Domain 0: vCPU %u cannot be pinned to CPU %u\n", v->id, cpu);
        cpu = cpumask_next(&cpu_online, cpu + 1);
        if (cpu >= MAX_CPUS)
            cpu = cpumask_first(&cpu_online);
    }
}

static void load_kernel(const struct dom0_file *file, const struct dom0_kernel *k,
                        const struct dom0_frames *f)
{
    for (unsigned i = 0; i < k->segments; i++) {
        const struct dom0_segment *s = &k->segment[i];

        dom0_frames_write(f, s->phys, file->data + s->offset, s->file_size);
        dom0_frames_write(f, s->phys + s->file_size, NULL, s->mem_size - s->file_size);
    }
    if (k->has_hypercall_page)
        hypercall_page_fill(dom0_frames_virt(f, (k->hypercall_page - k->virt_base) >> PAGE_SHIFT));
}

static void load_initrd(const struct boot_module *initrd, const struct dom0_layout *l,
                        const struct dom0_frames *f)
{
    u64 at = l->initrd << PAGE_SHIFT, end = (l->initrd + l->initrd_pages) << PAGE_SHIFT;

    if (!initrd)
        return;
    dom0_frames_write(f, at, phys_to_virt(initrd->start), initrd->size);
    dom0_frames_write(f, at + initrd->size, NULL, end - (at + initrd->size));
}

/* --- the start info page --- */

static void start_info_console(start_info_t *si)
{
    dom0_vga_console_info_t *info = (dom0_vga_console_info_t *)(si + 1);

    _Static_assert(sizeof(start_info_t) + sizeof(dom0_vga_console_info_t) <= PAGE_SIZE, "both in one page");
    if (!dom0_console_describe(info))
        return;
    si->console.dom0.info_off = sizeof(*si);
    si->console.dom0.info_size = sizeof(*info);
}

static void start_info_initrd(start_info_t *si, const struct dom0_kernel *k, const struct boot_module *initrd,
                              const struct dom0_layout *l)
{
    if (!initrd)
        return;
    si->mod_len = initrd->size;
    si->mod_start = k->initrd_by_pfn ? l->initrd : dom0_layout_va(l, l->initrd);
    if (k->initrd_by_pfn)
        si->flags |= SIF_MOD_START_PFN;
}

static void write_start_info(start_info_t *si, struct domain *d, const struct dom0_layout *l,
                             const char *cmdline)
{
    memset(si, 0, PAGE_SIZE);
    str_copy(si->magic, START_MAGIC, sizeof(si->magic));
    si->nr_pages = l->nr_pages;
    si->shared_info = virt_to_phys(d->shared_info);
    si->flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
    si->pt_base = dom0_layout_va(l, l->tables);
    si->nr_pt_frames = l->table_pages;
    si->mfn_list = l->p2m_va;
    if (l->p2m_table_pages) {
        si->first_p2m_pfn = l->p2m;
        si->nr_p2m_frames = l->p2m_pages + l->p2m_table_pages;
    }
    start_info_console(si);
    if (cmdline && str_copy((char *)si->cmd_line, cmdline, sizeof(si->cmd_line)) >= sizeof(si->cmd_line))
        log_warn("Domain 0: its command line is cut to %d bytes\n", MAX_GUEST_CMDLINE - 1);
}

/* --- the first vCPU --- */

static void start_first_vcpu(struct vcpu *v, const struct dom0_kernel *k, const struct dom0_layout *l,
                             const struct dom0_frames *f)
{
    vcpu_guest_context_t *c = mem_alloc_type(vcpu_guest_context_t);
    int rc;

    if (!c)
        boot_refuse("Domain 0: no memory to start its first vCPU\n");
    c->flags = VGCF_in_kernel | VGCF_online;
    c->user_regs.rip = k->entry;
    c->user_regs.rsp = dom0_layout_va(l, l->stack + 1);
    c->user_regs.rsi = dom0_layout_va(l, l->start_info);
    c->user_regs.rflags = GUEST_FLAGS_IF;
    c->user_regs.cs = FLAT_KERNEL_CS;
    c->user_regs.ss = FLAT_KERNEL_SS;
    c->user_regs.ds = c->user_regs.es = c->user_regs.fs = c->user_regs.gs = FLAT_KERNEL_DS;
    c->kernel_ss = c->user_regs.ss;
    c->kernel_sp = c->user_regs.rsp;
    c->ctrlreg[3] = xen_pfn_to_cr3(dom0_frames_mfn(f, l->tables));
    do {
        rc = pv_set_context(v, c);
    } while (rc == -E_PREEMPTED);
    if (rc)
        boot_refuse("Domain 0: its first vCPU cannot be started (error %d)\n", -rc);
    atomic_fetch_and(&v->pause_flags, ~VPF_DOWN); /* runs once the domain is unpaused */
    mem_free(c);
}

/* --- all of it --- */

static void build_memory(struct domain *d, const struct dom0_file *file, const struct dom0_kernel *k,
                         const struct dom0_layout *l, const struct dom0_frames *f,
                         const struct boot_module *kernel, const struct boot_module *initrd)
{
    start_info_t *si = dom0_frames_virt(f, l->start_info);

    load_kernel(file, k, f);
    load_initrd(initrd, l, f);
    dom0_frames_write_p2m(f, l->p2m, l->p2m_pages);
    write_start_info(si, d, l, kernel->cmdline);
    start_info_initrd(si, k, initrd, l);
    dom0_frames_write(f, l->stack << PAGE_SHIFT, NULL, PAGE_SIZE);
    dom0_tables_write(l, f);
}

static void release_module(const struct boot_module *m)
{
    if (m)
        heap_add_range(m->start, m->start + m->size);
}

static void report(const struct domain *d, const struct dom0_kernel *k, const struct dom0_layout *l)
{
    log_info("Domain 0: %lu MiB, %u vCPUs; kernel at %lx..%lx, entry %lx\n", l->nr_pages >> (20 - PAGE_SHIFT),
             d->max_vcpus, l->virt_base, dom0_layout_va(l, l->mapped), k->entry);
    log_debug("Domain 0: p2m %lx, start info %lx, page tables %lx, initrd pfn %lx\n", l->p2m_va,
              dom0_layout_va(l, l->start_info), dom0_layout_va(l, l->tables), l->initrd);
}

void dom0_create(const struct boot_module *kernel, const struct boot_module *initrd)
{
    struct dom0_file file;
    struct dom0_options options;
    struct dom0_kernel *k = mem_alloc_type(struct dom0_kernel);
    struct dom0_layout layout;
    struct dom0_frames frames;
    struct domain *d;

    if (!kernel)
        boot_refuse("There is no domain 0 kernel: the boot loader must load it as the first module\n");
    if (!k)
        boot_refuse("Domain 0: no memory to read its kernel\n");
    dom0_kernel_unpack(kernel, &file);
    dom0_elf_read(&file, k);
    dom0_options_read(&options, heap_free_page_count());
    dom0_layout_plan(k, options.pages, initrd ? initrd->size : 0, &layout);

    d = create_domain(&options);
    dom0_permissions_grant(d);
    dom0_frames_alloc(d, options.pages, &frames);
    build_memory(d, &file, k, &layout, &frames, kernel, initrd);
    decompress_free(&file.unpacked);
    release_module(kernel);
    release_module(initrd);
    dom0_tables_pin(d, dom0_frames_mfn(&frames, layout.tables));
    start_first_vcpu(d->vcpu[0], k, &layout, &frames);
    if (options.pin)
        pin_vcpus(d);
    report(d, k, &layout);
    dom0_frames_free(&frames);
    mem_free(k);
    pvclock_wallclock_update(d);
    d->creation_finished = true;
    if (domain_unpause_by_tools(d))
        boot_refuse("Domain 0: cannot be unpaused\n");
}
