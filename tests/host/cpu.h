/* SPDX-License-Identifier: MIT */
/* The CPU of the host build: what CPUID and the MSRs of the simulated machine say. cpu.c */
#ifndef TESTS_HOST_CPU_H
#define TESTS_HOST_CPU_H

#include <zelo/types.h>
#include <arch/cpu.h>

enum host_cpu_model { HOST_CPU_AMD, HOST_CPU_INTEL };

/* Makes the machine's CPU another; the policies of pv/ are to be made again by the caller. */
void host_cpu_select(enum host_cpu_model model);

/* MSRs: those set exist, all others fault.  host_msr_get aborts the test for one that is not there. */
void host_msr_set(u32 msr, u64 value);
u64 host_msr_get(u32 msr);
void host_msr_clear_all(void);
extern u64 host_msr_writes; /* wrmsr_safe calls that worked */

#endif
