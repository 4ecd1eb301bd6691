/* SPDX-License-Identifier: MIT */
#ifndef ZELO_X86_XPTI_H
#define ZELO_X86_XPTI_H

#include <zelo/types.h>

struct vcpu;

bool xpti_is_used(void);      /* by any domain */
void xpti_init_cpu(void);     /* each CPU, on the stack it keeps */
/* What the entry code loads around the guest: v->pv.cr3 has changed; NULL: no guest. */
void xpti_set_cr3(const struct vcpu *v);
/* The last thing before v, whose domain has XPTI, runs again: interrupts off. */
void xpti_copy_root(const struct vcpu *v);
/* A fault at va came only because this CPU's copy is older than v's L4. */
bool xpti_root_is_stale(const struct vcpu *v, vaddr_t va);

#endif
