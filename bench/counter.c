/* SPDX-License-Identifier: MIT */
/*
 * A plugin of QEMU's (its TCG plugin API, version 1) that counts what the emulated CPU executes: instructions, by whose
 * they are, and those that cost a real CPU more than others.  Between each pair of marks (mark.h) it writes one line of
 * numbers to a file, under a line that names the columns.
 *
 *   -plugin counter.so,out=FILE,hypervisor=BASE-END,late=on,started=on
 *
 * With late=on it only looks for marks until the mark that says READY: counting takes a machine's boot several times as
 * long.
 *
 * With `started` the first piece of work begins with the machine.
 *
 * What only ring 0 may execute counts only where ring 0 is: in the hypervisor, between these two addresses, if there is
 * one, else in all of the kernel's half.  What a CPU refuses or begins anew is counted at each attempt.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "plugin.h"

#define KERNEL_HALF (1ULL << 63)

static uint64_t total[COUNTS], before[COUNTS];
static uint64_t ring0_from = KERNEL_HALF, ring0_to = UINT64_MAX;
static bool hypervised, begun;
static bool late; /* nothing is counted yet */
static FILE *out;
static qemu_plugin_id_t self;

static void begin(unsigned vcpu, void *unused)
{
    (void)vcpu, (void)unused;
    if (late)
        return;
    memcpy(before, total, sizeof(before));
    begun = true;
}

static void end(unsigned vcpu, void *unused)
{
    (void)vcpu, (void)unused;
    if (!begun)
        return;
    begun = false;
    for (unsigned i = 0; i < COUNTS; i++)
        fprintf(out, "%" PRIu64 "%c", total[i] - before[i], i + 1 < COUNTS ? ' ' : '\n');
    fflush(out);
}

static void count(struct qemu_plugin_insn *insn, unsigned what)
{
    qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &total[what], 1);
}

static unsigned whose(uint64_t address, bool ring0)
{
    if (hypervised && ring0)
        return COUNT_HYPERVISOR;
    return address < KERNEL_HALF ? COUNT_USER : COUNT_KERNEL;
}

static void count_kinds(struct qemu_plugin_insn *insn, unsigned kinds)
{
    uint64_t address = qemu_plugin_insn_vaddr(insn);
    bool ring0 = address >= ring0_from && address < ring0_to;

    count(insn, whose(address, ring0));
    for (unsigned i = COUNT_FIRST_KIND; i < COUNTS; i++)
        if ((kinds & 1u << i) && (ring0 || !(COUNTS_OF_RING0 & 1u << i)))
            count(insn, i);
}

static void ready(unsigned vcpu, void *unused);

static void translated(struct qemu_plugin_insn *insn)
{
    static void (*const at_mark[])(unsigned, void *) = {
        [MARK_BEGINS] = begin, [MARK_ENDS] = end, [MARK_READY] = ready,
    };
    struct decoded d = decode(qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn));

    if (!late)
        count_kinds(insn, d.kinds);
    if (d.mark != MARK_NONE)
        qemu_plugin_register_vcpu_insn_exec_cb(insn, at_mark[d.mark], QEMU_PLUGIN_CB_NO_REGS, NULL);
}

static void translated_block(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    plugin_each_insn(tb, translated);
}

/* What was translated without counters is gone. */
static void start_counting(qemu_plugin_id_t id)
{
    late = false;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated_block);
}

static void ready(unsigned vcpu, void *unused)
{
    (void)vcpu, (void)unused;
    if (late)
        qemu_plugin_reset(self, start_counting);
}

static int usage(const char *what)
{
    fprintf(stderr, "counter: %s\n", what);
    return -1;
}

/* One argument, NAME=VALUE. */
static bool understood(const char *argument)
{
    if (!strcmp(argument, "started=on"))
        return begun = true;
    if (!strncmp(argument, "out=", 4))
        return (out = fopen(argument + 4, "w"));
    if (!strcmp(argument, "late=on"))
        return late = true;
    if (sscanf(argument, "hypervisor=%" SCNx64 "-%" SCNx64, &ring0_from, &ring0_to) != 2)
        return false;
    return hypervised = true;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

/* Called by QEMU when it loads the plugin: 0, or -1 and QEMU ends. */
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
    if (info->system_emulation && info->vcpus.max != 1)
        return usage("the counts are those of one CPU");
    for (int i = 0; i < argc; i++)
        if (!understood(argv[i]))
            return usage(argv[i]);
    if (!out)
        return usage("no out=FILE");
    self = id;
    for (unsigned i = 0; i < COUNTS; i++)
        fprintf(out, "%s%c", count_names[i], i + 1 < COUNTS ? ' ' : '\n');
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated_block);
    return 0;
}
