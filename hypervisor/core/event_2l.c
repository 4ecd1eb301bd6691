/* SPDX-License-Identifier: MIT */
/*
 * The 2-level ABI: one pending and one mask bit for each port in the shared
 * info page, and in each vcpu_info a selector word whose bits say which words
 * of the pending array to look at.
 *
 * A guest sees ports below EVTCHN_2L_NR_CHANNELS only; higher ones cannot be
 * allocated while a domain uses this ABI.
 */
#include "event_private.h"

#define BITS_PER_SELECTOR 64UL
_Static_assert(EVTCHN_2L_NR_CHANNELS == 64 * BITS_PER_SELECTOR, "selector and array belong together");

static void event_2l_tell(struct vcpu *v, u32 port)
{
    vcpu_info_t *info = atomic_read_acquire(&v->info);

    if (!atomic_test_set_bit(&info->evtchn_pending_sel, port / BITS_PER_SELECTOR))
        event_notify_vcpu(v);
}

void event_2l_raise(struct domain *d, struct evtchn *chn, struct vcpu *v)
{
    shared_info_t *s = d->shared_info;
    u32 port = chn->port;

    if (atomic_test_set_bit(s->evtchn_pending, port))
        return;
    if (!atomic_test_bit(s->evtchn_mask, port))
        event_2l_tell(v, port);
    sched_poll_wake(d, port); /* also while masked: that is how it is used */
}

void event_2l_unmask(struct domain *d, struct evtchn *chn, struct vcpu *v)
{
    shared_info_t *s = d->shared_info;

    if (atomic_test_clear_bit(s->evtchn_mask, chn->port) && atomic_test_bit(s->evtchn_pending, chn->port))
        event_2l_tell(v, chn->port);
}

void event_2l_clear_pending(struct domain *d, u32 port)
{
    if (port < EVTCHN_2L_NR_CHANNELS)
        atomic_clear_bit(d->shared_info->evtchn_pending, port);
}

bool event_2l_is_pending(const struct domain *d, u32 port)
{
    return port < EVTCHN_2L_NR_CHANNELS && atomic_test_bit(d->shared_info->evtchn_pending, port);
}

bool event_2l_is_masked(const struct domain *d, u32 port)
{
    return port < EVTCHN_2L_NR_CHANNELS && atomic_test_bit(d->shared_info->evtchn_mask, port);
}

/* Bits set in the old place after it was copied are lost: the guest looks at every word. */
void event_2l_info_moved(struct vcpu *v)
{
    (void)atomic_xchg(&v->info->evtchn_pending_sel, ~0UL);
}
