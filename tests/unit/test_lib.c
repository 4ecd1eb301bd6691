/* SPDX-License-Identifier: MIT */
/* core/lib_*.c against the host's C library, the command line, and what the ABI wants of both. */
#include "unit.h"

#include <arch/machine.h>

void *zelo_memcpy(void *dst, const void *src, size_t n);
void *zelo_memmove(void *dst, const void *src, size_t n);
void *zelo_memset(void *dst, int c, size_t n);
int zelo_memcmp(const void *a, const void *b, size_t n);
void *zelo_memchr(const void *s, int c, size_t n);
size_t zelo_strlen(const char *s);
size_t zelo_strnlen(const char *s, size_t max);
int zelo_strcmp(const char *a, const char *b);
int zelo_strncmp(const char *a, const char *b, size_t n);
char *zelo_strchr(const char *s, int c);
char *zelo_strstr(const char *h, const char *n);
int zelo_snprintf(char *buf, size_t size, const char *fmt, ...);

static int sign(int v) { return (v > 0) - (v < 0); }

static void fill_pattern(u8 *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (u8)(i * 7 + 3);
}

/* Every length and alignment round the word and block sizes. */
static void test_memory(void **state)
{
    u8 a[200], b[200], want[200];

    for (size_t off = 0; off < 9; off++) {
        for (size_t n = 0; n < 100; n++) {
            fill_pattern(a, sizeof(a));
            memset(b, 0xee, sizeof(b));
            memset(want, 0xee, sizeof(want));
            memcpy(want + off, a + 3, n);
            assert_ptr_equal(zelo_memcpy(b + off, a + 3, n), b + off);
            assert_memory_equal(b, want, sizeof(b));
            assert_int_equal(zelo_memcmp(b + off, a + 3, n), 0);
            memset(want + off, 0x5a, n);
            zelo_memset(b + off, 0x15a, n);
            assert_memory_equal(b, want, sizeof(b));
        }
    }
}

static void test_memmove_overlap(void **state)
{
    u8 a[160], want[160];

    for (size_t from = 0; from < 40; from++) {
        for (size_t to = 0; to < 40; to++) {
            for (size_t n = 0; n < 100; n += 7) {
                fill_pattern(a, sizeof(a));
                memcpy(want, a, sizeof(a));
                memmove(want + to, want + from, n);
                zelo_memmove(a + to, a + from, n);
                assert_memory_equal(a, want, sizeof(a));
            }
        }
    }
}

static void test_compare(void **state)
{
    u8 a[64] = { 0 }, b[64] = { 0 };

    for (size_t i = 0; i < sizeof(a); i++) {
        a[i] = 0x80;
        b[i] = 0x7f;
        assert_true(zelo_memcmp(a, b, sizeof(a)) > 0);
        assert_true(zelo_memcmp(b, a, sizeof(a)) < 0);
        assert_int_equal(zelo_memcmp(a, b, i), 0);
        a[i] = b[i] = 0;
    }
    a[20] = 9;
    assert_ptr_equal(zelo_memchr(a, 9, 64), a + 20);
    assert_null(zelo_memchr(a, 9, 20));
}

static void test_strings(void **state)
{
    static const char *const s[] = { "", "a", "ab", "abc", "b", "abd", "aab", "\xff" };

    for (size_t i = 0; i < ARRAY_SIZE(s); i++) {
        assert_int_equal(zelo_strlen(s[i]), strlen(s[i]));
        assert_int_equal(zelo_strnlen(s[i], 2), strnlen(s[i], 2));
        for (size_t j = 0; j < ARRAY_SIZE(s); j++) {
            assert_int_equal(sign(zelo_strcmp(s[i], s[j])), sign(strcmp(s[i], s[j])));
            assert_int_equal(sign(zelo_strncmp(s[i], s[j], 2)), sign(strncmp(s[i], s[j], 2)));
            assert_ptr_equal(zelo_strstr(s[i], s[j]), strstr(s[i], s[j]));
        }
        assert_ptr_equal(zelo_strchr(s[i], 'b'), strchr(s[i], 'b'));
        assert_ptr_equal(zelo_strchr(s[i], 0), strchr(s[i], 0));
    }
}

static void test_str_copy(void **state)
{
    char buf[4] = "xxx";

    assert_int_equal(str_copy(buf, "abcdef", sizeof(buf)), 6);
    assert_string_equal(buf, "abc");
    assert_int_equal(str_copy(buf, "z", sizeof(buf)), 1);
    assert_string_equal(buf, "z");
    assert_int_equal(str_copy(buf, "abc", 0), 3);
    assert_string_equal(buf, "z");
}

