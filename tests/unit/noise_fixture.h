/* SPDX-License-Identifier: MIT */
/* Page-table calls of any kind in any order, by the current domain on a few of its frames. After pt_fixture.h. */
#ifndef TESTS_NOISE_FIXTURE_H
#define TESTS_NOISE_FIXTURE_H

#define POOL 16
static struct page *pool[POOL];
static struct domain *noise_domain;
static u64 chance;

static unsigned any(unsigned n)
{
    chance = chance * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(chance >> 33) % n;
}

static u64 any_entry(void)
{
    static const u64 flags[] = { 0, RO, RW, RW, RW | PTE_GLOBAL, RO | PTE_PCD, RW | PTE_PSE };

    return entry(pool[any(POOL)], flags[any(ARRAY_SIZE(flags))]);
}

static void any_update(void)
{
    static const unsigned places[] = { 0, 1, 2, 7, L4_SLOT_FIRST, L4_SLOT_LAST, 511 };
    struct mmu_update req[4];

    for (unsigned i = 0; i < ARRAY_SIZE(req); i++)
        req[i] = (struct mmu_update){ entry_ma(pool[any(POOL)], places[any(ARRAY_SIZE(places))]) | any(4) % 3,
                                      any_entry() };
    (void)do_mmu_update(&(struct hypercall_args){ { (unsigned long)req, 1 + any(4), 0, DOMID_SELF } });
}

static void any_ext(void)
{
    static const unsigned cmds[] = {
        MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE, MMUEXT_PIN_L3_TABLE, MMUEXT_PIN_L4_TABLE, MMUEXT_UNPIN_TABLE,
        MMUEXT_UNPIN_TABLE, MMUEXT_NEW_BASEPTR, MMUEXT_NEW_USER_BASEPTR, MMUEXT_CLEAR_PAGE, MMUEXT_COPY_PAGE,
    };
    struct mmuext_op op[2];

    for (unsigned i = 0; i < ARRAY_SIZE(op); i++)
        op[i] = (struct mmuext_op){ .cmd = cmds[any(ARRAY_SIZE(cmds))], .arg1.mfn = page_to_mfn(pool[any(POOL)]).n,
                                    .arg2.src_mfn = page_to_mfn(pool[any(POOL)]).n };
    (void)do_mmuext_op(&(struct hypercall_args){ { (unsigned long)op, 1 + any(2), 0, DOMID_SELF } });
}

static void any_gdt(void)
{
    u64 frames[2] = { page_to_mfn(pool[any(POOL)]).n, page_to_mfn(pool[any(POOL)]).n };

    (void)do_set_gdt(&(struct hypercall_args){ { (unsigned long)frames, any(1025) } });
}

/* Others may still refer to it; then it stays, given up, until they do not. */
static void any_release(void)
{
    struct page **p = &pool[any(POOL)];

    assert_int_equal(domain_release_page(noise_domain, *p), 0);
    *p = frame_new(noise_domain);
}

static void any_act(void)
{
    static void (*const acts[])(void) = { any_update, any_update, any_update, any_ext, any_ext, any_gdt, any_release };

    acts[any(ARRAY_SIZE(acts))]();
}

static void noise_begin(struct domain *d, const struct tree *t, u64 seed)
{
    noise_domain = d;
    chance = seed;
    for (unsigned i = 0; i < POOL; i++)
        pool[i] = i >= 1 && i <= 4 ? t->l[i] : frame_new(d);
}

#endif
