/* SPDX-License-Identifier: MIT */
/*
 * Domains: the table of them, their creation, references and death.
 *
 * A domain lives while anything refers to it.  Creation leaves one reference,
 * dropped at the end of domain_kill; each owned frame list, foreign holder and
 * lookup has its own.  A domain with no reference left can no longer be found,
 * and its memory is freed by a tasklet, since the last reference may go in any
 * context.
 */
#include <zelo/domain.h>

#include <zelo/errno.h>
#include <zelo/lib.h>
#include <zelo/log.h>
#include <zelo/trace.h>

#include <xen/domctl.h>

struct domain *dom0, *dom_idle, *dom_io, *dom_xen;
struct vcpu **idle_vcpu;

/* domid -> domain, in pages made on demand.  Guarded by domid_lock. */
#define DOMIDS_PER_PAGE (PAGE_SIZE / sizeof(struct domain *))
static struct domain **domid_table[DIV_ROUND_UP(DOMID_FIRST_RESERVED, DOMIDS_PER_PAGE)];
static spinlock_t domid_lock = SPINLOCK(LOCK_DOMAIN_LIST);

static struct domain *domid_find(unsigned id)
{
    struct domain **page = domid_table[id / DOMIDS_PER_PAGE];

    return page ? page[id % DOMIDS_PER_PAGE] : NULL;
}

bool domain_hold_unless_dead(struct domain *d)
{
    u64 refs = atomic_read(&d->refs);

    while (refs)
        if (atomic_cas(&d->refs, &refs, refs + 1))
            return true;
    return false;
}

struct domain *domain_get(domid_t id)
{
    struct domain *d = NULL;

    if (id == DOMID_SELF) {
        d = current->domain;
        domain_hold(d);
        return d;
    }
    if (id >= DOMID_FIRST_RESERVED)
        return NULL;

    unsigned long flags;

    spin_lock_irqsave(&domid_lock, flags);
    d = domid_find(id);
    if (d && !domain_hold_unless_dead(d))
        d = NULL;
    spin_unlock_irqrestore(&domid_lock, flags);
    return d;
}

struct domain *domain_next(unsigned from)
{
    struct domain *found = NULL;
    unsigned long flags;

    spin_lock_irqsave(&domid_lock, flags);
    for (unsigned id = from; id < DOMID_FIRST_RESERVED && !found; id++) {
        struct domain *d;

        if (!domid_table[id / DOMIDS_PER_PAGE]) {
            id |= DOMIDS_PER_PAGE - 1;
            continue;
        }
        d = domid_find(id);
        if (d && domain_hold_unless_dead(d))
            found = d;
    }
    spin_unlock_irqrestore(&domid_lock, flags);
    return found;
}

void domain_hold(struct domain *d)
{
    BUG_ON(atomic_add_return(&d->refs, 1) == 1);
}

void domain_put(struct domain *d)
{
    if (atomic_sub_return(&d->refs, 1) == 0)
        tasklet_schedule(&d->destroy_tasklet);
}

/* Enters d in the table; -EEXIST if its number is taken, -ENOMEM. */
static int domid_insert(struct domain *d)
{
    struct domain **page = NULL, **slot;
    unsigned long flags;
    int rc = 0;

    if (!READ_ONCE(domid_table[d->id / DOMIDS_PER_PAGE])) {
        page = heap_alloc(0, 0);
        if (!page)
            return -ENOMEM;
    }
    spin_lock_irqsave(&domid_lock, flags);
    if (page && !domid_table[d->id / DOMIDS_PER_PAGE]) {
        domid_table[d->id / DOMIDS_PER_PAGE] = page;
        page = NULL;
    }
    slot = &domid_table[d->id / DOMIDS_PER_PAGE][d->id % DOMIDS_PER_PAGE];
    if (*slot)
        rc = -EEXIST;
    else
        *slot = d;
    spin_unlock_irqrestore(&domid_lock, flags);
    if (page)
        heap_free(page, 0);
    return rc;
}

