/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables: found from the RSDP, checked, and what the hypervisor needs of
 * them read into acpi_info. AML is domain 0's business. The tables come from
 * the firmware, but a wrong length must not lead the reader out of the table.
 */
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/page.h>
#include <arch/machine.h>

#include "acpi.h"

struct acpi_info acpi_info;

/* Larger tables do not exist; bounds what a broken length can map. */
#define TABLE_MAX MiB(16)

struct table { paddr_t at; char signature[4]; const struct acpi_header *mapped; };
static struct table *tables; /* all that the RSDT or XSDT lists; boot CPU, then constant but for 'mapped' */
static unsigned table_count;

static bool sum_is_zero(const void *p, size_t n)
{
    const u8 *b = p;
    u8 sum = 0;

    while (n--)
        sum += *b++;
    return !sum;
}

/* --- root pointer --- */

static bool rsdp_is_good(const struct acpi_rsdp *r)
{
    return !memcmp(r->signature, "RSD PTR ", 8) && sum_is_zero(r, RSDP_V1_SIZE);
}

static paddr_t rsdp_search(paddr_t start, paddr_t end)
{
    for (paddr_t p = ALIGN_UP(start, 16); p + sizeof(struct acpi_rsdp) <= end; p += 16)
        if (rsdp_is_good(phys_to_virt(p)))
            return p;
    return 0;
}

/* The loader's word, else the BIOS's places: the first KiB of the EBDA, the ROM area. */
static paddr_t rsdp_find(void)
{
    paddr_t ebda = (paddr_t)*(const u16 *)phys_to_virt(0x40e) << 4, found = 0;

    if (boot_info.rsdp)
        return boot_info.rsdp;
    if (ebda >= 0x400 && ebda < 0xa0000)
        found = rsdp_search(ebda, MIN(ebda + KiB(1), (paddr_t)0xa0000));
    return found ? found : rsdp_search(0xe0000, MiB(1));
}

/* --- tables --- */

/* Maps a whole table for good; NULL if its length or checksum is wrong. */
static const struct acpi_header *table_map(paddr_t at)
{
    const struct acpi_header *h = vmap_io(at, sizeof(*h), MAP_RO);
    u32 length;

    if (!h)
        return NULL;
    length = h->length;
    vunmap_io(h, sizeof(*h));
    if (length < sizeof(*h) || length > TABLE_MAX)
        return NULL;
    h = vmap_io(at, length, MAP_RO);
    if (h && sum_is_zero(h, length))
        return h;
    if (h)
        log_warn("ACPI: table %.4s has a wrong checksum and is not used\n", h->signature);
    vunmap_io(h, length);
    return NULL;
}

static void table_note(struct table *t, paddr_t at)
{
    const struct acpi_header *h = vmap_io(at, sizeof(*h), MAP_RO);

    t->at = at;
    if (!h)
        return;
    memcpy(t->signature, h->signature, sizeof(t->signature));
    log_debug("ACPI: %.4s at %#lx, %u bytes\n", h->signature, (unsigned long)at, h->length);
    vunmap_io(h, sizeof(*h));
}

static bool root_read(paddr_t at, unsigned entry_size)
{
    const struct acpi_header *root = at ? table_map(at) : NULL;
    unsigned n;

    if (!root)
        return false;
    n = (root->length - (u32)sizeof(*root)) / entry_size;
    tables = mem_alloc_array(struct table, n);
    if (!tables)
        return false;
    for (unsigned i = 0; i < n; i++) {
        paddr_t entry = 0;

        memcpy(&entry, (const char *)(root + 1) + (size_t)i * entry_size, entry_size);
        if (entry)
            table_note(&tables[table_count++], entry);
    }
    return true;
}

const void *acpi_find_table(const char sig[4])
{
    for (unsigned i = 0; i < table_count; i++) {
        if (memcmp(tables[i].signature, sig, 4))
            continue;
        if (!tables[i].mapped)
            tables[i].mapped = table_map(tables[i].at);
        if (tables[i].mapped)
            return tables[i].mapped;
    }
    return NULL;
}

/* The table if it reaches at least to 'size'. */
static const void *table_of_size(const char *sig, size_t size)
{
    const struct acpi_header *h = acpi_find_table(sig);

    return h && h->length >= size ? h : NULL;
}

/* --- FADT --- */

