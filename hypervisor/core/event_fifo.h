/* SPDX-License-Identifier: MIT */
/* The FIFO ABI's structures, for event_fifo.c, event_fifo_setup.c and event_check.c only. */
#ifndef ZELO_CORE_EVENT_FIFO_H
#define ZELO_CORE_EVENT_FIFO_H

#include "event_private.h"

#include <zelo/nospec.h>

#define FIFO_WORDS_PER_PAGE (PAGE_SIZE / sizeof(event_word_t))
#define FIFO_ARRAY_PAGES (EVTCHN_FIFO_NR_CHANNELS / FIFO_WORDS_PER_PAGE)

struct fifo_queue {
    spinlock_t lock; /* LOCK_EVENT_QUEUE (irq) */
    u32 tail;        /* last port linked; the guest may have taken it since; 0: none (lock) */
    u32 priority;    /* fixed */
    struct vcpu *vcpu;
    struct evtchn_fifo_control_block *block; /* vcpu's: the guest's memory */
};

/* A vCPU's side; made with its control block, gone when all channels are closed. */
struct evtchn_fifo_vcpu {
    struct page *page; /* the control block's frame, held with PGT_WRITABLE */
    struct evtchn_fifo_vcpu *next; /* once detached */
    struct fifo_queue queue[EVTCHN_FIFO_MAX_QUEUES];
};

/* The domain's array of event words. */
struct evtchn_fifo {
    event_word_t *words[FIFO_ARRAY_PAGES];   /* the guest's memory, frames held as above */
    u32 pages;                               /* of these; grows only (domain's lock, read without) */
    struct evtchn_fifo_vcpu *detached;       /* the vCPUs' sides, when nobody uses them any more */
};

/* A port's event word; NULL while the guest has not given the page. */
static inline event_word_t *fifo_word(const struct evtchn_fifo *f, u32 port)
{
    u32 page = port / FIFO_WORDS_PER_PAGE;

    if (page >= atomic_read_acquire(&f->pages))
        return NULL;
    page = array_index_nospec(page, FIFO_ARRAY_PAGES);
    return &f->words[page][port % FIFO_WORDS_PER_PAGE];
}

#endif
