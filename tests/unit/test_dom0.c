/* SPDX-License-Identifier: MIT */
/* pv/dom0_*.c: options, hostile ELF files, the plan of memory, and first page tables that validation accepts. */
#include "dom0_fixture.h"

#include "pv/pt.h"

#include <arch/machine.h>

/* --- options --- */

static struct dom0_options options(const char *line, u64 available)
{
    struct dom0_options o;

    cmdline_parse(line);
    dom0_options_read(&o, available);
    return o;
}

static void test_memory_option(void **state)
{
    const u64 all = MB(4096), most = all - MB(128);

    assert_int_equal(options("", all).pages, most);
    assert_int_equal(options("", MB(160)).pages, MB(150));
    assert_int_equal(options("dom0_mem=512M", all).pages, MB(512));
    assert_int_equal(options("dom0_mem=524288", all).pages, MB(512)); /* KiB */
    assert_int_equal(options("dom0_mem=1G", all).pages, MB(1024));
    assert_int_equal(options("dom0_mem=8G", all).pages, most);
    assert_int_equal(options("dom0_mem=-1G", all).pages, MB(3072));
    assert_int_equal(options("dom0_mem=-8G", all).pages, 0);
    assert_int_equal(options("dom0_mem=25%", MB(4000)).pages, MB(1000));
    assert_int_equal(options("dom0_mem=100M+25%", MB(4000)).pages, MB(1100));
    assert_int_equal(options("dom0_mem=1G,min:2G", all).pages, MB(2048));
    assert_int_equal(options("dom0_mem=max:1G", all).pages, MB(1024));
    assert_int_equal(options("dom0_mem=max:1G", all).max_pages, MB(1024));
    assert_int_equal(options("dom0_mem=512M,max:1G", all).pages, MB(512));
    assert_int_equal(options("dom0_mem=512M,max:1G", all).max_pages, MB(1024));
    assert_int_equal(options("dom0_mem=512M", all).max_pages, 0xffffffff);
    assert_int_equal(options("dom0_mem=nonsense,max:1G", all).pages, MB(1024));
    assert_int_equal(options("dom0_mem=99999999999999999999G", all).pages, most);
}

static void test_vcpu_options(void **state)
{
    assert_int_equal(options("", MB(100)).vcpus, 4);
    assert_int_equal(options("dom0_max_vcpus=1", MB(100)).vcpus, 1);
    assert_int_equal(options("dom0_max_vcpus=9", MB(100)).vcpus, 9);
    assert_int_equal(options("dom0_max_vcpus=2-3", MB(100)).vcpus, 3);
    assert_int_equal(options("dom0_max_vcpus=6-8", MB(100)).vcpus, 6);
    assert_int_equal(options("dom0_max_vcpus=-2", MB(100)).vcpus, 2);
    assert_int_equal(options("dom0_max_vcpus=6-", MB(100)).vcpus, 6);
    assert_int_equal(options("dom0_max_vcpus=8-6", MB(100)).vcpus, 4);
    assert_int_equal(options("dom0_max_vcpus=0", MB(100)).vcpus, 4);
    assert_int_equal(options("dom0_max_vcpus=99999999", MB(100)).vcpus, DOMAIN_MAX_VCPUS);
    assert_false(options("", MB(100)).pin);
    assert_true(options("dom0_vcpus_pin", MB(100)).pin);
    assert_int_equal(options("gnttab_max_frames=7", MB(100)).max_grant_frames, 7);
}

/* --- ELF files --- */

static struct dom0_kernel k;

static void read_file(u64 size)
{
    u8 *copy = malloc(size); /* so that a byte too far is noticed */
    struct dom0_file f = { .data = memcpy(copy, file, size), .size = size };

    if (HOST_PANICS(dom0_elf_read(&f, &k)))
        k.segments = 0;
    free(copy);
}

static void test_kernel_is_understood(void **state)
{
    host_panic_message[0] = 0;
    read_file(make_kernel());
    assert_string_equal(host_panic_message, "");
    assert_int_equal(k.segments, 1);
    assert_int_equal(k.segment[0].phys, 0x1000000);
    assert_int_equal(k.end, 0x1000000 + MiB(3));
    assert_int_equal(k.entry, BASE + 0x1000100);
    assert_int_equal(k.p2m_base, 0x8000000000);
    assert_true(k.has_p2m_base && k.has_hypercall_page && k.initrd_by_pfn && k.has_features);
}

static void expect_refusal(u64 size, const char *why)
{
    read_file(size);
    assert_int_equal(k.segments, 0);
    assert_non_null(strstr(host_panic_message, why));
}

