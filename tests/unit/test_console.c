/* SPDX-License-Identifier: MIT */
/* core/console*.c, debug_keys.c: devices, the ring and its readers, domain 0's terminal, input and its switch. */
#include "scarce_memory.h"

#include "core/console_private.h"

#include <zelo/console.h>
#include <zelo/softirq.h>

#include <xen/sysctl.h>
#include <xen/xen.h>

#include <arch/machine.h>

static char out_a[65536], out_b[65536];
static size_t len_a, len_b;

static void write_a(const char *s, size_t n) { memcpy(out_a + len_a, s, n); len_a += n; out_a[len_a] = 0; }
static void write_b(const char *s, size_t n) { memcpy(out_b + len_b, s, n); len_b += n; out_b[len_b] = 0; }

static struct console_device dev_a = { .name = "com1", .write = write_a };
static struct console_device dev_b = { .name = "vga", .write = write_b };

static struct domain *test_dom;
static struct vcpu test_vcpu;
static vcpu_info_t test_info;
static unsigned virqs;

void event_send_host_virq(u32 virq) { virqs += virq == VIRQ_CONSOLE; }

static void say(const char *s) { console_write(s, strlen(s)); }

static void nothing(void) {}

static int group_setup(void **state)
{
    host_init(1);
    softirq_register(SOFTIRQ_TIMER, nothing);
    tasklet_room_init();
    test_dom = calloc(1, sizeof(*test_dom));
    test_dom->is_privileged = true;
    test_vcpu.domain = test_dom;
    test_vcpu.info = &test_info;
    host_set_current(&test_vcpu);
    dom0 = test_dom;
    return 0;
}

/* The tests go on from each other: there is one console. */
static void test_devices(void **state)
{
    cmdline_parse("console=com1 conring_size=32");
    say("early\n");
    console_register(&dev_a);
    console_register(&dev_b);
    say("two\nlines");
    say("\n");
    assert_string_equal(out_a, "early\r\ntwo\r\nlines\r\n");
    assert_string_equal(out_b, "");
    console_select("vga,com1");
    assert_string_equal(out_b, out_a); /* what it missed */
    console_select("com1,vga2,none,no,vga");
    host_log[0] = 0;
    console_report_unknown();
    assert_non_null(strstr(host_log, "'no'")); /* the last one */
    console_select("com1,vga2,vga");
    console_report_unknown();
    assert_non_null(strstr(host_log, "'vga2'"));
    host_log[0] = 0;
    console_select("com1");
    console_report_unknown();
    assert_string_equal(host_log, "");
    say("x\n");
    assert_string_equal(out_b, "early\r\ntwo\r\nlines\r\n");
}

static struct xen_sysctl_readconsole read_ring(char *buf, u32 size, bool clear, bool incremental, u32 index)
{
    struct xen_sysctl_readconsole op = { .clear = clear, .incremental = incremental, .index = index, .count = size };

    op.buffer.p = buf;
    assert_int_equal(console_sysctl_read(&op), 0);
    if (op.count < size)
        buf[op.count] = 0;
    return op;
}

static void test_ring_readers(void **state)
{
    static char buf[65536];
    struct xen_sysctl_readconsole op = read_ring(buf, sizeof(buf), false, false, 0);

    assert_string_equal(buf, "early\ntwo\nlines\nx\n");
    say("more\n");
    op = read_ring(buf, sizeof(buf), false, true, op.index);
    assert_string_equal(buf, "more\n");
    op = read_ring(buf, sizeof(buf), false, true, op.index);
    assert_int_equal(op.count, 0);
    op = read_ring(buf, 3, false, false, 0);
    assert_memory_equal(buf, "ear", 3);
    op = read_ring(buf, sizeof(buf), false, true, op.index);
    assert_string_equal(buf, "ly\ntwo\nlines\nx\nmore\n");
    op = read_ring(buf, sizeof(buf), true, false, 0);
    assert_string_equal(buf, "early\ntwo\nlines\nx\nmore\n");
    op = read_ring(buf, sizeof(buf), false, false, 0);
    assert_int_equal(op.count, 0);
    say("after\n");
    read_ring(buf, sizeof(buf), false, true, 0x80000000); /* a position that never was */
    assert_string_equal(buf, "after\n");
    op.buffer.p = (void *)HYPERVISOR_VIRT_START;
    op.count = 10;
    op.incremental = 0;
    assert_int_equal(console_sysctl_read(&op), -EFAULT);
}

