/* SPDX-License-Identifier: MIT */
/* pv/dom0_build.c: domain 0 from its boot modules, as its kernel finds itself (<xen/xen.h>, start of a PV kernel). */
#include "dom0_fixture.h"

#include "preempt_fixture.h"
#include "pv/pt.h"

#include <arch/machine.h>

struct boot_info boot_info;

bool uart_uses_port(u16 port) { return port == 0x3f8; }
void hypercall_page_fill(void *page) { memset(page, 0xc3, PAGE_SIZE); }
void pv_dump_guest(struct vcpu *v) { (void)v; }
const char *decompress_format(const u8 *src, size_t n) { return NULL; }
void decompress_free(struct unpacked *u) { assert_null(u->data); }

#define MEMORY 64 /* MiB */
#define INITRD_BYTES (3 * PAGE_SIZE + 17)
#define ENTRY (BASE + 0x1000100)

static struct boot_module kernel_module, initrd_module;

/* As a boot loader leaves a module: in RAM that the heap has not had yet. */
static void load(struct boot_module *m, const void *data, u64 size, const char *cmdline)
{
    u8 *room = heap_alloc(order_for_pages(PFN_UP(size)), 0);

    memcpy(room, data, size);
    *m = (struct boot_module){ .start = virt_to_phys(room), .size = size, .cmdline = cmdline };
}

/* Memory holds what was there before the machine was started again. */
static void fill_free_memory(void)
{
    void **held = NULL, **block;

    while ((block = heap_alloc(8, HEAP_NO_SCRUB))) {
        memset(block, 0xaa, PAGE_SIZE << 8);
        *block = held;
        held = block;
    }
    while ((block = held)) {
        held = *block;
        heap_free(block, 8);
    }
}

static int setup(void **state)
{
    static u8 initrd[INITRD_BYTES];

    host_boot(4);
    fill_free_memory();
    host_set_current(idle_vcpu[0]);
    for (size_t i = 0; i < sizeof(initrd); i++)
        initrd[i] = (u8)(i * 13 + i / 256);
    load(&initrd_module, initrd, sizeof(initrd), "");
    return 0;
}

static void load_kernel_file(const char *cmdline)
{
    u64 size = make_kernel();

    memset(file + 0x1000, 0x77, 0x1000); /* its one loaded page */
    load(&kernel_module, file, size, cmdline);
}

/* --- what cannot be started; domain 0 must not be there yet --- */

static void test_nothing_to_start(void **state)
{
    assert_true(HOST_PANICS(dom0_create(NULL, NULL)));
    assert_non_null(strstr(host_panic_message, "first module"));
    load(&kernel_module, "not a kernel", 13, "");
    assert_true(HOST_PANICS(dom0_create(&kernel_module, NULL)));
    assert_non_null(strstr(host_panic_message, "no ELF file"));
    assert_null(dom0);
}

static void test_too_little_memory(void **state)
{
    load_kernel_file("");
    cmdline_parse("dom0_mem=8M");
    assert_true(HOST_PANICS(dom0_create(&kernel_module, &initrd_module)));
    assert_non_null(strstr(host_panic_message, "dom0_mem="));
    assert_null(dom0);
}

/* --- the domain --- */

static struct vcpu *first(void) { return dom0->vcpu[0]; }

/* Through its own page tables. */
static void *at(vaddr_t va)
{
    u64 e = pv_walk_l1e(first(), va);

    assert_true(e & PTE_P);
    return (u8 *)mfn_to_virt(pte_mfn(e)) + (va & ~PAGE_MASK);
}

static const start_info_t *start_info(void) { return at(first()->pv.regs.rsi); }

static void test_create(void **state)
{
    u64 total;

    load_kernel_file("root=/dev/sda1 console=hvc0");
    cmdline_parse("dom0_mem=64M dom0_max_vcpus=6 dom0_vcpus_pin");
    boot_info.fb = (__typeof__(boot_info.fb)){ .present = true, .text = true, .width = 80, .height = 25 };
    total = heap_total_page_count();
    dom0_create(&kernel_module, &initrd_module);
    /* What the modules lay in is for all to use now: two whole pages and three. */
    assert_int_equal(heap_total_page_count(), total + 2 + 3);
    assert_int_equal(host_locks_held(), 0);
    assert_non_null(dom0);
    assert_int_equal(dom0->id, 0);
    assert_true(dom0->is_privileged && dom0->creation_finished);
    assert_int_equal(dom0->pause_count, 0);
    assert_int_equal(dom0->tot_pages, MB(MEMORY));
    assert_int_equal(dom0->max_vcpus, 6);
    assert_false(first()->pause_flags & VPF_DOWN);
    assert_true(dom0->vcpu[1]->pause_flags & VPF_DOWN);
    assert_true(rangeset_contains(&dom0->io_ports, 0x60, 0x60));
}

