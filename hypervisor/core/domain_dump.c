/* SPDX-License-Identifier: MIT */
/* Debug keys that show domains: what each has, its event channels and its grants. */
#include <zelo/console.h>
#include <zelo/domain.h>
#include <zelo/log.h>

static void for_each_domain(void (*fn)(struct domain *d))
{
    struct domain *d;

    for (unsigned id = 0; (d = domain_next(id)) != NULL;) {
        id = d->id + 1u;
        fn(d);
        domain_put(d);
    }
}

static void domain_dump(struct domain *d)
{
    struct vcpu *v;

    log_info("d%u: %lu of at most %lu pages, %lu claimed, %lu references, paused %u times%s%s\n", d->id,
             (unsigned long)READ_ONCE(d->tot_pages), (unsigned long)READ_ONCE(d->max_pages),
             (unsigned long)d->claimed_pages,
             (unsigned long)atomic_read(&d->refs), atomic_read(&d->pause_count), d->is_shut_down ? ", shut down" : "",
             READ_ONCE(d->dying) ? ", dying" : "");
    for_each_vcpu(d, v)
        log_info("  v%u on CPU %u: flags %x, paused %u times%s, upcall %s%s\n", v->id, READ_ONCE(v->processor),
                 atomic_read(&v->pause_flags), atomic_read(&v->pause_count), v->is_running ? ", running" : "",
                 v->info->evtchn_upcall_pending ? "pending" : "none", v->info->evtchn_upcall_mask ? " (masked)" : "");
}

static void dump_domains(u8 key)
{
    (void)key;
    log_info("%lu of %lu pages free\n", (unsigned long)heap_free_page_count(),
             (unsigned long)heap_total_page_count());
    for_each_domain(domain_dump);
}

static void dump_events(u8 key)
{
    (void)key;
    for_each_domain(event_dump);
}

static void dump_grants(u8 key)
{
    (void)key;
    for_each_domain(grant_dump);
}

void domain_dump_init(void)
{
    debug_key_register('q', "domains and vCPUs", dump_domains);
    debug_key_register('e', "event channels", dump_events);
    debug_key_register('g', "grants", dump_grants);
}
