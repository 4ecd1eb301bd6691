/* SPDX-License-Identifier: MIT */
/* A heap with as few free frames as the test wants. */
#ifndef TESTS_SCARCE_MEMORY_H
#define TESTS_SCARCE_MEMORY_H

#include "unit.h"

static void **frames_held, **objects_held; /* each begins with the next one's address */

static unused_arg void memory_take_all(void)
{
    void **taken;

    while ((taken = heap_alloc(0, HEAP_NO_SCRUB))) {
        *taken = frames_held;
        frames_held = taken;
    }
    for (size_t size = 16; size <= PAGE_SIZE / 2; size *= 2) { /* what is left of frames in use for small objects */
        while ((taken = mem_alloc(size))) {
            *taken = objects_held;
            objects_held = taken;
        }
    }
}

/* The frame taken last goes back first, so that blocks grow together again. False: there was none. */
static unused_arg bool memory_give_one(void)
{
    void **frame = frames_held;

    if (!frame)
        return false;
    frames_held = *frame;
    heap_free(frame, 0);
    return true;
}

static unused_arg void memory_give_all(void)
{
    while (memory_give_one())
        ;
    while (objects_held) {
        void **object = objects_held;

        objects_held = *object;
        mem_free(object);
    }
}

/*
 * Tries it with no frame free, then with one, and so on until it works: before that it must fail for want of
 * memory, and give back what it took. Returns how often it failed.
 */
static unused_arg unsigned try_with_little_memory(int (*attempt)(void))
{
    unsigned failures = 0;
    int rc;

    memory_take_all();
    for (;;) {
        u64 before = heap_free_page_count();

        rc = attempt();
        assert_int_equal(host_locks_held(), 0);
        if (!rc)
            break;
        assert_int_equal(rc, -ENOMEM);
        assert_int_equal(heap_free_page_count(), before);
        failures++;
        assert_true(memory_give_one());
    }
    memory_give_all();
    return failures;
}

#endif
