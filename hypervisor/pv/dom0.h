/* SPDX-License-Identifier: MIT */
/* Private to the domain 0 builder: what its files hand each other. Boot only, one CPU, no locks. */
#ifndef ZELO_PV_DOM0_H
#define ZELO_PV_DOM0_H

#include <zelo/decompress.h>
#include <zelo/types.h>

struct domain;
struct boot_module;

/* --- dom0_options.c --- */
struct dom0_options {
    u64 pages;      /* memory at boot */
    u64 max_pages;  /* as far as it may grow */
    unsigned vcpus;
    bool pin;       /* each vCPU to a CPU of its own */
    u32 max_grant_frames, max_maptrack_frames;
};
/* available: free frames that domain 0 and the hypervisor can share between them. */
void dom0_options_read(struct dom0_options *o, u64 available);

/* --- dom0_kernel.c --- */
/* The kernel as an ELF file; data may lie in 'unpacked' or still in the boot module. */
struct dom0_file { const u8 *data; size_t size; struct unpacked unpacked; };
void dom0_kernel_unpack(const struct boot_module *m, struct dom0_file *out);

/* --- dom0_elf.c: the file's headers, checked; no field points outside the file --- */
#define DOM0_MAX_SEGMENTS 32u
struct dom0_segment { u64 offset, file_size, mem_size; u64 phys; /* pseudo-physical bytes */ };
struct dom0_kernel {
    struct dom0_segment segment[DOM0_MAX_SEGMENTS];
    unsigned segments;
    u64 end;                    /* pseudo-physical bytes, of the last segment */
    vaddr_t virt_base;          /* where pseudo-physical 0 is mapped */
    u64 paddr_offset;
    vaddr_t entry, hypercall_page, p2m_base;
    bool has_entry, has_hypercall_page, has_p2m_base;
    bool initrd_by_pfn;         /* takes its initrd unmapped */
    bool has_features;
    u32 features;               /* XENFEAT_ bits it supports; if has_features */
    bool is_xen;                /* some note of ours was there */
};
void dom0_elf_read(const struct dom0_file *f, struct dom0_kernel *k);

/* --- dom0_layout.c: who lies where in the domain's pseudo-physical memory; all in frames --- */
struct dom0_layout {
    vaddr_t virt_base;
    u64 nr_pages;
    u64 initrd, initrd_pages;
    u64 p2m, p2m_pages;             /* the list itself */
    vaddr_t p2m_va;
    u64 p2m_tables, p2m_table_pages;/* page tables of p2m_va; none if it lies in the mapped region */
    u64 start_info;
    u64 tables, table_pages;        /* page tables of the region; the first is the L4 */
    u64 stack;
    u64 mapped;                     /* frames 0..mapped-1 are mapped at virt_base */
};
void dom0_layout_plan(const struct dom0_kernel *k, u64 nr_pages, u64 initrd_bytes, struct dom0_layout *l);
static inline vaddr_t dom0_layout_va(const struct dom0_layout *l, u64 pfn)
{
    return l->virt_base + (pfn << PAGE_SHIFT);
}

/* --- dom0_frames.c: the machine frames behind them --- */
struct dom0_extent { u64 pfn, mfn, count; };
struct dom0_frames { struct dom0_extent *extent; unsigned count, room; u64 nr_pages; };
void dom0_frames_alloc(struct domain *d, u64 nr_pages, struct dom0_frames *f);
void dom0_frames_free(struct dom0_frames *f); /* the list, not the frames */
u64 dom0_frames_mfn(const struct dom0_frames *f, u64 pfn);
void *dom0_frames_virt(const struct dom0_frames *f, u64 pfn);
/* Copies into pseudo-physical memory; src NULL: zeroes. */
void dom0_frames_write(const struct dom0_frames *f, u64 phys, const void *src, u64 n);
/* The list of frames at pfn 'at', and the machine-to-phys table. */
void dom0_frames_write_p2m(const struct dom0_frames *f, u64 at, u64 pages);

/* --- dom0_pagetables.c --- */
/* Page tables that mapping [va, va + pages) takes, without the L4. */
u64 dom0_tables_needed(vaddr_t va, u64 pages);
void dom0_tables_write(const struct dom0_layout *l, const struct dom0_frames *f);
void dom0_tables_pin(struct domain *d, u64 l4_mfn);

/* --- dom0_console.c --- */
struct dom0_vga_console_info;
/* What the screen is; false: there is none. */
bool dom0_console_describe(struct dom0_vga_console_info *info);

/* --- dom0_permissions.c --- */
void dom0_permissions_grant(struct domain *d);

#endif
