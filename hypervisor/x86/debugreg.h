/* SPDX-License-Identifier: MIT */
/* Debug registers of guests: x86/debugreg.c */
#ifndef ZELO_X86_DEBUGREG_H
#define ZELO_X86_DEBUGREG_H

struct vcpu;

void debugreg_save(struct vcpu *v); /* leaves none armed in the CPU */
void debugreg_load(struct vcpu *v);

#endif