#define SAME(...)                                                          \
    do {                                                                   \
        char a_[200], b_[200];                                             \
        int n_ = snprintf(a_, sizeof(a_), __VA_ARGS__);                    \
        assert_int_equal(zelo_snprintf(b_, sizeof(b_), __VA_ARGS__), n_);  \
        assert_string_equal(b_, a_);                                       \
    } while (0)

static void test_printf_numbers(void **state)
{
    static const long values[] = { 0, 1, -1, 9, 10, 255, -4096, 0x7fffffff, -0x7fffffffL - 1, 0x7fffffffffffffffL,
                                   -0x7fffffffffffffffL - 1 };

    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        long v = values[i];
        unsigned long u = (unsigned long)v;

        SAME("%ld|%5ld|%-5ld|%05ld|%+ld|% ld", v, v, v, v, v, v);
        SAME("%lx|%#lx|%016lx|%#018lx|%-20lx|%lX|%#lo", u, u, u, u, u, u, u);
        SAME("%d|%u|%x|%8.3d|%-8.5x|%.0d|%.0u", (int)v, (unsigned)v, (unsigned)v, (int)v, (unsigned)v, (int)v,
             (unsigned)v);
        SAME("%lld %llu %zu %zd %ju %td", (long long)v, (unsigned long long)v, (size_t)v, (ssize_t)v, (uintmax_t)v,
             (ptrdiff_t)v);
        SAME("%hhd %hhu %hd %hu", (signed char)v, (unsigned char)v, (short)v, (unsigned short)v);
        SAME("%*ld|%-*ld|%.*ld", 12, v, 12, v, 15, v);
    }
}

static void test_printf_text(void **state)
{
    SAME("%s|%10s|%-10s|%.2s|%10.1s|%c|%3c|%-3c|%%", "hello", "hello", "hello", "hello", "hello", 'x', 'y', 'z');
    SAME("%.*s|%*s|%*s", 3, "abcdef", 5, "a", -5, "b");
    SAME("no conversion at all");
    SAME("%s", "");
}

static void test_printf_pointer_and_size(void **state)
{
    char buf[40] = "";

    zelo_snprintf(buf, sizeof(buf), "%p", (void *)0xffff830000001000);
    assert_string_equal(buf, "ffff830000001000");
    assert_int_equal(zelo_snprintf(buf, 4, "%d", 123456), 6);
    assert_string_equal(buf, "123");
    assert_int_equal(zelo_snprintf(buf, 1, "abc"), 3);
    assert_string_equal(buf, "");
    assert_int_equal(zelo_snprintf(NULL, 0, "%s-%u", "abc", 12u), 6);
    zelo_snprintf(buf, sizeof(buf), "%s", (const char *)NULL);
    assert_string_equal(buf, "(null)");
    zelo_snprintf(buf, sizeof(buf), "abc%");
    assert_string_equal(buf, "abc");
}

static void test_parse(void **state)
{
    const char *end;

    assert_int_equal(parse_u64("0", &end), 0);
    assert_int_equal(*end, 0);
    assert_int_equal(parse_u64("0x1fG", &end), 0x1f);
    assert_int_equal(*end, 'G');
    assert_int_equal(parse_u64("017", &end), 017);
    assert_int_equal(parse_u64("089", &end), 0);
    assert_string_equal(end, "89");
    assert_int_equal(parse_u64("x", &end), 0);
    assert_string_equal(end, "x");
    assert_int_equal(parse_u64("0x", &end), 0);
    assert_string_equal(end, "x");
    assert_true(parse_u64("18446744073709551615", &end) == ~0ULL);
    assert_true(parse_u64("18446744073709551616", &end) == ~0ULL);
    assert_true(parse_u64("99999999999999999999999", &end) == ~0ULL);
    assert_int_equal(parse_size("512M,max", &end, 1), MiB(512));
    assert_string_equal(end, ",max");
    assert_int_equal(parse_size("64", &end, KiB(1)), KiB(64));
    assert_int_equal(*end, 0);
    assert_int_equal(parse_size("2g", &end, 1), GiB(2));
    assert_int_equal(parse_size("7B", &end, KiB(1)), 7);
    assert_int_equal(parse_size("1T", NULL, 1), GiB(1024));
    assert_true(parse_size("99999999999T", &end, 1) == ~0ULL);
}

static void test_bitmap(void **state)
{
    unsigned long m[3] = { 0 };

    for (unsigned i = 0; i < 150; i += 13) {
        bitmap_set(m, i);
        assert_true(bitmap_test(m, i));
    }
    for (unsigned from = 0; from <= 150; from++) {
        unsigned set = from;

        while (set < 150 && !bitmap_test(m, set))
            set++;
        assert_int_equal(bitmap_next_set(m, 150, from), set);
    }
    assert_int_equal(bitmap_weight(m, 150), 12);
    assert_int_equal(bitmap_weight(m, 14), 2);
    assert_int_equal(bitmap_weight(m, 64), 5);
    bitmap_clear(m, 0);
    assert_int_equal(bitmap_next_set(m, 13, 0), 13); /* bit 13 is beyond */
    assert_int_equal(bitmap_next_set(m, 0, 0), 0);
}

