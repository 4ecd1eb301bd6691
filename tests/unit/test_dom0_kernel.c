/* SPDX-License-Identifier: MIT */
/* pv/dom0_kernel.c: the kernel's file, whichever way it is packed, and what is wrong with one that cannot be read. */
#include "dom0_fixture.h"

#include <arch/machine.h>

/* A compression of the test's own: a mark, then the bytes as they are. */
#define MARK 0x5a
static int unpack_error;
static size_t hint;

const char *decompress_format(const u8 *src, size_t n) { return n && src[0] == MARK ? "mark" : NULL; }

int decompress(const u8 *src, size_t n, size_t size_hint, struct unpacked *out)
{
    hint = size_hint;
    if (unpack_error)
        return unpack_error;
    *out = (struct unpacked){ .data = (u8 *)(uintptr_t)src + 1, .size = n - 1 };
    return 0;
}

#define ROOM 65536
static u8 *image; /* in machine memory, as the boot loader left it */
static struct dom0_file kernel_file;

static int begin(void **state)
{
    image = heap_alloc(4, 0);
    assert_non_null(image);
    unpack_error = 0;
    return 0;
}

static int end(void **state)
{
    heap_free(image, 4);
    return 0;
}

static struct boot_module module(u64 size) { return (struct boot_module){ .start = virt_to_phys(image), .size = size }; }

static void read_image(u64 size)
{
    struct boot_module m = module(size);

    dom0_kernel_unpack(&m, &kernel_file);
}

static void expect_refusal(u64 size, const char *why)
{
    assert_true(HOST_PANICS(read_image(size)));
    assert_non_null(strstr(host_panic_message, why));
}

/* --- as it is, and packed --- */

static void test_plain(void **state)
{
    u64 size = make_kernel();

    memcpy(image, file, size);
    read_image(size);
    assert_ptr_equal(kernel_file.data, image);
    assert_int_equal(kernel_file.size, size);
    assert_null(kernel_file.unpacked.data);
}

static void test_packed(void **state)
{
    u64 size = make_kernel();

    image[0] = MARK;
    memcpy(image + 1, file, size);
    memcpy(image + 1 + size, &(u32){ 123456 }, 4); /* its size when unpacked comes last */
    read_image(size + 5);
    assert_ptr_equal(kernel_file.data, image + 1);
    assert_memory_equal(kernel_file.data, file, size);
    assert_ptr_equal(kernel_file.unpacked.data, kernel_file.data);
    assert_int_equal(hint, 123456);
}

/* A size that cannot be right is no help. */
static void test_wild_hints(void **state)
{
    static const u32 wild[] = { 0, 17, 0x40000001, 0xffffffff };
    u64 size = make_kernel();

    image[0] = MARK;
    memcpy(image + 1, file, size);
    for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
        memcpy(image + 1 + size, &wild[i], 4);
        read_image(size + 5);
        assert_int_equal(hint, 0);
    }
}

/* A file too short to end with its size: what lies before it says nothing about it. */
static void test_hint_of_a_short_file(void **state)
{
    struct boot_module m = { .start = virt_to_phys(image) + PAGE_SIZE, .size = 2 };

    memset(image, 0x11, PAGE_SIZE);
    image[PAGE_SIZE] = MARK;
    assert_true(HOST_PANICS(dom0_kernel_unpack(&m, &kernel_file)));
    assert_int_equal(hint, 0);
}

static void test_what_is_no_kernel(void **state)
{
    memset(image, 0xee, 4096);
    expect_refusal(4096, "unknown compression");
    expect_refusal(3, "unknown compression");
    image[0] = MARK;
    expect_refusal(4096, "no ELF file in it");
    unpack_error = -ENOMEM;
    expect_refusal(4096, "too little memory");
    unpack_error = -EINVAL;
    expect_refusal(4096, "damaged");
}

/* --- bzImage: Linux's boot protocol, its payload behind the setup sectors --- */

#define PAYLOAD_AT 0x40

static u64 make_bzimage(u8 sectors)
{
    u64 kernel = make_kernel(), start = (sectors ? sectors : 4) * 512 + 512 + PAYLOAD_AT;

    memset(image, 0, ROOM);
    image[0x1f1] = sectors;
    memcpy(image + 0x202, "HdrS", 4);
    memcpy(image + 0x206, &(u16){ 0x20f }, 2);
    memcpy(image + 0x248, &(u32){ PAYLOAD_AT }, 4);
    memcpy(image + 0x24c, &(u32){ (u32)kernel }, 4);
    memcpy(image + start, file, kernel);
    return start + kernel;
}

static void test_bzimage(void **state)
{
    u64 size = make_bzimage(7);

    read_image(size + 100);
    assert_ptr_equal(kernel_file.data, image + 8 * 512 + PAYLOAD_AT);
    assert_int_equal(kernel_file.size, 8192);
    size = make_bzimage(0); /* means four, of old */
    read_image(size);
    assert_ptr_equal(kernel_file.data, image + 5 * 512 + PAYLOAD_AT);
}

static void test_bzimages_refused(void **state)
{
    u64 size = make_bzimage(7);

    expect_refusal(size - 1, "cut short");
    memcpy(image + 0x248, &(u32){ 0xffffffff }, 4);
    expect_refusal(size, "cut short");
    make_bzimage(7);
    memcpy(image + 0x24c, &(u32){ 0 }, 4);
    expect_refusal(size, "cut short");
    make_bzimage(7);
    memcpy(image + 0x24c, &(u32){ 0xfffffff0 }, 4);
    expect_refusal(size, "cut short");
    make_bzimage(7);
    memcpy(image + 0x206, &(u16){ 0x207 }, 2);
    expect_refusal(size, "2.08");
    make_bzimage(7);
    expect_refusal(0x24f, "unknown compression"); /* the header is not whole: no bzImage */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(test_plain), T(test_packed), T(test_wild_hints), T(test_hint_of_a_short_file), T(test_what_is_no_kernel),
        T(test_bzimage), T(test_bzimages_refused),
    };

    return cmocka_run_group_tests(tests, host_group_setup, NULL);
}
