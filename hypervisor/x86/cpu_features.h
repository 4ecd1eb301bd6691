/* SPDX-License-Identifier: MIT */
/* Private to start.c, smp_boot.c and cpu_features.c. */
#ifndef ZELO_X86_CPU_FEATURES_H
#define ZELO_X86_CPU_FEATURES_H

#include <zelo/types.h>

void cpu_features_report(void);
void cpu_features_probe(void);   /* what only MSRs tell; exceptions can be handled */
bool cpu_features_agree(void);   /* does this CPU have what the boot CPU has? */

#endif
