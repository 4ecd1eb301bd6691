/* SPDX-License-Identifier: MIT */
/* A vCPU's FPU and XSAVE state in and out of the CPU: x86/fpu.c. Called with v's state owned by this CPU. */
#ifndef ZELO_X86_FPU_H
#define ZELO_X86_FPU_H

#include <zelo/types.h>

struct vcpu;

#define DR6_DEFAULT 0xffff0ff0UL
#define DR7_DEFAULT 0x400UL

void fpu_save(struct vcpu *v);
void fpu_load(struct vcpu *v);

#endif
