/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's command line: words separated by spaces (double quotes keep
 * spaces), each "name=value", "name" or "no-name".
 *
 * There is no list of options: an option is known once somebody has looked it
 * up, and cmdline_report_unknown warns of the words that nobody asked for.
 * Writing happens on the boot CPU before the others run, but for the marks.
 */
#include <arch/machine.h>

#include <zelo/atomic.h>
#include <zelo/lib.h>
#include <zelo/log.h>

#include "cmdline.h"

#define CMDLINE_MAX 4096u

static char whole[CMDLINE_MAX];           /* as given, for XENVER_commandline */
static char words[CMDLINE_MAX];           /* each ended by a zero; an empty one ends the list */
static unsigned long asked[BITMAP_LONGS(CMDLINE_MAX)]; /* bit = offset of a word somebody looked up */
static bool is_cut;

/* Copies one word without its quotes; returns what follows it in the line. */
static const char *word_copy(const char *line, size_t *to)
{
    size_t start = *to;
    bool quoted = false;

    for (; *line && (quoted || *line != ' '); line++) {
        if (*line == '"')
            quoted = !quoted;
        else if (*to < CMDLINE_MAX - 2)
            words[(*to)++] = *line;
    }
    if (*to > start)
        words[(*to)++] = '\0';
    return line;
}

/* Some loaders put the image's file name first. */
static const char *skip_image_name(const char *line)
{
    size_t n = 0;
    bool is_path = false;

    for (; line[n] && line[n] != ' ' && line[n] != '='; n++)
        is_path = is_path || line[n] == '/';
    return is_path && line[n] != '=' ? line + n : line;
}

void cmdline_parse(const char *line)
{
    size_t to = 0;

    while (*line == ' ')
        line++;
    line = skip_image_name(line);
    while (*line == ' ')
        line++;
    is_cut = str_copy(whole, line, sizeof(whole)) >= sizeof(whole);
    memset(words, 0, sizeof(words));
    memset(asked, 0, sizeof(asked));
    for (line = whole; *line && to < CMDLINE_MAX - 2;) {
        if (*line == ' ')
            line++;
        else
            line = word_copy(line, &to);
    }
}

const char *cmdline_whole(void)
{
    return whole;
}

#define for_each_word(w) for (w = words; *w; w += strlen(w) + 1)

/* The value of word w if it gives option name, or NULL; "" if it has none. */
static const char *word_value(const char *w, const char *name)
{
    size_t n = strlen(name);

    if (strncmp(w, name, n))
        return NULL;
    if (w[n] == '=')
        return w + n + 1;
    return w[n] ? NULL : w + n;
}

static void word_mark_asked(const char *w)
{
    atomic_set_bit(asked, (unsigned)(w - words));
}

const char *cmdline_get(const char *name)
{
    const char *w, *found = NULL;

    for_each_word(w) {
        const char *value = word_value(w, name);

        if (!value)
            continue;
        word_mark_asked(w);
        found = value;
    }
    return found;
}

/* 1 or 0, or -1 for a word that says neither. */
static int parse_bool(const char *s)
{
    static const char *const yes[] = { "", "1", "on", "yes", "true", "enable" };
    static const char *const no[] = { "0", "off", "no", "false", "disable" };

    for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
        if (!strcmp(s, yes[i]))
            return 1;
    for (size_t i = 0; i < ARRAY_SIZE(no); i++)
        if (!strcmp(s, no[i]))
            return 0;
    return -1;
}

bool cmdline_bool(const char *name, bool dflt)
{
    const char *w, *value;
    bool result = dflt;

    for_each_word(w) {
        int b = -1;

        if ((value = word_value(w, name)) != NULL)
            b = parse_bool(value);
        else if (!strncmp(w, "no-", 3) && !strcmp(w + 3, name))
            b = 0;
        if (b < 0)
            continue; /* a wrong value stays unasked and is reported */
        word_mark_asked(w);
        result = b;
    }
    return result;
}

u64 cmdline_u64(const char *name, u64 dflt)
{
    const char *value = cmdline_get(name), *end;
    u64 v;

    if (!value)
        return dflt;
    v = parse_u64(value, &end);
    if (end != value && !*end)
        return v;
    log_warn("Command line: %s=%s is not a number\n", name, value);
    return dflt;
}

/*
 * What GRUB's menu script (20_linux_xen) adds to every line: a stand-in for the image's name, and under
 * UEFI that the BIOS be left alone, which it always is here.
 */
static bool word_is_grubs(const char *w)
{
    static const char *const added[] = { "placeholder", "no-real-mode", "edd=off" };

    for (size_t i = 0; i < ARRAY_SIZE(added); i++)
        if (!strcmp(w, added[i]))
            return true;
    return false;
}

void cmdline_report_unknown(void)
{
    const char *w;

    for_each_word(w)
        if (!atomic_test_bit(asked, (unsigned)(w - words)) && !word_is_grubs(w))
            log_warn("Command line: unknown option '%s' ignored\n", w);
    if (is_cut)
        log_warn("Command line: cut after %u characters\n", CMDLINE_MAX - 1);
}
