/* SPDX-License-Identifier: MIT */
/*
 * The memory map and the allocator before the heap (x86/boot/e820.c,
 * boot_alloc.c), and the two loaders' information (multiboot.c, multiboot2.c)
 * laid out in the host's memory as a loader would.
 */
#include "unit.h"

/* The host machine has a map of its own. */
#define e820_map boot_e820_map
#define e820_count boot_e820_count

#include "x86/boot/e820.c"
#include "x86/boot/boot_alloc.c"

struct boot_info boot_info;

const char *boot_string(const char *s, size_t max)
{
    return strndup(s, max); /* as in boot_info.c, kept for good */
}

static void memory_forget(void)
{
    e820_count = raw_count = raw_lost = reserved_count = 0;
    max_frame = 0;
    closed = false;
    memset(&boot_info, 0, sizeof(boot_info));
}

static int forget(void **state)
{
    memory_forget();
    return 0;
}

static void expect_range(unsigned i, u64 start, u64 end, u32 type)
{
    assert_true(i < e820_count);
    assert_int_equal(e820_map[i].addr, start);
    assert_int_equal(e820_map[i].addr + e820_map[i].size, end);
    assert_int_equal(e820_map[i].type, type);
}

static void sorts_and_merges(void **state)
{
    e820_add(MiB(2), MiB(1), E820_RAM);
    e820_add(0, 0x9fc00, E820_RAM);
    e820_add(MiB(1), MiB(1), E820_RAM);
    e820_add(0x9fc00, 0x400, E820_RESERVED);
    e820_finish();
    assert_int_equal(e820_count, 3);
    expect_range(0, 0, 0x9fc00, E820_RAM);
    expect_range(1, 0x9fc00, 0xa0000, E820_RESERVED);
    expect_range(2, MiB(1), MiB(3), E820_RAM);
    assert_int_equal(max_frame, MiB(3) >> PAGE_SHIFT);
}

static void overlap_is_not_ram(void **state)
{
    e820_add(MiB(1), MiB(9), E820_RAM);
    e820_add(MiB(3), MiB(1), E820_ACPI);
    e820_add(MiB(3) + KiB(512), MiB(1), E820_RESERVED);
    e820_finish();
    assert_int_equal(e820_count, 4);
    expect_range(0, MiB(1), MiB(3), E820_RAM);
    expect_range(1, MiB(3), MiB(4), E820_ACPI);
    expect_range(2, MiB(4), MiB(4) + KiB(512), E820_RESERVED);
    expect_range(3, MiB(4) + KiB(512), MiB(10), E820_RAM);
}

static void odd_ranges(void **state)
{
    e820_add(MiB(1), 0, E820_RAM);
    e820_add(~0ULL - 0xfff, 0x2000, E820_RESERVED); /* past the end of the address space */
    e820_add(MiB(5), MiB(1), 20);                   /* a loader's own type */
    e820_finish();
    assert_int_equal(e820_count, 2);
    expect_range(0, MiB(5), MiB(6), E820_RESERVED);
    assert_int_equal(max_frame, 0);
}

static void ram_is_whole_pages(void **state)
{
    paddr_t start, end;

    e820_add(MiB(1) + 1, MiB(1), E820_RAM);
    e820_finish();
    assert_true(e820_ram(0, &start, &end));
    assert_int_equal(start, MiB(1) + PAGE_SIZE);
    assert_int_equal(end, MiB(2));
    assert_false(e820_ram(1, &start, &end));
}

static void too_many_ranges(void **state)
{
    for (u64 i = 0; i < E820_MAX + 5; i++)
        e820_add(MiB(i + 1), KiB(4), E820_RAM);
    e820_finish();
    assert_int_equal(e820_count, E820_MAX);
}

/* --- allocation --- */

static void reserved_ranges_merge(void **state)
{
    boot_reserve(MiB(4), 1);
    boot_reserve(MiB(6), PAGE_SIZE);
    boot_reserve(MiB(5), 10);
    assert_int_equal(reserved_count, 3);
    assert_int_equal(reserved[1].end, MiB(5) + PAGE_SIZE);
    boot_reserve(MiB(4) + PAGE_SIZE, MiB(1) - PAGE_SIZE);
    assert_int_equal(reserved_count, 2);
    assert_int_equal(reserved[0].start, MiB(4));
    assert_int_equal(reserved[0].end, MiB(5) + PAGE_SIZE);
    boot_reserve(MiB(1), MiB(9));
    assert_int_equal(reserved_count, 1);
}

static void allocates_from_the_top(void **state)
{
    e820_add(0, MiB(8), E820_RAM);
    e820_add(GiB(5), MiB(8), E820_RAM);
    e820_finish();
    boot_reserve(MiB(7), MiB(1));
    assert_int_equal(boot_alloc(1, 1, ~0ULL), GiB(5) + MiB(8) - PAGE_SIZE);
    assert_int_equal(boot_alloc(PAGE_SIZE, PAGE_SIZE, GiB(4)), MiB(7) - PAGE_SIZE);
    assert_int_equal(boot_alloc(MiB(2), MiB(2), ~0ULL), GiB(5) + MiB(4));
    /* The gap above the aligned block is used first. */
    assert_int_equal(boot_alloc(PAGE_SIZE, 1, ~0ULL), GiB(5) + MiB(8) - 2 * PAGE_SIZE);
}

