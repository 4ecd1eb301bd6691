/* SPDX-License-Identifier: MIT */
/* core/slab.c: size classes, sizes at the edges, pages going back, several CPUs at once. */
#include "unit.h"

static void test_sizes(void **state)
{
    static const size_t sizes[] = { 1,    15,   16,   17,   100,  1024,  2047,
                                    2048, 2049, 4095, 4096, 4097, 65536, 100000 };
    u64 before = heap_free_page_count();

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        u8 *p = mem_alloc(sizes[i]);

        assert_non_null(p);
        assert_int_equal((vaddr_t)p % (sizes[i] >= PAGE_SIZE ? PAGE_SIZE : 16), 0);
        for (size_t b = 0; b < sizes[i]; b++)
            assert_int_equal(p[b], 0);
        memset(p, 0xff, sizes[i]);
        mem_free(p);
        assert_int_equal(heap_free_page_count(), before);
    }
}

static void test_zero_size_and_null(void **state)
{
    void *a = mem_alloc(0), *b = mem_alloc(0);

    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_not_equal(a, b);
    mem_free(a);
    mem_free(b);
    mem_free(NULL);
}

static void test_too_large(void **state)
{
    assert_null(mem_alloc(SIZE_MAX));
    assert_null(mem_alloc(SIZE_MAX - 5000));
    assert_null(mem_alloc(1ULL << 40));
    assert_null(mem_alloc(1ULL << 33));
    assert_null(mem_alloc_array_bytes(SIZE_MAX / 2, 3));
    assert_null(mem_alloc_array(u64, 1ULL << 61));
}

static void test_objects_do_not_overlap(void **state)
{
    enum { N = 3000 };
    u64 before = heap_free_page_count();
    u32 **p = calloc(N, sizeof(*p));

    for (size_t i = 0; i < N; i++) {
        size_t size = 16u << (i % 8);

        p[i] = mem_alloc(size);
        assert_non_null(p[i]);
        for (size_t w = 0; w < size / 4; w++)
            p[i][w] = (u32)i;
    }
    for (size_t i = 0; i < N; i++)
        for (size_t w = 0; w < (16u << (i % 8)) / 4; w++)
            assert_int_equal(p[i][w], i);
    for (size_t i = 0; i < N; i += 2) /* leave several pages partial */
        mem_free(p[i]);
    for (size_t i = 0; i < N; i += 2) {
        p[i] = mem_alloc(16u << (i % 8));
        assert_non_null(p[i]);
    }
    for (size_t i = N; i--;)
        mem_free(p[i]);
    assert_int_equal(heap_free_page_count(), before);
    free(p);
}

static void test_wrong_frees_panic(void **state)
{
    u8 *p = mem_alloc(64), *q = mem_alloc(64);
    u8 *big = mem_alloc(3 * PAGE_SIZE);

    assert_true(HOST_PANICS(mem_free(p + 16)));
    assert_true(HOST_PANICS(mem_free(big + PAGE_SIZE)));
    mem_free(big);
    mem_free(p);
    mem_free(q);
}

/* The last test: the lock stays held.  The page is still there, since q lives in it. */
static void test_double_free_panics(void **state)
{
    u8 *p = mem_alloc(64), *q = mem_alloc(64);

    assert_non_null(q);
    mem_free(p);
    assert_true(HOST_PANICS(mem_free(p)));
}

static void hammer(void *arg)
{
    unsigned seed = this_cpu() * 31 + 5;
    u8 *have[64] = { NULL };
    size_t size[64] = { 0 };

    for (unsigned i = 0; i < 30000; i++) {
        unsigned s = rand_r(&seed) % 64;

        if (have[s]) {
            for (size_t b = 0; b < size[s]; b++)
                if (have[s][b] != (u8)(this_cpu() + 1))
                    abort();
            mem_free(have[s]);
            have[s] = NULL;
            continue;
        }
        size[s] = 1 + rand_r(&seed) % 600;
        have[s] = mem_alloc(size[s]);
        if (have[s])
            memset(have[s], (int)this_cpu() + 1, size[s]);
    }
    for (unsigned s = 0; s < 64; s++)
        mem_free(have[s]);
}

static void test_many_cpus(void **state)
{
    u64 before = heap_free_page_count();

    host_run_cpus(4, hammer, NULL);
    assert_int_equal(heap_free_page_count(), before);
}

/* The lock guards against an interrupt on the same CPU too. */
static void test_irq_state_is_kept(void **state)
{
    void *p;

    arch_irq_disable();
    p = mem_alloc(100);
    assert_false(arch_irq_enabled());
    mem_free(p);
    assert_false(arch_irq_enabled());
    arch_irq_enable();
    p = mem_alloc(100);
    mem_free(p);
    assert_true(arch_irq_enabled());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_zero_size_and_null),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_objects_do_not_overlap),
        cmocka_unit_test(test_wrong_frees_panic),
        cmocka_unit_test(test_many_cpus),
        cmocka_unit_test(test_irq_state_is_kept),
        cmocka_unit_test(test_double_free_panics),
    };

    return cmocka_run_group_tests(tests, host_group_setup, NULL);
}
