/* SPDX-License-Identifier: MIT */
/*
 * Domain 0's options.
 *
 *   dom0_mem=SIZE[,min:SIZE][,max:SIZE]   SIZE: 512M, 25%, 1G+10%, or -256M for
 *       all but that much; in KiB without a suffix.  Default: all memory but a
 *       sixteenth, at most 128 MiB, which the hypervisor and the first control
 *       operations live on.  max: is how far the domain may grow later.
 *   dom0_max_vcpus=N | MIN-MAX            default: as many as there are CPUs
 *   dom0_vcpus_pin                        vCPU n runs on the n-th CPU only
 *   gnttab_max_frames=, gnttab_max_maptrack_frames=
 */
#include "dom0.h"

#include <zelo/cpumask.h>
#include <zelo/domain.h>
#include <zelo/lib.h>
#include <zelo/log.h>

#include <arch/machine.h>

#define RESERVE_MAX (MiB(128) >> PAGE_SHIFT)
#define PAGES_MAX 0xffffffffULL /* the frame table's numbers have 32 bits */
/* Backends map the rings and requests of many guests. */
#define DOM0_MAPTRACK_FRAMES 4096

struct amount { bool given, negative; u64 pages; u64 percent; };

/* One SIZE; *s moves behind it. */
static struct amount amount_parse(const char **s)
{
    struct amount a = { .given = true };
    const char *end;
    u64 number;

    if (**s == '-') {
        a.negative = true;
        (*s)++;
    }
    number = parse_u64(*s, &end);
    if (*end == '%') {
        a.percent = number;
        *s = end + 1;
        return a;
    }
    a.pages = parse_size(*s, &end, KiB(1)) >> PAGE_SHIFT;
    *s = end;
    if (**s == '+') {
        (*s)++;
        a.percent = parse_u64(*s, &end);
        *s = *end == '%' ? end + 1 : end;
    }
    return a;
}

static u64 amount_pages(const struct amount *a, u64 available, u64 dflt)
{
    u64 share = MIN(a->percent, 100ULL) * (available / 100);
    u64 pages = MIN(a->pages, PAGES_MAX);

    if (!a->given)
        return dflt;
    if (a->negative)
        return available > pages + share ? available - pages - share : 0;
    return MIN(pages + share, PAGES_MAX);
}

static bool skip_word(const char **s, const char *word)
{
    size_t n = strlen(word);

    if (strncmp(*s, word, n))
        return false;
    *s += n;
    return true;
}

static void read_memory(struct dom0_options *o, u64 available)
{
    const char *s = cmdline_get("dom0_mem");
    struct amount size = { 0 }, min = { 0 }, max = { 0 };
    u64 most = available - MIN(available / 16, RESERVE_MAX);

    while (s && *s) {
        struct amount *a = skip_word(&s, "min:") ? &min : skip_word(&s, "max:") ? &max : &size;
        const char *before = s;

        *a = amount_parse(&s);
        if (s == before || (*s && *s != ',')) {
            log_warn("dom0_mem=: cannot read \"%s\"\n", before);
            *a = (struct amount){ 0 };
            s = strchr(before, ',');
        }
        if (s && *s == ',')
            s++;
    }
    o->max_pages = amount_pages(&max, available, PAGES_MAX);
    o->pages = amount_pages(&size, available, most);
    o->pages = MAX(o->pages, amount_pages(&min, available, 0));
    o->pages = MIN(o->pages, o->max_pages);
    if (size.given && o->pages > most)
        log_warn("dom0_mem=: only %lu MiB are there to give\n", most >> (20 - PAGE_SHIFT));
    o->pages = MIN(o->pages, most);
}

/* MIN-MAX bounds the number of CPUs; either side may be missing. A plain number is taken as it is. */
static unsigned read_vcpus(void)
{
    const char *s = cmdline_get("dom0_max_vcpus"), *end;
    u64 n = cpumask_weight(&cpu_online), min = 1, max = DOMAIN_MAX_VCPUS;

    if (s && *s) {
        u64 first = parse_u64(s, &end);

        if (end != s)
            min = first;
        if (*end == '-') {
            s = end + 1;
            first = parse_u64(s, &end);
            if (end != s)
                max = first;
        } else {
            max = first;
        }
        if (*end || !max || min > max) {
            log_warn("dom0_max_vcpus=: cannot read it\n");
            min = 1;
            max = DOMAIN_MAX_VCPUS;
        }
        n = MAX(n, min);
        n = MIN(n, max);
    }
    return (unsigned)MIN(n, (u64)DOMAIN_MAX_VCPUS);
}

void dom0_options_read(struct dom0_options *o, u64 available)
{
    read_memory(o, available);
    o->vcpus = read_vcpus();
    o->pin = cmdline_bool("dom0_vcpus_pin", false);
    o->max_grant_frames = (u32)MIN(cmdline_u64("gnttab_max_frames", GRANT_DEFAULT_MAX_FRAMES), 0x7fffffffULL);
    o->max_maptrack_frames =
        (u32)MIN(cmdline_u64("gnttab_max_maptrack_frames", DOM0_MAPTRACK_FRAMES), 0x7fffffffULL);
}