static void test_cmdline_values(void **state)
{
    cmdline_parse("  console=com1,vga dom0_mem=512M noreboot  loglvl=all n=12 hex=0x10 bad=12x console=vga name=\"a b\" ");
    assert_string_equal(cmdline_get("console"), "vga"); /* the last one */
    assert_string_equal(cmdline_get("dom0_mem"), "512M");
    assert_string_equal(cmdline_get("noreboot"), "");
    assert_string_equal(cmdline_get("name"), "a b");
    assert_null(cmdline_get("conso"));
    assert_null(cmdline_get("dom0_mem=512M x"));
    assert_int_equal(cmdline_u64("n", 1), 12);
    assert_int_equal(cmdline_u64("hex", 1), 16);
    assert_int_equal(cmdline_u64("bad", 1), 1);
    assert_int_equal(cmdline_u64("absent", 7), 7);
}

static void test_cmdline_bool(void **state)
{
    cmdline_parse("a no-b c=off d=yes e=true f=0 g=perhaps no-h h i no-i");
    assert_true(cmdline_bool("a", false));
    assert_false(cmdline_bool("b", true));
    assert_false(cmdline_bool("c", true));
    assert_true(cmdline_bool("d", false));
    assert_true(cmdline_bool("e", false));
    assert_false(cmdline_bool("f", true));
    assert_true(cmdline_bool("g", true));
    assert_false(cmdline_bool("g", false));
    assert_true(cmdline_bool("h", false));
    assert_false(cmdline_bool("i", true));
    assert_true(cmdline_bool("z", true));
}

static void test_cmdline_unknown(void **state)
{
    cmdline_parse("known=1 mispelt=2");
    (void)cmdline_get("known");
    host_log[0] = 0;
    cmdline_report_unknown();
    assert_non_null(strstr(host_log, "mispelt=2"));
    host_log[0] = 0;
    (void)cmdline_get("mispelt");
    cmdline_report_unknown();
    assert_string_equal(host_log, "");
}

/* Debian's GRUB adds words to each line, which the administrator never wrote: no warning. */
static void test_cmdline_grubs_words(void **state)
{
    cmdline_parse("placeholder console=com1 no-real-mode edd=off");
    assert_string_equal(cmdline_get("console"), "com1");
    host_log[0] = 0;
    cmdline_report_unknown();
    assert_string_equal(host_log, "");
    cmdline_parse("placeholder2");
    cmdline_report_unknown();
    assert_non_null(strstr(host_log, "placeholder2"));
    cmdline_parse("edd=on");
    cmdline_report_unknown();
    assert_non_null(strstr(host_log, "edd=on"));
}

static void test_cmdline_odd_forms(void **state)
{
    char *long_line = malloc(20000);

    cmdline_parse("/boot/zelo.gz console=com1");
    assert_string_equal(cmdline_get("console"), "com1");
    host_log[0] = 0;
    cmdline_report_unknown();
    assert_string_equal(host_log, ""); /* the image's name is no option */
    cmdline_parse("build/zelo.elf");
    assert_null(cmdline_get("build/zelo.elf"));
    cmdline_parse("path=/x/y \"\" z");
    assert_string_equal(cmdline_get("path"), "/x/y");
    assert_string_equal(cmdline_get("z"), "");
    cmdline_parse("");
    assert_null(cmdline_get(""));
    memset(long_line, 'x', 19999);
    long_line[19999] = 0;
    cmdline_parse(long_line);
    memset(long_line, ' ', 19999);
    for (size_t i = 0; i < 19999; i += 2)
        long_line[i] = 'y';
    cmdline_parse(long_line);
    assert_string_equal(cmdline_get("y"), "");
    cmdline_report_unknown();
    assert_non_null(strstr(host_log, "cut"));
    free(long_line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_memmove_overlap),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_str_copy),
        cmocka_unit_test(test_printf_numbers),
        cmocka_unit_test(test_printf_text),
        cmocka_unit_test(test_printf_pointer_and_size),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_bitmap),
        cmocka_unit_test(test_cmdline_values),
        cmocka_unit_test(test_cmdline_bool),
        cmocka_unit_test(test_cmdline_unknown),
        cmocka_unit_test(test_cmdline_grubs_words),
        cmocka_unit_test(test_cmdline_odd_forms),
    };

    return cmocka_run_group_tests(tests, host_group_setup, NULL);
}