#define FADT_HAS(f, field) \
    ((f)->h.length >= offsetof(struct acpi_fadt, field) + sizeof((f)->field))

/* The 64-bit address where given and an I/O port, else the old field. */
#define FADT_PORT(f, field) \
    (FADT_HAS(f, x_##field) && (f)->x_##field.address && (f)->x_##field.space == ACPI_SPACE_IO ? \
     (u32)(f)->x_##field.address : (f)->field)

static void fadt_read(const struct acpi_fadt *f)
{
    acpi_info.sci_irq = f->sci_int;
    acpi_info.boot_flags = f->boot_flags;
    acpi_info.pm1a_cnt = FADT_PORT(f, pm1a_cnt);
    acpi_info.pm1b_cnt = FADT_PORT(f, pm1b_cnt);
    acpi_info.pm1a_evt = FADT_PORT(f, pm1a_evt);
    acpi_info.pm1b_evt = FADT_PORT(f, pm1b_evt);
    if (f->pm_tmr_len == 4) {
        acpi_info.pmtimer_port = FADT_PORT(f, pm_tmr);
        acpi_info.pmtimer_32bit = f->flags & FADT_TMR_32BIT;
    }
    if ((f->flags & FADT_RESET_SUPPORTED) && FADT_HAS(f, reset_value)) {
        acpi_info.reset_supported = true;
        acpi_info.reset.space = f->reset.space;
        acpi_info.reset.width = f->reset.bit_width;
        acpi_info.reset.addr = f->reset.address;
        acpi_info.reset.value = f->reset_value;
    }
}

/* --- HPET, MCFG, DMAR --- */

static void hpet_read(void)
{
    const struct acpi_hpet *t = table_of_size("HPET", sizeof(*t));

    if (t && t->addr.space == 0)
        acpi_info.hpet = t->addr.address;
}

static void mcfg_read(void)
{
    const struct acpi_mcfg *t = table_of_size("MCFG", sizeof(*t));
    const struct mcfg_entry *e;
    unsigned n;

    if (!t)
        return;
    e = (const struct mcfg_entry *)(t + 1);
    n = (t->h.length - (u32)sizeof(*t)) / (u32)sizeof(*e);
    acpi_info.mmcfg = mem_alloc_array_bytes(sizeof(*acpi_info.mmcfg), n);
    if (!acpi_info.mmcfg)
        return;
    for (unsigned i = 0; i < n; i++, e++) {
        acpi_info.mmcfg[i].seg = e->segment;
        acpi_info.mmcfg[i].bus_first = e->bus_first;
        acpi_info.mmcfg[i].bus_last = e->bus_last;
        acpi_info.mmcfg[i].base = e->base;
    }
    acpi_info.mmcfg_count = n;
}

/* DMAR flags, bit 1: the firmware asks not to use x2APIC. */
static void dmar_read(void)
{
    const struct acpi_header *t = table_of_size("DMAR", sizeof(*t) + 2);

    if (t)
        acpi_info.x2apic_opt_out = ((const u8 *)(t + 1))[1] & 2;
}

void acpi_init(void)
{
    const struct acpi_rsdp *r;
    const struct acpi_madt *madt;
    const struct acpi_fadt *fadt;

    acpi_info.rsdp = rsdp_find();
    r = acpi_info.rsdp ? vmap_io(acpi_info.rsdp, sizeof(*r), MAP_RO) : NULL;
    if (!r || !rsdp_is_good(r)) {
        log_warn("ACPI: no root pointer\n");
        return;
    }
    if (!(r->revision >= 2 && root_read(r->xsdt, 8)) && !root_read(r->rsdt, 4)) {
        log_warn("ACPI: neither XSDT nor RSDT can be read\n");
        return;
    }
    madt = table_of_size("APIC", sizeof(*madt));
    if (madt)
        acpi_madt_read(madt);
    fadt = table_of_size("FACP", offsetof(struct acpi_fadt, reset));
    if (fadt)
        fadt_read(fadt);
    hpet_read();
    mcfg_read();
    dmar_read();
    log_info("ACPI: %u CPUs, %u IO-APICs%s%s\n", acpi_info.cpu_count, acpi_info.ioapic_count,
             acpi_info.hpet ? ", HPET" : "", acpi_info.mmcfg_count ? ", MCFG" : "");
}
