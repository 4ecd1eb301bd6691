/* SPDX-License-Identifier: MIT */
/* The machine's sets of CPUs; x86/smp.c fills them. */
#include <zelo/cpumask.h>

cpumask_t cpu_online, cpu_possible;
