/* SPDX-License-Identifier: MIT */
/* Inputs are changed by whole steps and by bytes within a step, so that what follows keeps its meaning. */
#include "fuzz.h"

size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const u8 *a, size_t a_size, const u8 *b, size_t b_size, u8 *out, size_t max,
                                 unsigned seed);

static u64 chance;

static unsigned any(unsigned n)
{
    chance = chance * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(chance >> 33) % n;
}

static void step_any(struct step *s)
{
    *s = (struct step){ .kind = (u8)any(step_kind_count), .who = (u8)any(8) };
    if (!any(4))
        s->flow = (u8)any(256);
    if (!any(3))
        s->race = (u8)(1 + any(any(2) ? 3 : 12));
    for (unsigned i = 0; i < STEP_PARAMS; i++)
        s->param[i] = (u8)(any(4) ? any(32) : any(256));
}

/* A kind that only writes to guests' memory, most often to arguments. */
static u8 kind_that_writes(void)
{
    bool poke = any(2);
    u8 kind;

    do
        kind = (u8)any(step_kind_count);
    while (poke ? step_kinds[kind].fn != step_poke : !(step_kinds[kind].flags & STEP_MEMORY));
    return kind;
}

/* One in the middle of another is most often one that only writes. */
static void step_racing(struct step *s, const struct step *outer)
{
    step_any(s);
    if (any(4))
        s->kind = kind_that_writes();
    if (any(4)) {
        s->who = outer->who ^ 4;
        s->param[0] &= 0xfe; /* into the outer call's arguments */
    }
}

static void step_change(struct step *s)
{
    unsigned at;

    switch (any(8)) {
    case 0:
        s->kind = (u8)any(step_kind_count);
        break;
    case 1:
        s->who = (u8)any(16);
        break;
    case 2:
        s->flow = (u8)any(256);
        break;
    case 3:
        s->race = (u8)any(12);
        break;
    case 4:
        (void)LLVMFuzzerMutate(s->param, STEP_PARAMS, STEP_PARAMS);
        break;
    default:
        at = any(STEP_PARAMS);
        s->param[at] = (u8)(any(2) ? any(256) : any(2) ? s->param[at] + 1 : s->param[at] ^ (1 << any(8)));
    }
}

static size_t insert(struct step *s, size_t n, const struct step *what)
{
    size_t at = any((unsigned)n + 1);

    memmove(&s[at + 1], &s[at], (n - at) * sizeof(*s));
    s[at] = *what;
    return n + 1;
}

static size_t insert_race(struct step *s, size_t n)
{
    size_t at = any((unsigned)n);

    memmove(&s[at + 2], &s[at + 1], (n - at - 1) * sizeof(*s));
    s[at].race = (u8)(1 + any(any(4) ? 3 : 12));
    s[at].flow = (u8)(any(3) ? s[at].flow & ~0x40 : s[at].flow | 0x40);
    step_racing(&s[at + 1], &s[at]);
    return n + 1;
}

static size_t drop(struct step *s, size_t n)
{
    size_t at = any((unsigned)n);

    memmove(&s[at], &s[at + 1], (n - at - 1) * sizeof(*s));
    return n - 1;
}

static size_t change(struct step *s, size_t n, size_t max)
{
    struct step fresh;

    switch (any(9)) {
    case 0:
        if (n >= max)
            break;
        step_any(&fresh);
        return insert(s, n, &fresh);
    case 1:
        if (n >= max)
            break;
        fresh = s[any((unsigned)n)]; /* once more, perhaps by another */
        if (any(2))
            fresh.who = (u8)any(8);
        return insert(s, n, &fresh);
    case 2:
    case 5:
        if (n >= max)
            break;
        return insert_race(s, n);
    case 3:
        if (n > 1)
            return drop(s, n);
        break;
    case 4:
        fresh = s[any((unsigned)n)];
        s[any((unsigned)n)] = fresh;
        return n;
    default:
        break;
    }
    step_change(&s[any((unsigned)n)]);
    return n;
}

size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned seed)
{
    struct step *s = (struct step *)(void *)data;
    size_t n = size / sizeof(*s), most = MIN(max / sizeof(*s), (size_t)STEPS_MAX);

    chance = seed;
    if (!n && most)
        step_any(&s[n++]);
    for (unsigned i = 1 + any(4); n && i--;)
        n = change(s, n, most);
    return n * sizeof(*s);
}

/* A beginning of the one, then an end of the other. */
size_t LLVMFuzzerCustomCrossOver(const u8 *a, size_t a_size, const u8 *b, size_t b_size, u8 *out, size_t max,
                                 unsigned seed)
{
    size_t an = a_size / sizeof(struct step), bn = b_size / sizeof(struct step), most = max / sizeof(struct step);
    size_t from;

    chance = seed;
    an = an ? 1 + any((unsigned)an) : 0;
    an = MIN(an, most);
    from = bn ? any((unsigned)bn) : 0;
    bn = MIN(bn - from, most - an);
    memcpy(out, a, an * sizeof(struct step));
    memcpy(out + an * sizeof(struct step), b + from * sizeof(struct step), bn * sizeof(struct step));
    return (an + bn) * sizeof(struct step);
}
