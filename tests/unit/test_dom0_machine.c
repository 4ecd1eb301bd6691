/* SPDX-License-Identifier: MIT */
/* pv/dom0_console.c, pv/dom0_permissions.c: what domain 0 gets of the machine. */
#include "unit.h"

#include "cpu.h"
#include "pv/dom0.h"

#include <zelo/memory.h>

#include <arch/machine.h>

struct boot_info boot_info;
static bool no_memory;

bool uart_uses_port(u16 port) { return port >= 0x3f8 && port <= 0x3ff; }

void *mem_alloc(size_t size) { return no_memory ? NULL : calloc(1, size); }
void mem_free(void *p) { free(p); }

/* --- the screen --- */

static struct dom0_vga_console_info screen;

static void test_no_screen(void **state)
{
    boot_info.fb.present = false;
    assert_false(dom0_console_describe(&screen));
}

static void test_text(void **state)
{
    boot_info.fb = (__typeof__(boot_info.fb)){ .present = true, .text = true, .width = 80, .height = 25 };
    assert_true(dom0_console_describe(&screen));
    assert_int_equal(screen.video_type, XEN_VGATYPE_TEXT_MODE_3);
    assert_int_equal(screen.u.text_mode_3.columns, 80);
    assert_int_equal(screen.u.text_mode_3.rows, 25);
    assert_int_equal(screen.u.text_mode_3.font_height, 16);
    assert_int_equal(screen.u.text_mode_3.cursor_x, 0);
    assert_int_equal(screen.u.text_mode_3.cursor_y, 24); /* what the hypervisor wrote stays to be read */
}

static void use_graphics(u32 bpp, paddr_t at)
{
    boot_info.fb = (__typeof__(boot_info.fb)){
        .present = true, .addr = at, .width = 1024, .height = 768, .pitch = 4096, .bpp = bpp,
    };
    assert_true(dom0_console_describe(&screen));
}

static void check_colours(unsigned red, unsigned green, unsigned blue, unsigned wide)
{
    assert_int_equal(screen.u.vesa_lfb.red_pos, red);
    assert_int_equal(screen.u.vesa_lfb.green_pos, green);
    assert_int_equal(screen.u.vesa_lfb.blue_pos, blue);
    assert_int_equal(screen.u.vesa_lfb.blue_size, wide);
    assert_int_equal(screen.u.vesa_lfb.red_size, wide);
}

static void test_graphics(void **state)
{
    boot_info.efi = false;
    use_graphics(32, 0x1fd000000);
    assert_int_equal(screen.video_type, XEN_VGATYPE_VESA_LFB);
    assert_int_equal(screen.u.vesa_lfb.width, 1024);
    assert_int_equal(screen.u.vesa_lfb.height, 768);
    assert_int_equal(screen.u.vesa_lfb.bytes_per_line, 4096);
    assert_int_equal(screen.u.vesa_lfb.bits_per_pixel, 32);
    assert_int_equal(screen.u.vesa_lfb.lfb_base, 0xfd000000);
    assert_int_equal(screen.u.vesa_lfb.ext_lfb_base, 1);
    assert_int_equal(screen.u.vesa_lfb.lfb_size, 4096 * 768 / 65536);
    check_colours(16, 8, 0, 8);
    assert_int_equal(screen.u.vesa_lfb.rsvd_pos, 24);
    assert_int_equal(screen.u.vesa_lfb.rsvd_size, 8);
    use_graphics(24, 0xfd000000);
    check_colours(16, 8, 0, 8);
    assert_int_equal(screen.u.vesa_lfb.rsvd_size, 0);
    use_graphics(16, 0xfd000000);
    check_colours(11, 5, 0, 5);
    assert_int_equal(screen.u.vesa_lfb.green_size, 6);
    boot_info.efi = true;
    use_graphics(32, 0xfd000000);
    assert_int_equal(screen.video_type, XEN_VGATYPE_EFI_LFB);
}

/* --- ports, frames and interrupts --- */

static struct domain d;

static void grant(void)
{
    static __typeof__(*acpi_info.ioapics) ioapics[] = { { 0, 0, 0xfec00000 }, { 1, 24, 0xfec01400 } };

    acpi_info.lapic_addr = 0xfee00000;
    acpi_info.ioapics = ioapics;
    acpi_info.ioapic_count = ARRAY_SIZE(ioapics);
    memset(&d, 0, sizeof(d));
    d.pirqs.nr_max = 300;
    rangeset_init(&d.io_ports);
    rangeset_init(&d.io_frames);
    rangeset_init(&d.irqs);
    dom0_permissions_grant(&d);
}

static bool port(u64 n) { return rangeset_contains(&d.io_ports, n, n); }
static bool frame_at(paddr_t pa) { return rangeset_contains(&d.io_frames, pa >> PAGE_SHIFT, pa >> PAGE_SHIFT); }

static void test_ports(void **state)
{
    static const u16 ours[] = { 0x20, 0x21, 0xa0, 0xa1, 0x40, 0x43, 0x61, 0x3f8, 0x3ff };
    static const u16 its[] = { 0, 0x1f, 0x22, 0x44, 0x60, 0x64, 0x2f8, 0x3f7, 0x400, 0xffff };

    grant();
    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        assert_false(port(ours[i]));
    for (size_t i = 0; i < ARRAY_SIZE(its); i++)
        assert_true(port(its[i]));
}

/* All but RAM beyond the first MiB, and the interrupt controllers. */
static void test_frames(void **state)
{
    const paddr_t ram_end = HOST_FRAMES << PAGE_SHIFT;

    grant();
    assert_true(frame_at(0));
    assert_true(frame_at(0xf0000));
    assert_false(frame_at(MiB(1)));
    assert_false(frame_at(ram_end - PAGE_SIZE));
    assert_true(frame_at(ram_end));
    assert_false(frame_at(0xfee00000));
    assert_false(frame_at(0xfec00000));
    assert_false(frame_at(0xfec01000)); /* the second lies in the middle of a page */
    assert_true(frame_at(0xfec02000));
    assert_true(frame_at((1ULL << arch_phys_addr_bits()) - PAGE_SIZE));
    assert_false(frame_at(1ULL << arch_phys_addr_bits()));
}

static void test_interrupts(void **state)
{
    grant();
    assert_true(rangeset_contains(&d.irqs, 0, 299));
    assert_false(rangeset_contains(&d.irqs, 300, 300));
}

static void test_no_memory(void **state)
{
    no_memory = true;
    assert_true(HOST_PANICS(grant()));
    assert_non_null(strstr(host_panic_message, "no memory"));
    no_memory = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_screen), cmocka_unit_test(test_text), cmocka_unit_test(test_graphics),
        cmocka_unit_test(test_ports), cmocka_unit_test(test_frames), cmocka_unit_test(test_interrupts),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, host_group_setup, NULL);
}