static void domid_remove(struct domain *d)
{
    unsigned long flags;

    spin_lock_irqsave(&domid_lock, flags);
    if (domid_find(d->id) == d)
        domid_table[d->id / DOMIDS_PER_PAGE][d->id % DOMIDS_PER_PAGE] = NULL;
    spin_unlock_irqrestore(&domid_lock, flags);
}

static unsigned domain_struct_order(void)
{
    return order_for_pages(PFN_UP(sizeof(struct domain)));
}

static void domain_free_tasklet(void *data);

/* The part that every domain has, the pseudo ones too. */
static struct domain *domain_alloc(domid_t id)
{
    struct domain *d = heap_alloc(domain_struct_order(), 0);

    if (!d)
        return NULL;
    d->id = id;
    d->refs = 1;
    d->shutdown_code = -1;
    d->page_first = d->page_last = PAGE_LINK_NONE;
    d->created = time_now();
    spin_lock_init(&d->lock, LOCK_DOMAIN);
    spin_lock_init(&d->page_lock, LOCK_DOMAIN_PAGES);
    list_init(&d->link);
    rangeset_init(&d->io_ports);
    rangeset_init(&d->io_frames);
    rangeset_init(&d->irqs);
    tasklet_init(&d->destroy_tasklet, domain_free_tasklet, d);
    return d;
}

static int domain_init_vcpu_table(struct domain *d, unsigned max_vcpus)
{
    d->vcpu = mem_alloc_array(struct vcpu *, max_vcpus);
    if (!d->vcpu)
        return -ENOMEM;
    d->max_vcpus = max_vcpus;
    return 0;
}

/* A limit given as a signed number, negative meaning the default. */
static u32 limit_or_default(int32_t asked, u32 dflt)
{
    return asked < 0 ? dflt : (u32)asked;
}

struct domain *domain_create(domid_t id, const struct xen_domctl_createdomain *cfg, bool privileged, int *err)
{
    struct domain *d = domain_alloc(id);
    int rc = -ENOMEM;

    if (!d)
        goto fail;
    d->is_privileged = d->is_dom0 = privileged;
    d->options = cfg->flags;
    d->ssidref = cfg->ssidref;
    memcpy(d->handle, cfg->handle, sizeof(d->handle));
    d->tools_pause_count = d->pause_count = 1; /* until the tools (or boot) unpause it */

    rc = domain_init_vcpu_table(d, cfg->max_vcpus);
    if (rc)
        goto fail_alloc;
    rc = -ENOMEM;
    d->shared_info = heap_alloc(0, 0);
    if (!d->shared_info)
        goto fail_vcpus;
    page_share_with_domain(virt_to_page(d->shared_info), d, true);
    rc = event_domain_init(d, cfg->max_evtchn_port);
    if (rc)
        goto fail_shared_info;
    rc = grant_domain_init(d, limit_or_default(cfg->max_grant_frames, GRANT_DEFAULT_MAX_FRAMES),
                           limit_or_default(cfg->max_maptrack_frames, GRANT_DEFAULT_MAX_MAPTRACK_FRAMES),
                           XEN_DOMCTL_GRANT_version(cfg->grant_opts));
    if (rc)
        goto fail_events;
    rc = pirq_domain_init(d, nr_gsis + (privileged ? 256 : 32));
    if (rc)
        goto fail_grants;
    rc = sched_domain_init(d, cfg->cpupool_id);
    if (rc)
        goto fail_pirqs;
    rc = pv_domain_init(d);
    if (rc)
        goto fail_sched;
    rc = domid_insert(d);
    if (rc)
        goto fail_pv;
    if (privileged)
        dom0 = d;
    trace(TRC_DOM0_DOM_ADD, id);
    *err = 0;
    return d;

fail_pv:
    pv_domain_free(d);
fail_sched:
    sched_domain_destroy(d);
fail_pirqs:
    pirq_domain_free(d);
fail_grants:
    grant_domain_free(d);
fail_events:
    event_domain_destroy(d);
    event_domain_free(d);
fail_shared_info:
    BUG_ON(!page_unshare(virt_to_page(d->shared_info)));
    heap_free(d->shared_info, 0);
fail_vcpus:
    mem_free(d->vcpu);
fail_alloc:
    heap_free(d, domain_struct_order());
fail:
    *err = rc;
    return NULL;
}

