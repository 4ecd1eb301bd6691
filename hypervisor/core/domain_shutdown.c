/* SPDX-License-Identifier: MIT */
/*
 * A domain stops: because its kernel said so (SCHEDOP_shutdown), its tools did
 * (SCHEDOP_remote_shutdown), a watchdog fired, or it broke the rules.  All its
 * vCPUs are paused and domain 0 is told; what happens next is the tools'
 * choice.  Domain 0 takes the machine with it.
 */
#include <zelo/domain.h>

#include <zelo/lib.h>
#include <zelo/log.h>

#include <xen/sched.h>

static const char *shutdown_reason(int reason)
{
    static const char *const names[] = {
        [SHUTDOWN_poweroff] = "poweroff",   [SHUTDOWN_reboot] = "reboot", [SHUTDOWN_suspend] = "suspend",
        [SHUTDOWN_crash] = "crash",         [SHUTDOWN_watchdog] = "watchdog",
        [SHUTDOWN_soft_reset] = "soft reset",
    };

    return (unsigned)reason < ARRAY_SIZE(names) ? names[reason] : "unknown reason";
}

static void domain_tell_of_shutdown(struct domain *d)
{
    if (d->shutdown_code == SHUTDOWN_suspend && d->suspend_port)
        event_send_hypervisor(d, d->suspend_port);
    else
        event_send_host_virq(VIRQ_DOM_EXC);
}

void domain_shutdown(struct domain *d, int reason)
{
    struct vcpu *v;

    if (d->is_dom0)
        arch_host_shutdown(reason); /* poweroff, reboot or crash of the machine: does not return */

    spin_lock(&d->lock);
    if (d->is_shutting_down) {
        spin_unlock(&d->lock);
        return;
    }
    d->is_shutting_down = true;
    if (d->shutdown_code < 0)
        d->shutdown_code = reason;
    smp_mb(); /* the flag is seen before any vCPU is found paused */
    for_each_vcpu(d, v) {
        vcpu_pause_nosync(v);
        v->paused_for_shutdown = true;
    }
    d->is_shut_down = true;
    spin_unlock(&d->lock);
    log_guest(LOG_INFO, "d%u: shutdown: %s\n", d->id, shutdown_reason(d->shutdown_code));
    domain_tell_of_shutdown(d);
}

void domain_resume(struct domain *d)
{
    struct vcpu *v;

    domain_pause(d);
    spin_lock(&d->lock);
    d->is_shutting_down = d->is_shut_down = false;
    d->shutdown_code = -1;
    for_each_vcpu(d, v) {
        if (v->paused_for_shutdown)
            vcpu_unpause(v);
        v->paused_for_shutdown = false;
    }
    spin_unlock(&d->lock);
    domain_unpause(d);
}

void domain_crash(struct domain *d, const char *fmt, ...)
{
    char why[160];
    va_list ap;

    if (d->is_shutting_down) /* one report is enough; it will not run again */
        return;
    va_start(ap, fmt);
    (void)vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    log_guest(LOG_ERR, "d%u crashed: %s\n", d->id, why);
    if (current && current->domain == d)
        pv_dump_guest(current);
    domain_shutdown(d, SHUTDOWN_crash);
}