static u64 handed_out;
static void note(paddr_t start, paddr_t end)
{
    assert_true(start < end);
    handed_out += end - start;
}

static void the_rest_goes_to_the_heap(void **state)
{
    e820_add(0, 0x9f000, E820_RAM);
    e820_add(MiB(1), MiB(15), E820_RAM);
    e820_finish();
    boot_reserve(MiB(2), MiB(1));
    boot_reserve(MiB(15) + KiB(512), MiB(1)); /* past RAM's end */
    handed_out = 0;
    boot_alloc_finish(note);
    assert_int_equal(handed_out, MiB(15) - MiB(1) - KiB(512));
    assert_false(boot_alloc_is_open());
}

/* --- multiboot 2 --- */

#include "x86/boot/multiboot2.c"

#define INFO_AT KiB(64)

static u8 *tag_add(u32 type, u32 size)
{
    struct info_head *head = phys_to_virt(INFO_AT);
    struct tag *t = (struct tag *)((u8 *)head + head->total_size);

    memset(t, 0, size);
    t->type = type;
    t->size = size;
    head->total_size += ALIGN_UP(size, 8u);
    return (u8 *)t;
}

static void info_start(void)
{
    struct info_head *head = phys_to_virt(INFO_AT);

    memset(head, 0, PAGE_SIZE);
    head->total_size = sizeof(*head);
}

static void module_add(u32 start, u32 end, const char *cmdline)
{
    struct tag_module *m = (void *)tag_add(TAG_MODULE, (u32)(sizeof(*m) + strlen(cmdline) + 1));

    m->start = start;
    m->end = end;
    strcpy(m->cmdline, cmdline);
}

static void mmap_add(void)
{
    struct tag_mmap *m = (void *)tag_add(TAG_MMAP, sizeof(*m) + 2 * sizeof(struct mmap_entry));
    struct mmap_entry *e = (void *)m->entries;

    m->entry_size = sizeof(*e);
    e[0] = (struct mmap_entry){ 0, 0x9f000, E820_RAM, 0 };
    e[1] = (struct mmap_entry){ MiB(1), MiB(3), E820_RAM, 0 };
}

static void reads_multiboot2(void **state)
{
    info_start();
    strcpy((char *)tag_add(TAG_CMDLINE, 8 + 13) + 8, "console=com1");
    module_add(MiB(2), MiB(2) + 5000, "root=/dev/sda");
    mmap_add();
    module_add(MiB(3), MiB(3) + 1, "");
    tag_add(TAG_END, 8);
    assert_null(multiboot2_find(INFO_AT));
    e820_finish();
    multiboot2_read(INFO_AT);
    assert_string_equal(boot_info.cmdline, "console=com1");
    assert_int_equal(boot_info.module_count, 2);
    assert_int_equal(boot_info.modules[0].size, 5000);
    assert_string_equal(boot_info.modules[0].cmdline, "root=/dev/sda");
    assert_int_equal(boot_info.modules[1].start, MiB(3));
    assert_string_equal(boot_info.modules[1].cmdline, "");
    assert_int_equal(boot_alloc(PAGE_SIZE, 1, MiB(2) + 2 * PAGE_SIZE), MiB(2) - PAGE_SIZE);
}

static void stops_at_a_broken_tag(void **state)
{
    struct tag *t;

    info_start();
    mmap_add();
    t = (struct tag *)tag_add(TAG_MODULE, 24);
    t->size = 0x7fffffff; /* reaches past the information */
    assert_null(multiboot2_find(INFO_AT));
    assert_int_equal(boot_info.module_count, 0);
}

static void needs_a_map(void **state)
{
    info_start();
    tag_add(TAG_END, 8);
    assert_non_null(multiboot2_find(INFO_AT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sorts_and_merges, forget),
        cmocka_unit_test_setup(overlap_is_not_ram, forget),
        cmocka_unit_test_setup(odd_ranges, forget),
        cmocka_unit_test_setup(ram_is_whole_pages, forget),
        cmocka_unit_test_setup(too_many_ranges, forget),
        cmocka_unit_test_setup(reserved_ranges_merge, forget),
        cmocka_unit_test_setup(allocates_from_the_top, forget),
        cmocka_unit_test_setup(the_rest_goes_to_the_heap, forget),
        cmocka_unit_test_setup(reads_multiboot2, forget),
        cmocka_unit_test_setup(stops_at_a_broken_tag, forget),
        cmocka_unit_test_setup(needs_a_map, forget),
    };

    return cmocka_run_group_tests(tests, host_group_setup, NULL);
}
