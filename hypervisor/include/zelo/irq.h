/* SPDX-License-Identifier: MIT */
/*
 * Physical interrupts and their delivery to domains as PIRQs.  x86/irq.c
 * (vectors, descriptors), platform/ioapic.c, platform/msi.c, x86/pirq.c (binding),
 * x86/physdev.c (the hypercall).
 */
#ifndef ZELO_IRQ_H
#define ZELO_IRQ_H

#include <zelo/hypercall.h>
#include <zelo/lock.h>
#include <zelo/types.h>

struct domain;
struct vcpu;
struct cpu_user_regs;
struct pirq;           /* private: x86/pirq.h */

struct pirq_domain {
    spinlock_t lock;   /* LOCK_IRQ_TABLE (irq) */
    struct pirq **by_nr; /* indexed by PIRQ number, nr_max pointers */
    u32 nr_max;        /* PIRQ numbers 0..nr_max-1 may exist; a privileged domain's grows */
    unsigned long *eoi_map; /* the guest's page of PHYSDEVOP_pirq_eoi_gmfn_*, NULL: none */
    bool eoi_unmasks;  /* _v1: PHYSDEVOP_eoi unmasks the event channel too */
};

int pirq_domain_init(struct domain *d, u32 nr_max);
void pirq_domain_free(struct domain *d);   /* unbinds and unmaps all */

/* EVTCHNOP_bind_pirq: routes the PIRQ to the event port; share: BIND_PIRQ__WILL_SHARE. 0, -EINVAL, -EBUSY, -EPERM. */
int pirq_bind(struct domain *d, u32 nr, u32 port, struct vcpu *target, bool share);
void pirq_unbind(struct domain *d, u32 nr);
u32 must_check pirq_bound_port(struct domain *d, u32 nr); /* 0: not bound */
void pirq_set_target(struct domain *d, u32 nr, struct vcpu *target);
/* EVTCHNOP_unmask / PHYSDEVOP_eoi of a level-triggered PIRQ. */
void pirq_eoi(struct domain *d, u32 nr);

/* The machine's GSIs: count, for physinfo and dom0's PIRQ limit. */
extern u32 nr_gsis;

/* From the entry code for vectors 0x20..0xff, interrupts off. */
void irq_dispatch(struct cpu_user_regs *regs);

/* A vector for the hypervisor's own use (device on a GSI, e.g. the UART; HPET). */
int irq_request_gsi(u32 gsi, void (*handler)(void *data, struct cpu_user_regs *regs), void *data);

hypercall_fn do_physdev_op, do_physdev_op_compat;

/* XEN_DOMCTL_irq_permission etc. are rangesets in struct domain; MSI (un)binding by tools is refused for PV. */

#endif
