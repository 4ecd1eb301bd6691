/* SPDX-License-Identifier: MIT */
/*
 * The trace buffers and XEN_SYSCTL_tbuf_op (<xen/sysctl.h>).
 *
 * They are made once, of the size first asked for, and stay: their frames
 * belong to DOMID_XEN, and a reader may map them at any time.  Domain 0 finds
 * them by a list in frames of their own (struct t_info), which it maps
 * writable, as the tools do; the list that is used here is another.
 */
#include "trace_private.h"
#include "sysctl.h"

#include <zelo/errno.h>
#include <zelo/log.h>
#include <zelo/page.h>

static struct {          /* domctl lock */
    u32 size;            /* frames of each CPU's buffer; 0: none asked for yet */
    u32 *frames;         /* their numbers, CPU after CPU */
    u32 total, made;     /* frames wanted, and there so far */
    struct t_info *info; /* NULL until all is made */
    u32 info_frames;
} buffers;

/* Where the lists of frames start in struct t_info, in words. */
static u32 info_head_words(void)
{
    return (u32)DIV_ROUND_UP(sizeof(struct t_info) + cpu_limit() * sizeof(u16), sizeof(u32));
}

/* --- making them --- */

static bool size_possible(u32 size)
{
    u64 last_list = info_head_words() + (u64)size * (cpumask_weight(&cpu_online) - 1);

    /* Sizes and the places of lists have 16 bits in struct t_info. */
    return size && size <= (u16)~0 && last_list <= (u16)~0;
}

static int buffers_begin(u32 size)
{
    u32 total = size * cpumask_weight(&cpu_online);

    if (!size_possible(size))
        return -EINVAL;
    if (total > heap_free_page_count())
        return -ENOMEM;
    buffers.frames = mem_alloc_array(u32, total);
    if (!buffers.frames)
        return -ENOMEM;
    buffers.size = size;
    buffers.total = total;
    return 0;
}

static void buffers_forget(void)
{
    while (buffers.made)
        heap_free(mfn_to_virt(MFN(buffers.frames[--buffers.made])), 0);
    mem_free(buffers.frames);
    buffers.frames = NULL;
    buffers.size = 0;
}

static int buffers_make_frames(void)
{
    while (buffers.made < buffers.total) {
        void *frame = heap_alloc(0, 0);

        if (!frame)
            return -ENOMEM;
        buffers.frames[buffers.made++] = (u32)virt_to_mfn(frame).n;
        if (buffers.made % 64 == 0 && hypercall_should_preempt())
            return -E_PREEMPTED;
    }
    return 0;
}

static void share(void *start, u32 frames)
{
    for (u32 i = 0; i < frames; i++)
        page_share_with_domain(virt_to_page((u8 *)start + i * PAGE_SIZE), dom_xen, true);
}

static int info_make(void)
{
    size_t bytes = (info_head_words() + buffers.total) * sizeof(u32);
    struct t_info *info;
    unsigned cpu;
    u32 place = info_head_words();

    buffers.info_frames = (u32)PFN_UP(bytes);
    info = heap_alloc(order_for_pages(buffers.info_frames), 0);
    if (!info)
        return -ENOMEM;
    memcpy((u32 *)info + place, buffers.frames, buffers.total * sizeof(u32));
    info->tbuf_size = (u16)buffers.size;
    for_each_online_cpu(cpu) {
        info->mfn_offset[cpu] = (u16)place;
        place += buffers.size;
    }
    share(info, buffers.info_frames);
    buffers.info = info;
    return 0;
}

/* From here on each CPU may write. */
static void buffers_hand_out(void)
{
    const u32 *frames = buffers.frames;
    unsigned cpu;

    for (u32 i = 0; i < buffers.total; i++)
        share(mfn_to_virt(MFN(frames[i])), 1);
    for_each_online_cpu(cpu) {
        struct trace_cpu *t = &per_cpu(trace_cpus, cpu);

        t->bytes = (u32)(buffers.size * PAGE_SIZE - sizeof(struct t_buf));
        atomic_set_release(&t->frames, frames);
        frames += buffers.size;
    }
}

static int buffers_set_size(u32 size)
{
    int rc = 0;

    if (buffers.info)
        return -EBUSY;
    if (!buffers.size)
        rc = buffers_begin(size);
    else if (size != buffers.size) /* another call is at it */
        rc = -EBUSY;
    if (rc)
        return rc;
    rc = buffers_make_frames();
    if (!rc)
        rc = info_make();
    if (!rc)
        buffers_hand_out();
    else if (rc != -E_PREEMPTED)
        buffers_forget();
    return rc;
}

/* --- the operation --- */

static int trace_switch(bool on)
{
    if (!buffers.info)
        return on ? -EINVAL : 0;
    WRITE_ONCE(trace_on, on);
    return 0;
}

static int trace_set_cpu_mask(const struct xen_sysctl_tbuf_op *op)
{
    cpumask_t mask;
    int rc = cpumask_from_xenctl(&mask, &op->cpu_mask);

    if (!rc)
        trace_cpu_mask = mask;
    return rc;
}

static void trace_describe(struct xen_sysctl_tbuf_op *op)
{
    op->evt_mask = trace_events;
    op->buffer_mfn = buffers.info ? virt_to_mfn(buffers.info).n : 0;
    op->size = buffers.info ? (u32)(buffers.info_frames * PAGE_SIZE) : 0;
}

int trace_sysctl(struct xen_sysctl_tbuf_op *op)
{
    switch (op->cmd) {
    case XEN_SYSCTL_TBUFOP_get_info:
        trace_describe(op);
        return 0;
    case XEN_SYSCTL_TBUFOP_set_cpu_mask:
        return trace_set_cpu_mask(op);
    case XEN_SYSCTL_TBUFOP_set_evt_mask:
        WRITE_ONCE(trace_events, op->evt_mask);
        return 0;
    case XEN_SYSCTL_TBUFOP_set_size:
        return buffers_set_size(op->size);
    case XEN_SYSCTL_TBUFOP_enable:
        return trace_switch(true);
    case XEN_SYSCTL_TBUFOP_disable:
        return trace_switch(false);
    default:
        return -EINVAL;
    }
}
