/* SPDX-License-Identifier: MIT */
/* Used only while core/sched*.c is not there. */
#include "host.h"

int sched_domain_init(struct domain *d, unsigned poolid) { (void)d, (void)poolid; return 0; }
void sched_domain_destroy(struct domain *d) { (void)d; }
int sched_vcpu_init(struct vcpu *v) { (void)v; return 0; }
void sched_vcpu_destroy(struct vcpu *v) { (void)v; }
void domain_pause(struct domain *d) { (void)d; }
void domain_unpause(struct domain *d) { (void)d; }
void vcpu_pause_nosync(struct vcpu *v) { (void)v; }
void vcpu_unpause(struct vcpu *v) { (void)v; }
void vcpu_kick(struct vcpu *v) { (void)v; }