static void test_kernels_refused(void **state)
{
    u64 size = make_kernel();

    file[4] = 1;
    expect_refusal(size, "32-bit");
    make_kernel();
    file[64 + 56] = 0; /* its PT_NOTE */
    expect_refusal(size, "no Xen notes");
    make_kernel();
    put64(0x200 + 16, BASE); /* entry below the segment's memory is inside the region; far out is not */
    read_file(size);
    assert_int_equal(k.segments, 1);
    put64(0x200 + 16, BASE + GiB(1));
    expect_refusal(size, "entry point");
    make_kernel();
    put64(64 + 32, 0x100000); /* p_filesz */
    expect_refusal(size, "outside the file");
    make_kernel();
    put64(64 + 24, ~0ULL - 100); /* p_paddr */
    expect_refusal(size, "impossible");
    expect_refusal(63, "cut short");
}

static void put_sections(u64 at, u64 notes, u64 bytes)
{
    put64(40, at);                                /* e_shoff */
    put(58, (u16[]){ 64, 1 }, 4);                 /* e_shentsize, e_shnum */
    put32(at + 4, 7);                             /* SHT_NOTE */
    put64(put64(at + 24, notes), bytes);
}

/* A kernel linked without a segment for its notes has them in a section. */
static void test_notes_in_a_section(void **state)
{
    u64 size = make_kernel();

    file[64 + 56] = 0; /* its PT_NOTE */
    put_sections(0x800, 0x200, 0x200);
    read_file(size);
    assert_int_equal(k.segments, 1);
    assert_int_equal(k.entry, BASE + 0x1000100);
    put_sections(0x800, size - 8, 0x200); /* beyond the file */
    expect_refusal(size, "no Xen notes");
    put64(40, size - 32);
    expect_refusal(size, "no Xen notes");
    put_sections(0x800, 0x200, 0x200);
    put(58, (u16[]){ 40, 1 }, 4); /* entries of another class */
    expect_refusal(size, "no Xen notes");
}

static void test_too_many_segments(void **state)
{
    u64 size = make_kernel(), at;

    put(56, (u16[]){ 1 + DOM0_MAX_SEGMENTS }, 2); /* e_phnum */
    put64(32, 0x1000);                            /* e_phoff */
    memcpy(file + 0x1000, file + 64 + 56, 56);    /* the notes, then the same segment again and again */
    at = 0x1000 + 56;
    for (unsigned i = 0; i < DOM0_MAX_SEGMENTS; i++)
        at = put_program(at, 1, 0, 0x1000000 + i * 0x1000, 0x100, 0x1000);
    read_file(size);
    assert_int_equal(k.segments, DOM0_MAX_SEGMENTS);
    put_program(at, 1, 0, 0x2000000, 0x100, 0); /* an empty one counts not */
    put(56, (u16[]){ 2 + DOM0_MAX_SEGMENTS }, 2);
    read_file(size);
    assert_int_equal(k.segments, DOM0_MAX_SEGMENTS);
    put_program(at, 1, 0, 0x2000000, 0x100, 0x100);
    expect_refusal(size, "segments");
}

static void test_hostile_files(void **state)
{
    u64 size = make_kernel(), seed = 88172645463325252ULL;

    for (u64 n = 0; n < 0x400; n++)
        read_file(n);
    for (unsigned round = 0; round < 20000; round++) {
        make_kernel();
        for (unsigned i = 0; i < 1 + round % 4; i++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            file[seed % 0x300] = (u8)(seed >> 32);
        }
        read_file(size);
    }
}

/* --- the plan --- */

static void test_plan_linux(void **state)
{
    struct dom0_layout l;

    read_file(make_kernel());
    dom0_layout_plan(&k, MB(64), MiB(5) + 1, &l);
    assert_int_equal(l.start_info, 0x1000 + MB(3));
    assert_int_equal(l.tables, l.start_info + 1);
    assert_int_equal(l.stack, l.tables + l.table_pages);
    assert_true(l.mapped >= l.stack + 1 + 128);
    assert_int_equal((l.virt_base + (l.mapped << 12)) % MiB(4), 0);
    assert_int_equal(l.table_pages, 1 + dom0_tables_needed(BASE, l.mapped));
    assert_int_equal(l.p2m, l.mapped);
    assert_int_equal(l.p2m_pages, 32);
    assert_int_equal(l.p2m_table_pages, 3);
    assert_int_equal(l.initrd, l.p2m_tables + 3);
    assert_int_equal(l.initrd_pages, MB(5) + 1);
    assert_true(HOST_PANICS(dom0_layout_plan(&k, MB(24), MiB(5), &l)));
    assert_non_null(strstr(host_panic_message, "too little memory"));
    k.p2m_base = HYPERVISOR_VIRT_START;
    assert_true(HOST_PANICS(dom0_layout_plan(&k, MB(64), 0, &l)));
    k.p2m_base = BASE + MiB(1);
    assert_true(HOST_PANICS(dom0_layout_plan(&k, MB(64), 0, &l)));
}

static void test_plan_classic(void **state)
{
    struct dom0_layout l;

    read_file(make_kernel());
    k.has_p2m_base = k.initrd_by_pfn = false;
    dom0_layout_plan(&k, MB(64), MiB(5) + 1, &l);
    assert_int_equal(l.initrd, 0x1000 + MB(3));
    assert_int_equal(l.p2m, l.initrd + MB(5) + 1);
    assert_int_equal(l.p2m_va, BASE + (l.p2m << 12));
    assert_int_equal(l.start_info, l.p2m + 32);
    assert_int_equal(l.p2m_table_pages, 0);
}

