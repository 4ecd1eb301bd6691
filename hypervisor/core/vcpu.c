/* SPDX-License-Identifier: MIT */
/*
 * Virtual CPUs: making and freeing them, and where each one's vcpu_info lies.
 *
 * vcpu.info always points at memory: the shared info page for the first 32, one
 * inside struct vcpu for the others until they register one of their own
 * (VCPUOP_register_vcpu_info), which then holds a reference and a writable
 * type on that frame.
 */
#include <zelo/domain.h>

#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/log.h>

static vcpu_info_t *vcpu_initial_info(struct vcpu *v)
{
    const struct domain *d = v->domain;

    if (d->shared_info && v->id < XEN_LEGACY_MAX_VCPUS)
        return &d->shared_info->vcpu_info[v->id];
    return &v->own_info;
}

static struct vcpu *vcpu_alloc(struct domain *d, unsigned id)
{
    struct vcpu *v = mem_alloc_type(struct vcpu);

    if (!v)
        return NULL;
    v->id = id;
    v->domain = d;
    v->own_info.evtchn_upcall_mask = 1;
    v->info = vcpu_initial_info(v);
    v->info_mfn = MFN_INVALID;
    v->dirty_cpu = -1;
    v->state_saved = true;
    return v;
}

struct vcpu *vcpu_create(struct domain *d, unsigned id)
{
    struct vcpu *v;

    BUG_ON(id >= d->max_vcpus || d->vcpu[id]);
    v = vcpu_alloc(d, id);
    if (!v)
        return NULL;
    v->pause_flags = VPF_DOWN;
    v->info->evtchn_upcall_mask = 1;
    if (event_vcpu_init(v))
        goto fail;
    if (pv_vcpu_init(v))
        goto fail;
    if (sched_vcpu_init(v)) {
        pv_vcpu_free(v);
        goto fail;
    }
    atomic_set_release(&d->vcpu[id], v);
    return v;

fail:
    mem_free(v);
    return NULL;
}

void vcpu_free(struct vcpu *v)
{
    if (!v)
        return;
    sched_vcpu_destroy(v);
    pv_vcpu_free(v);
    mem_free(v);
}

struct vcpu *idle_vcpu_create(unsigned cpu)
{
    struct vcpu *v = vcpu_alloc(dom_idle, cpu);

    if (!v)
        panic("No memory for the idle vCPU of CPU %u\n", cpu);
    v->processor = cpu;
    v->is_initialised = true;
    if (pv_vcpu_init(v) || sched_vcpu_init(v))
        panic("Cannot set up the idle vCPU of CPU %u\n", cpu);
    dom_idle->vcpu[cpu] = v;
    return v;
}

/* Senders set bits meanwhile: those that are missed, event_vcpu_info_moved makes the guest look for. */
static void vcpu_info_copy(vcpu_info_t *to, const vcpu_info_t *from)
{
    u64 *dst = (void *)to;
    const u64 *src = (const void *)from;

    for (size_t i = 0; i < sizeof(*to) / sizeof(*dst); i++)
        WRITE_ONCE(dst[i], READ_ONCE(src[i]));
}

int vcpu_register_info(struct vcpu *v, u64 gmfn, unsigned offset)
{
    struct domain *d = v->domain;
    vcpu_info_t *info;
    struct page *p;
    int rc;

    if (offset > PAGE_SIZE - sizeof(vcpu_info_t) || offset % sizeof(u64))
        return -EINVAL;
    if (!mfn_is_invalid(v->info_mfn))
        return -EINVAL;
    if (!mfn_valid(MFN(gmfn)))
        return -EINVAL;
    p = mfn_to_page(MFN(gmfn));
    rc = page_get_and_type(p, d, PGT_WRITABLE);
    if (rc)
        return -EINVAL;

    info = (vcpu_info_t *)((char *)mfn_to_virt(MFN(gmfn)) + offset);
    vcpu_info_copy(info, v->info);
    atomic_set_release(&v->info, info); /* senders find it filled; pairs with event_send.c and event_2l.c */
    v->info_mfn = MFN(gmfn);
    event_vcpu_info_moved(v);
    if (v == current) /* the time info may never have been written before; another vCPU's comes as it is switched in */
        pvclock_update(v);
    return 0;
}

void vcpu_unregister_info(struct vcpu *v)
{
    if (mfn_is_invalid(v->info_mfn))
        return;
    v->info = &v->own_info;
    page_put_and_type(mfn_to_page(v->info_mfn));
    v->info_mfn = MFN_INVALID;
}