/* The ring of the start goes on as it is. */
static void test_no_memory_for_a_ring(void **state)
{
    static char buf[65536];
    struct xen_sysctl_readconsole op;

    cmdline_parse("conring_size=large"); /* no size: the usual one, which there is no memory for either */
    memory_take_all();
    host_log[0] = 0;
    console_ring_resize();
    memory_give_all();
    assert_non_null(strstr(host_log, "No memory"));
    op = read_ring(buf, sizeof(buf), false, false, 0);
    assert_int_equal(op.count, 6);
    assert_string_equal(buf, "after\n");
    cmdline_parse("console=com1 conring_size=32");
}

static void test_ring_grows_and_wraps(void **state)
{
    static char buf[65536];
    struct xen_sysctl_readconsole op;
    char line[40];

    console_room_init(); /* 32 KiB */
    op = read_ring(buf, sizeof(buf), false, false, 0);
    assert_string_equal(buf, "after\n");
    for (unsigned i = 0; i < 3000; i++) {
        len_a = 0;
        snprintf(line, sizeof(line), "line number %05u\n", i);
        say(line);
    }
    op = read_ring(buf, sizeof(buf), false, false, 0);
    assert_int_equal(op.count, 32768);
    buf[op.count] = 0;
    assert_string_equal(buf + op.count - 18, "line number 02999\n");
    for (u32 i = 1; i < op.count; i++)
        assert_true(buf[i - 1] != '\n' || buf[i] == 'l');
}

/* Of a text larger than the ring the end stays; positions go on counting all of it. */
static void test_ring_and_a_very_long_text(void **state)
{
    static char text[40000], buf[65536];
    struct xen_sysctl_readconsole before = read_ring(buf, 1, false, true, 0x80000000), op;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 26);
    len_a = 0;
    console_write(text, sizeof(text));
    op = read_ring(buf, sizeof(buf), false, true, before.index);
    assert_int_equal(op.count, 32768);
    assert_memory_equal(buf, text + sizeof(text) - 32768, 32768);
}

static void test_ring_grows_once(void **state)
{
    assert_true(HOST_PANICS(console_ring_resize()));
}

static long console_io(unsigned cmd, u32 count, const void *p)
{
    return do_console_io(&(struct hypercall_args){ { cmd, count, (u64)p } });
}

static void test_dom0_output_is_raw(void **state)
{
    char bytes[300], ring[4];

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    read_ring(ring, sizeof(ring), true, false, 0);
    len_a = 0;
    assert_int_equal(console_io(CONSOLEIO_write, sizeof(bytes), bytes), 0);
    assert_int_equal(len_a, sizeof(bytes));
    assert_memory_equal(out_a, bytes, sizeof(bytes));
    assert_int_equal(console_io(CONSOLEIO_write, 0, NULL), 0);
    assert_int_equal(console_io(CONSOLEIO_write, 1, (void *)HYPERVISOR_VIRT_START), -EFAULT);
    assert_int_equal(console_io(9, 0, NULL), -ENOSYS);
}

