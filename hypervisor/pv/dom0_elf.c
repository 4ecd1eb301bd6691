/* SPDX-License-Identifier: MIT */
/*
 * Reads the kernel's ELF headers and the notes in which a PV kernel says how
 * it wants to be loaded (<xen/elfnote.h>).  Every offset is checked against
 * the file, and every size against overflow, before use.
 */
#include "dom0.h"

#include <zelo/lib.h>
#include <zelo/log.h>

#include <xen/elfnote.h>
#include <xen/features.h>

/* The parts of ELF that are used here, under the specification's names. */
struct elf64_header {
    u8 e_ident[16];
    u16 e_type, e_machine;
    u32 e_version;
    u64 e_entry, e_phoff, e_shoff;
    u32 e_flags;
    u16 e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx;
};
struct elf64_program {
    u32 p_type, p_flags;
    u64 p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align;
};
struct elf64_section {
    u32 sh_name, sh_type;
    u64 sh_flags, sh_addr, sh_offset, sh_size;
    u32 sh_link, sh_info;
    u64 sh_addralign, sh_entsize;
};
struct elf_note { u32 n_namesz, n_descsz, n_type; };
_Static_assert(sizeof(struct elf64_header) == 64 && sizeof(struct elf64_program) == 56 &&
               sizeof(struct elf64_section) == 64, "ELF64 layout");

#define EI_CLASS 4
#define ELFCLASS64 2
#define EM_X86_64 62
#define PT_LOAD 1
#define PT_NOTE 4
#define SHT_NOTE 7

static bool range_ok(const struct dom0_file *f, u64 offset, u64 size)
{
    return offset <= f->size && size <= f->size - offset;
}

static struct elf64_header read_header(const struct dom0_file *f)
{
    struct elf64_header h;

    if (!range_ok(f, 0, sizeof(h)))
        boot_refuse("Domain 0 kernel: ELF header is cut short\n");
    memcpy(&h, f->data, sizeof(h));
    if (h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_machine != EM_X86_64)
        boot_refuse("Domain 0 kernel: a 32-bit kernel or another machine's; only x86-64 kernels can run\n");
    if (h.e_phentsize < sizeof(struct elf64_program) ||
        !range_ok(f, h.e_phoff, (u64)h.e_phnum * h.e_phentsize))
        boot_refuse("Domain 0 kernel: ELF program headers are outside the file\n");
    return h;
}

static struct elf64_program read_program(const struct dom0_file *f, const struct elf64_header *h, unsigned i)
{
    struct elf64_program p;

    memcpy(&p, f->data + h->e_phoff + (u64)i * h->e_phentsize, sizeof(p));
    if ((p.p_type == PT_LOAD || p.p_type == PT_NOTE) && !range_ok(f, p.p_offset, p.p_filesz))
        boot_refuse("Domain 0 kernel: an ELF segment is outside the file\n");
    return p;
}

/* --- notes --- */

/* Numbers come as 4 or 8 bytes. */
static u64 note_number(const u8 *desc, u32 size)
{
    u64 v = 0;

    memcpy(&v, desc, MIN(size, (u32)sizeof(v)));
    return v;
}

/* "xen..." names what it runs on; "generic" is the one loader there is. */
static void note_string_check(u32 type, const u8 *desc, u32 size)
{
    const char *want = type == XEN_ELFNOTE_LOADER ? "generic" : "xen-3.0";

    if (size < strlen(want) || memcmp(desc, want, strlen(want)))
        log_warn("Domain 0 kernel: note %u is not \"%s\"\n", type, want);
}

static void note_take(struct dom0_kernel *k, u32 type, const u8 *desc, u32 size)
{
    k->is_xen = true;
    switch (type) {
    case XEN_ELFNOTE_ENTRY:
        k->entry = note_number(desc, size);
        k->has_entry = true;
        break;
    case XEN_ELFNOTE_HYPERCALL_PAGE:
        k->hypercall_page = note_number(desc, size);
        k->has_hypercall_page = true;
        break;
    case XEN_ELFNOTE_VIRT_BASE:
        k->virt_base = note_number(desc, size);
        break;
    case XEN_ELFNOTE_PADDR_OFFSET:
        k->paddr_offset = note_number(desc, size);
        break;
    case XEN_ELFNOTE_INIT_P2M:
        k->p2m_base = note_number(desc, size);
        k->has_p2m_base = true;
        break;
    case XEN_ELFNOTE_MOD_START_PFN:
        k->initrd_by_pfn = note_number(desc, size) != 0;
        break;
    case XEN_ELFNOTE_SUPPORTED_FEATURES:
        k->features = (u32)note_number(desc, size);
        k->has_features = true;
        break;
    case XEN_ELFNOTE_LOADER:
    case XEN_ELFNOTE_XEN_VERSION:
        note_string_check(type, desc, size);
        break;
    default: /* GUEST_OS and the like inform; PAE_MODE, HV_START_LOW are of 32-bit kernels */
        break;
    }
}

