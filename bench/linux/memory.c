/* SPDX-License-Identifier: MIT */
/*
 * Mappings, pages of them, and their protection. Huge pages are off, as a PV domain has none: a fault is one page's.
 */
#include <sys/mman.h>

#include "linuxbench.h"

#define PAGE 4096
#define FAULTS 1024
#define PROTECTED 256

static char *pages; /* with one more at each end, not accessible, so that it is a mapping of its own */
static size_t count;

static char *map(size_t size, int protection)
{
    void *at = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    need(at != MAP_FAILED, "mmap");
    return at;
}

static void unmap(void *at, size_t size)
{
    need(!munmap(at, size), "munmap");
}

static void protect(int protection)
{
    need(!mprotect(pages, count * PAGE, protection), "mprotect");
}

static void map_once(void)
{
    unmap(map(PAGE, PROT_READ | PROT_WRITE), PAGE);
}

static void map_touch_once(void)
{
    char *at = map(PAGE, PROT_READ | PROT_WRITE);

    *(volatile char *)at = 1;
    unmap(at, PAGE);
}

static void make_pages(size_t wanted)
{
    count = wanted;
    pages = map((count + 2) * PAGE, PROT_NONE) + PAGE;
    protect(PROT_READ | PROT_WRITE);
    need(!madvise(pages, count * PAGE, MADV_NOHUGEPAGE), "madvise");
}

static void touch_pages(void)
{
    for (size_t i = 0; i < count; i++)
        *(volatile char *)(pages + i * PAGE) = 1;
}

static void drop_pages(void)
{
    unmap(pages - PAGE, (count + 2) * PAGE);
}

static void make_fresh_pages(void)
{
    make_pages(FAULTS);
}

static void make_touched_page(void)
{
    make_pages(1);
    touch_pages();
}

static void make_touched_pages(void)
{
    make_pages(PROTECTED);
    touch_pages();
}

static void protect_once(void)
{
    protect(PROT_READ);
    protect(PROT_READ | PROT_WRITE);
}

const struct row memory_rows[] = {
    { "mmap_munmap", 200, 1, TRIES, NULL, map_once, NULL },
    { "mmap_touch_munmap", 100, 1, TRIES, NULL, map_touch_once, NULL },
    { "page_fault", 1, FAULTS, TRIES, make_fresh_pages, touch_pages, drop_pages },
    { "mprotect_1", 100, 2, TRIES, make_touched_page, protect_once, drop_pages },
    { "mprotect_256", 10, 2, TRIES, make_touched_pages, protect_once, drop_pages },
    { 0 },
};