/* --- page tables: walked by hand, then by validation --- */

static u64 walk(const struct dom0_frames *f, const struct dom0_layout *l, vaddr_t va)
{
    u64 e = pte_make(MFN(dom0_frames_mfn(f, l->tables)), PTE_P);

    for (unsigned level = 4; level; level--) {
        assert_true(e & PTE_P);
        e = ((u64 *)mfn_to_virt(pte_mfn(e)))[PT_INDEX(va, level)];
    }
    return e;
}

static void check_mapping(const struct dom0_frames *f, const struct dom0_layout *l)
{
    for (u64 pfn = 0; pfn < l->mapped; pfn++) {
        u64 e = walk(f, l, dom0_layout_va(l, pfn));
        bool table = pfn >= l->tables && pfn < l->stack;

        assert_int_equal(pte_mfn(e).n, dom0_frames_mfn(f, pfn));
        assert_int_equal(!(e & PTE_RW), table);
    }
    for (u64 i = 0; i < l->p2m_pages; i++)
        assert_int_equal(pte_mfn(walk(f, l, l->p2m_va + (i << 12))).n, dom0_frames_mfn(f, l->p2m + i));
}

static void check_types(const struct dom0_frames *f, const struct dom0_layout *l)
{
    struct page *l4 = mfn_to_page(MFN(dom0_frames_mfn(f, l->tables)));

    assert_int_equal(l4->type & PGT_TYPE_MASK, PGT_L4);
    assert_true(l4->type & PGT_PINNED);
    for (u64 pfn = l->tables + 1; pfn < l->stack; pfn++) {
        u64 type = mfn_to_page(MFN(dom0_frames_mfn(f, pfn)))->type;

        assert_in_range(type >> PGT_SHIFT, 1, 3);
        assert_int_equal(type & PGT_COUNT_MASK, 1);
    }
}

static void test_first_page_tables(void **state)
{
    struct domain *d = host_domain_create(7, false, 1, MB(64));
    struct dom0_layout l;
    struct dom0_frames f;
    u64 *list;

    host_set_current(idle_vcpu[0]);
    read_file(make_kernel());
    dom0_layout_plan(&k, MB(64), MiB(5), &l);
    dom0_frames_alloc(d, MB(64), &f);
    assert_int_equal(d->tot_pages, MB(64));
    dom0_frames_write_p2m(&f, l.p2m, l.p2m_pages);
    list = dom0_frames_virt(&f, l.p2m);
    assert_int_equal(list[0], dom0_frames_mfn(&f, 0));
    assert_int_equal(((u64 *)dom0_frames_virt(&f, l.p2m + 31))[511], dom0_frames_mfn(&f, MB(64) - 1));
    assert_int_equal(m2p_get(MFN(list[5])).n, 5);
    dom0_tables_write(&l, &f);
    check_mapping(&f, &l);
    dom0_tables_pin(d, dom0_frames_mfn(&f, l.tables));
    check_types(&f, &l);
    assert_int_equal(host_locks_held(), 0);
    dom0_frames_free(&f);
    assert_true(host_domain_destroy(d));
}

static void test_frames_write_over_borders(void **state)
{
    struct domain *d = host_domain_create(8, false, 1, MB(8));
    struct dom0_frames f;
    u8 *data = malloc(MiB(2));

    dom0_frames_alloc(d, MB(7) + 3, &f); /* several extents */
    for (size_t i = 0; i < MiB(2); i++)
        data[i] = (u8)(i * 7 + i / 4096);
    dom0_frames_write(&f, MiB(3) + 5, data, MiB(2));
    for (size_t i = 0; i < MiB(2); i += 997) {
        u64 at = MiB(3) + 5 + i;

        assert_int_equal(((u8 *)dom0_frames_virt(&f, at >> 12))[at % 4096], data[i]);
    }
    dom0_frames_write(&f, MiB(3), NULL, MiB(4));
    assert_int_equal(((u8 *)dom0_frames_virt(&f, MB(4)))[17], 0);
    free(data);
    dom0_frames_free(&f);
    assert_true(host_domain_destroy(d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_option), cmocka_unit_test(test_vcpu_options),
        cmocka_unit_test(test_kernel_is_understood), cmocka_unit_test(test_kernels_refused),
        cmocka_unit_test(test_notes_in_a_section),
        cmocka_unit_test(test_too_many_segments), cmocka_unit_test(test_hostile_files), cmocka_unit_test(test_plan_linux),
        cmocka_unit_test(test_plan_classic), cmocka_unit_test(test_first_page_tables),
        cmocka_unit_test(test_frames_write_over_borders),
    };

    return cmocka_run_group_tests(tests, host_group_setup, NULL);
}
