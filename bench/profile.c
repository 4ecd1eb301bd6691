/* SPDX-License-Identifier: MIT */
/*
 * A plugin of QEMU's like counter.c, which tells where the instructions between two marks go: for each pair of marks a
 * line "row", and a line "ADDRESS COUNT" for each instruction in a range that was executed there.
 *
 *   -plugin profile.so,out=FILE,from=ADDRESS,to=ADDRESS[,started=on]
 *
 * started: the first row begins with the machine.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "plugin.h"

/* One of each address, for good: translated code adds to it. */
struct place {
    struct place *next;
    uint64_t address, count;
};

#define BUCKETS (1u << 16)
static struct place *places[BUCKETS];
static uint64_t from, to = UINT64_MAX;
static bool begun;
static FILE *out;

static uint64_t *count_of(uint64_t address)
{
    struct place **bucket = &places[address % BUCKETS], *p = *bucket;

    while (p && p->address != address)
        p = p->next;
    if (!p) {
        p = calloc(1, sizeof(*p));
        if (!p)
            abort();
        *p = (struct place){ .next = *bucket, .address = address };
        *bucket = p;
    }
    return &p->count;
}

static void begin(unsigned vcpu, void *unused)
{
    (void)vcpu, (void)unused;
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct place *p = places[i]; p; p = p->next)
            p->count = 0;
    begun = true;
}

static void end(unsigned vcpu, void *unused)
{
    (void)vcpu, (void)unused;
    if (!begun)
        return;
    begun = false;
    fputs("row\n", out);
    for (unsigned i = 0; i < BUCKETS; i++)
        for (const struct place *p = places[i]; p; p = p->next)
            if (p->count)
                fprintf(out, "%" PRIx64 " %" PRIu64 "\n", p->address, p->count);
    fflush(out);
}

static void translated(struct qemu_plugin_insn *insn)
{
    uint64_t address = qemu_plugin_insn_vaddr(insn);
    enum mark mark = decode(qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn)).mark;

    if (address >= from && address < to)
        qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, count_of(address), 1);
    if (mark == MARK_BEGINS || mark == MARK_ENDS)
        qemu_plugin_register_vcpu_insn_exec_cb(insn, mark == MARK_BEGINS ? begin : end, QEMU_PLUGIN_CB_NO_REGS, NULL);
}

static void translated_block(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    plugin_each_insn(tb, translated);
}

/* One argument, NAME=VALUE. */
static bool understood(const char *argument)
{
    if (!strncmp(argument, "out=", 4))
        return (out = fopen(argument + 4, "w"));
    if (!strcmp(argument, "started=on"))
        return (begun = true);
    return sscanf(argument, "from=%" SCNx64, &from) == 1 || sscanf(argument, "to=%" SCNx64, &to) == 1;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

/* Called by QEMU when it loads the plugin: 0, or -1 and QEMU ends. */
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!understood(argv[i])) {
            fprintf(stderr, "profile: %s\n", argv[i]);
            return -1;
        }
    }
    if (!out)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated_block);
    return 0;
}