/* Round the four CPUs. */
static void test_pinned(void **state)
{
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(cpumask_weight(&dom0->vcpu[i]->sched.hard), 1);
        assert_int_equal(cpumask_first(&dom0->vcpu[i]->sched.hard), i % 4);
    }
}

static void test_first_registers(void **state)
{
    const struct cpu_user_regs *r = &first()->pv.regs;

    assert_true(r->rip == ENTRY);
    assert_int_equal(r->cs, FLAT_KERNEL_CS);
    assert_int_equal(r->ss, FLAT_KERNEL_SS);
    assert_true(first()->pv.flags & PVF_KERNEL);
    assert_int_equal(r->rsp % PAGE_SIZE, 0);
    for (unsigned i = 1; i <= 512; i++) /* its stack is below, and empty */
        assert_int_equal(*(u64 *)at(r->rsp - i * sizeof(u64)), 0);
    assert_true(first()->pv.kernel_sp == r->rsp);
}

static void test_start_info(void **state)
{
    const start_info_t *si = start_info();

    assert_int_equal(strncmp(si->magic, "xen-3.", 6), 0);
    assert_int_equal(si->nr_pages, MB(MEMORY));
    assert_int_equal(si->flags & (SIF_PRIVILEGED | SIF_INITDOMAIN | SIF_MOD_START_PFN),
                     SIF_PRIVILEGED | SIF_INITDOMAIN | SIF_MOD_START_PFN);
    assert_true(si->shared_info == virt_to_phys(dom0->shared_info));
    assert_string_equal((const char *)si->cmd_line, "root=/dev/sda1 console=hvc0");
    assert_true(mfn_eq(pte_mfn(pv_walk_l1e(first(), si->pt_base)), first()->pv.root_kernel));
    assert_int_equal(si->console.dom0.info_size, sizeof(dom0_vga_console_info_t));
    assert_int_equal(((const dom0_vga_console_info_t *)((const u8 *)si + si->console.dom0.info_off))->video_type,
                     XEN_VGATYPE_TEXT_MODE_3);
}

/* The list at mfn_list, the table that goes the other way, and what is mapped agree. */
static void test_lists_of_frames(void **state)
{
    const start_info_t *si = start_info();

    for (u64 pfn = 0; pfn < si->nr_pages; pfn += 100) {
        u64 mfn = *(u64 *)at(si->mfn_list + pfn * sizeof(u64));

        assert_int_equal(m2p_get(MFN(mfn)).n, pfn);
        assert_ptr_equal(page_owner(mfn_to_page(MFN(mfn))), dom0);
    }
    assert_int_equal(*(u64 *)at(si->mfn_list + 0x1000 * sizeof(u64)),
                     pte_mfn(pv_walk_l1e(first(), BASE + 0x1000000)).n);
}

static void test_kernel_in_memory(void **state)
{
    assert_int_equal(*(u8 *)at(BASE + 0x1000000), 0x77);
    assert_int_equal(*(u8 *)at(BASE + 0x1000fff), 0x77);
    assert_int_equal(*(u8 *)at(BASE + 0x1001000), 0xc3); /* where its note wants the hypercalls */
    assert_int_equal(*(u8 *)at(BASE + 0x1002000), 0);    /* beyond the file */
    assert_int_equal(*(u8 *)at(BASE + 0x12fffff), 0);
}

static u8 initrd_byte(size_t i)
{
    const start_info_t *si = start_info();
    u64 pfn = si->mod_start + i / PAGE_SIZE, mfn = *(u64 *)at(si->mfn_list + pfn * sizeof(u64));

    return ((u8 *)mfn_to_virt(MFN(mfn)))[i % PAGE_SIZE];
}

static void test_initrd_in_memory(void **state)
{
    assert_int_equal(start_info()->mod_len, INITRD_BYTES);
    for (size_t i = 0; i < INITRD_BYTES; i += 7)
        assert_int_equal(initrd_byte(i), (u8)(i * 13 + i / 256));
    for (size_t i = INITRD_BYTES; i % PAGE_SIZE; i++)
        assert_int_equal(initrd_byte(i), 0);
}

static void test_only_one(void **state)
{
    load_kernel_file("");
    assert_true(HOST_PANICS(dom0_create(&kernel_module, NULL)));
    assert_non_null(strstr(host_panic_message, "cannot be created"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_start), cmocka_unit_test(test_too_little_memory),
        cmocka_unit_test(test_create), cmocka_unit_test(test_pinned), cmocka_unit_test(test_first_registers),
        cmocka_unit_test(test_start_info), cmocka_unit_test(test_lists_of_frames),
        cmocka_unit_test(test_kernel_in_memory), cmocka_unit_test(test_initrd_in_memory),
        cmocka_unit_test(test_only_one),
    };

    return cmocka_run_group_tests(tests, setup, invariants_hold);
}
