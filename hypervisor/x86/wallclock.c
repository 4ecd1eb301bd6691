/* SPDX-License-Identifier: MIT */
/*
 * The wall clock: UTC at system time 0, so that UTC now is that plus the system
 * time.  Read from the CMOS clock at boot, set by domain 0 (XENPF_settime).
 */
#include <zelo/domain.h>
#include <zelo/lib.h>
#include <arch/machine.h>
#include <arch/seam.h>

#define NS_PER_S 1000000000LL

static spinlock_t wallclock_lock = SPINLOCK(LOCK_LEAF); /* (irq) the two below */
static s64 base_sec;
static u32 base_nsec;

static void all_domains_update(void)
{
    struct domain *d;
    unsigned from = 0;

    while (from < DOMID_FIRST_RESERVED && (d = domain_next(from)) != NULL) {
        from = d->id + 1u;
        pvclock_wallclock_update(d);
        domain_put(d);
    }
}

void wallclock_set(u64 sec, u32 nsec, ns_t at_system_time)
{
    s64 whole = (s64)sec - at_system_time / NS_PER_S;
    s64 part = (s64)nsec - at_system_time % NS_PER_S;
    unsigned long flags;

    whole += part / NS_PER_S - (part % NS_PER_S < 0);
    part = part % NS_PER_S + (part % NS_PER_S < 0 ? NS_PER_S : 0);
    spin_lock_irqsave(&wallclock_lock, flags);
    base_sec = whole;
    base_nsec = (u32)part;
    spin_unlock_irqrestore(&wallclock_lock, flags);
    all_domains_update();
}

/* The lock also keeps two writers of one domain's version apart. */
void pvclock_wallclock_update(struct domain *d)
{
    shared_info_t *s = d->shared_info;
    unsigned long flags;
    u32 version;
    u64 sec;

    if (!s)
        return;
    spin_lock_irqsave(&wallclock_lock, flags);
    sec = (u64)(base_sec + d->time_offset_s);
    version = READ_ONCE(s->wc_version) | 1;
    WRITE_ONCE(s->wc_version, version);
    smp_wmb(); /* readers that see new values see the odd version */
    WRITE_ONCE(s->wc_sec, (u32)sec);
    WRITE_ONCE(s->wc_sec_hi, (u32)(sec >> 32));
    WRITE_ONCE(s->wc_nsec, base_nsec);
    smp_wmb(); /* and those that see the even one see all of them */
    WRITE_ONCE(s->wc_version, version + 1);
    spin_unlock_irqrestore(&wallclock_lock, flags);
}
