/* SPDX-License-Identifier: MIT */
/* Between the CPU and struct pv_vcpu at a switch of vCPUs: x86/segment_bases.c. The rest is in zelo/pv.h. */
#ifndef ZELO_X86_SEGMENT_BASES_H
#define ZELO_X86_SEGMENT_BASES_H

struct vcpu;

void segment_bases_save(struct vcpu *v);
void segment_bases_load(const struct vcpu *v); /* after the selectors, whose loading changes bases */

#endif
