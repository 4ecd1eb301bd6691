/* SPDX-License-Identifier: MIT */
/* pv/descriptor.c, pv/gdt.c: a guest's segments, whatever it writes into its descriptor tables. */
#include "pt_fixture.h"

#include "pv/descriptor.h"
#include "pv/gdt.h"

#define CODE64 0x00affb000000ffffULL /* present, DPL 3 */
#define CODE64_RING0 0x00af9b000000ffffULL
#define CALL_GATE 0x0000ec0000080000ULL
#define TSS 0x0000890000000067ULL
#define NON_CANONICAL (1UL << 60)

static struct domain *d;
static struct vcpu *v;
static u64 bases[3];
static u16 selector;

void pv_write_fs_base(u64 base) { bases[SEGBASE_FS] = base; }
void pv_write_gs_base_other(u64 base) { bases[SEGBASE_GS_USER] = base; }
void pv_write_gs_base(u64 base) { bases[SEGBASE_GS_KERNEL] = base; }

bool pv_load_user_gs_selector(u16 s)
{
    selector = s;
    return s != 0xbad0;
}

static int begin(void **state)
{
    pt_begin(state);
    d = pt_domain(1, false);
    v = d->vcpu[0];
    host_set_current(v);
    return 0;
}

static int end(void **state)
{
    pv_drop_gdt(v);
    pt_domain_end(d);
    host_set_current(NULL);
    return 0;
}

/* --- what may be in a table --- */

static bool fixed(u64 desc, u64 expected)
{
    return pv_descriptor_fix(&desc) && desc == expected;
}

static void test_descriptors(void **state)
{
    u64 gate = CALL_GATE, tss = TSS;

    assert_true(fixed(CODE64, CODE64));
    assert_true(fixed(CODE64_RING0, CODE64)); /* there is no other ring for it */
    assert_true(fixed(0, 0));
    assert_true(fixed(CALL_GATE & ~(1ULL << 47), CALL_GATE & ~(1ULL << 47))); /* not present: anything */
    assert_false(pv_descriptor_fix(&gate));
    assert_false(pv_descriptor_fix(&tss));
}

/* --- update_descriptor --- */

static long update(paddr_t ma, u64 desc)
{
    return call_through(do_update_descriptor, (struct hypercall_args){ { ma, desc } });
}

static void test_update(void **state)
{
    struct page *p = frame_new(d);

    assert_int_equal(update(entry_ma(p, 5), CODE64_RING0), 0);
    assert_true(table(p)[5] == CODE64);
    assert_true(idle_frame(p));
    assert_int_equal(get_type_locked(d, p, PGT_SEG_DESC), 0); /* in use as a table */
    assert_int_equal(update(entry_ma(p, 511), CODE64), 0);
    assert_true(table(p)[511] == CODE64);
    assert_int_equal(uses_of(p), 1);
    put_type_locked(d, p);
}

static void test_update_refused(void **state)
{
    struct page *p = frame_new(d), *root = frame_new(d);
    struct domain *other = pt_domain(2, false);

    assert_int_equal(update(entry_ma(p, 5) + 4, CODE64), -EINVAL);
    assert_int_equal(update(entry_ma(p, 5), CALL_GATE), -EINVAL);
    assert_int_equal(update(HOST_FRAMES << PAGE_SHIFT, CODE64), -EINVAL);
    assert_int_equal(update(entry_ma(frame_new(other), 0), CODE64), -EINVAL);
    assert_int_equal(get_type_locked(d, root, PGT_L4), 0);
    assert_int_equal(update(entry_ma(root, 5), 0), -EINVAL); /* a page table is no place for it */
    assert_int_equal(table(root)[5], 0);
    put_type_locked(d, root);
    pt_domain_end(other);
}

/* --- set_gdt --- */

static long set_gdt(const u64 *frames, unsigned long entries)
{
    return call_through(do_set_gdt, (struct hypercall_args){ { (unsigned long)frames, entries } });
}

static void test_set_gdt(void **state)
{
    struct page *a = frame_new(d), *b = frame_new(d);
    u64 frames[2] = { page_to_mfn(a).n, page_to_mfn(b).n };

    table(a)[3] = CODE64_RING0;
    assert_int_equal(set_gdt(frames, 513), 0);
    assert_true(table(a)[3] == CODE64);
    assert_int_equal(v->pv.gdt_entries, 513);
    assert_int_equal(type_of(a), PGT_SEG_DESC);
    assert_int_equal(uses_of(b), 1);
    assert_int_equal(set_gdt(&frames[1], 512), 0);
    assert_true(idle_frame(a)); /* what was there before goes */
    assert_int_equal(set_gdt(NULL, 0), 0);
    assert_true(idle_frame(b));
}

static void test_set_gdt_refused(void **state)
{
    struct page *good = frame_new(d), *bad = frame_new(d);
    u64 frames[2] = { page_to_mfn(good).n, page_to_mfn(bad).n };

    assert_int_equal(set_gdt(frames, PV_GDT_ENTRIES + 1), -EINVAL);
    assert_int_equal(set_gdt((u64 *)8, 1), -EFAULT);
    table(bad)[7] = TSS;
    assert_int_equal(set_gdt(frames, 1024), -EINVAL);
    assert_true(idle_frame(good));
    assert_true(idle_frame(bad));
    frames[1] = HOST_FRAMES;
    assert_int_equal(set_gdt(frames, 1024), -EINVAL);
    assert_true(idle_frame(good));
    assert_int_equal(v->pv.gdt_entries, 0);
}

/* --- set_segment_base --- */

static long set_base(unsigned which, u64 base)
{
    return call_through(do_set_segment_base, (struct hypercall_args){ { which, base } });
}

static void test_segment_bases(void **state)
{
    for (unsigned which = SEGBASE_FS; which <= SEGBASE_GS_KERNEL; which++) {
        assert_int_equal(set_base(which, 0x7f0000001000 + which), 0);
        assert_true(bases[which] == 0x7f0000001000UL + which);
        assert_int_equal(set_base(which, NON_CANONICAL), -EINVAL);
        assert_true(bases[which] == 0x7f0000001000UL + which);
    }
    assert_int_equal(set_base(SEGBASE_GS_USER_SEL, 0x5002b), 0);
    assert_int_equal(selector, 0x2b); /* bits 15 to 0 */
    assert_int_equal(set_base(SEGBASE_GS_USER_SEL, 0xbad0), -EINVAL);
    assert_int_equal(set_base(4, 0), -EINVAL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(test_descriptors), T(test_update), T(test_update_refused), T(test_set_gdt), T(test_set_gdt_refused),
        T(test_segment_bases),
    };

    return cmocka_run_group_tests(tests, pt_setup, NULL);
}