static void test_dom0_output_stops_and_goes_on(void **state)
{
    struct cpu_user_regs *r = guest_regs();
    char bytes[200];

    memset(bytes, 'd', sizeof(bytes));
    len_a = 0;
    softirq_raise(SOFTIRQ_TIMER);
    *r = (struct cpu_user_regs){ .rax = __HYPERVISOR_console_io, .rdi = CONSOLEIO_write, .rsi = sizeof(bytes),
                                 .rdx = (u64)bytes, .rip = 2 };
    hypercall_dispatch(r);
    assert_int_equal(r->rip, 0);
    assert_int_equal(r->rax, __HYPERVISOR_console_io);
    assert_int_equal(r->rsi + len_a, sizeof(bytes));
    assert_int_equal(r->rdx, (u64)bytes + len_a);
    softirq_run();
    r->rip = 2;
    hypercall_dispatch(r);
    assert_int_equal(r->rip, 2);
    assert_int_equal(r->rax, 0);
    assert_int_equal(len_a, sizeof(bytes));
}

static void test_others_may_not(void **state)
{
    test_dom->is_privileged = false;
    assert_int_equal(console_io(CONSOLEIO_write, 1, "x"), -EPERM);
    assert_int_equal(console_io(CONSOLEIO_read, 1, out_b), -EPERM);
    test_dom->is_privileged = true;
}

static void type(const char *s)
{
    while (*s)
        console_input((u8)*s++);
}

static void test_input(void **state)
{
    char buf[5000];

    virqs = 0;
    type("hello");
    assert_int_equal(virqs, 5);
    assert_int_equal(console_io(CONSOLEIO_read, 3, buf), 3);
    assert_memory_equal(buf, "hel", 3);
    assert_int_equal(console_io(CONSOLEIO_read, sizeof(buf), buf), 2);
    assert_int_equal(console_io(CONSOLEIO_read, sizeof(buf), buf), 0);
    type("x");
    assert_int_equal(console_io(CONSOLEIO_read, 1, (void *)8), -EFAULT);
    for (unsigned i = 0; i < 10000; i++)
        console_input('z');
    assert_int_equal(console_io(CONSOLEIO_read, sizeof(buf), buf), 2048);
    assert_int_equal(console_io(CONSOLEIO_read, sizeof(buf), buf), 0);
}

static unsigned pressed;
static void key_pressed(u8 key) { pressed += key == 'k'; }

static void test_switch_and_debug_keys(void **state)
{
    char buf[100];

    debug_key_register('k', "a test", key_pressed);
    type("\1\1x"); /* meant for domain 0 */
    assert_int_equal(console_io(CONSOLEIO_read, sizeof(buf), buf), 3);
    assert_memory_equal(buf, "\1\1x", 3);
    type("\1\1\1k");
    assert_int_equal(console_io(CONSOLEIO_read, sizeof(buf), buf), 0);
    assert_int_equal(pressed, 0);
    softirq_run();
    assert_int_equal(pressed, 1);
    type("?"); /* no such key */
    type("\1\1\1k");
    softirq_run();
    assert_int_equal(pressed, 1);
    assert_int_equal(console_io(CONSOLEIO_read, sizeof(buf), buf), 1);
    host_log[0] = 0;
    debug_key('k');
    debug_key('h');
    softirq_run();
    assert_int_equal(pressed, 2);
    assert_non_null(strstr(host_log, "a test"));
}

static void test_panic_mode(void **state)
{
    len_a = 0;
    console_panic_mode();
    say("dying\n");
    assert_string_equal(out_a, "dying\r\n");
    assert_int_equal(host_locks_held(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_ring_readers),
        cmocka_unit_test(test_no_memory_for_a_ring),
        cmocka_unit_test(test_ring_grows_and_wraps),
        cmocka_unit_test(test_ring_and_a_very_long_text),
        cmocka_unit_test(test_ring_grows_once),
        cmocka_unit_test(test_dom0_output_is_raw),
        cmocka_unit_test(test_dom0_output_stops_and_goes_on),
        cmocka_unit_test(test_others_may_not),
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_switch_and_debug_keys),
        cmocka_unit_test(test_panic_mode),
    };

    return cmocka_run_group_tests(tests, group_setup, NULL);
}
