/* SPDX-License-Identifier: MIT */
/*
 * The VGA text screen, 80 by 25, until domain 0 runs (vga=keep: for good).
 * There is none after a UEFI boot, where the firmware left a graphics mode, or
 * where ACPI says that there is no VGA; domain 0 finds any of these by itself.
 */
#include <zelo/atomic.h>
#include <zelo/console.h>
#include <zelo/domain.h>
#include <zelo/lib.h>
#include <arch/machine.h>

#define TEXT_PHYS 0xb8000
#define COLUMNS 80u
#define ROWS 25u
#define BLANK 0x0720 /* a space, grey on black */
#define ACPI_NO_VGA 0x04 /* FADT boot flags */

#define CRTC_INDEX 0x3d4
#define CRTC_DATA 0x3d5
#define CRTC_CURSOR_HIGH 0x0e
#define CRTC_CURSOR_LOW 0x0f

/* Under the console lock. */
static volatile u16 *screen;
static u16 shadow[ROWS * COLUMNS]; /* what is on it: reading the screen back is slow */
static unsigned column, row;
static bool keep, given_up;

static void vga_put(unsigned at, u16 cell)
{
    if (shadow[at] == cell)
        return;
    shadow[at] = cell;
    screen[at] = cell;
}

static void vga_scroll(void)
{
    for (unsigned i = 0; i < (ROWS - 1) * COLUMNS; i++)
        vga_put(i, shadow[i + COLUMNS]);
    for (unsigned i = (ROWS - 1) * COLUMNS; i < ROWS * COLUMNS; i++)
        vga_put(i, BLANK);
}

static void vga_new_line(void)
{
    if (row + 1 < ROWS)
        row++;
    else
        vga_scroll();
}

static void vga_char(char c)
{
    if (c == '\r') {
        column = 0;
        return;
    }
    if (c == '\n') {
        vga_new_line();
        return;
    }
    if (column == COLUMNS) {
        column = 0;
        vga_new_line();
    }
    vga_put(row * COLUMNS + column++, (u16)((BLANK & 0xff00) | (u8)c));
}

static void vga_move_cursor(void)
{
    unsigned at = row * COLUMNS + MIN(column, COLUMNS - 1);

    outb(CRTC_INDEX, CRTC_CURSOR_HIGH);
    outb(CRTC_DATA, (u8)(at >> 8));
    outb(CRTC_INDEX, CRTC_CURSOR_LOW);
    outb(CRTC_DATA, (u8)at);
}

/* Domain 0 drives the hardware once it runs. */
static bool vga_is_given_up(void)
{
    const struct domain *d = READ_ONCE(dom0);

    if (!keep && !given_up && d && !atomic_read(&d->pause_count))
        given_up = true;
    return given_up;
}

static void vga_write(const char *s, size_t n)
{
    if (vga_is_given_up())
        return;
    for (size_t i = 0; i < n; i++)
        vga_char(s[i]);
    vga_move_cursor();
}

static struct console_device vga_device = { .name = "vga", .write = vga_write };

static bool vga_has_text(void)
{
    if (boot_info.efi || (boot_info.fb.present && !boot_info.fb.text))
        return false;
    return !(acpi_info.boot_flags & ACPI_NO_VGA);
}

void vga_init(void)
{
    const char *option = cmdline_get("vga");

    keep = option && !strcmp(option, "keep");
    if (mfn_is_invalid(hypervisor_root) || !hypervisor_root.n || !vga_has_text()) /* needs paging_init */
        return;
    screen = vmap_io(TEXT_PHYS, sizeof(shadow), MAP_RW | MAP_WC);
    if (!screen)
        return;
    for (unsigned i = 0; i < ROWS * COLUMNS; i++) {
        shadow[i] = 0;
        vga_put(i, BLANK);
    }
    console_register(&vga_device);
}