/* The end: nothing refers to d any more. */
static void domain_free_tasklet(void *data)
{
    struct domain *d = data;

    BUG_ON(d->tot_pages || atomic_read(&d->refs));
    trace(TRC_DOM0_DOM_REM, d->id);
    domid_remove(d);
    sched_domain_stop(d);
    for (unsigned i = 0; i < d->max_vcpus; i++)
        vcpu_free(d->vcpu[i]);
    pv_domain_free(d);
    sched_domain_destroy(d);
    grant_domain_free(d);
    event_domain_free(d);
    BUG_ON(!page_unshare(virt_to_page(d->shared_info))); /* whoever maps it keeps d alive */
    heap_free(d->shared_info, 0);
    rangeset_destroy(&d->io_ports);
    rangeset_destroy(&d->io_frames);
    rangeset_destroy(&d->irqs);
    mem_free(d->memory_map);
    mem_free(d->vcpu);
    heap_free(d, domain_struct_order());
    event_send_host_virq(VIRQ_DOM_EXC);
}

/* Not left to d's end: two that act for each other would wait for one another. */
static void target_let_go(struct domain *d)
{
    struct domain *target = d->target;

    d->target = NULL;
    if (target)
        domain_put(target);
}

/* First steps of death, once: nothing of d runs or is told anything afterwards. */
static void domain_begin_dying(struct domain *d)
{
    domain_pause(d);
    WRITE_ONCE(d->dying, DOMAIN_DYING);
    smp_mb(); /* whoever takes d's locks from here on sees it dying */
    target_let_go(d);
    event_domain_destroy(d);
    pirq_domain_free(d);
    for (size_t i = 0; i < ARRAY_SIZE(d->watchdog); i++)
        if (d->watchdog_inuse & (1u << i))
            timer_kill(&d->watchdog[i]);
    d->watchdog_inuse = 0;
    if (heap_set_claim(d, 0))
        log_warn("d%u: claim of %lu pages not released\n", d->id, d->claimed_pages);

    struct vcpu *v;

    for_each_vcpu(d, v)
        vcpu_unregister_info(v);
}

int domain_kill(struct domain *d)
{
    int rc;

    if (d == current->domain || d->is_dom0 || d->is_system)
        return -EINVAL;
    if (READ_ONCE(d->dying) == DOMAIN_DEAD)
        return 0;
    if (READ_ONCE(d->dying) == DOMAIN_ALIVE)
        domain_begin_dying(d);
    rc = grant_domain_release_mappings(d);
    if (rc)
        return rc;
    rc = pv_domain_relinquish(d);
    if (rc)
        return rc;
    WRITE_ONCE(d->dying, DOMAIN_DEAD);
    event_send_host_virq(VIRQ_DOM_EXC);
    domain_put(d);
    return 0;
}

static struct domain *system_domain(domid_t id)
{
    struct domain *d = domain_alloc(id);

    if (!d)
        panic("No memory for pseudo domain %u\n", id);
    d->is_system = true;
    return d;
}

void domain_room_init(void)
{
    dom_xen = system_domain(DOMID_XEN);
    dom_io = system_domain(DOMID_IO);
    dom_idle = system_domain(DOMID_IDLE);
    dom_idle->is_idle = true;
    if (domain_init_vcpu_table(dom_idle, MAX_CPUS))
        panic("No memory for the idle vCPU table\n");
    idle_vcpu = dom_idle->vcpu;
    domain_dump_init();
}
