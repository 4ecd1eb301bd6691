/* SPDX-License-Identifier: MIT */
/*
 * Interleaving.  Where a hypercall reads or writes its guest's memory, or asks
 * whether it should stop, another CPU may do something: that is where the
 * input's next step happens, if this one's said so.  Or it happens where the
hypercall reads again what it has read before: there a check may be void.
 */
#include "fuzz.h"

unsigned race_left;
static unsigned preempt_asked, preempt_mode;
static bool nested, wait_for_again;

#define READS 32
static struct { vaddr_t va; size_t n; } reads[READS]; /* of the call under way; more are not remembered */
static unsigned read_count;
vaddr_t race_again_va;
size_t race_again_bytes;

static void nested_step(void)
{
    nested = true;
    run_nested();
    nested = false;
}

void race_occasion(void)
{
    if (!race_left || nested || wait_for_again || --race_left)
        return;
    nested_step();
}

static bool read_before(vaddr_t va, size_t n)
{
    for (unsigned i = 0; i < read_count; i++)
        if (va < reads[i].va + reads[i].n && reads[i].va < va + n)
            return true;
    return false;
}

void race_read(vaddr_t va, size_t n)
{
    race_occasion();
    if (nested || !wait_for_again || !race_left)
        return;
    if (read_before(va, n)) {
        race_left = 0;
        race_again_va = va;
        race_again_bytes = n;
        nested_step();
        race_again_bytes = 0;
    } else if (read_count < READS) {
        reads[read_count].va = va;
        reads[read_count++].n = n;
    }
}

void race_call_begins(void)
{
    if (!nested)
        read_count = 0;
}

void race_begin(const struct step *s)
{
    race_left = s->race & 31;
    wait_for_again = s->flow & 0x40;
    preempt_mode = s->flow & 7;
    preempt_asked = 0;
    nested = false;
}

bool hypercall_should_preempt(void)
{
    race_occasion();
    if (nested)
        return false;
    preempt_asked++;
    switch (preempt_mode) {
    case 3:
        return true;
    case 4:
        return preempt_asked == 1;
    case 5:
        return preempt_asked == 2;
    case 6:
        return preempt_asked % 2 == 0;
    case 7:
        return preempt_asked % 5 == 0;
    default:
        return false;
    }
}

void race_end(void)
{
    preempt_mode = 0;
    race_left = 0;
}