static void read_notes(const struct dom0_file *f, u64 at, u64 size, struct dom0_kernel *k)
{
    u64 end = at + size;

    while (end - at >= sizeof(struct elf_note)) {
        struct elf_note n;
        u64 name, desc;

        memcpy(&n, f->data + at, sizeof(n));
        name = at + sizeof(n);
        desc = name + ALIGN_UP((u64)n.n_namesz, 4);
        if (desc > end || n.n_descsz > end - desc)
            return; /* what follows is no note */
        if (n.n_namesz == 4 && !memcmp(f->data + name, "Xen", 4))
            note_take(k, n.n_type, f->data + desc, n.n_descsz);
        at = MIN(desc + ALIGN_UP((u64)n.n_descsz, 4), end);
    }
}

/* Kernels linked without a PT_NOTE segment have their notes in sections. */
static void read_note_sections(const struct dom0_file *f, const struct elf64_header *h, struct dom0_kernel *k)
{
    struct elf64_section s;

    if (h->e_shentsize < sizeof(s) || !range_ok(f, h->e_shoff, (u64)h->e_shnum * h->e_shentsize))
        return;
    for (unsigned i = 0; i < h->e_shnum; i++) {
        memcpy(&s, f->data + h->e_shoff + (u64)i * h->e_shentsize, sizeof(s));
        if (s.sh_type == SHT_NOTE && range_ok(f, s.sh_offset, s.sh_size))
            read_notes(f, s.sh_offset, s.sh_size, k);
    }
}

static void read_all_notes(const struct dom0_file *f, const struct elf64_header *h, struct dom0_kernel *k)
{
    for (unsigned i = 0; i < h->e_phnum; i++) {
        struct elf64_program p = read_program(f, h, i);

        if (p.p_type == PT_NOTE)
            read_notes(f, p.p_offset, p.p_filesz, k);
    }
    if (!k->is_xen)
        read_note_sections(f, h, k);
    if (!k->is_xen)
        boot_refuse("Domain 0 kernel: it has no Xen notes; it cannot run paravirtualised (CONFIG_XEN_PV)\n");
    if (k->has_features && !(k->features & (1u << XENFEAT_dom0)))
        boot_refuse("Domain 0 kernel: it cannot be domain 0 (CONFIG_XEN_DOM0)\n");
}

/* --- segments --- */

static void add_segment(struct dom0_kernel *k, const struct elf64_program *p)
{
    struct dom0_segment *s = &k->segment[k->segments];
    u64 end;

    if (!p->p_memsz)
        return;
    if (k->segments == DOM0_MAX_SEGMENTS)
        boot_refuse("Domain 0 kernel: more than %u ELF segments\n", DOM0_MAX_SEGMENTS);
    s->offset = p->p_offset;
    s->file_size = p->p_filesz;
    s->mem_size = p->p_memsz;
    s->phys = p->p_paddr - k->paddr_offset;
    if (p->p_filesz > p->p_memsz || __builtin_add_overflow(s->phys, s->mem_size, &end) || end > GiB(512))
        boot_refuse("Domain 0 kernel: an ELF segment has impossible sizes or addresses\n");
    k->end = MAX(k->end, end);
    k->segments++;
}

static void check_addresses(const struct dom0_kernel *k)
{
    vaddr_t end = k->virt_base + k->end;

    if (!k->segments)
        boot_refuse("Domain 0 kernel: no ELF segment to load\n");
    if ((k->virt_base | k->p2m_base | k->hypercall_page) & PAGE_OFFSET_MASK)
        boot_refuse("Domain 0 kernel: a note gives an address that is not page-aligned\n");
    if (k->entry < k->virt_base || k->entry - k->virt_base >= k->end)
        boot_refuse("Domain 0 kernel: its entry point %lx lies outside of it (%lx..%lx)\n", k->entry,
                    k->virt_base, end);
    if (k->has_hypercall_page &&
        (k->hypercall_page < k->virt_base || k->hypercall_page - k->virt_base >= k->end))
        boot_refuse("Domain 0 kernel: its hypercall page %lx lies outside of it\n", k->hypercall_page);
}

void dom0_elf_read(const struct dom0_file *f, struct dom0_kernel *k)
{
    struct elf64_header h = read_header(f);

    *k = (struct dom0_kernel){ 0 };
    read_all_notes(f, &h, k);
    if (!k->has_entry)
        k->entry = h.e_entry;
    for (unsigned i = 0; i < h.e_phnum; i++) {
        struct elf64_program p = read_program(f, &h, i);

        if (p.p_type == PT_LOAD)
            add_segment(k, &p);
    }
    check_addresses(k);
}
