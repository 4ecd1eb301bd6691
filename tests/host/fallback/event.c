/* SPDX-License-Identifier: MIT */
/* Used only while core/event*.c is not there. */
#include "host.h"

int event_domain_init(struct domain *d, u32 max_port) { (void)d, (void)max_port; return 0; }
void event_domain_destroy(struct domain *d) { (void)d; }
void event_domain_free(struct domain *d) { (void)d; }
int event_vcpu_init(struct vcpu *v) { (void)v; return 0; }
void event_send_host_virq(u32 virq) { (void)virq; }
void event_send_hypervisor(struct domain *d, u32 port) { (void)d, (void)port; }
void event_vcpu_info_moved(struct vcpu *v) { (void)v; }
