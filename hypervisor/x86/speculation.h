/* SPDX-License-Identifier: MIT */
#ifndef ZELO_X86_SPECULATION_H
#define ZELO_X86_SPECULATION_H

#include <zelo/types.h>

struct domain;

void speculation_init(void);     /* boot CPU, after cpu_features_detect, while the text can be written */
void speculation_init_cpu(void); /* each CPU */
/* Has this CPU the controls that the boot CPU has?  Microcode may differ. */
bool speculation_cpu_agrees(void);
/* This CPU is about to run a vCPU of d. */
void speculation_switch(const struct domain *d);

#endif
